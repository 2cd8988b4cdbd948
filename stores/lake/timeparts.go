package lake

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"time"

	"github.com/apache/iceberg-go/table"

	"muster/fleet"
)

const (
	// partRows is how many records an answer of the engine should have, which
	// sorts it: with all columns but the evidence they take DuckDB up to 2.5 KB
	// each, and reading back an hour of a busy fleet at once took gigabytes.
	partRows = 50_000
	// partBins is how finely the times of records are counted.
	partBins = 4096
)

// scanInParts is scan, of a long window part by part where that changes nothing
// but the memory that it takes. Athena sorts elsewhere, and takes seconds to
// begin.
func (l *Lake) scanInParts(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Record, error] {
	return func(yield func(fleet.Record, error) bool) {
		parts := []fleet.Window{q.Window}
		if q.Lean && q.Filter == nil && q.Limit == 0 && l.athena == nil {
			var err error
			if parts, err = l.timeParts(ctx, &q); err != nil {
				yield(fleet.Record{}, fmt.Errorf("read records: %w", err))
				return
			}
		}
		for _, q.Window = range parts {
			for r, err := range l.scan(ctx, q) {
				if !yield(r, err) || err != nil {
					return
				}
			}
		}
	}
}

// timeParts cuts the window of a query by how many rows the files that may
// answer it have, as if each spread them evenly over the time from its first to
// its last.
func (l *Lake) timeParts(ctx context.Context, q *fleet.Query) ([]fleet.Window, error) {
	tbl, err := l.head(ctx, tableEvidence)
	if err != nil {
		return nil, err
	}
	field, ok := tbl.Schema().FindFieldByName("time_us")
	if !ok || tbl.CurrentSnapshot() == nil {
		return []fleet.Window{q.Window}, nil
	}
	tasks, err := tbl.Scan(table.WithRowFilter(planFilter(q))).PlanFiles(ctx)
	if err != nil {
		return nil, fmt.Errorf("plan files: %w", err)
	}
	var spans []rowSpan
	for _, t := range tasks {
		low, high := t.File.LowerBoundValues()[field.ID], t.File.UpperBoundValues()[field.ID]
		if len(low) != 8 || len(high) != 8 {
			continue // another engine's file without bounds: it makes a part larger
		}
		spans = append(spans, rowSpan{int64(binary.LittleEndian.Uint64(low)), int64(binary.LittleEndian.Uint64(high)), float64(t.File.Count())})
	}
	return cutWindow(q.Window, spans), nil
}

// rowSpan is how many rows lie from one time to another, both within it.
type rowSpan struct {
	firstUS, lastUS int64
	rows            float64
}

// cutWindow cuts a window into parts of about partRows rows at most.
func cutWindow(w fleet.Window, spans []rowSpan) []fleet.Window {
	if len(spans) == 0 {
		return []fleet.Window{w}
	}
	first, last := spans[0].firstUS, spans[0].lastUS
	for _, s := range spans {
		first, last = min(first, s.firstUS), max(last, s.lastUS)
	}
	if !w.Start.IsZero() {
		first = max(first, w.Start.UnixMicro())
	}
	if !w.End.IsZero() {
		last = min(last, w.End.UnixMicro())
	}
	width := (last-first)/partBins + 1
	var bins [partBins]float64
	for _, s := range spans {
		from, to := (max(s.firstUS, first)-first)/width, (min(s.lastUS, last)-first)/width
		if from > to { // outside of the window
			continue
		}
		each := s.rows * float64(width) / float64(max(s.lastUS-s.firstUS, width))
		for i := from; i <= min(to, partBins-1); i++ {
			bins[i] += each
		}
	}
	var out []fleet.Window
	start, sum := w.Start, 0.0
	for i, n := range bins {
		if sum > 0 && sum+n > partRows {
			cut := time.UnixMicro(first + int64(i)*width).UTC()
			out = append(out, fleet.Window{Start: start, End: cut})
			start, sum = cut, 0
		}
		sum += n
	}
	return append(out, fleet.Window{Start: start, End: w.End})
}
