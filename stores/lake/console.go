//go:build !noduckdb

package lake

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/duckdb/duckdb-go/v2"
)

// macros give DuckDB the functions of Trino that the lake's SQL uses and that
// it lacks, or whose answer differs. Arrays and maps count from 1 in both.
var macros = []string{
	"create macro element_at(c, k) as c[k]",
	"create macro json_extract_scalar(j, p) as json_extract_string(j, p)",
	"create macro regexp_like(s, p) as regexp_matches(s, p)",
	"create macro approx_percentile(x, p) as approx_quantile(x, p)",
	"create macro moment(t) as t",
}

// explainPrefix is what may stand before a query.
var explainPrefix = regexp.MustCompile(`(?is)^\s*explain\s+(analyze\s+|\(\s*(?:analyze|format)\b[^)]*\))?`)

// sql runs a text in an engine of its own that can read the lake's data files
// and nothing else, and write nothing.
func (e folderEngine) sql(ctx context.Context, text string) (*Rows, error) {
	l := e.lake
	if err := l.onlyQuery(ctx, text); err != nil {
		return nil, err
	}
	db, err := l.console(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	columns, err := rows.Columns()
	if err != nil {
		return nil, errors.Join(err, rows.Close(), db.Close())
	}
	kinds, err := rows.ColumnTypes()
	if err != nil {
		return nil, errors.Join(err, rows.Close(), db.Close())
	}
	types := make([]string, len(kinds))
	for i, k := range kinds {
		types[i] = k.DatabaseTypeName()
	}
	return &Rows{rows: rows, columns: columns, types: types, done: func() error { return errors.Join(rows.Close(), db.Close()) }}, nil
}

// onlyQuery refuses a text that would do anything but answer. DuckDB's own
// parser decides; nothing of the text runs.
func (l *Lake) onlyQuery(ctx context.Context, text string) error {
	text = explainPrefix.ReplaceAllString(text, "")
	var failed bool
	var message string
	var statements int
	err := l.reader.db.QueryRowContext(ctx, `select (j->>'$.error')::boolean, coalesce(j->>'$.error_message', ''),
		coalesce(json_array_length(j, '$.statements'), 0)::integer
		from (select json_serialize_sql(?::varchar) as j)`, text).Scan(&failed, &message, &statements)
	switch {
	case err != nil:
		return err
	case failed && strings.HasPrefix(message, "Only SELECT"), !failed && statements != 1:
		return ErrNotQuery
	case failed:
		return errors.New(message)
	}
	return nil
}

// console is an engine with the views over the current snapshots, locked.
func (l *Lake) console(ctx context.Context) (*sql.DB, error) {
	setup, err := l.consoleSetup(ctx)
	if err != nil {
		return nil, err
	}
	connector, err := duckdb.NewConnector("", func(c driver.ExecerContext) error { return execAll(c, setup) })
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1) // the setup locks the engine and so runs once
	return db, nil
}

func (l *Lake) consoleSetup(ctx context.Context) ([]string, error) {
	setup := engineSettings(l.reader.temp)
	folders := make([]string, 0, len(relations))
	for _, t := range layouts() {
		folders = append(folders, quote(filepath.Join(l.root, t.name, "data")+string(os.PathSeparator)))
		source, err := l.relation(ctx, t)
		if err != nil {
			return nil, err
		}
		setup = append(setup, emptyTable(t), "create view "+relations[t.name]+" as select * from "+source)
	}
	setup = append(setup, macros...)
	setup = append(setup, statements(views)...)
	return append(setup,
		"set allowed_directories = ["+strings.Join(folders, ", ")+"]",
		"set enable_external_access = false",
		"set lock_configuration = true"), nil
}

// relation is the SQL of a whole table.
func (l *Lake) relation(ctx context.Context, t layout) (string, error) {
	tbl, err := l.head(ctx, t.name)
	if err != nil {
		return "", err
	}
	p, err := planFiles(ctx, tbl, iceberg.AlwaysTrue{})
	if err != nil {
		return "", err
	}
	return l.reader.source(t.name, p.files)
}

// plain turns the engine's own types into Go's.
func plain(v any) any {
	switch v := v.(type) {
	case duckdb.OrderedMap:
		out := make(map[string]any, v.Len())
		values := v.Values()
		for i, k := range v.Keys() {
			out[fmt.Sprint(k)] = plain(values[i])
		}
		return out
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
		return v
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
		return v
	case time.Time:
		return v
	case duckdb.Decimal:
		return v.Float64()
	case duckdb.Interval:
		return fmt.Sprintf("%d months %d days %s", v.Months, v.Days, time.Duration(v.Micros)*time.Microsecond)
	case fmt.Stringer:
		return v.String()
	default:
		return v
	}
}
