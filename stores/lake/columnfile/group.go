package columnfile

import (
	"bytes"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
)

// Group is a row group in memory: pages that are compressed, and one of each
// column that is not full yet. Text that it is given must stay as it is until
// Finish has returned. Not concurrent; several may be filled at once.
type Group struct {
	columns []Column
	rows    int64
	scratch scratch
}

// scratch is what the columns of a group use one after the other.
type scratch struct {
	body, compressed            []byte
	repeatLevels, definedLevels []byte
	compressor                  *zstd.Encoder
	header                      bytes.Buffer
	encoder                     *thrift.Encoder // to header
}

// NewGroup makes an empty row group.
func NewGroup(l *Layout) (*Group, error) {
	g := &Group{columns: make([]Column, len(l.columns))}
	var err error
	if g.scratch.compressor, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithZeroFrames(true), zstd.WithEncoderCRC(false)); err != nil {
		return nil, err
	}
	g.scratch.encoder = thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(&g.scratch.header))
	for i := range g.columns {
		g.columns[i] = Column{columnLayout: l.columns[i], scratch: &g.scratch, pageBytes: l.pageBytes}
		g.columns[i].reset()
	}
	return g, nil
}

// Column is the column at a place in the layout's order.
func (g *Group) Column(i int) *Column { return &g.columns[i] }

// EndRows says that every column got the values of so many rows more: a page ends
// after them, where it is full.
func (g *Group) EndRows(n int) error {
	g.rows += int64(n)
	for i := range g.columns {
		c := &g.columns[i]
		c.pageRows += n
		if c.full() {
			if err := c.endPage(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Finish encodes what is left.
func (g *Group) Finish() error {
	for i := range g.columns {
		if err := g.columns[i].finish(); err != nil {
			return err
		}
	}
	return nil
}

func (g *Group) reset() {
	g.rows = 0
	for i := range g.columns {
		g.columns[i].reset()
	}
}
