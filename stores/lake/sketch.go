package lake

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	iceio "github.com/apache/iceberg-go/io"
	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// A journey's traces may lie anywhere, so that every file of a month is asked
// whether it has any. A file's footer takes a quarter of a millisecond to read
// whole, half a second for the files of a day; a sketch takes a tenth, once.

const (
	// maxSketchBytes bounds the filters that are held in memory: some 2 kilobytes
	// for 20,000 rows and column, so that this does for hundreds of millions.
	maxSketchBytes = 64 << 20
	// maxFilterHeader is longer than what precedes a filter's blocks.
	maxFilterHeader = 64
	// footerGuess is read from a file's end at once; most footers are shorter.
	footerGuess = 64 << 10
)

// sketches keeps the Bloom filters of data files. Files never change once they
// are written. The zero value is ready.
type sketches struct {
	mu    sync.Mutex
	files map[string]*sketch
	bytes int
	lows  map[string]string // the lowest trace of files that have records of none
}

// sketch is where a file has filters, and those that were read.
type sketch struct {
	mu     sync.Mutex
	places map[string][]filterPlace // by column, of each row group
	read   map[string][]bloom.SplitBlockFilter
	bits   map[string][]bitsPlace // of the filters that are read block by block
}

// bitsPlace is where the blocks of a filter lie; none of one that cannot be read.
type bitsPlace struct{ offset, length int64 }

// filterPlace is where a filter lies.
type filterPlace struct {
	offset int64
	length int32 // 0 when the writer did not say

	dictionary dictionaryPlace
}

// mayHave are those of some values that a file may have in a column, by its
// filters. What has none may have anything.
func (l *Lake) mayHave(ctx context.Context, f *stored, column string, values []string) ([]string, error) {
	_, filters, err := l.reader.sketches.filters(ctx, l, f.name, column)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.name, err)
	}
	if len(filters) == 0 {
		return values, nil
	}
	var out []string
	for _, v := range values {
		hash := bloom.XXH64{}.Sum64([]byte(v))
		if slices.ContainsFunc(filters, func(f bloom.SplitBlockFilter) bool { return f == nil || f.Check(hash) }) {
			out = append(out, v)
		}
	}
	return out, nil
}

// filters are those of a column for each row group, or none, and where they lie;
// nil for one that cannot be read.
func (c *sketches) filters(ctx context.Context, l *Lake, name, column string) ([]filterPlace, []bloom.SplitBlockFilter, error) {
	s := c.of(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if filters, ok := s.read[column]; ok {
		return s.places[column], filters, nil
	}
	size, err := s.load(ctx, l, name, column)
	if err != nil {
		return nil, nil, err
	}
	c.mu.Lock()
	c.bytes += size
	c.mu.Unlock()
	return s.places[column], s.read[column], nil
}

// of is the sketch of a file, perhaps an empty one.
func (c *sketches) of(name string) *sketch {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.files[name]
	if s == nil {
		s = &sketch{}
		if c.files == nil || c.bytes > maxSketchBytes {
			c.files, c.bytes = map[string]*sketch{}, 0
		}
		c.files[name] = s
	}
	return s
}

// blocks is where the blocks of a column's filters lie, of each row group, or
// none.
func (c *sketches) blocks(file iceio.File, name, column string) ([]bitsPlace, error) {
	s := c.of(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if places, ok := s.bits[column]; ok {
		return places, nil
	}
	if s.places == nil {
		if err := s.locate(file); err != nil {
			return nil, err
		}
	}
	places := make([]bitsPlace, len(s.places[column]))
	for i, p := range s.places[column] {
		var err error
		if places[i], err = filterBits(file, p); err != nil {
			return nil, err
		}
	}
	if s.bits == nil {
		s.bits = map[string][]bitsPlace{}
	}
	s.bits[column] = places
	return places, nil
}

// lowest is the lowest trace of a file, which find reads when it is not known.
func (c *sketches) lowest(name string, find func() (string, error)) (string, error) {
	c.mu.Lock()
	low, ok := c.lows[name]
	c.mu.Unlock()
	if ok {
		return low, nil
	}
	low, err := find()
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lows == nil {
		c.lows = map[string]string{}
	}
	c.lows[name] = low
	return low, nil
}

// keep forgets the files that a snapshot does not name any more.
func (c *sketches) keep(named map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.files {
		if !named[name] {
			delete(c.files, name)
		}
	}
	for name := range c.lows {
		if !named[name] {
			delete(c.lows, name)
		}
	}
}

// load reads the filters of a column, and where all lie if that is not known. It
// returns how many bytes they take.
func (s *sketch) load(ctx context.Context, l *Lake, name, column string) (size int, err error) {
	file, err := l.files(ctx).Open(name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }() // only read
	if s.places == nil {
		if err := s.locate(file); err != nil {
			return 0, err
		}
	}
	filters := make([]bloom.SplitBlockFilter, len(s.places[column]))
	for i, p := range s.places[column] {
		if filters[i], err = readFilter(file, p); err != nil {
			return 0, err
		}
		size += len(filters[i].Bytes())
	}
	s.read[column] = filters
	return size, nil
}

// locate reads where a file has filters.
func (s *sketch) locate(file iceio.File) error {
	footer, err := readFooter(file)
	if err != nil {
		return err
	}
	var f format.FileMetaData
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), footer, &f); err != nil {
		return fmt.Errorf("read footer: %w", err)
	}
	s.places, s.read = map[string][]filterPlace{}, map[string][]bloom.SplitBlockFilter{}
	for i := range f.RowGroups {
		for j := range f.RowGroups[i].Columns {
			m := &f.RowGroups[i].Columns[j].MetaData
			if m.BloomFilterOffset > 0 {
				column := strings.Clone(strings.Join(m.PathInSchema, "."))
				s.places[column] = append(s.places[column], filterPlace{m.BloomFilterOffset, m.BloomFilterLength, wholeDictionary(m)})
			}
		}
	}
	for column, places := range s.places {
		if len(places) < len(f.RowGroups) {
			delete(s.places, column) // a row group without may have anything
		}
	}
	return nil
}

