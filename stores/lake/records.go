//go:build !noduckdb

package lake

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"strconv"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/parquet-go/parquet-go"

	"muster/fleet"
)

// recordColumns are the columns of row, in its order; lean ones have no evidence.
func recordColumns(lean bool) []string {
	fields := parquet.SchemaOf(row{}).Fields()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name()
		switch {
		case f.Name() == columnTime:
			names[i] = "epoch_us(time)" // row holds it as a number
		case f.Name() == "raw" && lean:
			names[i] = "''::blob"
		}
	}
	return names
}

// targets are where a row of recordColumns is scanned to.
func (w *row) targets() []any {
	return []any{
		&w.ID, &w.Revision, &w.Kind, &w.Time, &w.TimeUS, &w.DurationUS, &w.Account, &w.Region, &w.Service, &w.Name,
		(*textList)(&w.Resources), &w.Principal, &w.Error, &w.Message, &w.Trace, &w.Span, &w.Parent,
		&w.Request, &w.RequestScope, (*textList)(&w.Messages), &w.Correlation, &w.Origin, &w.AccessKey, &w.IssuedKey,
		&w.TraceVia, &w.TraceSure, &w.RequestVia, &w.RequestSure, &w.CorrelationVia, &w.CorrelationSure,
		&w.SeenTrace, &w.SeenRequest, &w.SeenCorrelation, &w.EventSource, &w.EventName, &w.SourceIP, &w.UserAgent,
		&w.ReadOnly, &w.HTTPMethod, &w.HTTPStatus, &w.LogGroup, (*textMap)(&w.Attributes), &w.Raw,
		&w.Amends, &w.Amendment,
	}
}

// textList scans a varchar[].
type textList []string

// Scan implements sql.Scanner.
func (t *textList) Scan(v any) error {
	list, ok := v.([]any)
	if !ok {
		return fmt.Errorf("a list is %T", v)
	}
	*t = make(textList, len(list))
	for i, e := range list {
		(*t)[i], _ = e.(string)
	}
	return nil
}

// textMap scans a map(varchar, varchar).
type textMap map[string]string

// Scan implements sql.Scanner.
func (t *textMap) Scan(v any) error {
	m, ok := v.(duckdb.OrderedMap)
	if !ok {
		return fmt.Errorf("a map is %T", v)
	}
	*t = make(textMap, m.Len())
	values := m.Values()
	for i, k := range m.Keys() {
		key, _ := k.(string)
		(*t)[key], _ = values[i].(string)
	}
	return nil
}

// Records yields the live records that meet a query, in the order of
// fleet.Compare. A limit keeps the newest.
func (l *Lake) Records(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Record, error] {
	return func(yield func(fleet.Record, error) bool) {
		p, err := l.planQuery(ctx, &q)
		if err != nil {
			yield(fleet.Record{}, fmt.Errorf("read records: %w", err))
			return
		}
		for r, err := range l.records(ctx, p, &q) {
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// records yields the live rows of planned files that meet a query.
func (l *Lake) records(ctx context.Context, p plan, q *fleet.Query) iter.Seq2[fleet.Record, error] {
	return func(yield func(fleet.Record, error) bool) {
		w := conditions(q)
		if err := l.addFilter(ctx, q, w); err != nil {
			yield(fleet.Record{}, fmt.Errorf("read records: %w", err))
			return
		}
		text, err := l.liveSQL(recordColumns(q.Lean), p, w)
		if err != nil {
			yield(fleet.Record{}, fmt.Errorf("read records: %w", err))
			return
		}
		if q.Limit > 0 {
			text = "from (" + text + " order by r.time_us desc, r.id desc limit " + strconv.Itoa(q.Limit) + ") r"
		}
		text += " order by r.time_us, r.id"
		scan := func(rows *sql.Rows) (fleet.Record, error) {
			var w row
			err := rows.Scan(w.targets()...)
			return w.record(), err
		}
		for r, err := range query(ctx, l.reader.db, text, w.args, scan) {
			if err != nil {
				err = fmt.Errorf("read records: %w", err)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// query yields what scan makes of each row.
func query[T any](ctx context.Context, db *sql.DB, text string, args []any, scan func(*sql.Rows) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		rows, err := db.QueryContext(ctx, text, args...)
		if err != nil {
			yield(zero, err)
			return
		}
		defer func() { _ = rows.Close() }() // its errors are in rows.Err
		for rows.Next() {
			v, err := scan(rows)
			if !yield(v, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(zero, err)
		}
	}
}
