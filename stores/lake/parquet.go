package lake

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"muster/fleet"
)

const (
	// rowsPerGroup bounds what a reader decodes for one trace: at 20,000 rows a
	// trace is found in milliseconds, and files stay as small as with more.
	rowsPerGroup = 20_000
	// pageBytes is the size of a page before compression: a trace is read by
	// decoding one page of each column.
	pageBytes = 32 << 10
	// maxFileRows and maxFileBytes (of text, before compression) cut a batch
	// into files, which bounds the memory of writing one and of rewriting it.
	maxFileRows  = 500_000
	maxFileBytes = 128 << 20
	// bloomBits per value give about one false positive in a hundred.
	bloomBits = 10
	// readRowsAtOnce keeps the buffer of a reader of whole rows, of a kilobyte
	// each beside their text, small against most files.
	readRowsAtOnce = 64
	// writeRowsAtOnce is how many rows are handed to the writer at a time.
	writeRowsAtOnce = 256
)

// attributeColumn has the values of attributes.
var attributeColumn = []string{"attributes", "key_value", "value"}

// filteredColumns are those of a kind whose values are looked for: correlation ids
// for the other traces of a journey, and annotations of spans.
func filteredColumns(kind string) [][]string {
	columns := [][]string{{"trace_id"}, {"id"}, {"correlation_id"}}
	if kind == string(fleet.KindSpan) {
		columns = append(columns, attributeColumn)
	}
	return columns
}

// evidenceOptions are how a file of evidence of a kind is written, sorted by
// trace id.
func evidenceOptions(kind string) []parquet.WriterOption {
	var filters []parquet.BloomFilterColumn
	for _, path := range filteredColumns(kind) {
		filters = append(filters, parquet.SplitBlockFilter(bloomBits, path...))
	}
	return []parquet.WriterOption{
		parquet.MaxRowsPerRowGroup(rowsPerGroup),
		parquet.PageBufferSize(pageBytes),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("trace_id"))),
		parquet.BloomFilters(filters...),
		parquet.SkipPageBounds(columnRaw), // the bounds of a document find nothing and are as long as it is
	}
}

// writeParquet writes rows to a new file, which is durable when it returns, and
// returns its size in bytes. What could not be written whole is removed.
func writeParquet[T any](f files, name string, rows []T, options ...parquet.WriterOption) (size int64, err error) {
	return writeFile(f, name, options, func(w *parquet.GenericWriter[T]) error {
		_, err := w.Write(rows)
		return err
	})
}

// fastest is one for all files, since it keeps its encoders and their tables.
var fastest = &zstd.Codec{Level: zstd.SpeedFastest}

// fileOptions are options with what all files have.
func fileOptions(options []parquet.WriterOption) []parquet.WriterOption {
	return append(options, parquet.Compression(fastest), parquet.CreatedBy(maker, "1", ""),
		// Each page's bounds are in the column index, where readers look for
		// them; in the pages' headers too they only cost time and room.
		parquet.DataPageStatistics(false))
}

func writeFile[T any](f files, name string, options []parquet.WriterOption, write func(*parquet.GenericWriter[T]) error) (size int64, err error) {
	return writeNew(f, name, func(out *countingWriter) error {
		w := parquet.NewGenericWriter[T](out, fileOptions(options)...)
		err := write(w)
		return errors.Join(err, w.Close())
	})
}

// writeNew writes a new file, which is durable when it returns, and returns its
// size in bytes. What could not be written whole is removed.
func writeNew(f files, name string, write func(*countingWriter) error) (size int64, err error) {
	file, err := f.Create(name)
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", name, err)
	}
	counted := &countingWriter{w: bufio.NewWriterSize(file, 1<<20)}
	if err = write(counted); err == nil {
		err = counted.w.Flush()
	}
	end := file.Close
	if u, ok := file.(interface{ abort() error }); ok && err != nil {
		end = u.abort // nothing of it is stored until it is closed
	}
	if err = errors.Join(err, end()); err != nil {
		return 0, fmt.Errorf("write %s: %w", name, errors.Join(err, f.Remove(name)))
	}
	return counted.n, nil
}

type countingWriter struct {
	w *bufio.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// readParquet calls fn with every row of a file and its number, counted from 0.
// T may have fewer columns than the file; only its columns are read.
func readParquet[T any](f files, name string, fn func(number int64, r *T) error) error {
	file, err := f.Open(name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	defer func() { _ = file.Close() }() // only read
	footer, err := openFooter(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	r := parquet.NewGenericReader[T](footer)
	defer func() { _ = r.Close() }()
	buf := make([]T, readRowsAtOnce)
	for number := int64(0); ; {
		clear(buf)
		n, err := readSome(r, buf)
		for i := range n {
			if err := fn(number, &buf[i]); err != nil {
				return err
			}
			number++
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
}

// readSome reads the next rows.
func readSome[T any](r *parquet.GenericReader[T], rows []T) (n int, err error) {
	defer damaged(&err)
	return r.Read(rows)
}

// readRows reads single rows of a file of evidence by their ascending numbers,
// decoding little more than the pages that they lie in.
func readRows(f files, name string, numbers []int64) ([]row, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer func() { _ = file.Close() }() // only read
	footer, err := openFooter(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	r := parquet.NewGenericReader[row](footer)
	defer func() { _ = r.Close() }()
	out := make([]row, len(numbers))
	next := int64(0)
	for i, n := range numbers {
		if n != next {
			if err := seekRow(r, n); err != nil {
				return nil, fmt.Errorf("read row %d of %s: %w", n, name, err)
			}
		}
		if got, err := readSome(r, out[i:i+1]); got != 1 {
			return nil, fmt.Errorf("read row %d of %s: %w", n, name, err)
		}
		next = n + 1
	}
	return out, nil
}

func seekRow(r *parquet.GenericReader[row], number int64) (err error) {
	defer damaged(&err)
	return r.SeekToRow(number)
}
