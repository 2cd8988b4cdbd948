package lake

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unsafe"

	"github.com/parquet-go/parquet-go"
)

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
