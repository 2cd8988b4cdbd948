//go:build !noduckdb

package lake

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

func TestSweepKeepsYoungAndNamedFiles(t *testing.T) {
	l := openLake(t, t.TempDir())
	add(t, l, logLines(0, 10), nil)
	orphan := dataName(l.base, tableEvidence, "log-2026-03-14-orphan.parquet")
	if _, err := writeParquet(l.files(t.Context()), orphan, []row{{ID: "x"}}, evidenceOptions("")...); err != nil {
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

// TestCommitsExpireAndSweep lets nothing grow old.
func TestCommitsExpireAndSweep(t *testing.T) {
	l := openLake(t, t.TempDir())
	l.upkeep = upkeep{}
	orphan := dataName(l.base, tableEvidence, "log-2026-03-14-orphan.parquet")
	if _, err := writeParquet(l.files(t.Context()), orphan, []row{{ID: "x"}}, evidenceOptions("")...); err != nil {
		t.Fatal(err)
	}
	const commits = compactEvery + 3 // with one round of merging, whose old files go too
	for n := range commits {
		add(t, l, logLines(n, 2), map[string]time.Time{"s": noon})
	}
	tbl, err := l.head(t.Context(), tableEvidence)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(tbl.Metadata().Snapshots()); n > 2 {
		t.Errorf("got %d snapshots, want 1 or 2", n)
	}
	if _, err := l.files(t.Context()).ReadFile(orphan); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the orphan: got error %v, want that it is gone", err)
	}
	files, err := filepath.Glob(filepath.Join(l.root, tableEvidence, "data", "*"))
	if err != nil || len(files) > 4 {
		t.Errorf("got %d data files, error %v, want the merged one and the last 3", len(files), err)
	}
	if n := count(t, l); n != commits+1 {
		t.Errorf("got %d records, want %d", n, commits+1)
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

// TestSmallFilesAreMerged commits often, with revisions and amendments, and
// sees that files stay few and that nothing else changes.
func TestSmallFilesAreMerged(t *testing.T) {
	root := t.TempDir()
	l, other := openLake(t, root), openLake(t, root)
	const commits, each = 3 * compactEvery, 5
	want := logLines(0, commits*each)
	for n := range commits {
		rs := want[n*each : (n+1)*each]
		again := slices.Concat(rs, want[max(0, n-1)*each:][:1])
		again[each].Revision = n // a newer revision of a record of the batch before
		want[max(0, n-1)*each].Revision = n
		amended := &want[max(0, n-2)*each+1]
		amended.Keys.Correlation = fmt.Sprint("C", n)
		fresh, err := l.Fresh(t.Context(), again)
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.Commit(t.Context(), fleet.Commit{
			Base: fresh.Base, Records: fresh.Records, Revised: fresh.Revised,
			Amendments: []fleet.Amendment{{Ref: fleet.Ref{ID: amended.ID, Kind: amended.Kind, Time: amended.Time}, Keys: amended.Keys}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	p, err := l.planQuery(t.Context(), &fleet.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.files) >= 2*mergeFiles {
		t.Errorf("%d commits left %d files", commits, len(p.files))
	}
	for _, l := range []*Lake{l, other} {
		got, err := collect(l.Records(t.Context(), fleet.Query{}))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		// Both the index that followed and one that reads find every row again.
		fresh, err := l.Fresh(t.Context(), want)
		if err != nil || fresh.Dropped != len(want) {
			t.Errorf("got %d dropped, error %v, want all %d", fresh.Dropped, err, len(want))
		}
		var as []fleet.Amendment
		for i := range want {
			want[i].Keys.Correlation = "last"
			as = append(as, fleet.Amendment{Ref: fleet.Ref{ID: want[i].ID, Kind: want[i].Kind, Time: want[i].Time}, Keys: want[i].Keys})
		}
		if _, err := l.Commit(t.Context(), fleet.Commit{Base: fresh.Base, Amendments: as}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := collect(l.Records(t.Context(), fleet.Query{}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if removed, err := l.Sweep(t.Context(), 0); err != nil || removed != 0 {
		t.Errorf("sweep removed %d files, error %v: merged files belong to the snapshots before", removed, err)
	}
}

// TestTablesOfAnOlderMusterGetTheirProperties takes properties away, as they
// were not there before, and changes one, as somebody may have.
func TestTablesOfAnOlderMusterGetTheirProperties(t *testing.T) {
	l := openLake(t, t.TempDir())
	for _, name := range []string{tableEvidence, tableLedger} {
		tbl, err := l.catalog.LoadTable(t.Context(), table.Identifier{namespace, name})
		if err != nil {
			t.Fatal(err)
		}
		tx := tbl.NewTransaction()
		err = errors.Join(tx.RemoveProperties([]string{table.MaxSnapshotAgeMsKey}),
			tx.SetProperties(iceberg.Properties{table.ManifestMinMergeCountKey: "7"}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := tryCommit(t, l, logLines(0, 1), "s", 0); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{tableEvidence, tableLedger} {
		tbl, err := l.head(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		p := tbl.Properties()
		if p[table.MaxSnapshotAgeMsKey] != "3600000" || p[table.ManifestMinMergeCountKey] != "7" {
			t.Errorf("table %s has properties %v", name, p)
		}
	}
}
