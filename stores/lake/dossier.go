//go:build !noduckdb

package lake

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"

	"muster/fleet"
)

const (
	// recent is how far back an id that says nothing about its time is looked
	// for at first.
	recent = 30 * day
	// journeyReach is how far around a trace the other traces of its journey
	// are looked for.
	journeyReach = 30 * day
	// maxDossier bounds what a much used resource opens: its newest records.
	maxDossier = 10_000
)

// Trace opens the dossier of any id. A trace id of X-Ray is looked for on the
// day that it names and the next, everything else in the last 30 days; then
// both in all that the lake holds. An id that several things have opens the
// first of: record, correlation, request, message, span, resource.
func (l *Lake) Trace(ctx context.Context, id string) (fleet.Trace, error) {
	windows := l.lookback("")
	trace, isTrace := fleet.ParseTraceID(id)
	if isTrace {
		windows = l.lookback(trace)
	}
	for _, w := range windows {
		t, found, err := l.look(ctx, id, trace, w)
		if err != nil {
			return fleet.Trace{}, fmt.Errorf("open %s: %w", id, err)
		}
		if found {
			return t, nil
		}
	}
	return fleet.Trace{}, fmt.Errorf("open %s: %w, in all that the lake holds", id, fleet.ErrNotFound)
}

// lookback are the windows in which a trace is looked for, narrowest first.
func (l *Lake) lookback(trace string) []fleet.Window {
	now := l.options.Now()
	everything := fleet.Window{}
	month := fleet.Window{Start: now.Add(-recent), End: now.Add(day)}
	if len(trace) < 8 {
		return []fleet.Window{month, everything}
	}
	// X-Ray's ids start with the second in which the trace began.
	second, err := strconv.ParseInt(trace[:8], 16, 64)
	start := time.Unix(second, 0).UTC()
	if err != nil || start.After(now.Add(day)) || start.Year() < 2016 {
		return []fleet.Window{month, everything} // an id of another maker: its digits are random
	}
	start = start.Truncate(day)
	return []fleet.Window{{Start: start, End: start.Add(2 * day)}, month, everything}
}

func (l *Lake) look(ctx context.Context, id, trace string, w fleet.Window) (fleet.Trace, bool, error) {
	if trace != "" {
		if t, found, err := l.openTrace(ctx, trace, w); found || err != nil {
			return t, found, err
		}
	}
	m, err := l.match(ctx, id, w)
	if err != nil || len(m) == 0 {
		return fleet.Trace{}, false, err
	}
	t, err := l.openMatch(ctx, id, m, w)
	return t, true, err
}

// match is a record that has an id somewhere.
type match struct {
	how    string
	id     string
	trace  string
	timeUS int64
}

// matchSQL says as what a record has an id, the most telling first.
const matchSQL = `case when id = ? then 'record' when correlation_id = ? then 'correlation'
	when request_id = ? then 'request' when list_contains(message_ids, ?) then 'message'
	when span_id = ? then 'span' when list_contains(resources, ?) then 'resource' end as how`

// match finds the records that have an id, as the most telling thing that any
// of them has it as, in the order of fleet.Compare.
func (l *Lake) match(ctx context.Context, id string, window fleet.Window) ([]match, error) {
	q := fleet.Query{Window: window}
	p, err := l.planQuery(ctx, &q)
	if err != nil {
		return nil, err
	}
	w := conditions(&q)
	live, err := l.liveSQL([]string{"id", "trace_id", "time_us", matchSQL}, p, w)
	if err != nil {
		return nil, err
	}
	args := append([]any{id, id, id, id, id, id}, w.args...)
	scan := func(rows *sql.Rows) (m match, err error) {
		err = rows.Scan(&m.how, &m.id, &m.trace, &m.timeUS)
		return m, err
	}
	text := "select how, id, trace_id, time_us from (" + live + ") where how is not null order by time_us, id"
	all, err := collect(query(ctx, l.reader.db, text, args, scan))
	for _, how := range []string{"record", "correlation", "request", "message", "span", "resource"} {
		best := slices.DeleteFunc(slices.Clone(all), func(m match) bool { return m.how != how })
		if len(best) > 0 {
			return best, err
		}
	}
	return nil, err
}

// openMatch opens what an id stands for.
func (l *Lake) openMatch(ctx context.Context, id string, ms []match, w fleet.Window) (fleet.Trace, error) {
	q := fleet.Query{Window: w}
	switch ms[0].how {
	case "correlation":
		q.Correlation = id
		return l.dossier(ctx, "", q)
	case "resource":
		q.Resource = id
		from := ms[max(0, len(ms)-maxDossier)] // the newest, if there are too many
		q.Window.Start = time.UnixMicro(from.timeUS)
		return l.dossier(ctx, "", q)
	}
	if i := slices.IndexFunc(ms, func(m match) bool { return m.trace != "" }); i >= 0 {
		at := time.UnixMicro(ms[i].timeUS).UTC()
		for _, w := range l.lookback(ms[i].trace) {
			if w != (fleet.Window{}) && !w.Contains(at) {
				continue // it would leave out the very record that was asked for
			}
			if t, found, err := l.openTrace(ctx, ms[i].trace, w); found || err != nil {
				return t, err
			}
		}
	}
	for _, m := range ms {
		q.IDs = append(q.IDs, m.id)
	}
	return l.dossier(ctx, "", q)
}

func (l *Lake) openTrace(ctx context.Context, trace string, w fleet.Window) (fleet.Trace, bool, error) {
	t, err := l.dossier(ctx, trace, fleet.Query{Window: w, Trace: trace})
	return t, len(t.Records) > 0, err
}

// dossier gathers the records of a query, what was found about them, and the
// other traces of the journey.
func (l *Lake) dossier(ctx context.Context, trace string, q fleet.Query) (fleet.Trace, error) {
	records, err := collect(l.Records(ctx, q))
	t := fleet.NewTrace(trace, q, records)
	if err != nil || len(records) == 0 {
		return t, err
	}
	if t.Related, err = l.related(ctx, &t); err != nil {
		return t, err
	}
	t.Findings, err = l.findingsAbout(ctx, &t, q.Resource)
	return t, err
}

// related are the other traces of the journey, earliest first.
func (l *Lake) related(ctx context.Context, t *fleet.Trace) ([]string, error) {
	if t.Correlation == "" {
		return nil, nil
	}
	first, last := t.Records[0].Time, t.Records[len(t.Records)-1].Time
	q := fleet.Query{
		Correlation: t.Correlation,
		Window:      fleet.Window{Start: first.Add(-journeyReach), End: last.Add(journeyReach)},
	}
	p, err := l.planQuery(ctx, &q)
	if err != nil {
		return nil, err
	}
	w := conditions(&q)
	w.add("trace_id not in ('', ?)", t.ID)
	live, err := l.liveSQL([]string{"trace_id", "time_us"}, p, w)
	if err != nil {
		return nil, err
	}
	scan := func(rows *sql.Rows) (s string, err error) {
		err = rows.Scan(&s)
		return s, err
	}
	text := "select trace_id from (" + live + ") group by trace_id order by min(time_us), trace_id"
	return collect(query(ctx, l.reader.db, text, w.args, scan))
}

// collect gathers a sequence up to its first error.
func collect[T any](seq func(yield func(T, error) bool)) ([]T, error) {
	var out []T
	for v, err := range seq {
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}
