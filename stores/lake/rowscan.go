package lake

import (
	"cmp"
	"errors"
	"fmt"
	"io"
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
	var columns []columnReader
	chunks := g.ColumnChunks()
	for _, path := range parquet.SchemaOf(row{}).Columns() {
		leaf, _ := g.Schema().Lookup(path...)
		pages := chunks[leaf.ColumnIndex].Pages()
		defer func() { _ = pages.Close() }() // only read
		if field := columnField(path[0]); field.Type == reflect.TypeFor[string]() {
			columns = append(columns, &textScan{pages: pages, offset: field.Offset})
			continue
		}
		columns = append(columns, &columnScan{
			pages: pages, set: setColumn(path), buffer: make([]parquet.Value, scanValues),
			repeated: leaf.MaxRepetitionLevel > 0, defined: leaf.MaxDefinitionLevel,
		})
	}
	for left := g.NumRows(); left > 0; {
		n := int(min(left, int64(len(s.rows))))
		left -= int64(n)
		clear(s.rows[:n])
		for i := range n {
			s.pairs[i], s.filled[i] = s.pairs[i][:0], 0
		}
		for _, c := range columns {
			if err := c.read(s, 0, n); err != nil {
				return err
			}
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

// scanValues is how many values are taken out of a page at a time.
const scanValues = 128

// columnScan reads the values of one column, row by row.
type columnScan struct {
	pages parquet.Pages
	// released says that no text is kept that lies in a page, so that each is
	// given back when it was read: page is the one at hand.
	released bool
	page     parquet.Page
	values   parquet.ValueReader // of the page at hand; nil before the first
	ended    bool                // that page has no more than the buffer
	buffer   []parquet.Value
	at, have int // the values in buffer that were not taken yet
	repeated bool
	defined  int // the level of a value that is there
	set      func(s *rowScan, i int, v *parquet.Value)
}

// peek is the next value; nil behind the last one.
func (c *columnScan) peek() (*parquet.Value, error) {
	for c.at == c.have {
		if c.values == nil || c.ended {
			page, err := c.pages.ReadPage()
			if errors.Is(err, io.EOF) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			if c.released {
				c.drop()
				c.page = page
			}
			c.values, c.ended = page.Values(), false
		}
		n, err := c.values.ReadValues(c.buffer)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		c.at, c.have, c.ended = 0, n, err != nil
	}
	return &c.buffer[c.at], nil
}

// read sets the column of n rows, from one of those in s on.
func (c *columnScan) read(s *rowScan, from, n int) error {
	if c.repeated {
		return c.readLists(s, from, n)
	}
	for i := from; i < from+n; i++ {
		if c.at == c.have {
			if v, err := c.peek(); v == nil {
				return cmp.Or(err, io.ErrUnexpectedEOF)
			}
		}
		c.set(s, i, &c.buffer[c.at])
		c.at++
	}
	return nil
}

// readLists is read for a column with any number of values a row, of which the
// first repeats nothing.
func (c *columnScan) readLists(s *rowScan, from, n int) error {
	for i := from; i < from+n; i++ {
		for first := true; ; first = false {
			v, err := c.peek()
			switch {
			case err != nil:
				return err
			case v == nil && first:
				return io.ErrUnexpectedEOF
			}
			if v == nil || !first && v.RepetitionLevel() == 0 {
				break
			}
			if v.DefinitionLevel() == c.defined { // else the list is empty
				c.set(s, i, v)
			}
			c.at++
		}
	}
	return nil
}

// setColumn is how a value of the column of a path in the schema gets into its
// row: into the field of row that has the column's name.
func setColumn(path []string) func(s *rowScan, i int, v *parquet.Value) {
	field := columnField(path[0])
	at := field.Offset
	place := func(s *rowScan, i int) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(&s.rows[i]), at) }
	switch field.Type {
	case reflect.TypeFor[string]():
		return func(s *rowScan, i int, v *parquet.Value) { *(*string)(place(s, i)) = sharedText(v) }
	case reflect.TypeFor[int64]():
		return func(s *rowScan, i int, v *parquet.Value) { *(*int64)(place(s, i)) = v.Int64() }
	case reflect.TypeFor[int32]():
		return func(s *rowScan, i int, v *parquet.Value) { *(*int32)(place(s, i)) = v.Int32() }
	case reflect.TypeFor[bool]():
		return func(s *rowScan, i int, v *parquet.Value) { *(*bool)(place(s, i)) = v.Boolean() }
	case reflect.TypeFor[[]string]():
		return func(s *rowScan, i int, v *parquet.Value) {
			list := (*[]string)(place(s, i))
			*list = s.extend(*list, sharedText(v))
		}
	case reflect.TypeFor[map[string]string]():
		return setAttribute(path[len(path)-1] == "key")
	}
	panic(fmt.Sprintf("column %s: no way to read %s", strings.Join(path, "."), field.Type))
}

// columnField is the field of row that a column is kept in.
func columnField(name string) (out reflect.StructField) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[row]()) {
		if column, _, _ := strings.Cut(f.Tag.Get("parquet"), ","); column == name {
			out = f
		}
	}
	return out
}

// setAttribute sets the names of a row's attributes or, from a column further
// behind, their values.
func setAttribute(name bool) func(s *rowScan, i int, v *parquet.Value) {
	if name {
		return func(s *rowScan, i int, v *parquet.Value) {
			s.pairs[i] = append(s.pairs[i], named{name: sharedText(v)})
		}
	}
	return func(s *rowScan, i int, v *parquet.Value) {
		if at := s.filled[i]; at < len(s.pairs[i]) {
			s.pairs[i][at].value = sharedText(v)
			s.filled[i]++
		}
	}
}

// sharedText is a value's text, which lies in its page.
func sharedText(v *parquet.Value) string {
	b := v.ByteArray()
	return unsafe.String(unsafe.SliceData(b), len(b))
}
