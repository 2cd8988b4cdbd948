package lake

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"muster/fleet"
)

// An engine runs the lake's SQL, which is written in Trino's dialect: DuckDB
// over the files of a folder, Athena over a bucket. Question marks stand for
// text from outside, and only in a WHERE, where Athena allows them. For several
// goroutines at once.
type engine interface {
	// evidence says what a query has to read. With hold, all texts over it read
	// one snapshot, which it names.
	evidence(ctx context.Context, q *fleet.Query, hold bool) (evidence, error)
	// list is a column of lists or maps in the form that textList and textMap scan.
	list(column string) string
	// rows runs a text of ours; args, which are text, fill its question marks.
	rows(ctx context.Context, text string, args []any) (answer, error)
	// keep holds the rows of a text of ours as a relation.
	keep(ctx context.Context, text string) (keptRows, error)
	// sql runs a text from outside.
	sql(ctx context.Context, text string) (*Rows, error)
}

// evidence is what a query reads: relations with the columns of "evidence", as
// SQL. They may hold more than what was asked for, and lack nothing of it.
type evidence struct {
	rows string
	// amends has the amending rows that may replace one of rows; "" when there
	// are none.
	amends string
	// snapshot is that of the rows; 0 where the engine was not asked to hold to one.
	snapshot fleet.Snapshot
}

// answer is what *sql.Rows is too.
type answer interface {
	Next() bool
	Scan(targets ...any) error
	Err() error
	Close() error
}

// keptRows are a relation that last until they are closed.
type keptRows interface {
	relation() string
	rows(ctx context.Context, text string) (answer, error)
	close() error
}

// live selects columns of the live rows that meet a condition. A row that
// amends replaces those of the same record with a smaller version, as in
// views.sql; a record is an id among those of its kind and UTC day.
func (e evidence) live(columns []string, w *where) string {
	text := fmt.Sprintf("select %s from %s r", strings.Join(columns, ", "), e.rows)
	if e.amends == "" {
		return text + " where " + w.sql()
	}
	return text + fmt.Sprintf(` left join (
	select kind as amended_kind, id as amended_id, time_us - time_us %% %d as amended_day, max(%s) as version
	from %s group by kind, id, time_us - time_us %% %d
) a on a.amended_kind = r.kind and a.amended_id = r.id and a.amended_day = r.time_us - r.time_us %% %d
where (a.version is null or %s >= a.version) and %s`,
		int64(usPerDay), version(""), e.amends, int64(usPerDay), int64(usPerDay), version("r."), w.sql())
}

// version orders the rows of a record: by revision, then by amendment, which
// counts the lake's commits and stays below a million million.
func version(of string) string {
	return "cast(" + of + "revision as bigint) * 1000000000000 + " + of + "amendment"
}

// query yields what scan makes of each row.
func query[T any](ctx context.Context, e engine, text string, args []any, scan func(answer) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		rows, err := e.rows(ctx, text, args)
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
