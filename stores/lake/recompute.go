package lake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"muster/correlate"
	"muster/fleet"
)

const (
	// recomputeBatch bounds a commit of differences, in records; their rows are
	// read and written whole.
	recomputeBatch = 20_000
	// recomputeTries is how often a recomputation starts over because another
	// writer was faster. It takes seconds where a commit takes milliseconds, so
	// that next to a busy writer it may well lose each time.
	recomputeTries = 5
)

// seenSQL makes the relation "seen" that resolve.sql reads, with what is stored
// now beside it. The id there must be unique over all kinds and days; what
// follows the id in it keeps the order of ids.
const seenSQL = `select id || chr(0) || kind || chr(0) || cast(time_us - time_us %% 86400000000 as varchar) as id,
	id as record_id, kind, time_us, account, region, resources, error, read_only,
	coalesce(element_at(attributes, '` + fleet.AttrEventCategory + `'), '') as event_category,
	seen_trace_id, seen_request_id, case when seen_request_id = '' then '' else request_scope end as seen_request_scope,
	message_ids, seen_correlation_id, access_key_id, issued_key_id, principal,
	trace_id, trace_via, trace_sure, request_id, request_scope, request_via, request_sure,
	correlation_id, correlation_via, correlation_sure, origin, %s as asked
from (%s) l`

// storedColumns are what seenSQL selects from.
var storedColumns = []string{
	"id", "kind", "time_us", "account", "region", "resources", "error", "read_only", "attributes",
	"seen_trace_id", "seen_request_id", "seen_correlation_id", "message_ids", "access_key_id", "issued_key_id", "principal",
	"trace_id", "trace_via", "trace_sure", "request_id", "request_scope", "request_via", "request_sure",
	"correlation_id", "correlation_via", "correlation_sure", "origin",
}

// answerColumns are what resolving gives, as resolve.sql and the table name it.
var answerColumns = []string{
	"trace_id", "trace_via", "trace_sure", "request_id", "request_scope", "request_via", "request_sure",
	"correlation_id", "correlation_via", "correlation_sure", "origin",
}

// Recompute runs resolve.sql over the live records of a window and those within
// the horizon around it, and writes what it joins differently as amendments, by
// the same protocol as every commit. fleet.ErrConflict when other writers were
// faster again and again.
func (l *Lake) Recompute(ctx context.Context, r Recompute) (Recomputed, error) {
	if l.options.ReadOnly && !r.DryRun {
		return Recomputed{}, errReadOnly
	}
	amended, began := 0, l.options.Now()
	for range recomputeTries {
		done, err := l.recompute(ctx, &r)
		amended += done.Amended // what an overtaken try has written stays
		if errors.Is(err, fleet.ErrConflict) {
			continue
		}
		if err != nil {
			return Recomputed{}, fmt.Errorf("resolve again: %w", err)
		}
		done.Differ += amended - done.Amended
		done.Amended = amended
		return done, l.joined(ctx, &r, done.Looked, began)
	}
	return Recomputed{}, fmt.Errorf("resolve again: another writer was faster %d times in a row: %w", recomputeTries, fleet.ErrConflict)
}

// joined writes into the ledger that the joins of a window are complete; those of
// an open one up to when it began, since what comes later is joined by others.
func (l *Lake) joined(ctx context.Context, r *Recompute, records int, began time.Time) error {
	if r.DryRun {
		return nil
	}
	w := r.Window
	if w.End.IsZero() {
		w.End = began
	}
	return l.saveLedger(ctx, []fleet.LedgerEntry{{
		Stream: fleet.JoinStream, Window: w, Coverage: fleet.Complete, Detail: "resolved anew", Records: records,
	}})
}

func (l *Lake) recompute(ctx context.Context, r *Recompute) (done Recomputed, err error) {
	seen, base, err := l.keepSeen(ctx, r)
	if err != nil {
		return Recomputed{}, err
	}
	defer func() { err = errors.Join(err, seen.close()) }()
	if done.Looked, err = countAsked(ctx, seen); err != nil {
		return done, err
	}
	w := differences{Lake: l, Recompute: r, base: base}
	rows, err := seen.rows(ctx, differenceSQL(seen.relation()))
	if err != nil {
		return done, err
	}
	defer func() { _ = rows.Close() }() // its errors are in rows.Err
	for rows.Next() {
		d, err := scanDifference(rows)
		if err != nil {
			return done, err
		}
		if bounded(r.Window) && takesBack(&d) {
			done.Beyond++
			continue
		}
		done.Differ++
		if err := w.take(ctx, d); err != nil {
			done.Amended = w.amended
			return done, err
		}
	}
	err = rows.Err()
	if err == nil {
		err = w.flush(ctx)
	}
	done.Amended = w.amended
	return done, err
}

