//go:build !noduckdb

package lake

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/parquet-go/parquet-go"

	"muster/fleet"
)

func damages(t *testing.T, l *Lake, c Check) []Damage {
	t.Helper()
	var all []Damage
	done, err := l.Check(t.Context(), c, func(d Damage) error {
		all = append(all, d)
		return nil
	})
	if err != nil || done.Damages != len(all) {
		t.Fatalf("got %+v, error %v", done, err)
	}
	return all
}

func TestCheckOfASoundLake(t *testing.T) {
	l := later(t, t.TempDir())
	history(t, l, 5)
	deleteRows(t, l, iceberg.EqualTo(iceberg.Reference("id"), "line-00000007"))
	if err := l.SaveFindings(t.Context(), fleet.Run{ID: "r"}, []fleet.Finding{{Fingerprint: "f"}}); err != nil {
		t.Fatal(err)
	}
	if got := damages(t, l, Check{Orphans: time.Nanosecond}); len(got) != 0 {
		t.Errorf("got %+v, want none", got)
	}
	compactAll(t, l, Compaction{})
	done, err := l.Check(t.Context(), Check{}, func(d Damage) error {
		t.Errorf("got %+v", d)
		return nil
	})
	if err != nil || done.Live != 49 || done.Rows < 49 {
		t.Errorf("got %+v, error %v, want 49 records", done, err)
	}
}

// dataFile is one of the files of evidence on the disk.
func dataFile(t *testing.T, l *Lake) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(l.root, tableEvidence, "data", "*.parquet"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d data files, error %v", len(files), err)
	}
	return files[0]
}

// register names a file in the table as describe would, with something changed.
func register(t *testing.T, l *Lake, rs []fleet.Record, change func(*partition, *extent), rows func([]*row)) {
	t.Helper()
	own := make([]row, len(rs))
	all := make([]*row, len(rs))
	var e extent
	for i := range rs {
		own[i] = newRow(&rs[i])
		all[i] = &own[i]
		e.add(all[i])
	}
	if rows != nil {
		rows(all)
	}
	key := partition{newDayKey(rs[0].Kind, rs[0].TimeUS()), false}
	name := evidenceName(l.base, key.dayKey, "registered")
	size, _, err := writeEvidence(l.files(t.Context()), name, draftsOf(all))
	if err != nil {
		t.Fatal(err)
	}
	change(&key, &e)
	addFile(t, l, key, name, size, &e)
}

