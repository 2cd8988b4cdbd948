//go:build !noduckdb

package lake

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// ask runs SQL and gathers its rows.
func ask(t *testing.T, l *Lake, text string) ([][]any, error) {
	t.Helper()
	rows, err := l.SQL(t.Context(), text)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}()
	var out [][]any
	for rows.Next() {
		out = append(out, rows.Values())
	}
	return out, rows.Err()
}

// fill commits a record of every kind, one of them amended, a finding in two
// states, and an entry of the ledger.
func fill(t *testing.T, l *Lake) {
	t.Helper()
	var rs []fleet.Record
	for i, k := range fleet.Kinds() {
		r := logLines(i, 1)[0]
		r.Kind = k
		r.Resources = []string{"AWS::S3::Bucket/b"}
		r.Attributes = fleet.AttributesOf("tier", "gold")
		if k == fleet.KindSpan {
			r.Duration = 3 * time.Millisecond
		}
		rs = append(rs, r)
	}
	add(t, l, rs, nil)
	fresh, err := l.Fresh(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := rs[1].Keys
	keys.Correlation = "C"
	_, err = l.Commit(t.Context(), fleet.Commit{
		Base: fresh.Base, Amendments: []fleet.Amendment{{Ref: fleet.Ref{ID: rs[1].ID, Kind: rs[1].Kind, Time: rs[1].Time}, Keys: keys}},
		Ledger: []fleet.LedgerEntry{{Stream: "s", Coverage: fleet.Complete}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []fleet.Status{fleet.StatusNew, fleet.StatusOpen} {
		if err := l.SaveFindings(t.Context(), fleet.Run{ID: "run"}, []fleet.Finding{{Fingerprint: "f", Status: status}}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSQLAnswers(t *testing.T) {
	l := openLake(t, t.TempDir())
	fill(t, l)
	tests := []struct {
		text string
		want [][]any
	}{
		{"select count(*) from records", [][]any{{int64(5)}}},
		{"select correlation_id from logs", [][]any{{"C"}}},
		{"select (select count(*) from spans), (select count(*) from api_calls), (select count(*) from changes), (select count(*) from verdicts)", [][]any{{int64(1), int64(1), int64(1), int64(1)}}},
		{"select approx_percentile(duration_us, 0.99) from spans", [][]any{{int64(3000)}}},
		{"select spans, logs, services, duration_us, correlation_id from traces", [][]any{{int64(1), int64(1), []any{"orders"}, int64(3000), "C"}}},
		{"select status from findings", [][]any{{"open"}}},
		{"select count(*) from runs", [][]any{{int64(1)}}},
		{"select stream, coverage from ledger;", [][]any{{"s", "complete"}}},
		{`select "time", resources, attributes from spans`, [][]any{{noon, []any{"AWS::S3::Bucket/b"}, map[string]any{"tier": "gold"}}}},
		{"select element_at(attributes, 'tier'), element_at(resources, 1), json_extract_scalar(raw, '$.msg'), regexp_like(message, '^a line') from spans", [][]any{{"gold", "AWS::S3::Bucket/b", "a line of a log", true}}},
		{"with x as (select 1 as one) select one, null from x", [][]any{{int32(1), nil}}},
		{"values ('a'), ('b')", [][]any{{"a"}, {"b"}}},
		{"select id from records where false", nil},
	}
	for _, tt := range tests {
		got, err := ask(t, l, tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		for _, row := range got {
			for i, v := range row {
				if at, ok := v.(time.Time); ok {
					row[i] = at.UTC()
				}
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
	}
	for _, text := range []string{"explain select * from records", "EXPLAIN ANALYZE select * from records", "explain (format json) select 1", "explain (select 1)", "describe records", "show tables", "summarize spans"} {
		if got, err := ask(t, l, text); err != nil || len(got) == 0 {
			t.Errorf("%s: got %d rows, error %v", text, len(got), err)
		}
	}
}

func TestSQLOnAnEmptyLakeAnswersNothing(t *testing.T) {
	l := openLake(t, t.TempDir())
	for _, view := range []string{"records", "spans", "traces", "findings", "runs", "ledger"} {
		if got, err := ask(t, l, "select * from "+view); err != nil || len(got) != 0 {
			t.Errorf("%s: got %d rows, error %v", view, len(got), err)
		}
	}
}

// TestSQLReadsTheLakeAndNothingElse tries to get out of the lake, and to change it.
func TestSQLReadsTheLakeAndNothingElse(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret.csv")
	write(t, secret, "a\nb\n")
	l := openLake(t, root)
	fill(t, l)
	files, err := filepath.Glob(filepath.Join(root, tableEvidence, "data", "*.parquet"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d data files, error %v", len(files), err)
	}
	before := listing(t, root)
	queries := []string{
		"copy (select 1) to " + quote(files[0]),
		"select 1; copy (select 1) to " + quote(files[0]),
		"copy (select 1) to " + quote(files[0]) + "; select 1",
		"explain analyze copy (select 1) to " + quote(files[0]),
		"explain (analyze) copy (select 1) to " + quote(files[0]),
		"create table x as select 1", "drop view records", "attach 'x.db'", "install httpfs", "load httpfs",
		"set lock_configuration = false", "pragma database_list", "call pragma_version()",
		"select 1; select 2", "", ";", "-- nothing",
	}
	for _, q := range queries {
		if got, err := ask(t, l, q); !errors.Is(err, ErrNotQuery) {
			t.Errorf("%s: got %v, error %v, want ErrNotQuery", q, got, err)
		}
	}
	for _, q := range []string{
		"select * from read_csv(" + quote(secret) + ")", "select * from " + quote(secret), "select * from read_text(" + quote(secret) + ")",
		"select * from glob(" + quote(outside+"/*") + ")", "select * from read_text(" + quote(filepath.Join(root, catalogFile)) + ")",
		"select * from read_text(" + quote(filepath.Join(root, tableEvidence, "data", "..", "..", catalogFile)) + ")",
		"select * from read_parquet('https://127.0.0.1:1/x.parquet')", "selec 1", "select * from nobody",
	} {
		if got, err := ask(t, l, q); err == nil {
			t.Errorf("%s: got %v and no error", q, got)
		}
	}
	if after := listing(t, root); after != before {
		t.Errorf("the lake changed from\n%s\nto\n%s", before, after)
	}
	entries, err := os.ReadDir(outside)
	if err != nil || len(entries) != 1 {
		t.Errorf("got %d files outside, error %v", len(entries), err)
	}
}
