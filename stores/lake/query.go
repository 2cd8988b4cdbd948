package lake

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"muster/fleet"
)

const day = 24 * time.Hour

// where is a condition in SQL. Text from outside is only ever an argument.
type where struct {
	terms []string
	args  []any
}

func (w *where) add(term string, args ...any) {
	w.terms = append(w.terms, term)
	w.args = append(w.args, args...)
}

// set adds column = value unless the value is empty.
func (w *where) set(column, value string) {
	if value != "" {
		w.add(column+" = ?", value)
	}
}

// oneOf adds column in (values) unless there are none.
func (w *where) oneOf(column string, values []string) {
	if len(values) == 0 {
		return
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ")
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	w.add(column+" in ("+marks+")", args...)
}

func (w *where) sql() string {
	if len(w.terms) == 0 {
		return "true"
	}
	return strings.Join(w.terms, " and ")
}

// conditions are what a query asks of a record.
func conditions(q *fleet.Query) *where {
	w := within(q.Window)
	w.oneOf("kind", kindNames(q.Kinds))
	w.oneOf("id", q.IDs)
	w.set("service", q.Service)
	w.set("trace_id", traceID(q.Trace))
	w.set("correlation_id", q.Correlation)
	w.set("request_id", q.Request)
	if strings.HasPrefix(q.Principal, "arn:") {
		w.set("principal", q.Principal)
	} else if q.Principal != "" {
		w.add("strpos(principal, ?) > 0", q.Principal)
	}
	if q.Resource != "" {
		w.add("contains(resources, ?)", q.Resource)
	}
	if q.Text != "" {
		w.add(`(strpos(lower(name), lower(?)) > 0 or strpos(lower(message), lower(?)) > 0
			or strpos(lower(error), lower(?)) > 0 or strpos(lower(raw), lower(?)) > 0)`, q.Text, q.Text, q.Text, q.Text)
	}
	if q.Errors {
		w.add("error <> ''")
	}
	return w
}

// within is a condition on time_us.
func within(w fleet.Window) *where {
	c := &where{}
	if !w.Start.IsZero() {
		c.add("time_us >= " + strconv.FormatInt(w.Start.UnixMicro(), 10))
	}
	if !w.End.IsZero() {
		c.add("time_us < " + strconv.FormatInt(w.End.UnixMicro(), 10))
	}
	return c
}

func kindNames(kinds []fleet.Kind) []string {
	out := make([]string, len(kinds))
	for i, k := range kinds {
		out[i] = string(k)
	}
	return out
}

// traceID is an id as stored, whichever way it is spelled.
func traceID(s string) string {
	if id, ok := fleet.ParseTraceID(s); ok {
		return id
	}
	return s
}

// wholeDays widens a window to whole UTC days and by so much on each side.
func wholeDays(w fleet.Window, by time.Duration) fleet.Window {
	if !w.Start.IsZero() {
		w.Start = w.Start.Add(-by).UTC().Truncate(day)
	}
	if !w.End.IsZero() {
		w.End = w.End.Add(by + day - 1).UTC().Truncate(day)
	}
	return w
}

// planFilter is what Iceberg may prune files by. An amending row lies in the
// kind and day of the row that it replaces, but may have any other value: all
// amending rows of the kinds and days are needed to tell what they replace.
func planFilter(q *fleet.Query) iceberg.BooleanExpression {
	coarse := append(windowFilter(wholeDays(q.Window, 0)), iceberg.AlwaysTrue{}, iceberg.AlwaysTrue{})
	if len(q.Kinds) > 0 {
		coarse = append(coarse, iceberg.IsIn(iceberg.Reference(columnKind), kindNames(q.Kinds)...))
	}
	fine := append(windowFilter(q.Window), iceberg.AlwaysTrue{}, iceberg.AlwaysTrue{})
	for column, value := range map[string]string{
		"trace_id": traceID(q.Trace), "correlation_id": q.Correlation, "service": q.Service,
	} {
		if value != "" {
			fine = append(fine, iceberg.EqualTo(iceberg.Reference(column), value))
		}
	}
	amends := iceberg.EqualTo(iceberg.Reference(columnAmends), true)
	coarse = append(coarse, iceberg.NewOr(amends, iceberg.NewAnd(fine[0], fine[1], fine[2:]...)))
	return iceberg.NewAnd(coarse[0], coarse[1], coarse[2:]...)
}

func windowFilter(w fleet.Window) []iceberg.BooleanExpression {
	var out []iceberg.BooleanExpression
	if !w.Start.IsZero() {
		out = append(out, iceberg.GreaterThanEqual(iceberg.Reference(columnTime), iceberg.Timestamp(w.Start.UnixMicro())))
	}
	if !w.End.IsZero() {
		out = append(out, iceberg.LessThan(iceberg.Reference(columnTime), iceberg.Timestamp(w.End.UnixMicro())))
	}
	return out
}

// planQuery plans the files for a query.
func (l *Lake) planQuery(ctx context.Context, q *fleet.Query) (plan, error) {
	tbl, err := l.head(ctx, tableEvidence)
	if err != nil {
		return plan{}, err
	}
	if tbl.CurrentSnapshot() == nil {
		return plan{}, nil
	}
	v, err := l.inventory(ctx, tbl)
	if err != nil {
		return plan{}, err
	}
	if v.foreign {
		p, err := planFiles(ctx, tbl, planFilter(q))
		p.snapshot = fleet.Snapshot(snapshotID(tbl))
		return p, err
	}
	p := plan{snapshot: fleet.Snapshot(snapshotID(tbl))}
	for _, f := range v.plan(q) {
		p.files = append(p.files, f.planned)
	}
	return p, nil
}

// inventory is all that a table's current snapshot names.
func (l *Lake) inventory(ctx context.Context, tbl *table.Table) (*inventory, error) {
	v, news, err := l.reader.inventories.at(ctx, tbl)
	if news {
		named := v.names()
		l.reader.footers.keep(named)
		l.reader.sketches.keep(named)
	}
	return v, err
}

// amending are the files with amending rows.
func (p plan) amending() []planned {
	var out []planned
	for _, f := range p.files {
		if f.amends {
			out = append(out, f)
		}
	}
	return out
}