func addFile(t *testing.T, l *Lake, key partition, name string, size int64, e *extent) {
	t.Helper()
	tbl, err := l.catalog.LoadTable(t.Context(), table.Identifier{namespace, tableEvidence})
	if err != nil {
		t.Fatal(err)
	}
	df, err := describe(tbl, key, name, size, e)
	if err != nil {
		t.Fatal(err)
	}
	tx := tbl.NewTransaction()
	if err := tx.AddDataFiles(t.Context(), []iceberg.DataFile{df}, nil, table.WithoutDuplicateCheck()); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// registerNameless writes a file by a writer that was reset after one of several
// row groups, which is how parquet-go loses the names of columns.
func registerNameless(t *testing.T, l *Lake) {
	t.Helper()
	many, few := logLines(1000, 2*mostRowsPerGroup), logLines(50, 5)
	rowsOf := func(rs []fleet.Record) []row {
		out := make([]row, len(rs))
		for i := range rs {
			out[i] = newRow(&rs[i])
		}
		return out
	}
	w := parquet.NewGenericWriter[row](io.Discard, fileOptions(evidenceOptions(""))...)
	if _, err := w.Write(rowsOf(many)); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	key := partition{newDayKey(few[0].Kind, few[0].TimeUS()), false}
	name := evidenceName(l.base, key.dayKey, "nameless")
	rows := rowsOf(few)
	size, err := writeNew(l.files(t.Context()), name, func(out *countingWriter) error {
		w.Reset(out)
		_, err := w.Write(rows)
		return errors.Join(err, w.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
	var e extent
	for i := range rows {
		e.add(&rows[i])
	}
	addFile(t, l, key, name, size, &e)
}

// TestCheckFindsEachDamage does one thing to a lake and wants that, and nothing
// else, to be found.
func TestCheckFindsEachDamage(t *testing.T) {
	asIs := func(*partition, *extent) {}
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, l *Lake)
		want   string // of Damage.What
		detail string
	}{
		{"a file is cut", func(t *testing.T, l *Lake) {
			if err := os.Truncate(dataFile(t, l), 100); err != nil {
				t.Fatal(err)
			}
		}, "size", "100 bytes"},
		{"a file is gone", func(t *testing.T, l *Lake) {
			if err := os.Remove(dataFile(t, l)); err != nil {
				t.Fatal(err)
			}
		}, "missing", "not there"},
		{"the footer is overwritten", func(t *testing.T, l *Lake) {
			name := dataFile(t, l)
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			copy(content[len(content)-8:], "nonsense")
			if err := os.WriteFile(name, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "footer", ""},
		{"a bound is too high", func(t *testing.T, l *Lake) {
			register(t, l, logLines(50, 5), func(_ *partition, e *extent) { e.low[0] = "line-00000052" }, nil)
		}, "bounds", "column id has values below"},
		{"a bound is too low", func(t *testing.T, l *Lake) {
			register(t, l, logLines(50, 5), func(_ *partition, e *extent) { e.lastUS -= 1000 }, nil)
		}, "bounds", "column time has values above"},
		{"a wrong day", func(t *testing.T, l *Lake) {
			register(t, l, logLines(50, 5), func(p *partition, _ *extent) { p.day++ }, nil)
		}, "partition", "5 rows are not of log, 2026-03-15"},
		{"a wrong count", func(t *testing.T, l *Lake) {
			register(t, l, logLines(50, 5), func(_ *partition, e *extent) { e.rows = 6 }, nil)
		}, "rows", "5 rows, and the snapshot says 6"},
		{"columns without their names", registerNameless, "columns", `files column id under the name ""`},
		{"a record twice", func(t *testing.T, l *Lake) {
			register(t, l, logLines(8, 2), asIs, nil)
		}, "duplicate", "2 rows of log of 2026-03-14"},
		{"another time", func(t *testing.T, l *Lake) {
			register(t, l, logLines(50, 5), asIs, func(rs []*row) { rs[2].TimeUS++ })
		}, "columns", "1 rows have another time than time_us"},
		{"other field ids", func(t *testing.T, l *Lake) {
			type other struct {
				Revision int32  `parquet:"revision,id(1)"`
				ID       string `parquet:"id,id(2)"`
			}
			name := dataName(l.base, tableEvidence, "other.parquet")
			size, err := writeParquet(l.files(t.Context()), name, []other{{1, "x"}})
			if err != nil {
				t.Fatal(err)
			}
			r := newRow(&logLines(50, 1)[0])
			var e extent
			e.add(&r)
			addFile(t, l, partition{newDayKey(fleet.KindLog, r.TimeUS), false}, name, size, &e)
		}, "columns", "column id has the field ids [2] instead of [1]"},
		{"a foreign file", func(t *testing.T, l *Lake) {
			if err := os.WriteFile(filepath.Join(l.root, tableEvidence, "data", "foreign.parquet"), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "orphan", "no snapshot names it"},
		{"an equality delete", func(t *testing.T, l *Lake) {
			deleteByEquality(t.Context(), t, l)
		}, "deletes", "equality deletes"},
		{"a catalog that was set back", func(t *testing.T, l *Lake) {
			tbl, err := l.head(t.Context(), tableEvidence)
			if err != nil {
				t.Fatal(err)
			}
			add(t, l, logLines(50, 1), nil)
			add(t, l, logLines(51, 1), nil)
			_, err = l.catalog.(*sqlCatalog).db.ExecContext(t.Context(),
				"update iceberg_tables set metadata_location = ? where table_name = ?", tbl.MetadataLocation(), tableEvidence)
			if err != nil {
				t.Fatal(err)
			}
		}, "catalog", "it was set back"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := openLake(t, t.TempDir())
			add(t, l, logLines(0, 10), nil)
			tt.damage(t, l)
			got := damages(t, l, Check{Orphans: time.Nanosecond})
			if tt.want != "orphan" { // what was set back or cannot be planned leaves orphans too
				got = slices.DeleteFunc(got, func(d Damage) bool { return d.What == "orphan" })
			}
			if len(got) == 0 {
				t.Fatal("nothing was found")
			}
			for _, d := range got {
				if d.What != tt.want {
					t.Errorf("also found %+v", d)
				}
			}
			if !strings.Contains(got[0].Detail, tt.detail) && !slices.ContainsFunc(got, func(d Damage) bool { return strings.Contains(d.Detail, tt.detail) }) {
				t.Errorf("got %+v, want %q", got, tt.detail)
			}
		})
	}
}