// keepSeen holds the relation "seen" and returns the snapshot it is of.
func (l *Lake) keepSeen(ctx context.Context, r *Recompute) (keptRows, fleet.Snapshot, error) {
	q := fleet.Query{Window: r.Window}
	if !q.Window.Start.IsZero() {
		q.Window.Start = q.Window.Start.Add(-r.Horizon)
	}
	if !q.Window.End.IsZero() {
		q.Window.End = q.Window.End.Add(r.Horizon)
	}
	e := l.engine()
	read, err := e.evidence(ctx, &q, true)
	if err != nil {
		return nil, 0, err
	}
	seen, err := e.keep(ctx, fmt.Sprintf(seenSQL, within(r.Window).sql(), read.live(storedColumns, within(q.Window))))
	return seen, read.snapshot, err
}

func countAsked(ctx context.Context, seen keptRows) (n int, err error) {
	rows, err := seen.rows(ctx, "select count(*) from "+seen.relation()+" where asked")
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }() // its errors are in rows.Err
	if rows.Next() {
		err = rows.Scan(&n)
	}
	return n, errors.Join(err, rows.Err())
}

func bounded(w fleet.Window) bool { return !w.Start.IsZero() || !w.End.IsZero() }

// differenceSQL selects the records whose answers are not those stored.
func differenceSQL(relation string) string {
	stored, answers := make([]string, len(answerColumns)), make([]string, len(answerColumns))
	differ := make([]string, len(answerColumns))
	for i, c := range answerColumns {
		stored[i], answers[i], differ[i] = "s."+c, "a."+c, "s."+c+" <> a."+c
	}
	return fmt.Sprintf(`with seen as (select * from %s), answers as (%s
) select s.record_id, s.kind, s.time_us, %s, %s from seen s join answers a on a.id = s.id
where s.asked and (%s) order by s.time_us, s.id`,
		relation, correlate.SQL(), strings.Join(stored, ", "), strings.Join(answers, ", "), strings.Join(differ, " or "))
}

func scanDifference(rows answer) (Difference, error) {
	var was, now row
	var timeUS int64
	var d Difference
	targets := append([]any{&d.Ref.ID, (*string)(&d.Ref.Kind), &timeUS}, was.answers()...)
	err := rows.Scan(append(targets, now.answers()...)...)
	d.Ref.Time = time.UnixMicro(timeUS).UTC()
	d.Was, d.Now = was.record().Keys, now.record().Keys
	return d, err
}

// answers are where a row of answerColumns is scanned to.
func (w *row) answers() []any {
	return []any{
		&w.Trace, &w.TraceVia, &w.TraceSure, &w.Request, &w.RequestScope, &w.RequestVia, &w.RequestSure,
		&w.Correlation, &w.CorrelationVia, &w.CorrelationSure, &w.Origin,
	}
}

// takesBack reports whether a difference leaves a key empty that is there now.
func takesBack(d *Difference) bool {
	return d.Was.Trace != "" && d.Now.Trace == "" || d.Was.Request != "" && d.Now.Request == "" ||
		d.Was.Correlation != "" && d.Now.Correlation == "" || d.Was.Origin != "" && d.Now.Origin == ""
}

// differences writes differences in batches, each on the snapshot that the one
// before it made.
type differences struct {
	*Lake
	*Recompute
	base    fleet.Snapshot
	held    []Difference
	amended int
}

func (w *differences) take(ctx context.Context, d Difference) error {
	w.held = append(w.held, d)
	if len(w.held) < recomputeBatch {
		return nil
	}
	return w.flush(ctx)
}

func (w *differences) flush(ctx context.Context) error {
	if len(w.held) > 0 && !w.DryRun {
		c := fleet.Commit{Base: w.base, Amendments: make([]fleet.Amendment, len(w.held))}
		for i, d := range w.held {
			c.Amendments[i] = fleet.Amendment{Ref: d.Ref, Keys: d.Now}
		}
		next, err := w.Commit(ctx, c)
		if err != nil {
			return err
		}
		w.base = next
		w.amended += len(w.held)
	}
	for _, d := range w.held {
		if w.Each == nil {
			break
		}
		if err := w.Each(d); err != nil {
			return err
		}
	}
	w.held = w.held[:0]
	return nil
}
