package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"muster/fleet"
)

// A trace is a few rows that lie together in a few files. DuckDB decodes every
// column of the row groups that hold them, evidence and all, which takes tens of
// milliseconds; this reads the pages with the rows, which takes a few.

const (
	// maxPicked bounds the rows that are picked, which are held in memory; more
	// are a scan, which SQL does better.
	maxPicked = 20_000
	// pickers read files at once.
	pickers = 4
)

// errNotPicked says that rows cannot be picked, and SQL has to be asked.
var errNotPicked = errors.New("not to be picked")

// picks reports whether a query is answered by picking: that for the records of
// a trace or a journey of a folder, whatever else narrows it by a column.
func (l *Lake) picks(q *fleet.Query) bool {
	return l.reader != nil && l.reader.ready() && (q.Trace != "" || q.Correlation != "") &&
		q.Filter == nil && q.Text == "" && q.Principal == "" && q.Resource == ""
}

// pick is Records for a query that picks allows, or errNotPicked.
func (l *Lake) pick(ctx context.Context, q *fleet.Query) ([]fleet.Record, error) {
	files, err := l.planPick(ctx, q)
	if err != nil {
		return nil, err
	}
	column, value := "trace_id", traceID(q.Trace)
	if value == "" {
		column, value = "correlation_id", q.Correlation
	}
	rows, err := pickLive(ctx, l, files, column, value, nil)
	if err != nil {
		return nil, err
	}
	exact := newUSRange(q.Window)
	rows = slices.DeleteFunc(rows, func(r *row) bool { return !meets(r, q, exact) })
	slices.SortFunc(rows, func(a, b *row) int {
		return cmp.Or(cmp.Compare(a.TimeUS, b.TimeUS), strings.Compare(a.ID, b.ID))
	})
	if q.Limit > 0 && len(rows) > q.Limit {
		rows = rows[len(rows)-q.Limit:]
	}
	out := make([]fleet.Record, len(rows))
	for i, r := range rows {
		if q.Lean {
			r.Raw = ""
		}
		out[i] = r.record()
	}
	return out, nil
}

// planPick is the files that a query needs, or errNotPicked.
func (l *Lake) planPick(ctx context.Context, q *fleet.Query) ([]*stored, error) {
	v, err := l.evidenceNow(ctx)
	if err != nil || v == nil {
		return nil, err
	}
	if v.foreign {
		return nil, errNotPicked
	}
	return v.plan(q), nil
}

// pickRelated is scanRelated by picking, or errNotPicked.
func (l *Lake) pickRelated(ctx context.Context, q *fleet.Query, but string) ([]string, error) {
	files, err := l.planPick(ctx, q)
	if err != nil {
		return nil, err
	}
	rows, err := pickLive(ctx, l, files, "correlation_id", q.Correlation, keyColumns)
	if err != nil {
		return nil, err
	}
	exact := newUSRange(q.Window)
	first := map[string]int64{}
	for _, r := range rows {
		if r.Trace == "" || r.Trace == but || r.Correlation != q.Correlation || !exact.has(r.TimeUS) {
			continue
		}
		if us, ok := first[r.Trace]; !ok || r.TimeUS < us {
			first[r.Trace] = r.TimeUS
		}
	}
	var out []string
	for trace := range first {
		out = append(out, trace)
	}
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Or(cmp.Compare(first[a], first[b]), strings.Compare(a, b))
	})
	return out, nil
}

// meets is conditions in Go, for what picks allows.
func meets(r *row, q *fleet.Query, exact usRange) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	return exact.has(r.TimeUS) &&
		(len(q.Kinds) == 0 || slices.Contains(q.Kinds, fleet.Kind(r.Kind))) &&
		(len(q.IDs) == 0 || slices.Contains(q.IDs, r.ID)) &&
		is(q.Service, r.Service) && is(traceID(q.Trace), r.Trace) && is(q.Correlation, r.Correlation) &&
		is(q.Request, r.Request) && (!q.Errors || r.Error != "")
}

func (w *row) key() recordKey {
	return recordKey{newDayKey(fleet.Kind(w.Kind), w.TimeUS), hashID(w.ID)}
}

