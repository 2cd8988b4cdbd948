package columnfile

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"strings"

	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// mostPageBytes is the largest page whose size its header can say. Tests lower it.
var mostPageBytes = math.MaxInt32

// levels encodes the levels of one list or map.
var levels = rle.Encoding{BitWidth: 1}

// endPage encodes and compresses the page at hand.
func (c *Column) endPage() error {
	encoding := c.encoding()
	body, err := c.encodeValues(encoding)
	if err != nil {
		return err
	}
	repeats, defined, err := c.encodeLevels()
	if err != nil {
		return err
	}
	page := &format.PageHeader{Type: format.DataPageV2}
	page.DataPageHeaderV2.Set(format.DataPageHeaderV2{
		NumValues: int32(c.values), NumNulls: int32(c.absent), NumRows: int32(c.pageRows), Encoding: encoding,
		DefinitionLevelsByteLength: int32(len(defined)), RepetitionLevelsByteLength: int32(len(repeats)), IsCompressed: thrift.New(true),
	})
	start := len(c.pages)
	if c.pages, err = c.appendPage(c.pages, page, body, repeats, defined); err != nil {
		return err
	}
	c.locations = append(c.locations, format.PageLocation{
		Offset: int64(start), CompressedPageSize: int32(len(c.pages) - start), FirstRowIndex: c.rows,
	})
	c.count(page, encoding, len(c.pages)-start)
	c.meta.NumValues += int64(c.values)
	c.meta.Statistics.NullCount += int64(c.absent)
	c.endBounds()
	c.rows += int64(c.pageRows)
	c.dictionary.page++
	c.plain, c.lengths, c.codes, c.repeats, c.defined = c.plain[:0], c.lengths[:0], c.codes[:0], c.repeats[:0], c.defined[:0]
	c.values, c.absent, c.pageRows, c.bounded = 0, 0, 0, false
	return nil
}

// encodeValues are the values of the page.
func (c *Column) encodeValues(encoding format.Encoding) (body []byte, err error) {
	switch encoding {
	case format.RLEDictionary:
		c.body, err = (&rle.DictionaryEncoding{}).EncodeInt32(c.body, c.codes)
	case format.DeltaLengthByteArray:
		c.body, err = (&delta.BinaryPackedEncoding{}).EncodeInt32(c.body, c.lengths)
		c.body = append(c.body, c.plain...)
	default:
		return c.plain, nil
	}
	return c.body, err
}

// encodeLevels are the levels of the page, none of a flat column.
func (c *Column) encodeLevels() (repeats, defined []byte, err error) {
	if !c.nested {
		return nil, nil, nil
	}
	if c.repeatLevels, err = levels.EncodeLevels(c.repeatLevels, c.repeats); err != nil {
		return nil, nil, err
	}
	c.definedLevels, err = levels.EncodeLevels(c.definedLevels, c.defined)
	return c.repeatLevels, c.definedLevels, err
}

// endDictionary encodes the dictionary.
func (c *Column) endDictionary() error {
	body := c.body[:0]
	for _, s := range c.dictionary.values {
		body = append(binary.LittleEndian.AppendUint32(body, uint32(len(s))), s...)
	}
	c.body = body
	page := &format.PageHeader{Type: format.DictionaryPage}
	page.DictionaryPageHeader.Set(format.DictionaryPageHeader{NumValues: int32(len(c.dictionary.values)), Encoding: format.Plain})
	var err error
	c.dictionaryPage, err = c.appendPage(c.dictionaryPage[:0], page, body, nil, nil)
	c.count(page, format.Plain, len(c.dictionaryPage))
	return err
}

// appendPage appends a page: its header, its levels, and its values compressed.
func (c *Column) appendPage(to []byte, page *format.PageHeader, body, repeats, defined []byte) ([]byte, error) {
	if n := len(repeats) + len(defined) + len(body); n > mostPageBytes {
		return to, fmt.Errorf("a page of column %s has %d bytes, of which Parquet can say %d", strings.Join(c.path, "."), n, mostPageBytes)
	}
	c.compressed = c.compressor.EncodeAll(body, c.compressed[:0])
	page.UncompressedPageSize = int32(len(repeats) + len(defined) + len(body))
	page.CompressedPageSize = int32(len(repeats) + len(defined) + len(c.compressed))
	sum := crc32.Update(crc32.ChecksumIEEE(repeats), crc32.IEEETable, defined)
	page.CRC = int32(crc32.Update(sum, crc32.IEEETable, c.compressed))
	c.header.Reset()
	if err := c.encoder.Encode(page); err != nil {
		return to, err
	}
	to = append(append(append(to, c.header.Bytes()...), repeats...), defined...)
	return append(to, c.compressed...), nil
}

// count adds a page to what is known of the chunk.
func (c *Column) count(page *format.PageHeader, encoding format.Encoding, size int) {
	m := &c.meta
	m.TotalCompressedSize += int64(size)
	m.TotalUncompressedSize += int64(size) + int64(page.UncompressedPageSize-page.CompressedPageSize)
	for i := range m.EncodingStats {
		if s := &m.EncodingStats[i]; s.PageType == page.Type && s.Encoding == encoding {
			s.Count++
			return
		}
	}
	m.EncodingStats = append(m.EncodingStats, format.PageEncodingStats{PageType: page.Type, Encoding: encoding, Count: 1})
}