// readFooter reads the metadata at the end of a Parquet file.
func readFooter(file iceio.File) ([]byte, error) {
	const tail = 8 // the footer's length and PAR1
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, min(footerGuess, info.Size()))
	if _, err := file.ReadAt(b, info.Size()-int64(len(b))); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(b) < tail || string(b[len(b)-4:]) != "PAR1" {
		return nil, errors.New("it is no Parquet file")
	}
	length := int64(binary.LittleEndian.Uint32(b[len(b)-tail:]))
	if length > info.Size()-tail {
		return nil, errors.New("its footer is longer than the file")
	}
	if length <= int64(len(b)-tail) {
		return b[int64(len(b)-tail)-length : len(b)-tail], nil
	}
	b = make([]byte, length)
	_, err = file.ReadAt(b, info.Size()-tail-length)
	return b, err
}

// readFilter reads a filter; nil for one of another sort.
func readFilter(file iceio.File, p filterPlace) (bloom.SplitBlockFilter, error) {
	at, err := filterBits(file, p)
	if err != nil || at.length == 0 {
		return nil, err
	}
	bits := make([]byte, at.length)
	if _, err := file.ReadAt(bits, at.offset); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read filter: %w", err)
	}
	return bloom.MakeSplitBlockFilter(bits), nil
}

// filterBits is where the blocks of a filter lie; nowhere for one of another sort.
func filterBits(file iceio.File, p filterPlace) (bitsPlace, error) {
	if p.length <= 0 {
		return bitsPlace{}, nil
	}
	b := make([]byte, min(p.length, maxFilterHeader))
	if _, err := file.ReadAt(b, p.offset); err != nil && !errors.Is(err, io.EOF) {
		return bitsPlace{}, fmt.Errorf("read filter: %w", err)
	}
	var h format.BloomFilterHeader
	r := bytes.NewReader(b)
	if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(r)).Decode(&h); err != nil {
		return bitsPlace{}, fmt.Errorf("read filter: %w", err)
	}
	_, split := h.Algorithm.Value.(*format.SplitBlockAlgorithm)
	_, hash := h.Hash.Value.(*format.XxHash)
	_, plain := h.Compression.Value.(*format.BloomFilterUncompressed)
	header := int64(len(b) - r.Len())
	if !split || !hash || !plain || int64(p.length) != header+int64(h.NumBytes) || h.NumBytes <= 0 || h.NumBytes%bloom.BlockSize != 0 {
		return bitsPlace{}, nil
	}
	return bitsPlace{p.offset + header, int64(h.NumBytes)}, nil
}