func (w *row) version() rowVersion { return rowVersion{w.Revision, w.Amendment} }

// pickLive reads the live rows of files that have a value in a column. The files
// are all that a query needs, with those that amend the others. Columns, nil for
// all, are those that are read, keyColumns among them.
func pickLive(ctx context.Context, l *Lake, files []*stored, column, value string, columns map[string]bool) ([]*row, error) {
	found := make([][]*row, len(files))
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(pickers)
	for i, f := range files {
		g.Go(func() error {
			var err error
			found[i], err = pickFile(inner, l, f, column, []string{value}, columns)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return liveOf(ctx, l, files, slices.Concat(found...))
}

// liveOf are the live ones of rows of some files, all that amend them among these.
func liveOf(ctx context.Context, l *Lake, files []*stored, rows []*row) ([]*row, error) {
	newest, err := newestVersions(ctx, l, files, rows)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(rows, func(r *row) bool {
		v, amended := newest[r.key()]
		return amended && v.newer(r.version())
	}), nil
}

// newestVersions are those of the rows that amend the records of others. As in
// evidence.live, a record is an id among those of its kind and day.
func newestVersions(ctx context.Context, l *Lake, files []*stored, rows []*row) (map[recordKey]rowVersion, error) {
	ids := map[dayKey][]string{}
	for _, r := range rows {
		k := r.key()
		ids[k.dayKey] = append(ids[k.dayKey], r.ID)
	}
	newest := map[recordKey]rowVersion{}
	for _, f := range files {
		if !f.amends || len(ids[f.key]) == 0 {
			continue
		}
		amending, err := pickFile(ctx, l, f, "id", ids[f.key], keyColumns)
		if err != nil {
			return nil, err
		}
		for _, r := range amending {
			if k := r.key(); r.version().newer(newest[k]) {
				newest[k] = r.version()
			}
		}
	}
	return newest, nil
}

// pickFile reads the rows of a file that have one of some values in a column.
func pickFile(ctx context.Context, l *Lake, f *stored, column string, values []string, columns map[string]bool) ([]*row, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	values, err := l.mayHave(ctx, f, column, values)
	if err == nil && len(values) > 0 && column == "correlation_id" { // which few of the files that are asked have
		values, err = l.surelyHas(ctx, f, column, values)
	}
	if err != nil || len(values) == 0 {
		return nil, err
	}
	return l.pickWhere(ctx, f, columns, func(chunk *parquet.FileColumnChunk, _ bool) ([]int64, error) {
		return findRows(chunk, values)
	}, column)
}

// finder tells the numbers of the rows that are looked for by a column chunk,
// perhaps of a column of lists.
type finder func(chunk *parquet.FileColumnChunk, repeated bool) ([]int64, error)

// pickWhere reads the rows of a file that find tells of a column. More than
// maxPicked are errNotPicked.
func (l *Lake) pickWhere(ctx context.Context, f *stored, columns map[string]bool, find finder, column ...string) ([]*row, error) {
	file, err := l.reader.footers.take(ctx, l, f.name)
	if err != nil {
		return nil, err
	}
	defer l.reader.footers.give(file)
	if !file.own {
		return nil, errNotPicked
	}
	leaf, _ := file.parquet.Schema().Lookup(column...)
	var out []*row
	for _, group := range file.parquet.RowGroups() {
		rows, err := pickGroup(group, leaf, find, columns, maxPicked-len(out))
		if err != nil {
			return nil, fmt.Errorf("read rows with %s of %s: %w", column[0], f.name, err)
		}
		for i := range rows {
			out = append(out, &rows[i])
		}
	}
	return out, nil
}

// pickGroup is pickWhere for a row group, of which at most some are picked.
func pickGroup(group parquet.RowGroup, leaf parquet.LeafColumn, find finder, columns map[string]bool, most int) (rows []row, err error) {
	defer damaged(&err)
	numbers, err := find(group.ColumnChunks()[leaf.ColumnIndex].(*parquet.FileColumnChunk), leaf.MaxRepetitionLevel > 0)
	if err != nil {
		return nil, err
	}
	if len(numbers) > most {
		return nil, errNotPicked
	}
	return pickRows(group, numbers, columns)
}
