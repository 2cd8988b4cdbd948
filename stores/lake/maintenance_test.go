//go:build !noduckdb

package lake

import (
	"testing"
	"time"

	"github.com/apache/iceberg-go/table"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

func TestSweepKeepsYoungAndNamedFiles(t *testing.T) {
	l := openLake(t, t.TempDir())
	add(t, l, logLines(0, 10), nil)
	orphan := dataName(tableEvidence, "log-2026-03-14-orphan.parquet")
	if _, err := writeParquet(l.catalog.files, orphan, []row{{ID: "x"}}, evidenceOptions()...); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		age  time.Duration
		want int
	}{{time.Hour, 0}, {0, 1}, {0, 0}} {
		got, err := l.Sweep(t.Context(), tt.age)
		if err != nil || got != tt.want {
			t.Errorf("sweep of what is older than %s: removed %d, error %v, want %d", tt.age, got, err, tt.want)
		}
	}
	if n := count(t, l); n != 10 {
		t.Errorf("got %d records after the sweeps, want 10", n)
	}
}

func TestOldSnapshotsExpireAndRecordsStay(t *testing.T) {
	l := openLake(t, t.TempDir())
	for n := range 5 {
		add(t, l, logLines(n, 1), map[string]time.Time{"s": noon})
	}
	tbl, err := l.catalog.LoadTable(t.Context(), table.Identifier{namespace, tableEvidence})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.expire(t.Context(), tbl, 0); err != nil {
		t.Fatal(err)
	}
	if tbl, err = l.head(t.Context(), tableEvidence); err != nil {
		t.Fatal(err)
	}
	if n := len(tbl.Metadata().Snapshots()); n != 1 {
		t.Errorf("got %d snapshots, want 1", n)
	}
	add(t, l, logLines(0, 6), nil)
	if n := count(t, l); n != 6 {
		t.Errorf("got %d records, want 6", n)
	}
	if marks, err := l.Checkpoints(t.Context()); err != nil || len(marks) != 1 {
		t.Errorf("got checkpoints %v, error %v", marks, err)
	}
}

func TestLedgerFoldsCompleteWindows(t *testing.T) {
	entry := func(stream string, from, to int, c fleet.Coverage, records int) ledgerRow {
		return ledgerRow{Stream: stream, WindowStart: int64(from), WindowEnd: int64(to), Coverage: string(c), Records: int64(records)}
	}
	got := foldLedger([]ledgerRow{
		entry("a", 20, 30, fleet.Complete, 2), entry("a", 10, 20, fleet.Complete, 1), entry("b", 10, 20, fleet.Complete, 9),
		entry("a", 25, 28, fleet.Complete, 4), entry("a", 15, 16, fleet.Partial, 1), entry("a", 40, 50, fleet.Complete, 8),
		entry("a", 45, 0, fleet.Complete, 1),
	})
	want := []ledgerRow{
		entry("a", 10, 30, fleet.Complete, 7), entry("b", 10, 20, fleet.Complete, 9), entry("a", 15, 16, fleet.Partial, 1),
		entry("a", 40, 50, fleet.Complete, 8), entry("a", 45, 0, fleet.Complete, 1),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
