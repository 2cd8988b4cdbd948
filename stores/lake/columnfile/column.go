package columnfile

import (
	"encoding/binary"
	"unsafe"

	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/format"
)

// Column takes the values of one column of a row group, of the type that the
// schema has: those of flat columns one a row, those of lists and maps with Empty
// for a row that has none.
type Column struct {
	columnLayout
	*scratch
	pageBytes int

	// The page at hand. Numbers are in plain, one after the other. So is text,
	// with its lengths apart, or it is in codes as numbers of the dictionary.
	plain     []byte
	lengths   []int32
	codes     []int32
	repeats   []byte // the level of each value of a nested column, absent ones too
	defined   []byte
	values    int // absent ones too
	absent    int
	pageRows  int
	low, high string // of text
	lowest    int64  // of numbers and booleans
	highest   int64
	bounded   bool // there is a value

	dictionary dictionary
	hashes     []uint64 // of the values that a filter takes, where there is no dictionary

	// What is encoded.
	pages          []byte
	rows           int64
	locations      []format.PageLocation
	index          format.ColumnIndex
	meta           format.ColumnMetaData
	dictionaryPage []byte
	filter         bloom.SplitBlockFilter
	chunk          bounds
}

// Texts appends values of text.
func (c *Column) Texts(values []string) {
	for len(values) > 0 && c.coded {
		n := c.dictionary.repeated(values)
		for range n {
			c.codes = append(c.codes, c.dictionary.last)
		}
		if c.values += n; n == len(values) {
			return
		}
		c.Text(values[n])
		values = values[n+1:]
	}
	for _, s := range values {
		c.Text(s)
	}
}

// Text appends a value of text.
func (c *Column) Text(s string) {
	c.values++
	if c.coded {
		code, fresh := c.dictionary.code(s)
		c.codes = append(c.codes, code)
		if fresh {
			c.reach(s)
		}
		return
	}
	if c.filterBits > 0 {
		c.hashes = append(c.hashes, hash(s))
	}
	c.lengths = append(c.lengths, int32(len(s)))
	c.plain = append(c.plain, s...)
	if !c.unbounded {
		c.reach(s)
	}
}

// reach widens the bounds of the page.
func (c *Column) reach(s string) {
	switch {
	case !c.bounded:
		c.low, c.high, c.bounded = s, s, true
	case s < c.low:
		c.low = s
	case s > c.high:
		c.high = s
	}
}

func hash(s string) uint64 {
	return bloom.XXH64{}.Sum64(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// Element appends a value of a row's list or map: its first, or another.
func (c *Column) Element(s string, first bool) {
	level := byte(1)
	if first {
		level = 0
	}
	c.repeats, c.defined = append(c.repeats, level), append(c.defined, 1)
	c.Text(s)
}

// Empty appends that a row's list or map has no value.
func (c *Column) Empty() {
	c.repeats, c.defined = append(c.repeats, 0), append(c.defined, 0)
	c.values++
	c.absent++
}

// Number appends a value of a column of numbers.
func (c *Column) Number(n int64) {
	c.values++
	if c.kind == format.Int32 {
		c.plain = binary.LittleEndian.AppendUint32(c.plain, uint32(n))
	} else {
		c.plain = binary.LittleEndian.AppendUint64(c.plain, uint64(n))
	}
	c.reachNumber(n)
}

// Flag appends a value of a column of booleans.
func (c *Column) Flag(b bool) {
	bit := int64(0)
	if b {
		bit = 1
	}
	at := c.values % 8
	if at == 0 {
		c.plain = append(c.plain, 0)
	}
	c.plain[len(c.plain)-1] |= byte(bit) << at
	c.values++
	c.reachNumber(bit)
}

func (c *Column) reachNumber(n int64) {
	if !c.bounded {
		c.lowest, c.highest, c.bounded = n, n, true
		return
	}
	c.lowest, c.highest = min(c.lowest, n), max(c.highest, n)
}

// full reports whether the page is as large as it should be.
func (c *Column) full() bool {
	const intBytes = 4 // before they are packed
	return len(c.plain)+intBytes*(len(c.codes)+len(c.lengths)) >= c.pageBytes
}

// finish ends the last page, and encodes what is of the whole chunk.
func (c *Column) finish() error {
	if c.values > 0 {
		if err := c.endPage(); err != nil {
			return err
		}
	}
	if c.coded {
		if err := c.endDictionary(); err != nil {
			return err
		}
	}
	if c.filterBits > 0 {
		if c.coded {
			for _, s := range c.dictionary.values {
				c.hashes = append(c.hashes, hash(s))
			}
		}
		c.filter = make(bloom.SplitBlockFilter, bloom.NumSplitBlocksOf(int64(len(c.hashes)), c.filterBits))
		c.filter.InsertBulk(c.hashes)
	}
	c.meta.Statistics = c.chunk.statistics(c.meta.Statistics.NullCount)
	c.index.BoundaryOrder = boundaryOrder(&c.index)
	// The text that these refer to may change from here on.
	c.dictionary.reset()
	c.low, c.high, c.chunk = "", "", bounds{}
	return nil
}

// reset empties the column for the next row group. What was handed to a writer
// is not used again, but for pages and dictionaryPage, which are in the file.
func (c *Column) reset() {
	c.hashes, c.pages, c.dictionaryPage, c.filter = c.hashes[:0], c.pages[:0], c.dictionaryPage[:0], nil
	c.rows, c.locations, c.index = 0, c.locations[:0], format.ColumnIndex{}
	c.meta = format.ColumnMetaData{Type: c.kind, Encoding: c.encodings(), PathInSchema: c.path, Codec: format.Zstd}
}
