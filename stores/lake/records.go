package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"muster/fleet"
)

// recordColumns are the columns of row, in its order; lean ones have no evidence.
func recordColumns(e engine, lean bool) []string {
	fields := parquet.SchemaOf(row{}).Fields()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name()
		switch {
		case f.Name() == columnTime:
			names[i] = "time_us as time_number" // row holds it as a number, which is the same
		case f.Name() == "raw" && lean:
			names[i] = "'' as raw"
		case !f.Leaf():
			names[i] = e.list(f.Name()) + " as " + f.Name()
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

// textList scans a list of texts: the engine's own, or the text of a JSON array.
type textList []string

// Scan implements sql.Scanner.
func (t *textList) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*t = textList{}
		return nil
	case []any:
		*t = make(textList, len(v))
		for i, e := range v {
			(*t)[i], _ = e.(string)
		}
		return nil
	case string:
		return json.Unmarshal([]byte(v), (*[]string)(t))
	}
	return fmt.Errorf("a list is %T", v)
}

// textMap scans a map of texts: the engine's own, or the text of a JSON object.
type textMap map[string]string

// Scan implements sql.Scanner.
func (t *textMap) Scan(v any) error {
	if s, ok := v.(string); ok {
		return json.Unmarshal([]byte(s), (*map[string]string)(t))
	}
	m, ok := plain(v).(map[string]any)
	if !ok {
		return fmt.Errorf("a map is %T", v)
	}
	*t = make(textMap, len(m))
	for k, v := range m {
		(*t)[k], _ = v.(string)
	}
	return nil
}

// Records yields the live records that meet a query, in the order of
// fleet.Compare. A limit keeps the newest.
func (l *Lake) Records(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Record, error] {
	return func(yield func(fleet.Record, error) bool) {
		if l.picks(&q) {
			rs, err := l.pick(ctx, &q)
			if !errors.Is(err, errNotPicked) {
				yieldAll(yield, rs, err, "read records")
				return
			}
		}
		l.scanInParts(ctx, q)(yield)
	}
}

// scan is Records by SQL.
func (l *Lake) scan(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Record, error] {
	return func(yield func(fleet.Record, error) bool) {
		e := l.engine()
		read, err := e.evidence(ctx, &q, false)
		if err != nil {
			yield(fleet.Record{}, fmt.Errorf("read records: %w", err))
			return
		}
		w := conditions(&q)
		if err := addFilter(ctx, e, &q, w); err != nil {
			yield(fleet.Record{}, fmt.Errorf("read records: %w", err))
			return
		}
		text := read.live(recordColumns(e, q.Lean), w)
		if q.Limit > 0 {
			text = "select * from (" + text + " order by r.time_us desc, r.id desc limit " + strconv.Itoa(q.Limit) + ") r"
		}
		text += " order by r.time_us, r.id"
		for r, err := range query(ctx, e, text, w.args, scanRecord) {
			if err != nil {
				err = fmt.Errorf("read records: %w", err)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// yieldAll yields what was found, or the error that there is instead.
func yieldAll[T any](yield func(T, error) bool, all []T, err error, what string) {
	if err != nil {
		var zero T
		yield(zero, fmt.Errorf("%s: %w", what, err))
		return
	}
	for i := range all {
		if !yield(all[i], nil) {
			return
		}
	}
}

func scanRecord(rows answer) (fleet.Record, error) {
	var w row
	err := rows.Scan(w.targets()...)
	return w.record(), err
}
