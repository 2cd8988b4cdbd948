// Package columnfile writes Parquet files whose values come column by column:
// row groups are encoded beside each other, and get into the file in order. It
// writes what parquet-go's own writer does of the same schema, in a third of the
// time: a value is neither boxed nor copied before it is in its page, and a run of
// equal values costs no look into the dictionary.
package columnfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// Options are how files of a schema are written.
type Options struct {
	// Writer is what parquet-go's writer is given for such files: their schema,
	// creator, sorting columns and metadata are taken from what it writes.
	Writer []parquet.WriterOption
	// PageBytes is about how large a page is before it is compressed.
	PageBytes int
	// FilterBits are the bits per value of the columns that have a Bloom filter,
	// by their paths joined with dots.
	FilterBits map[string]uint
	// Unbounded are the columns without bounds, by their paths joined with dots:
	// those of documents find nothing and are as long as these.
	Unbounded []string
}

// Layout is what all files of a schema have in common. Safe for concurrent use.
type Layout struct {
	footer    format.FileMetaData // of a file without rows
	sorting   []format.SortingColumn
	columns   []columnLayout
	pageBytes int
}

// columnLayout is how one column is written.
type columnLayout struct {
	path       []string
	kind       format.Type
	coded      bool // by a dictionary
	nested     bool // in one list or map, that is itself never absent
	unbounded  bool
	filterBits uint // 0 for no filter
}

// NewLayout is the layout of files of rows of type T. Columns are text, numbers
// and booleans that are never absent, or lists and maps of text, one level deep.
func NewLayout[T any](o Options) (*Layout, error) {
	var empty bytes.Buffer
	w := parquet.NewGenericWriter[T](&empty, o.Writer...)
	schema, sorted := w.Schema(), sortingOf(o.Writer)
	if err := w.Close(); err != nil {
		return nil, err
	}
	file, err := parquet.OpenFile(bytes.NewReader(empty.Bytes()), int64(empty.Len()))
	if err != nil {
		return nil, err
	}
	l := &Layout{footer: *file.Metadata(), pageBytes: o.PageBytes}
	for i, path := range schema.Columns() {
		leaf, _ := schema.Lookup(path...)
		name := strings.Join(path, ".")
		c := columnLayout{
			path: path, kind: format.Type(leaf.Node.Type().Kind()), coded: leaf.Node.Encoding() != nil && leaf.Node.Encoding().Encoding() == format.RLEDictionary,
			nested: leaf.MaxRepetitionLevel > 0, unbounded: slices.Contains(o.Unbounded, name), filterBits: o.FilterBits[name],
		}
		switch c.kind {
		case format.ByteArray, format.Int32, format.Int64, format.Boolean:
		default:
			return nil, fmt.Errorf("column %s is of type %s", name, c.kind)
		}
		if leaf.MaxRepetitionLevel > 1 || leaf.MaxDefinitionLevel != leaf.MaxRepetitionLevel || c.kind != format.ByteArray && (c.coded || c.nested || c.filterBits > 0) {
			return nil, fmt.Errorf("column %s is nested or coded in a way that is not written here", name)
		}
		if slices.Contains(sorted, name) {
			l.sorting = append(l.sorting, format.SortingColumn{ColumnIdx: int32(i)})
		}
		l.columns = append(l.columns, c)
	}
	return l, nil
}

// sortingOf are the columns, all ascending, that options say rows are sorted by.
func sortingOf(options []parquet.WriterOption) []string {
	var config parquet.WriterConfig
	config.Apply(options...)
	var out []string
	for _, c := range config.Sorting.SortingColumns {
		out = append(out, strings.Join(c.Path(), "."))
	}
	return out
}

// encoding is that of the values on a column's pages.
func (c *columnLayout) encoding() format.Encoding {
	switch {
	case c.coded:
		return format.RLEDictionary
	case c.kind == format.ByteArray:
		return format.DeltaLengthByteArray
	}
	return format.Plain
}

// encodings are all of a column's, in the order of their numbers.
func (c *columnLayout) encodings() []format.Encoding {
	out := []format.Encoding{c.encoding()}
	if c.nested {
		out = append(out, format.RLE)
	}
	if c.coded {
		out = append(out, format.Plain) // of the dictionary
	}
	slices.Sort(out)
	return out
}

// Columns are the paths of the columns, in their order.
func (l *Layout) Columns() [][]string {
	out := make([][]string, len(l.columns))
	for i := range l.columns {
		out[i] = l.columns[i].path
	}
	return out
}
