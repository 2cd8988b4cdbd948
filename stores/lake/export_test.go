//go:build !noduckdb

package lake

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"muster/fleet"
)

// exportedColumns are those of an export as SQL compares them.
func exportedColumns() string {
	names := []string{"kind"}
	for _, f := range parquet.SchemaOf(hiveRow{}).Fields() {
		switch f.Name() {
		case "time":
			names = append(names, "epoch_us(time)")
		case "raw":
			names = append(names, "raw::varchar")
		default:
			names = append(names, f.Name())
		}
	}
	return strings.Join(names, ", ")
}

// TestExportReadsBackInDuckDB compares every column of an export, its folders'
// names included, with the view that everybody asks.
func TestExportReadsBackInDuckDB(t *testing.T) {
	l := later(t, t.TempDir())
	all := calendar(t, l, 4)
	amend(t, l, all[5:25], "order 1")
	all[30].Revision, all[30].Attributes = 3, fleet.AttributesOf("a", "1", fleet.AttrHTTPStatus, "404")
	all[30].Resources = []string{"AWS::DynamoDB::Table/orders", "arn:aws:dynamodb:eu-west-1:111122223333:table/orders"}
	add(t, l, all[30:31], nil)
	for name, tt := range map[string]struct {
		e     Export
		where string
		rows  int64
	}{
		"everything": {Export{}, "true", 80},
		"a window":   {Export{Window: fleet.Window{Start: all[3].Time, End: all[50].Time}}, fmt.Sprintf("time_us >= %d and time_us < %d", all[3].TimeUS(), all[50].TimeUS()), 47},
		"one kind":   {Export{Kinds: []fleet.Kind{fleet.KindSpan}}, "kind = 'span'", 40},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			tt.e.To = dir
			done, err := l.ExportHive(t.Context(), tt.e)
			if err != nil || done.Rows != tt.rows {
				t.Fatalf("got %+v, error %v, want %d rows", done, err, tt.rows)
			}
			query := "select " + exportedColumns() + " from %s order by time_us, id, kind"
			want, err := ask(t, l, fmt.Sprintf(query, "records where "+tt.where))
			if err != nil {
				t.Fatal(err)
			}
			source := "read_parquet(" + quote(dir+"/**/*.parquet") + ", hive_partitioning = true, hive_types_autocast = false)"
			got, err := askEngine(t, l, fmt.Sprintf(query, source))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" || int64(len(got)) != tt.rows {
				t.Errorf("the view (-) and the export (+):\n%.2000s", diff)
			}
			wrong, err := askEngine(t, l, "select count(*) from "+source+" where day <> strftime(time at time zone 'UTC', '%Y-%m-%d')")
			if err != nil || wrong[0][0] != int64(0) {
				t.Errorf("%v rows lie in another day's folder, error %v", wrong, err)
			}
			if _, err := os.Stat(filepath.Join(dir, exportDone)); err != nil {
				t.Error(err)
			}
			if _, err := l.ExportHive(t.Context(), tt.e); err == nil || !strings.Contains(err.Error(), "empty place") {
				t.Errorf("a second export to the same place: got error %v", err)
			}
		})
	}
}

// askEngine asks DuckDB alone.
func askEngine(t *testing.T, l *Lake, text string) ([][]any, error) {
	t.Helper()
	rows, err := l.reader.db.QueryContext(t.Context(), text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out [][]any
	for rows.Next() {
		values, targets := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		for i := range values {
			values[i] = plain(values[i])
		}
		out = append(out, values)
	}
	return out, rows.Err()
}

func TestExportLeavesNothingAfterAnError(t *testing.T) {
	l := later(t, t.TempDir())
	calendar(t, l, 3)
	dir := filepath.Join(t.TempDir(), "out")
	stop := fmt.Errorf("stop")
	n := 0
	_, err := l.ExportHive(t.Context(), Export{To: dir, Each: func(ExportedPart) error {
		if n++; n == 3 {
			return stop
		}
		return nil
	}})
	if err == nil || !strings.Contains(err.Error(), "stop") {
		t.Errorf("got error %v", err)
	}
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("%s is left", p)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestHiveTableProjectsMoreThanOneDay(t *testing.T) {
	for _, tt := range []struct{ e, want string }{
		{"2026-03-14", "'2026-03-14,2026-03-15'"},
		{"2026-03-20", "'2026-03-14,2026-03-20'"},
	} {
		got := HiveTable("t", "s3://bucket/x/", Exported{FirstDay: "2026-03-14", LastDay: tt.e})
		for _, part := range []string{tt.want, "LOCATION 's3://bucket/x/'", "`time` timestamp", "`attributes` map<string,string>", "`resources` array<string>", "x/kind=${kind}/day=${day}/"} {
			if !strings.Contains(got, part) {
				t.Errorf("%s is not in\n%s", part, got)
			}
		}
	}
}
