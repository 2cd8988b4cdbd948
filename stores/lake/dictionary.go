package lake

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	iceio "github.com/apache/iceberg-go/io"
	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// A filter is wrong once in a hundred: of a lake of thousands of row groups, tens
// may have a journey by their filters. A look into their dictionaries takes a
// fifth of a millisecond each, opening their files and reading pages several.

// dictionaryPlace is where the dictionary of a column chunk lies, if all of its
// pages have values of it and nothing else; the zero value where they do not.
type dictionaryPlace struct {
	offset, length int64
}

// wholeDictionary is where the dictionary of all values of a column chunk lies.
func wholeDictionary(m *format.ColumnMetaData) dictionaryPlace {
	length := m.DataPageOffset - m.DictionaryPageOffset
	if m.Codec != format.Zstd || m.DictionaryPageOffset <= 0 || length <= 0 || length > m.TotalCompressedSize || len(m.EncodingStats) == 0 {
		return dictionaryPlace{}
	}
	for _, s := range m.EncodingStats {
		if s.PageType != format.DictionaryPage && s.Encoding != format.RLEDictionary {
			return dictionaryPlace{}
		}
	}
	return dictionaryPlace{m.DictionaryPageOffset, length}
}

// surelyHas are those of some values that a file may have in a column, by its
// filters and the dictionaries of the row groups whose filters have one.
func (l *Lake) surelyHas(ctx context.Context, f *stored, column string, values []string) ([]string, error) {
	places, filters, err := l.reader.sketches.filters(ctx, l, f.name, column)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.name, err)
	}
	if len(filters) == 0 {
		return values, nil
	}
	file, err := l.files(ctx).Open(f.name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.name, err)
	}
	defer func() { _ = file.Close() }() // only read
	var out []string
	for i, filter := range filters {
		for _, v := range values {
			if slices.Contains(out, v) || filter != nil && !filter.Check(bloom.XXH64{}.Sum64([]byte(v))) {
				continue
			}
			has, err := places[i].dictionary.has(file, v)
			if err != nil {
				return nil, fmt.Errorf("read %s of %s: %w", column, f.name, err)
			}
			if has {
				out = append(out, v)
			}
		}
	}
	return out, nil
}

// has reports whether a column chunk may have a value.
func (p dictionaryPlace) has(file iceio.File, value string) (bool, error) {
	if p.length == 0 {
		return true, nil
	}
	b := make([]byte, p.length)
	if _, err := file.ReadAt(b, p.offset); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	var h format.PageHeader
	r := bytes.NewReader(b)
	if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(r)).Decode(&h); err != nil {
		return false, err
	}
	page := b[len(b)-r.Len():]
	if h.Type != format.DictionaryPage || int(h.CompressedPageSize) > len(page) || h.CompressedPageSize < 0 || h.UncompressedPageSize < 0 {
		return true, nil // of another make
	}
	texts, err := fastest.Decode(make([]byte, 0, h.UncompressedPageSize), page[:h.CompressedPageSize])
	if err != nil {
		return false, err
	}
	for len(texts) >= 4 {
		n := int64(binary.LittleEndian.Uint32(texts))
		if texts = texts[4:]; n > int64(len(texts)) {
			return false, io.ErrUnexpectedEOF
		}
		if string(texts[:n]) == value {
			return true, nil
		}
		texts = texts[n:]
	}
	return false, nil
}
