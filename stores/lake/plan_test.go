//go:build !noduckdb

package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// icebergIDs reads the ids that match with iceberg-go's own reader, which
// prunes by our partition values and bounds and reads by our field ids.
func icebergIDs(t *testing.T, l *Lake, filter iceberg.BooleanExpression) []string {
	t.Helper()
	tbl, err := l.catalog.LoadTable(t.Context(), table.Identifier{namespace, tableEvidence})
	if err != nil {
		t.Fatal(err)
	}
	got, err := tbl.Scan(table.WithRowFilter(filter), table.WithSelectedFields("id")).ToArrowTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	ids := []string{}
	for _, chunk := range got.Column(0).Data().Chunks() {
		text := chunk.(*array.String)
		for i := range text.Len() {
			ids = append(ids, text.Value(i))
		}
	}
	slices.Sort(ids)
	return ids
}

// spread commits records over several kinds, days and files.
func spread(t *testing.T, l *Lake) []fleet.Record {
	t.Helper()
	var all []fleet.Record
	for n := range 6 {
		rs := logLines(n*20, 20)
		for i := range rs {
			rs[i].Kind = fleet.Kinds()[n%3]
			rs[i].Time = rs[i].Time.Add(time.Duration(n) * 9 * time.Hour)
			rs[i].Service = fmt.Sprint("service ", n%2)
		}
		add(t, l, rs, nil)
		all = append(all, rs...)
	}
	return all
}

// TestIcebergReadsWhatWeWrote compares our answers with iceberg-go's own
// reader: a wrong bound, partition value or field id would hide rows from it.
func TestIcebergReadsWhatWeWrote(t *testing.T) {
	l := openLake(t, t.TempDir())
	all := spread(t, l)
	for _, q := range []fleet.Query{
		{},
		{Trace: all[33].Keys.Trace},
		{Trace: all[0].Keys.Trace},
		{Kinds: []fleet.Kind{fleet.KindSpan}},
		{Service: "service 1"},
		{Window: fleet.Window{Start: all[25].Time, End: all[90].Time}},
		{Window: fleet.Window{Start: all[40].Time, End: all[40].Time.Add(time.Microsecond)}},
		{Kinds: []fleet.Kind{fleet.KindLog, fleet.KindAPICall}, Window: fleet.Window{Start: all[30].Time}, Service: "service 0"},
	} {
		want := []string{}
		rs, err := collect(l.Records(t.Context(), q))
		if err != nil {
			t.Fatal(err)
		}
		for i := range rs {
			want = append(want, rs[i].ID)
		}
		slices.Sort(want)
		if len(want) == 0 {
			t.Errorf("%+v matches nothing and tests nothing", q)
		}
		filter := iceberg.BooleanExpression(iceberg.AlwaysTrue{})
		for _, e := range windowFilter(q.Window) {
			filter = iceberg.NewAnd(filter, e)
		}
		if len(q.Kinds) > 0 {
			filter = iceberg.NewAnd(filter, iceberg.IsIn(iceberg.Reference(columnKind), kindNames(q.Kinds)...))
		}
		if q.Service != "" {
			filter = iceberg.NewAnd(filter, iceberg.EqualTo(iceberg.Reference("service"), q.Service))
		}
		if q.Trace != "" {
			filter = iceberg.NewAnd(filter, iceberg.EqualTo(iceberg.Reference("trace_id"), q.Trace))
		}
		if diff := cmp.Diff(want, icebergIDs(t, l, filter)); diff != "" {
			t.Errorf("%+v (-ours +iceberg's):\n%s", q, diff)
		}
	}
}

