package columnfile

import (
	"encoding/binary"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// magic starts and ends a Parquet file.
const magic = "PAR1"

// Writer writes one file. Not concurrent, while the groups that it is given may
// have been filled beside each other. After an error the file is unusable.
type Writer struct {
	out     io.Writer
	offset  int64
	layout  *Layout
	groups  []format.RowGroup
	columns [][]pageIndex // of each row group
	rows    int64
	encoder *thrift.Encoder
}

// pageIndex finds the pages of a column chunk.
type pageIndex struct {
	bounds    format.ColumnIndex
	bounded   bool
	locations format.OffsetIndex
}

// NewWriter makes a writer of a file that out gets from its start.
func NewWriter(out io.Writer, l *Layout) *Writer {
	w := &Writer{out: out, layout: l}
	w.encoder = thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(w))
	return w
}

// Write implements io.Writer, for what is encoded straight into the file.
func (w *Writer) Write(b []byte) (int, error) {
	n, err := w.out.Write(b)
	w.offset += int64(n)
	return n, err
}

// WriteGroup appends a row group that is finished, unless it has no rows, and
// empties it for the next.
func (w *Writer) WriteGroup(g *Group) error {
	defer g.reset()
	if g.rows == 0 {
		return nil
	}
	if err := w.begin(); err != nil {
		return err
	}
	group := format.RowGroup{NumRows: g.rows, SortingColumns: w.layout.sorting, FileOffset: w.offset, Ordinal: int16(len(w.groups))}
	indexes := make([]pageIndex, len(g.columns))
	for i := range g.columns {
		chunk, err := w.writeColumn(&g.columns[i], &indexes[i])
		if err != nil {
			return err
		}
		group.TotalByteSize += chunk.MetaData.TotalUncompressedSize
		group.TotalCompressedSize += chunk.MetaData.TotalCompressedSize
		group.Columns = append(group.Columns, chunk)
	}
	for i := range g.columns {
		if filter := g.columns[i].filter; len(filter) > 0 {
			m := &group.Columns[i].MetaData
			m.BloomFilterOffset = w.offset
			if err := w.writeFilter(filter.Bytes()); err != nil {
				return err
			}
			m.BloomFilterLength = int32(w.offset - m.BloomFilterOffset)
		}
	}
	w.rows += g.rows
	w.groups, w.columns = append(w.groups, group), append(w.columns, indexes)
	return nil
}

func (w *Writer) begin() error {
	if w.offset > 0 {
		return nil
	}
	_, err := io.WriteString(w, magic)
	return err
}

// writeColumn appends the pages of a column.
func (w *Writer) writeColumn(c *Column, index *pageIndex) (format.ColumnChunk, error) {
	chunk := format.ColumnChunk{MetaData: c.meta}
	m := &chunk.MetaData
	if c.coded {
		m.DictionaryPageOffset = w.offset
		if _, err := w.Write(c.dictionaryPage); err != nil {
			return chunk, err
		}
	}
	m.DataPageOffset = w.offset
	index.bounds, index.bounded = c.index, !c.unbounded
	index.locations.PageLocations = slices.Clone(c.locations)
	for i := range index.locations.PageLocations {
		index.locations.PageLocations[i].Offset += w.offset
	}
	_, err := w.Write(c.pages)
	return chunk, err
}

func (w *Writer) writeFilter(bits []byte) error {
	var h format.BloomFilterHeader
	h.NumBytes = int32(len(bits))
	h.Algorithm.Value, h.Hash.Value, h.Compression.Value = &format.SplitBlockAlgorithm{}, &format.XxHash{}, &format.BloomFilterUncompressed{}
	if err := w.encoder.Encode(&h); err != nil {
		return err
	}
	_, err := w.Write(bits)
	return err
}

// TextBounds are the lowest and highest value of a column of text so far.
func (w *Writer) TextBounds(column int) (low, high string) {
	for i := range w.groups {
		s := &w.groups[i].Columns[column].MetaData.Statistics
		if i == 0 || string(s.MinValue) < low {
			low = string(s.MinValue)
		}
		if i == 0 || string(s.MaxValue) > high {
			high = string(s.MaxValue)
		}
	}
	return low, high
}

// NumberBounds are the lowest and highest value of a column of numbers so far.
func (w *Writer) NumberBounds(column int) (low, high int64) {
	for i := range w.groups {
		c := &w.groups[i].Columns[column].MetaData
		lowest, highest := number(c.Type, c.Statistics.MinValue), number(c.Type, c.Statistics.MaxValue)
		if i == 0 || lowest < low {
			low = lowest
		}
		if i == 0 || highest > high {
			high = highest
		}
	}
	return low, high
}

// Close writes what finds the rest. It does not close what the file is written to.
func (w *Writer) Close() error {
	if err := w.begin(); err != nil {
		return err
	}
	for i := range w.groups {
		for j := range w.groups[i].Columns {
			if index := &w.columns[i][j]; index.bounded {
				c := &w.groups[i].Columns[j]
				c.ColumnIndexOffset = w.offset
				if err := w.encoder.Encode(&index.bounds); err != nil {
					return err
				}
				c.ColumnIndexLength = int32(w.offset - c.ColumnIndexOffset)
			}
		}
	}
	for i := range w.groups {
		for j := range w.groups[i].Columns {
			c := &w.groups[i].Columns[j]
			c.OffsetIndexOffset = w.offset
			if err := w.encoder.Encode(&w.columns[i][j].locations); err != nil {
				return err
			}
			c.OffsetIndexLength = int32(w.offset - c.OffsetIndexOffset)
		}
	}
	footer := w.layout.footer
	footer.NumRows, footer.RowGroups = w.rows, w.groups
	start := w.offset
	if err := w.encoder.Encode(&footer); err != nil {
		return err
	}
	_, err := w.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(w.offset-start)), magic...))
	return err
}
