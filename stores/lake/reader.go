//go:build !noduckdb

package lake

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/parquet-go/parquet-go"
)

const (
	// engineMemory bounds DuckDB, which else takes most of the machine; what
	// does not fit is spilled to the temporary folder.
	engineMemory = "2GB"
	// engineConnections bounds the queries that run at once; DuckDB spreads each
	// over all cores by itself.
	engineConnections = 8
)

// reader is DuckDB over the lake's files. It keeps no data: every query names
// the files that Iceberg planned for it.
type reader struct {
	files folder
	db    *sql.DB
	temp  string // where DuckDB spills

	inventories inventories
	footers     footers
	sketches    sketches
}

// newReader starts an engine that reads files below root, loads no extension
// and never uses the network.
func newReader(root string) (*reader, error) {
	if strings.ContainsAny(root, "*?[") {
		return nil, errors.New("the path has one of * ? [, which the reader takes for a pattern: choose another folder")
	}
	temp := filepath.Join(os.TempDir(), "muster-lake-"+rand.Text()) // made by DuckDB if it must
	connector, err := duckdb.NewConnector("", func(c driver.ExecerContext) error {
		return execAll(c, engineSettings(temp))
	})
	if err != nil {
		return nil, fmt.Errorf("start reader: %w", err)
	}
	r := &reader{files: folder{root}, db: sql.OpenDB(connector), temp: temp}
	r.db.SetMaxOpenConns(engineConnections)
	setup := slices.Clone(macros)
	for _, l := range layouts() {
		setup = append(setup, emptyTable(l))
	}
	for _, s := range setup {
		if _, err := r.db.Exec(s); err != nil { //nolint:noctx // in memory, at once
			return nil, errors.Join(fmt.Errorf("start reader: %w", err), r.close())
		}
	}
	return r, nil
}

// engineSettings are set on every connection.
func engineSettings(temp string) []string {
	return []string{
		"set autoinstall_known_extensions = false",
		"set autoload_known_extensions = false",
		"set memory_limit = '" + engineMemory + "'",
		"set temp_directory = " + quote(temp),
		"set timezone = 'UTC'",
		"set parquet_metadata_cache = true", // files never change once they are written
	}
}

func execAll(c driver.ExecerContext, statements []string) error {
	for _, s := range statements {
		if _, err := c.ExecContext(context.Background(), s, nil); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// ready says that there is an engine to read with.
func (*reader) ready() bool { return true }

func (r *reader) close() error {
	r.footers.close()
	return errors.Join(r.db.Close(), os.RemoveAll(r.temp))
}

// emptyTable is the table with a layout's columns that stands in when a plan
// has no file.
func emptyTable(l layout) string {
	columns := make([]string, 0, len(l.schema.Fields()))
	for _, f := range l.schema.Fields() {
		columns = append(columns, f.Name()+" "+engineType(f))
	}
	return "create table if not exists no_" + l.name + " (" + strings.Join(columns, ", ") + ")"
}

func engineType(n parquet.Node) string {
	switch {
	case !n.Leaf() && len(n.Fields()[0].Fields()) == 1:
		return "varchar[]"
	case !n.Leaf():
		return "map(varchar, varchar)"
	case isTime(n):
		return "timestamp with time zone"
	case n.Type().Kind() == parquet.Boolean:
		return "boolean"
	case n.Type().Kind() == parquet.Int32:
		return "integer"
	case n.Type().Kind() == parquet.Int64:
		return "bigint"
	default:
		return "varchar"
	}
}

// source is the SQL of a relation with the live rows of planned files. The
// text holds nothing but the lake's own file names.
func (r *reader) source(tableName string, fs []planned) (string, error) {
	if len(fs) == 0 {
		return "no_" + tableName, nil
	}
	names := make([]string, 0, len(fs))
	var deletes []string
	for _, f := range fs {
		names = append(names, f.name)
		deletes = append(deletes, f.deletes...)
	}
	list, err := r.list(names)
	if err != nil {
		return "", err
	}
	options, grown := ", hive_partitioning = false", grows(tableName)
	if grown {
		options += ", union_by_name = true"
	}
	rows := "read_parquet(" + list + options + ")"
	if len(deletes) > 0 {
		deleteList, err := r.list(deletes)
		if err != nil {
			return "", err
		}
		// A position delete names its file and row, so that all of them can be joined at once.
		rows = fmt.Sprintf(`(select f.* exclude (filename, file_row_number)
		from read_parquet(%s%s, filename = true, file_row_number = true) f
		where not exists (select 1 from read_parquet(%s, hive_partitioning = false) d
			where replace(d.file_path, %s, %s) = f.filename and d.pos = f.file_row_number))`,
			list, options, deleteList, quote(scheme), quote(filepath.ToSlash(r.files.root)))
	}
	if grown { // files of before lack columns, which the empty table has
		rows = "(select * from no_" + tableName + " union all by name select * from " + rows + ")"
	}
	return rows, nil
}

// list is a SQL list of lake:// names as paths of this machine.
func (r *reader) list(names []string) (string, error) {
	quoted := make([]string, len(names))
	for i, name := range names {
		p, err := r.files.path(name)
		if err != nil {
			return "", err
		}
		quoted[i] = quote(p)
	}
	return "[" + strings.Join(quoted, ", ") + "]", nil
}
