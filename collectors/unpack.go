package collectors

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// scanFile calls each for every document of a file, from which most come read
// already. Its errors are FileErrors, but for those of each that are none of
// the stream's.
func scanFile(path string, quick *quickReader, each func(document) error) error {
	f, err := os.Open(path)
	if err != nil {
		return &FileError{Path: path, Err: err}
	}
	defer f.Close() // only read from
	unpacked, err := scanStream(f, quick, each)
	if at, ok := errors.AsType[*positionError](err); ok {
		return &FileError{Path: path, Offset: at.offset, Unpacked: unpacked, Item: at.item, Err: at.err}
	}
	return err
}

// scanStream calls each for every document of a stream, gzipped or not, and
// says which of the two it was. quick may be nil.
func scanStream(r io.Reader, quick *quickReader, each func(document) error) (unpacked bool, err error) {
	buffered := bufio.NewReaderSize(r, readBytes)
	head, err := buffered.Peek(sniffBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, &positionError{0, 0, err}
	}
	if bytes.HasPrefix(head, gzipMagic) {
		return true, scanGzip(buffered, false, quick, each)
	}
	return false, scanPlain(buffered, head, quick, each)
}

func scanGzip(r io.Reader, inner bool, quick *quickReader, each func(document) error) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return &positionError{0, 0, fmt.Errorf("corrupt gzip: %w", err)}
	}
	defer z.Close() // only read from
	head := make([]byte, sniffBytes)
	n, err := io.ReadFull(z, head)
	short := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && n > 0
	if err != nil && !short {
		return &positionError{int64(n), 0, fmt.Errorf("corrupt gzip: %w", err)}
	}
	rest := io.MultiReader(bytes.NewReader(head[:n]), gzipReader{z})
	if bytes.HasPrefix(head[:n], gzipMagic) && !inner { // Firehose packs what a subscription packed
		return scanGzip(rest, true, quick, each)
	}
	return scanPlain(rest, head[:n], quick, each)
}

// scanPlain calls each for every document of a stream that is not packed, of which
// head is the beginning.
func scanPlain(r io.Reader, head []byte, quick *quickReader, each func(document) error) error {
	if kind := textOf(head); kind != noText && quick != nil {
		return eachTextLine(r, kind, quick, each)
	}
	if err := sniff(head); err != nil {
		return &positionError{0, 0, err}
	}
	return eachDocument(r, quick, each)
}

// gzipReader says in its errors that it is the compression that is broken.
type gzipReader struct{ r io.Reader }

func (g gzipReader) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("corrupt gzip: %w", err)
	}
	return n, err
}

// gunzip unpacks a small payload.
func gunzip(packed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("corrupt gzip: %w", err)
	}
	defer z.Close() // only read from
	doc, err := io.ReadAll(io.LimitReader(z, maxDocument))
	if err != nil {
		return nil, fmt.Errorf("corrupt gzip: %w", err)
	}
	return doc, nil
}

var gzipMagic = []byte{0x1f, 0x8b}

// sniffBytes is how much of a file is looked at to tell what it is.
const sniffBytes = 512

// readBytes is how much of a stream is asked for at a time: with gzip's own 4 KB, an
// import spends a hundredth of its time in calls of the system.
const readBytes = 64 << 10

// sniff reports what a file is when it cannot be JSON.
func sniff(head []byte) error {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case len(head) == 0:
		return errors.New("the file is empty")
	case len(text) == 0 || text[0] == '{' || text[0] == '[':
		return nil
	}
	kind := "not JSON"
	for _, k := range fileKinds {
		if strings.HasPrefix(string(head), k.magic) {
			kind = k.name
		}
	}
	return fmt.Errorf("%s: muster reads CloudTrail, X-Ray, CloudWatch Logs and Config documents in JSON, exports of log groups and access logs of load balancers, gzipped or not", kind)
}

// fileKinds are files that people point at by mistake.
var fileKinds = []struct{ magic, name string }{
	{"\x89PNG", "a PNG image"},
	{"\xff\xd8\xff", "a JPEG image"},
	{"\x7fELF", "an ELF program"},
	{"PK\x03\x04", "a ZIP archive"},
	{"PAR1", "a Parquet file"},
	{"%PDF", "a PDF"},
	{"\x28\xb5\x2f\xfd", "a zstd file"},
	{"BZh", "a bzip2 file"},
	{"\xfd7zXZ", "an xz file"},
	{"SQLite format 3", "a SQLite database"},
	{"\xfe\xff", "UTF-16 text"},
	{"\xff\xfe", "UTF-16 text"},
}
