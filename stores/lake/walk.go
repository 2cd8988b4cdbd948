package lake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"muster/fleet"
)

// walk is a way back through the files around a query's window.
type walk struct {
	lake   *Lake
	all    []*stored // around the window
	window usRange
	inside []*stored // those that may have a record in the window, newest first
	late   []*stored // those behind it
	rows   int64     // of all
}

func newWalk(l *Lake, v *inventory, q *fleet.Query) *walk {
	w := &walk{lake: l, window: newUSRange(q.Window)}
	w.all = v.plan(&fleet.Query{Window: wholeDays(q.Window, traceReach)})
	for _, f := range w.all {
		w.rows += f.rows
		switch {
		case w.window.touches(usRange{f.firstUS, f.lastUS}):
			w.inside = append(w.inside, f)
		case f.firstUS > w.window.last:
			w.late = append(w.late, f)
		}
	}
	slices.SortFunc(w.inside, newestFirst)
	return w
}

// slice is the end of a window.
type slice struct {
	from int64     // in microseconds since 1970
	last bool      // it reaches to the beginning of the window
	in   []*stored // the files that may have a record in it
	left []*stored // those that may have one in the window before it
}

// slice is the last records of the window, as many as are asked for or some more.
func (w *walk) slice(rows int64) slice {
	from := w.lastRows(float64(rows))
	n := sort.Search(len(w.inside), func(i int) bool { return w.inside[i].lastUS < from })
	if n == len(w.inside) {
		return slice{from: beginning, last: true, in: w.inside}
	}
	return slice{from: w.inside[n].lastUS + 1, in: w.inside[:n], left: w.inside[n:]}
}

// lastRows is the time from which on the window has about so many records, as if
// each file spread its own evenly from its first to its last: API calls are
// cut to whole seconds, and a file of them touches a slice of a moment.
func (w *walk) lastRows(rows float64) int64 {
	low, high := w.window.last, int64(beginning)
	for _, f := range w.inside {
		low, high = min(low, f.firstUS), max(high, f.lastUS)
	}
	low, high = max(low, w.window.first), min(high, w.window.last)
	for low < high {
		from := low + (high-low)/2 + 1
		if w.rowsFrom(from) >= rows {
			low = from
		} else {
			high = from - 1
		}
	}
	return low
}

// rowsFrom is about how many records the files have from a time on.
func (w *walk) rowsFrom(from int64) float64 {
	rows := 0.0
	for _, f := range w.inside {
		if f.lastUS >= from {
			rows += float64(f.rows) * float64(f.lastUS-max(f.firstUS, from)+1) / float64(f.lastUS-f.firstUS+1)
		}
	}
	return rows
}

// files are all that can hold a record of a trace of a slice.
func (w *walk) files(ctx context.Context, s slice) (map[string]bool, error) {
	if s.last && len(w.inside) == len(w.all) {
		return nil, errAll
	}
	from := slices.Clone(s.in)
	for _, f := range w.late {
		// A trace that began behind the window counts when it has a record in it.
		apart, err := w.apart(ctx, f, s.left)
		if err != nil {
			return nil, err
		}
		if !apart {
			from = append(from, f)
		}
	}
	traces, err := w.lake.tracesOf(ctx, from)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, f := range from {
		out[f.name] = true
	}
	rows := int64(0)
	for _, f := range w.all {
		if !out[f.name] && !f.amends {
			if has, err := w.hasAny(ctx, f, traces); err != nil {
				return nil, err
			} else if !has {
				continue
			}
		}
		out[f.name] = true
		rows += f.rows
	}
	if !s.last && rows > w.rows/2 {
		return nil, errAll
	}
	return out, nil
}

// apart reports whether a file surely has no trace of some others.
func (w *walk) apart(ctx context.Context, f *stored, others []*stored) (bool, error) {
	if !f.bounded[boundTrace] {
		return false, nil
	}
	low := ""
	for _, o := range others {
		if !o.bounded[boundTrace] {
			return false, nil
		}
		if o.high[boundTrace] == "" || f.high[boundTrace] < o.low[boundTrace] {
			continue
		}
		if low == "" {
			var err error
			if low, err = w.lake.lowestTrace(ctx, f); err != nil {
				return false, err
			}
		}
		if low <= o.high[boundTrace] {
			return false, nil
		}
	}
	return true, nil
}

