package lake

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"muster/stores/lake/columnfile"
)

// boundBytes is the longest text kept whole as a bound; record ids and all
// keys of AWS are shorter.
const boundBytes = 256

// boundedColumns names the text columns that queries prune by, in the order of
// boundedValues.
var boundedColumns = [...]string{"id", columnKind, "service", "trace_id", "correlation_id"}

func boundedValues(r *row) [len(boundedColumns)]string {
	return [...]string{r.ID, r.Kind, r.Service, r.Trace, r.Correlation}
}

// extent is what the rows of a file reach from and to. It is taken from the
// values in the file, so that it cannot be wrong.
type extent struct {
	rows      int64
	low, high [len(boundedColumns)]string
	firstUS   int64
	lastUS    int64
	amends    bool // a file's rows all amend or all do not
}

func (e *extent) add(r *row) {
	values := boundedValues(r)
	if e.rows == 0 {
		e.low, e.high, e.firstUS, e.lastUS, e.amends = values, values, r.TimeUS, r.TimeUS, r.Amends
	}
	e.rows++
	e.firstUS, e.lastUS = min(e.firstUS, r.TimeUS), max(e.lastUS, r.TimeUS)
	for i, v := range values {
		e.low[i], e.high[i] = min(e.low[i], v), max(e.high[i], v)
	}
}

// newExtent is that of a file with rows.
func newExtent(file *columnfile.Writer, layout *columnfile.Layout, rows []draft) extent {
	e := extent{rows: int64(len(rows)), amends: rows[0].partition().amends}
	for i, path := range layout.Columns() {
		if path[0] == "time_us" {
			e.firstUS, e.lastUS = file.NumberBounds(i)
		}
		if at := slices.Index(boundedColumns[:], path[0]); at >= 0 {
			e.low[at], e.high[at] = file.TextBounds(i)
		}
	}
	return e
}

// bounds describes the rows of a file to Iceberg, which prunes by it.
type bounds struct {
	lower, upper map[int][]byte
	counts       map[int]int64
	nulls        map[int]int64
}

func (e *extent) bounds(s *iceberg.Schema) bounds {
	b := bounds{map[int][]byte{}, map[int][]byte{}, map[int]int64{}, map[int]int64{}}
	for i, column := range boundedColumns {
		if len(e.low[i]) <= boundBytes && len(e.high[i]) <= boundBytes {
			b.set(s, column, []byte(e.low[i]), []byte(e.high[i]), e.rows)
		}
	}
	amends := []byte{0}
	if e.amends {
		amends[0] = 1
	}
	b.set(s, columnAmends, amends, amends, e.rows)
	for _, column := range []string{columnTime, "time_us"} {
		b.set(s, column, binary.LittleEndian.AppendUint64(nil, uint64(e.firstUS)), binary.LittleEndian.AppendUint64(nil, uint64(e.lastUS)), e.rows)
	}
	return b
}

func (b bounds) set(s *iceberg.Schema, column string, low, high []byte, rows int64) {
	f, ok := s.FindFieldByName(column)
	if !ok {
		return
	}
	b.lower[f.ID], b.upper[f.ID], b.counts[f.ID], b.nulls[f.ID] = low, high, rows, 0
}

// describe is a file of evidence as a snapshot names it.
func describe(tbl *table.Table, key partition, name string, sizeBytes int64, e *extent) (iceberg.DataFile, error) {
	b, err := iceberg.NewDataFileBuilder(tbl.Spec(), iceberg.EntryContentData, name, iceberg.ParquetFile,
		map[int]any{partitionKind: key.kind, partitionDay: iceberg.Date(key.day), partitionAmends: key.amends},
		map[int]string{partitionDay: "date"}, nil, e.rows, sizeBytes)
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", name, err)
	}
	s := e.bounds(tbl.Schema())
	return b.LowerBoundValues(s.lower).UpperBoundValues(s.upper).ValueCounts(s.counts).NullValueCounts(s.nulls).Build(), nil
}
