package lake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"muster/fleet"
)

// traceReach is how far around a window the rest of a trace is looked for. A
// trace whose records lie further apart is summed up without them.
const traceReach = 24 * time.Hour

// summarySQL sums up the traces among the live records. Root is the earliest
// span without a parent. Spans say when a trace began and ended, if it has any:
// CloudTrail cuts times to whole seconds, and a change that a trace caused is
// captured minutes later.
const summarySQL = `select trace_id,
	coalesce(min_by(correlation_id, row(time_us, id)) filter (where correlation_id <> ''), ''),
	coalesce(min(time_us) filter (where kind = 'span'), min(time_us)) as start_us,
	coalesce(max(time_us + duration_us) filter (where kind = 'span') - min(time_us) filter (where kind = 'span'),
		max(time_us) - min(time_us)),
	coalesce(min_by(service, row(time_us, id)) filter (where root), min_by(service, row(time_us, id))),
	coalesce(min_by(name, row(time_us, id)) filter (where root), min_by(name, row(time_us, id))),
	coalesce(nullif(min_by(error, row(time_us, id)) filter (where root), ''),
		min_by(error, row(time_us, id)) filter (where error <> ''), ''),
	%s,
	count(*) filter (where kind = 'span'),
	count(*) filter (where kind = 'log'),
	count(*) filter (where kind = 'api_call'),
	count(*) filter (where kind = 'change'),
	count(*) filter (where error <> '')
from (%s) live
group by trace_id%s
order by start_us desc, trace_id`

// Traces yields the traces that have a record that meets the query, newest
// first. Each is summed up from all its records, also those that do not meet
// it, within traceReach of the window.
func (l *Lake) Traces(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Summary, error] {
	return func(yield func(fleet.Summary, error) bool) {
		if l.reader != nil && l.reader.ready() && q.Limit > 0 && q.Trace == "" {
			found, err := l.newest(ctx, &q, firstSlice)
			if !errors.Is(err, errAll) {
				yieldAll(yield, found, err, "read traces")
				return
			}
		}
		for s, err := range l.summaries(ctx, l.engine(), &q, beginning) {
			if err != nil {
				err = fmt.Errorf("read traces: %w", err)
			}
			if !yield(s, err) {
				return
			}
		}
	}
}

// beginning is the time before all.
const beginning = -1 << 63

// summaries yields the traces that meet a query and began at a time, in
// microseconds since 1970, or later.
func (l *Lake) summaries(ctx context.Context, e engine, q *fleet.Query, since int64) iter.Seq2[fleet.Summary, error] {
	return func(yield func(fleet.Summary, error) bool) {
		text, args, err := summariesSQL(ctx, e, q, since)
		if err != nil {
			yield(fleet.Summary{}, err)
			return
		}
		query(ctx, e, text, args, scanSummary)(yield)
	}
}

// summariesSQL reads the table once for the ids of the traces that are asked for,
// and once for these traces. That is faster in both engines than reading it once
// and sorting out, and Athena allows a question mark in a WHERE only.
func summariesSQL(ctx context.Context, e engine, q *fleet.Query, since int64) (string, []any, error) {
	around := fleet.Query{Window: wholeDays(q.Window, traceReach), Trace: q.Trace}
	all, err := e.evidence(ctx, &around, false)
	if err != nil {
		return "", nil, err
	}
	rest := conditions(&around)
	rest.add("trace_id <> ''")
	hit := conditions(q)
	hits := ""
	if len(hit.terms) > 0 && hit.sql() != conditions(&around).sql() {
		asked, err := e.evidence(ctx, q, false)
		if err != nil {
			return "", nil, err
		}
		hit.add("trace_id <> ''")
		hits = "with hits as (select distinct trace_id from (" + asked.live([]string{"trace_id"}, hit) + ") h)\n"
		rest.add("trace_id in (select trace_id from hits)")
	} else {
		hit.args = nil
	}
	if err := addFilter(ctx, e, q, rest); err != nil {
		return "", nil, err
	}
	live := all.live([]string{
		"id", "kind", "time_us", "duration_us", "service", "name", "error", "trace_id", "correlation_id",
		"kind = 'span' and parent_id = '' as root",
	}, rest)
	services := e.list("array_sort(array_agg(distinct service) filter (where service <> ''))")
	began := ""
	if since > beginning {
		began = "\nhaving coalesce(min(time_us) filter (where kind = 'span'), min(time_us)) >= " + strconv.FormatInt(since, 10)
	}
	text := hits + fmt.Sprintf(summarySQL, services, live, began)
	if q.Limit > 0 {
		text += " limit " + strconv.Itoa(q.Limit)
	}
	return text, append(hit.args, rest.args...), nil
}

// addFilter adds that a record's trace meets the query's filter, if it has one.
// A trace is judged by its spans within traceReach of the window.
func addFilter(ctx context.Context, e engine, q *fleet.Query, w *where) error {
	if q.Filter == nil {
		return nil
	}
	around := fleet.Query{
		Window: wholeDays(q.Window, traceReach), Trace: q.Trace, Kinds: []fleet.Kind{fleet.KindSpan},
	}
	read, err := e.evidence(ctx, &around, false)
	if err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	spans := conditions(&around)
	spans.add("trace_id <> ''")
	text, args := filterSQL(q.Filter, read.live(filterColumns, spans), spans.args)
	w.add("trace_id in ("+text+")", args...)
	return nil
}

func scanSummary(rows answer) (fleet.Summary, error) {
	var s fleet.Summary
	var start, duration int64
	err := rows.Scan(&s.Trace, &s.Correlation, &start, &duration, &s.Service, &s.Name, &s.Error,
		(*textList)(&s.Services), &s.Spans, &s.Logs, &s.APICalls, &s.Changes, &s.Errors)
	s.Start, s.Duration = time.UnixMicro(start).UTC(), time.Duration(duration)*time.Microsecond
	return s, err
}
