package lake

import (
	"errors"
	"fmt"
	"io"
	"unsafe"

	"github.com/parquet-go/parquet-go"
)

// textScan reads a column of texts of which every row has one, straight from what
// its pages hold: a row has some thirty of them, and by values it takes twice the
// time. Not concurrent.
type textScan struct {
	pages    parquet.Pages
	offset   uintptr // of the column's field in row
	texts    []byte  // of the page at hand or its dictionary
	ends     []uint32
	numbers  []int32 // which of these texts the values are; nil for all in turn
	at, have int     // the values of the page that were not taken yet
}

// next goes to the next page.
func (c *textScan) next() error {
	page, err := c.pages.ReadPage()
	if err != nil {
		return err
	}
	values := page.Data()
	c.at, c.have, c.numbers = 0, int(page.NumValues()), nil
	if dictionary := page.Dictionary(); dictionary != nil {
		c.numbers = values.Int32()
		values = dictionary.Page().Data()
	}
	c.texts, c.ends = values.ByteArray()
	return nil
}

// read sets the column of n rows, from one of those in s on.
func (c *textScan) read(s *rowScan, from, n int) error {
	for i := from; i < from+n; i++ {
		for c.at == c.have {
			if err := c.next(); errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			} else if err != nil {
				return err
			}
		}
		number := c.at
		if c.numbers != nil {
			number = int(c.numbers[c.at])
		}
		c.at++
		if number < 0 || number+1 >= len(c.ends) {
			return fmt.Errorf("a value is text %d of a dictionary of %d", number, len(c.ends)-1)
		}
		if text := c.texts[c.ends[number]:c.ends[number+1]]; len(text) > 0 { // else it is empty already
			*(*string)(unsafe.Add(unsafe.Pointer(&s.rows[i]), c.offset)) = unsafe.String(unsafe.SliceData(text), len(text))
		}
	}
	return nil
}