func TestPlanPrunes(t *testing.T) {
	l := openLake(t, t.TempDir())
	all := spread(t, l)
	tests := []struct {
		name string
		q    fleet.Query
		want int
	}{
		{"everything", fleet.Query{}, 6},
		{"kind", fleet.Query{Kinds: []fleet.Kind{fleet.KindSpan}}, 2},
		{"time", fleet.Query{Window: fleet.Window{Start: all[0].Time, End: all[19].Time}}, 1},
		{"trace", fleet.Query{Trace: all[33].Keys.Trace}, 1},
		{"trace outside all bounds", fleet.Query{Trace: "ffffffffffffffffffffffffffffffff"}, 0},
		{"service", fleet.Query{Service: "service 1"}, 3},
	}
	for _, tt := range tests {
		p, err := l.planQuery(t.Context(), &tt.q)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.files) != tt.want {
			t.Errorf("%s: got %d files, want %d", tt.name, len(p.files), tt.want)
		}
	}
}

// TestDeletesOfOthersAreHonoured deletes rows as another engine on the same
// table would.
func TestDeletesOfOthersAreHonoured(t *testing.T) {
	l := openLake(t, t.TempDir())
	add(t, l, logLines(0, 50), nil)
	if _, err := l.Fresh(t.Context(), logLines(0, 1)); err != nil {
		t.Fatal(err)
	}
	tbl, err := l.catalog.LoadTable(t.Context(), table.Identifier{namespace, tableEvidence})
	if err != nil {
		t.Fatal(err)
	}
	tx := tbl.NewTransaction()
	if err := tx.SetProperties(iceberg.Properties{table.WriteDeleteModeKey: table.WriteModeMergeOnRead}); err != nil {
		t.Fatal(err)
	}
	if tbl, err = tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := tbl.Delete(t.Context(), iceberg.EqualTo(iceberg.Reference("id"), "line-00000007"), nil); err != nil {
		t.Fatal(err)
	}
	if n := count(t, l); n != 49 {
		t.Errorf("got %d records, want 49", n)
	}
	if got, err := ask(t, l, "select count(*) from records"); err != nil || got[0][0] != int64(49) {
		t.Errorf("SQL: got %v, error %v, want 49", got, err)
	}
	fresh, err := l.Fresh(t.Context(), logLines(0, 50))
	if err != nil {
		t.Fatal(err)
	}
	if len(fresh.Records) != 1 || fresh.Records[0].ID != "line-00000007" {
		t.Errorf("Fresh: got %d new records, want the deleted one", len(fresh.Records))
	}
}

func TestEqualityDeletesAreRefused(t *testing.T) {
	l := openLake(t, t.TempDir())
	add(t, l, logLines(0, 5), nil)
	deleteByEquality(t.Context(), t, l)
	for what, ask := range map[string]func() error{
		"Records": func() error { _, err := collect(l.Records(t.Context(), fleet.Query{})); return err },
		"Trace":   func() error { _, err := l.Trace(t.Context(), "line-00000001"); return err },
		"Fresh":   func() error { _, err := l.Fresh(t.Context(), logLines(0, 5)); return err },
		"SQL":     func() error { _, err := l.SQL(t.Context(), "select 1"); return err },
	} {
		if err := ask(); !errors.Is(err, errEqualityDeletes) {
			t.Errorf("%s: got error %v, want %v", what, err, errEqualityDeletes)
		}
	}
}

// deleteByEquality commits an equality delete, as Flink would. Its file is
// never read, so that any of the table's own serves.
func deleteByEquality(ctx context.Context, t *testing.T, l *Lake) {
	t.Helper()
	tbl, err := l.catalog.LoadTable(ctx, table.Identifier{namespace, tableEvidence})
	if err != nil {
		t.Fatal(err)
	}
	key := newDayKey(fleet.KindLog, noon.UnixMicro())
	b, err := iceberg.NewDataFileBuilder(tbl.Spec(), iceberg.EntryContentEqDeletes, dataName(l.base, tableEvidence, "deletes.parquet"), iceberg.ParquetFile,
		map[int]any{partitionKind: key.kind, partitionDay: iceberg.Date(key.day), partitionAmends: false}, map[int]string{partitionDay: "date"}, nil, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	tx := tbl.NewTransaction()
	if err := tx.NewRowDelta(nil).AddDeletes(b.EqualityFieldIDs([]int{1}).Build()).Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
}
