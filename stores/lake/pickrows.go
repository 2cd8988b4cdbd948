package lake

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/parquet-go/parquet-go"
)

// rowColumns are the columns of row in the order of its schema.
var rowColumns = sync.OnceValue(func() []rowColumn {
	var out []rowColumn
	for _, path := range ownSchema().Columns() {
		leaf, _ := ownSchema().Lookup(path...)
		out = append(out, rowColumn{path[0], setColumn(path), leaf.MaxRepetitionLevel > 0, leaf.MaxDefinitionLevel})
	}
	return out
})

// rowColumn is how a column is read.
type rowColumn struct {
	name     string
	set      func(s *rowScan, i int, v *parquet.Value)
	repeated bool
	defined  int // the level of a value that is there
}

// keyColumns say which trace and journey a row belongs to, and whether it is live.
var keyColumns = map[string]bool{
	"id": true, "revision": true, "kind": true, "time_us": true, "trace_id": true, "correlation_id": true, "amendment": true,
}

// pickRows reads rows of a row group by their ascending numbers: of each column
// the pages that they lie in, or none where the group has one value. Columns nil
// means all; the others stay empty. The file has the columns of row.
func pickRows(group parquet.RowGroup, numbers []int64, columns map[string]bool) ([]row, error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	s := rowScan{rows: make([]row, len(numbers)), pairs: make([][]named, len(numbers)), filled: make([]int, len(numbers))}
	chunks := group.ColumnChunks()
	for i, c := range rowColumns() {
		if columns != nil && !columns[c.name] {
			continue
		}
		if err := s.pick(chunks[i].(*parquet.FileColumnChunk), &c, numbers); err != nil {
			return nil, fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	for i := range s.rows {
		if pairs := s.pairs[i]; len(pairs) > 0 {
			s.rows[i].Attributes = make(map[string]string, len(pairs))
			for _, a := range pairs {
				s.rows[i].Attributes[a.name] = a.value
			}
		}
	}
	return s.rows, nil
}

// pick sets a column of the rows with ascending numbers.
func (s *rowScan) pick(chunk *parquet.FileColumnChunk, column *rowColumn, numbers []int64) error {
	if v, same := sameValue(chunk, column.repeated); same {
		if v.IsNull() {
			return nil // no row's list has anything
		}
		for i := range numbers {
			column.set(s, i, &v)
		}
		return nil
	}
	if _, err := chunk.OffsetIndex(); err != nil { // which seeking needs, else it decodes all before a row
		return err
	}
	c := columnScan{
		pages: chunk.Pages(), released: true, repeated: column.repeated, defined: column.defined, buffer: make([]parquet.Value, min(scanValues, 2*len(numbers))),
		// The pages go back to parquet-go's pool, and other text is not held in memory.
		set: func(s *rowScan, i int, v *parquet.Value) { own := v.Clone(); column.set(s, i, &own) },
	}
	defer c.close()
	for at := 0; at < len(numbers); {
		n := 1 // rows that lie together
		for at+n < len(numbers) && numbers[at+n] == numbers[at]+int64(n) {
			n++
		}
		if err := c.seek(numbers[at]); err != nil {
			return err
		}
		if err := c.read(s, at, n); err != nil {
			return err
		}
		at += n
	}
	return nil
}

// sameValue is the value that all rows of a column chunk have, by its
// statistics; null for lists that are all empty. Text that a writer cut has a
// lower bound that is shorter than it and an upper one that is greater.
func sameValue(chunk *parquet.FileColumnChunk, repeated bool) (parquet.Value, bool) {
	if repeated {
		return parquet.NullValue(), chunk.NullCount() == chunk.NumValues()
	}
	low, high, bounded := chunk.Bounds()
	if !bounded || chunk.NullCount() > 0 {
		return parquet.Value{}, false
	}
	if low.Kind() == parquet.ByteArray {
		return low, bytes.Equal(low.ByteArray(), high.ByteArray())
	}
	return low, parquet.Equal(low, high)
}

// seek goes to a row.
func (c *columnScan) seek(number int64) error {
	if err := c.pages.SeekToRow(number); err != nil {
		return err
	}
	c.drop()
	c.values, c.at, c.have = nil, 0, 0
	return nil
}

// drop gives the page at hand back.
func (c *columnScan) drop() {
	if c.page != nil {
		parquet.Release(c.page)
		c.page = nil
	}
}

func (c *columnScan) close() {
	c.drop()
	_ = c.pages.Close() // only read
}
