package columnfile

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go/format"
)

// boundBytes is how much of a text the index of pages keeps; the bounds of a
// whole column chunk are whole.
const boundBytes = 16

// bounds are the lowest and highest value of a column chunk. The zero value is
// that of one without values.
type bounds struct {
	low, high       []byte
	lowest, highest int64 // of numbers and booleans
}

// endBounds notes the bounds of the page at hand.
func (c *Column) endBounds() {
	if c.unbounded {
		return
	}
	x := &c.index
	x.NullPages, x.NullCounts = append(x.NullPages, !c.bounded), append(x.NullCounts, int64(c.absent))
	if !c.bounded {
		x.MinValues, x.MaxValues = append(x.MinValues, []byte{}), append(x.MaxValues, []byte{})
		return
	}
	first := c.chunk.low == nil
	if c.kind == format.ByteArray {
		x.MinValues, x.MaxValues = append(x.MinValues, lowBound(c.low)), append(x.MaxValues, highBound(c.high))
		if first || c.low < string(c.chunk.low) {
			c.chunk.low = []byte(c.low)
		}
		if first || c.high > string(c.chunk.high) {
			c.chunk.high = []byte(c.high)
		}
		return
	}
	low, high := c.numberBytes(c.lowest), c.numberBytes(c.highest)
	x.MinValues, x.MaxValues = append(x.MinValues, low), append(x.MaxValues, high)
	if first || c.lowest < c.chunk.lowest {
		c.chunk.lowest, c.chunk.low = c.lowest, low
	}
	if first || c.highest > c.chunk.highest {
		c.chunk.highest, c.chunk.high = c.highest, high
	}
}

// numberBytes is a number as a page has it.
func (c *Column) numberBytes(n int64) []byte {
	switch c.kind {
	case format.Int32:
		return binary.LittleEndian.AppendUint32(nil, uint32(n))
	case format.Boolean:
		return []byte{byte(n)}
	}
	return binary.LittleEndian.AppendUint64(nil, uint64(n))
}

// number is what numberBytes was given.
func number(kind format.Type, b []byte) int64 {
	switch kind {
	case format.Int32:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	case format.Boolean:
		return int64(b[0])
	}
	return int64(binary.LittleEndian.Uint64(b))
}

// lowBound is at most s, and text like it.
func lowBound(s string) []byte { return []byte(s[:cut(s)]) }

// highBound is at least s, and text like it: a letter greater than where it was
// cut, or whole if there is none.
func highBound(s string) []byte {
	n := cut(s)
	if n == len(s) {
		return []byte(s)
	}
	for i := n - 1; i >= 0; i-- {
		if s[i] < '~' {
			b := []byte(s[:i+1])
			b[i]++
			return b
		}
	}
	return []byte(s)
}

// cut is where a text is cut so that no more than boundBytes are left, between
// two letters.
func cut(s string) int {
	n := min(len(s), boundBytes)
	for n > 0 && n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	return n
}

func (b *bounds) statistics(absent int64) format.Statistics {
	return format.Statistics{NullCount: absent, MinValue: b.low, MaxValue: b.high}
}

// boundaryOrder is how the bounds of pages are ordered, those without values left
// out.
func boundaryOrder(x *format.ColumnIndex) format.BoundaryOrder {
	ascending, descending := true, true
	last := -1
	for i := range x.NullPages {
		if x.NullPages[i] {
			continue
		}
		if last >= 0 {
			low, high := bytes.Compare(x.MinValues[last], x.MinValues[i]), bytes.Compare(x.MaxValues[last], x.MaxValues[i])
			ascending = ascending && low <= 0 && high <= 0
			descending = descending && low >= 0 && high >= 0
		}
		last = i
	}
	switch {
	case ascending:
		return format.Ascending
	case descending:
		return format.Descending
	}
	return format.Unordered
}
