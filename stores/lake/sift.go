package lake

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/fleet"
)

// Traces that few others are like, such as those with an error, are sifted: one
// column says which traces may be meant, and the records of these alone are read
// and judged, where SQL reads all columns of every trace.

// maxSifted bounds the traces that are read and judged; more are left to SQL.
const maxSifted = 2000

// errManySifted says that too many traces may be meant.
var errManySifted = errors.New("too many traces to sift")

// sifted is a trace that may be meant, and the time that it began at or before.
type sifted struct {
	trace  string
	before int64
}

// sift is summaries, of a query that has a sieve and a limit, over some files of
// a walk: the traces that began in a slice. Where there are too few it says how
// many there are at most, and none, unless the slice is the last.
func (w *walk) sift(ctx context.Context, q *fleet.Query, s sieve, names map[string]bool, in slice) (out []fleet.Summary, most int, err error) {
	files := slices.DeleteFunc(slices.Clone(w.all), func(f *stored) bool { return !names[f.name] })
	traces, err := w.lake.siftTraces(ctx, files, s, in.from)
	if err != nil {
		return nil, 0, err
	}
	if likely := w.likely(traces); likely < q.Limit && !in.last {
		return nil, likely, nil
	}
	// Those that may have begun last are read first, until no other can be
	// among the newest.
	for len(traces) > 0 && (len(out) < q.Limit || traces[0].before >= out[q.Limit-1].Start.UnixMicro()) {
		n := min(len(traces), max(0, q.Limit-len(out))+q.Limit/8+1)
		found, err := w.judge(ctx, q, files, traces[:n], in.from)
		if err != nil {
			return nil, 0, err
		}
		traces = traces[n:]
		out = append(out, found...)
		slices.SortFunc(out, func(a, b fleet.Summary) int {
			return cmp.Or(b.Start.Compare(a.Start), strings.Compare(a.Trace, b.Trace))
		})
	}
	return out[:min(len(out), q.Limit)], len(out), nil
}

// likely is how many of some traces are not known from behind the window alone.
func (w *walk) likely(traces []sifted) int {
	n := 0
	for _, t := range traces {
		if t.before <= w.window.last || t.before == math.MaxInt64 {
			n++
		}
	}
	return n
}

// judge sums up those of some traces that meet a query and began at a time or
// later.
func (w *walk) judge(ctx context.Context, q *fleet.Query, files []*stored, some []sifted, since int64) ([]fleet.Summary, error) {
	ids := make([]string, len(some))
	for i := range some {
		ids[i] = some[i].trace
	}
	rows, err := w.lake.siftedRows(ctx, files, ids, q)
	if err != nil {
		return nil, err
	}
	around, exact := newUSRange(wholeDays(q.Window, traceReach)), newUSRange(q.Window)
	byTrace := map[string][]*row{}
	for _, r := range rows {
		if around.has(r.TimeUS) {
			byTrace[r.Trace] = append(byTrace[r.Trace], r)
		}
	}
	var out []fleet.Summary
	for trace, rows := range byTrace {
		if !slices.ContainsFunc(rows, func(r *row) bool { return meets(r, q, exact) }) {
			continue
		}
		if t := sumUp(trace, rows); t.Start.UnixMicro() >= since && matches(q.Filter, rows) {
			out = append(out, t)
		}
	}
	return out, nil
}

// matches judges a filter by the spans among some rows.
func matches(f fleet.Filter, rows []*row) bool {
	if f == nil {
		return true
	}
	var spans []fleet.Record
	for _, r := range rows {
		if r.Kind == string(fleet.KindSpan) {
			spans = append(spans, r.record())
		}
	}
	return fleet.MatchTrace(f, spans)
}

