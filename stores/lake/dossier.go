package lake

import (
	"context"
	"errors"
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
// day that it names and the next, everything else in the last 30 days. After
// that both are looked for since Options.Since, or if that is not set, in all
// that a folder holds; a bucket is not read whole unasked, since Athena charges
// for what it reads. An id that several things have opens the first of: record,
// correlation, request, message, span, resource.
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
	last := windows[len(windows)-1]
	if last.Start.IsZero() {
		return fleet.Trace{}, fmt.Errorf("open %s: %w, in all that the lake holds", id, fleet.ErrNotFound)
	}
	return fleet.Trace{}, fmt.Errorf("open %s: %w since %s: look further back with --since, which costs what Athena reads for it",
		id, fleet.ErrNotFound, fleet.FormatTime(last.Start))
}

// lookback are the windows in which a trace is looked for, narrowest first.
func (l *Lake) lookback(trace string) []fleet.Window {
	now := l.options.Now()
	windows := []fleet.Window{{Start: now.Add(-recent), End: now.Add(day)}}
	switch since := l.options.Since; {
	case since.IsZero() && !l.metered():
		windows = append(windows, fleet.Window{})
	case !since.IsZero() && since.Before(windows[0].Start):
		windows = append(windows, fleet.Window{Start: since})
	}
	if len(trace) < 8 {
		return windows
	}
	// X-Ray's ids start with the second in which the trace began.
	second, err := strconv.ParseInt(trace[:8], 16, 64)
	start := time.Unix(second, 0).UTC()
	if err != nil || start.After(now.Add(day)) || start.Year() < 2016 {
		return windows // an id of another maker: its digits are random
	}
	start = start.Truncate(day)
	return append([]fleet.Window{{Start: start, End: start.Add(2 * day)}}, windows...)
}

// metered reports whether every byte that is read for an answer costs money.
func (l *Lake) metered() bool { return l.athena != nil }

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

// matchSQL is what a record can have an id as.
const matchSQL = `(id = ? or correlation_id = ? or request_id = ? or contains(message_ids, ?) or span_id = ? or contains(resources, ?))`

// match finds the records that have an id, as the most telling thing that any
// of them has it as, in the order of fleet.Compare.
func (l *Lake) match(ctx context.Context, id string, window fleet.Window) ([]match, error) {
	e, q := l.engine(), fleet.Query{Window: window}
	read, err := e.evidence(ctx, &q, false)
	if err != nil {
		return nil, err
	}
	w := conditions(&q)
	w.add(matchSQL, id, id, id, id, id, id)
	text := read.live([]string{
		"id", "trace_id", "time_us", "correlation_id", "request_id", "span_id", e.list("message_ids") + " as message_ids",
	}, w) + " order by time_us, id"
	scan := func(rows answer) (m match, err error) {
		var correlation, request, span string
		var messages textList
		err = rows.Scan(&m.id, &m.trace, &m.timeUS, &correlation, &request, &span, &messages)
		switch {
		case m.id == id:
			m.how = "record"
		case correlation == id:
			m.how = "correlation"
		case request == id:
			m.how = "request"
		case slices.Contains(messages, id):
			m.how = "message"
		case span == id:
			m.how = "span"
		default:
			m.how = "resource"
		}
		return m, err
	}
	all, err := collect(query(ctx, e, text, w.args, scan))
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
			if !w.Contains(at) {
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
	if l.picks(&q) {
		traces, err := l.pickRelated(ctx, &q, t.ID)
		if !errors.Is(err, errNotPicked) {
			return traces, err
		}
	}
	return l.scanRelated(ctx, &q, t.ID)
}

// scanRelated asks for the traces of a journey, but for one, by SQL.
func (l *Lake) scanRelated(ctx context.Context, q *fleet.Query, but string) ([]string, error) {
	e := l.engine()
	read, err := e.evidence(ctx, q, false)
	if err != nil {
		return nil, err
	}
	w := conditions(q)
	w.add("trace_id not in ('', ?)", but)
	scan := func(rows answer) (s string, err error) {
		err = rows.Scan(&s)
		return s, err
	}
	text := "select trace_id from (" + read.live([]string{"trace_id", "time_us"}, w) + ") l group by trace_id order by min(time_us), trace_id"
	return collect(query(ctx, e, text, w.args, scan))
}
