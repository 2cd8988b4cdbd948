package lake

import (
	"bytes"
	"errors"
	"io"

	"github.com/parquet-go/parquet-go"
)

// findRows are the numbers of the rows of a column chunk, counted from its own
// first, that have one of some values.
func findRows(chunk *parquet.FileColumnChunk, values []string) ([]int64, error) {
	values, err := possible(chunk, values)
	if err != nil || len(values) == 0 {
		return nil, err
	}
	pages := chunk.Pages()
	defer func() { _ = pages.Close() }() // only read
	s := newSeeker(values)
	var out []int64
	for first := int64(0); ; {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out, err = s.page(out, first, page)
		first += page.NumRows()
		parquet.Release(page)
		if err != nil {
			return out, err
		}
	}
}

// possible are the values that a column chunk may have, by its bounds and its
// Bloom filter.
func possible(chunk *parquet.FileColumnChunk, values []string) ([]string, error) {
	low, high, bounded := chunk.Bounds()
	filter := chunk.BloomFilter()
	var out []string
	for _, v := range values {
		b := []byte(v)
		if bounded && (bytes.Compare(b, low.ByteArray()) < 0 || bytes.Compare(b, high.ByteArray()) > 0) {
			continue
		}
		if filter != nil {
			if ok, err := filter.Check(parquet.ByteArrayValue(b)); err != nil || !ok {
				if err != nil {
					return nil, err
				}
				continue
			}
		}
		out = append(out, v)
	}
	return out, nil
}

// seeker looks for values in the pages of a column chunk.
type seeker struct {
	values map[string]bool
	// coded says of each value of the chunk's dictionary whether it is looked
	// for; nil before the dictionary was read.
	coded []bool
	any   bool // of coded
}

func newSeeker(values []string) *seeker {
	s := &seeker{values: make(map[string]bool, len(values))}
	for _, v := range values {
		s.values[v] = true
	}
	return s
}

// page adds the numbers of the rows that have a value, the first of which is
// first.
func (s *seeker) page(out []int64, first int64, page parquet.Page) ([]int64, error) {
	dictionary := page.Dictionary()
	if dictionary == nil {
		return s.plain(out, first, page)
	}
	if s.coded == nil {
		s.coded = make([]bool, dictionary.Len())
		for i := range s.coded {
			if s.values[string(dictionary.Index(int32(i)).ByteArray())] {
				s.coded[i], s.any = true, true
			}
		}
	}
	if !s.any {
		return out, nil
	}
	places := page.Data()
	for i, place := range places.Int32() {
		if s.coded[place] {
			out = append(out, first+int64(i))
		}
	}
	return out, nil
}

// plain looks through a page without a dictionary.
func (s *seeker) plain(out []int64, first int64, page parquet.Page) ([]int64, error) {
	var buf [64]parquet.Value
	values := page.Values()
	for number := first; ; {
		n, err := values.ReadValues(buf[:])
		for _, v := range buf[:n] {
			if s.values[string(v.ByteArray())] {
				out = append(out, number)
			}
			number++
		}
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
	}
}