// siftTraces are the traces that have a row that meets a condition and may have
// begun at a time or later; those first that may have begun last.
func (l *Lake) siftTraces(ctx context.Context, files []*stored, s sieve, since int64) ([]sifted, error) {
	found := make([][]sifted, len(files))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(pickers)
	for i, f := range files {
		if len(s.kinds) > 0 && !slices.Contains(s.kinds, fleet.Kind(f.key.kind)) || s.files != nil && !s.files[f.name] {
			continue
		}
		g.Go(func() error {
			var err error
			found[i], err = l.siftFile(ctx, f, s, since)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, leftToSQL(err)
	}
	out := slices.Concat(found...)
	// A trace counts with the latest of its times: any other may be that of a row
	// that was replaced.
	slices.SortFunc(out, func(a, b sifted) int {
		return cmp.Or(strings.Compare(a.trace, b.trace), cmp.Compare(b.before, a.before))
	})
	out = slices.CompactFunc(out, func(a, b sifted) bool { return a.trace == b.trace })
	if len(out) > maxSifted {
		return nil, errManySifted
	}
	slices.SortFunc(out, func(a, b sifted) int {
		return cmp.Or(cmp.Compare(b.before, a.before), strings.Compare(a.trace, b.trace))
	})
	return out, nil
}

func (l *Lake) siftFile(ctx context.Context, f *stored, s sieve, since int64) ([]sifted, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rows, err := l.pickWhere(ctx, f, siftedColumns, s.rows, s.column...)
	if err != nil {
		return nil, err
	}
	var out []sifted
	for _, r := range rows {
		at := sifted{r.Trace, math.MaxInt64}
		if f.key.kind == string(fleet.KindSpan) { // with the first of which a trace begins
			at.before = r.TimeUS
		}
		if at.trace != "" && at.before >= since && s.times.has(r.TimeUS) {
			out = append(out, at)
		}
	}
	return out, nil
}

var siftedColumns = map[string]bool{"trace_id": true, "time_us": true}

// summedColumns are what a summary takes.
var summedColumns = map[string]bool{
	"id": true, "revision": true, "kind": true, "time_us": true, "trace_id": true, "correlation_id": true, "amendment": true,
	"duration_us": true, "service": true, "name": true, "error": true, "parent_id": true,
}

// judgedColumns are what a filter of spans takes.
var judgedColumns = func() map[string]bool {
	out := maps.Clone(summedColumns)
	for _, c := range []string{
		"span_id", "account", "attributes", "http_status", "http_method", "source_ip", "user_agent", "message", "resources",
	} {
		out[c] = true
	}
	return out
}()

// leftToSQL is errManySifted for what cannot be picked, and any other error.
func leftToSQL(err error) error {
	if errors.Is(err, errNotPicked) {
		return errManySifted
	}
	return err
}

// siftedRows are the live rows of some traces.
func (l *Lake) siftedRows(ctx context.Context, files []*stored, traces []string, q *fleet.Query) ([]*row, error) {
	found := make([][]*row, len(files))
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(pickers)
	for i, f := range files {
		columns := summedColumns
		if q.Filter != nil && f.key.kind == string(fleet.KindSpan) {
			columns = judgedColumns
		}
		if q.Request != "" { // many bytes, which only this condition takes
			columns = maps.Clone(columns)
			columns["request_id"] = true
		}
		g.Go(func() error {
			var err error
			found[i], err = pickFile(inner, l, f, "trace_id", traces, columns)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, leftToSQL(err)
	}
	return liveOf(ctx, l, files, slices.Concat(found...))
}

// sumUp is summarySQL in Go.
func sumUp(trace string, rows []*row) fleet.Summary {
	slices.SortFunc(rows, compareRows)
	t := fleet.Summary{Trace: trace, Service: rows[0].Service, Name: rows[0].Name, Services: []string{}}
	first, last := rows[0].TimeUS, rows[len(rows)-1].TimeUS
	rootError, rooted := "", false
	for _, r := range rows {
		if t.Correlation == "" {
			t.Correlation = r.Correlation
		}
		if r.Error != "" {
			t.Errors++
			if t.Error == "" {
				t.Error = r.Error
			}
		}
		if r.Service != "" && !slices.Contains(t.Services, r.Service) {
			t.Services = append(t.Services, r.Service)
		}
		switch fleet.Kind(r.Kind) {
		case fleet.KindSpan:
			if t.Spans++; t.Spans == 1 {
				first, last = r.TimeUS, r.TimeUS+r.DurationUS
			}
			last = max(last, r.TimeUS+r.DurationUS)
			if r.Parent == "" && !rooted {
				rooted, rootError = true, r.Error
				t.Service, t.Name = r.Service, r.Name
			}
		case fleet.KindLog:
			t.Logs++
		case fleet.KindAPICall:
			t.APICalls++
		case fleet.KindChange:
			t.Changes++
		case fleet.KindVerdict: // has no count of its own
		}
	}
	if rootError != "" {
		t.Error = rootError
	}
	slices.Sort(t.Services)
	t.Start, t.Duration = time.UnixMicro(first).UTC(), time.Duration(last-first)*time.Microsecond
	return t
}