// hasAny reports whether a file may have one of some traces, which are sorted.
func (w *walk) hasAny(ctx context.Context, f *stored, traces []string) (bool, error) {
	if !f.bounded[boundTrace] {
		return true, nil
	}
	within := func(low string) []string {
		return traces[sort.SearchStrings(traces, low):sort.Search(len(traces), func(i int) bool { return traces[i] > f.high[boundTrace] })]
	}
	if f.high[boundTrace] < f.low[boundTrace] || f.high[boundTrace] == "" || len(traces) == 0 {
		return false, nil
	}
	some := within(f.low[boundTrace])
	if len(some) > fewTraces && f.low[boundTrace] == "" {
		low, err := w.lake.lowestTrace(ctx, f)
		if err != nil {
			return false, err
		}
		some = within(low)
	}
	if len(some) == 0 || len(some) > fewTraces {
		return len(some) > 0, nil
	}
	some, err := w.lake.mayHave(ctx, f, "trace_id", some)
	return len(some) > 0, err
}

// lowestTrace is the first trace of a file, or "" where that is not to be told.
// A file's lower bound says so, unless it has records of no trace.
func (l *Lake) lowestTrace(ctx context.Context, f *stored) (string, error) {
	if low := f.low[boundTrace]; low != "" {
		return low, nil
	}
	return l.reader.sketches.lowest(f.name, func() (string, error) {
		traces, err := l.traces(ctx, f)
		if errors.Is(err, errAll) {
			return "", nil
		}
		if err != nil || len(traces) == 0 {
			return f.high[boundTrace], err
		}
		return slices.Min(traces), nil
	})
}

// tracesOf are all traces of some files, sorted.
func (l *Lake) tracesOf(ctx context.Context, files []*stored) ([]string, error) {
	found := make([][]string, len(files))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(pickers)
	for i, f := range files {
		g.Go(func() error {
			var err error
			found[i], err = l.traces(ctx, f)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := slices.Concat(found...)
	slices.Sort(out)
	return slices.Compact(out), nil
}

// traces are those of a file, by the dictionaries of its row groups; errAll when
// it has no such.
func (l *Lake) traces(ctx context.Context, f *stored) ([]string, error) {
	file, err := l.reader.footers.take(ctx, l, f.name)
	if err != nil {
		return nil, err
	}
	defer l.reader.footers.give(file)
	if !file.own {
		return nil, errAll
	}
	leaf, _ := file.parquet.Schema().Lookup("trace_id")
	var out []string
	for _, group := range file.parquet.RowGroups() {
		chunk := group.ColumnChunks()[leaf.ColumnIndex].(*parquet.FileColumnChunk)
		var ok bool
		if out, ok, err = appendDictionary(out, chunk); err != nil {
			return nil, fmt.Errorf("read traces of %s: %w", f.name, err)
		}
		if !ok {
			return nil, errAll
		}
	}
	return out, nil
}

// appendDictionary adds the texts of a column chunk that are not empty; false
// when a page has others than its dictionary.
func appendDictionary(out []string, chunk *parquet.FileColumnChunk) (all []string, only bool, err error) {
	defer damaged(&err)
	pages := chunk.Pages()
	defer func() { _ = pages.Close() }() // only read
	for first := true; ; first = false {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return out, true, nil
		}
		if err != nil {
			return out, false, err
		}
		dictionary := page.Dictionary()
		if dictionary != nil && first {
			for i := range int32(dictionary.Len()) {
				if b := dictionary.Index(i).ByteArray(); len(b) > 0 {
					out = append(out, string(b))
				}
			}
		}
		parquet.Release(page)
		if dictionary == nil {
			return out, false, nil
		}
	}
}
