package lake

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"github.com/parquet-go/parquet-go"

	"muster/fleet"
)

// scanRows is how many rows are put together at a time: their kilobyte each
// stays in the processor's cache.
const scanRows = 64

// scanRecords calls fn with every row of a file of evidence and its number,
// counted from 0. The next call writes over the row; fill makes the row's record,
// of an empty one, whose text lies in the pages that were read, so that each holds
// on to its neighbours. Column by column this takes a fraction of the time of
// readParquet, which is what files of another shape than muster's are read with.
func scanRecords(f files, name string, fn func(number int64, w *row, fill func(r *fleet.Record)) error) error {
	file, err := f.Open(name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	defer func() { _ = file.Close() }() // only read
	footer, err := openFooter(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if !ownShape(footer) {
		return readParquet(f, name, func(number int64, w *row) error {
			return fn(number, w, func(r *fleet.Record) { *r = w.record() })
		})
	}
	s := rowScan{rows: make([]row, scanRows), pairs: make([][]named, scanRows), filled: make([]int, scanRows)}
	fill := s.fill
	for _, group := range footer.RowGroups() {
		err := s.group(group, func(number int64, w *row) error { return fn(number, w, fill) })
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	return nil
}

// ownShape reports whether a file has the columns of row as muster writes them,
// perhaps among others.
func ownShape(file *parquet.File) bool {
	want := parquet.SchemaOf(row{})
	for _, path := range want.Columns() {
		w, _ := want.Lookup(path...)
		have, ok := file.Schema().Lookup(path...)
		if !ok || have.Node.Type().Kind() != w.Node.Type().Kind() ||
			have.MaxRepetitionLevel != w.MaxRepetitionLevel || have.MaxDefinitionLevel != w.MaxDefinitionLevel {
			return false
		}
	}
	return true
}

// rowScan reads row groups. Not concurrent.
type rowScan struct {
	rows   []row
	pairs  [][]named // the attributes of each row that have no column
	filled []int     // how many of them have their value
	at     int       // the row at hand
	number int64     // its number in the file
	// Room for what rows and records have lists of, which is cheaper to get for
	// many at once.
	texts      []string
	attributes []fleet.Attribute
}

// listRoom is for how many elements of lists room is made at once.
const listRoom = 1024

// named is one entry of the map column.
type named struct{ name, value string }

func (s *rowScan) group(g parquet.RowGroup, fn func(number int64, w *row) error) error {
	paths := parquet.SchemaOf(row{}).Columns()
	columns := make([]columnReader, len(paths))
	chunks := g.ColumnChunks()
	for i, path := range paths {
		leaf, _ := g.Schema().Lookup(path...)
		pages := chunks[leaf.ColumnIndex].Pages()
		defer func() { _ = pages.Close() }() // only read
		if field := columnField(path[0]); field.Type == reflect.TypeFor[string]() {
			columns[i] = &textScan{pages: pages, offset: field.Offset}
			continue
		}
		columns[i] = &columnScan{
			pages: pages, set: setColumn(path), buffer: make([]parquet.Value, scanValues),
			repeated: leaf.MaxRepetitionLevel > 0, defined: leaf.MaxDefinitionLevel,
		}
	}
	for left := g.NumRows(); left > 0; {
		n := int(min(left, int64(len(s.rows))))
		left -= int64(n)
		if err := s.read(columns, paths, n); err != nil {
			return err
		}
		for s.at = range n {
			if err := fn(s.number, &s.rows[s.at]); err != nil {
				return err
			}
			s.number++
		}
	}
	return nil
}

// read makes the next n rows.
func (s *rowScan) read(columns []columnReader, paths [][]string, n int) error {
	clear(s.rows[:n])
	for i := range n {
		s.pairs[i], s.filled[i] = s.pairs[i][:0], 0
	}
	for i, c := range columns {
		if err := s.column(c, n); err != nil {
			return fmt.Errorf("column %s: %w", strings.Join(paths[i], "."), err)
		}
	}
	return nil
}

func (s *rowScan) column(c columnReader, n int) (err error) {
	defer damaged(&err)
	return c.read(s, 0, n)
}

// fill makes a record of the row at hand.
func (s *rowScan) fill(r *fleet.Record) {
	w, pairs := &s.rows[s.at], s.pairs[s.at]
	w.into(r)
	r.Raw = sharedRaw(w.Raw)
	most := len(pairs) + liftedColumns
	if cap(s.attributes)-len(s.attributes) < most {
		s.attributes = make([]fleet.Attribute, 0, max(most, listRoom))
	}
	start := len(s.attributes)
	all := fleet.Attributes(s.attributes[start : start : start+most])
	for _, a := range pairs {
		all.Set(a.name, a.value)
	}
	w.unlift(&all) // which outrank the others
	if len(all) > 0 {
		s.attributes = s.attributes[:start+len(all)]
		r.Attributes = slices.Clip(all)
	}
}

// extend appends to the list that was extended last, or to an empty one.
func (s *rowScan) extend(list []string, text string) []string {
	if len(s.texts) == cap(s.texts) {
		s.texts = append(make([]string, 0, 2*len(list)+listRoom), list...)
	}
	s.texts = append(s.texts, text)
	return s.texts[len(s.texts)-len(list)-1 : len(s.texts) : len(s.texts)]
}

// columnReader reads a column row by row.
type columnReader interface {
	// read sets the column of n rows, from one of those in s on.
	read(s *rowScan, from, n int) error
}

// sharedRaw is fleet.DecodeRaw, without a copy where it can be.
func sharedRaw(raw string) []byte {
	if raw == "" || strings.HasPrefix(raw, "base64:") {
		return fleet.DecodeRaw(raw)
	}
	return unsafe.Slice(unsafe.StringData(raw), len(raw)) // which nobody changes
}
