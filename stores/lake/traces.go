//go:build !noduckdb

package lake

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"strconv"
	"time"

	"muster/fleet"
)

// traceReach is how far around a window the rest of a trace is looked for. A
// trace whose records lie further apart is summed up without them.
const traceReach = 24 * time.Hour

// summarySQL sums up the traces that have a record among the hits. Root is the
// earliest span without a parent. Spans say when a trace began and ended, if it
// has any: CloudTrail cuts times to whole seconds, and a change that a trace
// caused is captured minutes later.
const summarySQL = `with live as materialized (%s),
hits as (select distinct trace_id from live where trace_id <> '' and hit)
select trace_id,
	coalesce(first(correlation_id order by time_us, id) filter (where correlation_id <> ''), ''),
	coalesce(min(time_us) filter (where kind = 'span'), min(time_us)) as start_us,
	coalesce(max(time_us + duration_us) filter (where kind = 'span'), max(time_us)) - start_us,
	coalesce(first(service order by time_us, id) filter (where root), first(service order by time_us, id)),
	coalesce(first(name order by time_us, id) filter (where root), first(name order by time_us, id)),
	coalesce(nullif(first(error order by time_us, id) filter (where root), ''),
		first(error order by time_us, id) filter (where error <> ''), ''),
	coalesce(list_sort(list(distinct service) filter (where service <> '')), []),
	count(*) filter (where kind = 'span'),
	count(*) filter (where kind = 'log'),
	count(*) filter (where kind = 'api_call'),
	count(*) filter (where kind = 'change'),
	count(*) filter (where error <> '')
from live semi join hits using (trace_id)
group by trace_id
order by start_us desc, trace_id`

// Traces yields the traces that have a record that meets the query, newest
// first. Each is summed up from all its records, also those that do not meet
// it, within traceReach of the window.
func (l *Lake) Traces(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Summary, error] {
	return func(yield func(fleet.Summary, error) bool) {
		text, args, err := l.summaries(ctx, &q)
		if err != nil {
			yield(fleet.Summary{}, fmt.Errorf("read traces: %w", err))
			return
		}
		for s, err := range query(ctx, l.reader.db, text, args, scanSummary) {
			if err != nil {
				err = fmt.Errorf("read traces: %w", err)
			}
			if !yield(s, err) {
				return
			}
		}
	}
}

func (l *Lake) summaries(ctx context.Context, q *fleet.Query) (string, []any, error) {
	around := fleet.Query{Window: wholeDays(q.Window, traceReach), Trace: q.Trace}
	p, err := l.planQuery(ctx, &around)
	if err != nil {
		return "", nil, err
	}
	hit, rest := conditions(q), conditions(&around)
	rest.add("trace_id <> ''")
	if err := l.addFilter(ctx, q, rest); err != nil {
		return "", nil, err
	}
	columns := []string{
		"id", "kind", "time_us", "duration_us", "service", "name", "error", "trace_id", "correlation_id",
		"kind = 'span' and parent_id = '' as root", "(" + hit.sql() + ") as hit",
	}
	live, err := l.liveSQL(columns, p, rest)
	if err != nil {
		return "", nil, err
	}
	text := fmt.Sprintf(summarySQL, live)
	if q.Limit > 0 {
		text += " limit " + strconv.Itoa(q.Limit)
	}
	return text, append(hit.args, rest.args...), nil
}

// addFilter adds that a record's trace meets the query's filter, if it has one.
// A trace is judged by its spans within traceReach of the window.
func (l *Lake) addFilter(ctx context.Context, q *fleet.Query, w *where) error {
	if q.Filter == nil {
		return nil
	}
	around := fleet.Query{
		Window: wholeDays(q.Window, traceReach), Trace: q.Trace, Kinds: []fleet.Kind{fleet.KindSpan},
	}
	p, err := l.planQuery(ctx, &around)
	if err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	spans := conditions(&around)
	spans.add("trace_id <> ''")
	text, err := l.liveSQL(filterColumns, p, spans)
	if err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	text, args := filterSQL(q.Filter, text, spans.args)
	w.add("trace_id in ("+text+")", args...)
	return nil
}

func scanSummary(rows *sql.Rows) (fleet.Summary, error) {
	var s fleet.Summary
	var start, duration int64
	err := rows.Scan(&s.Trace, &s.Correlation, &start, &duration, &s.Service, &s.Name, &s.Error,
		(*textList)(&s.Services), &s.Spans, &s.Logs, &s.APICalls, &s.Changes, &s.Errors)
	s.Start, s.Duration = time.UnixMicro(start).UTC(), time.Duration(duration)*time.Microsecond
	return s, err
}
