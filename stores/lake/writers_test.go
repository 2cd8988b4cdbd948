//go:build !noduckdb

package lake

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"muster/fleet"
)

// TestWritersOfOneFolderLoseAndDoubleNothing lets two handles, as two programs
// would, commit overlapping batches until each got its turns.
func TestWritersOfOneFolderLoseAndDoubleNothing(t *testing.T) {
	const turns, each = 12, 30
	root := t.TempDir()
	handles := []*Lake{openLake(t, root), openLake(t, root)}
	var conflicts [2]int
	var wg sync.WaitGroup
	for w, l := range handles {
		wg.Go(func() {
			for n := range turns {
				for {
					// Both writers bring half of the other's records.
					err := tryCommit(t, l, logLines((n*2+w)*each, 2*each), fmt.Sprint("writer ", w), n)
					if err == nil {
						break
					}
					if !errors.Is(err, fleet.ErrConflict) {
						t.Error(err)
						return
					}
					conflicts[w]++
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%v conflicts", conflicts)
	got, err := collect(handles[0].Records(t.Context(), fleet.Query{}))
	if err != nil {
		t.Fatal(err)
	}
	want := (2*turns + 1) * each
	seen := map[string]bool{}
	for i := range got {
		seen[got[i].ID] = true
	}
	if len(got) != want || len(seen) != want {
		t.Errorf("got %d records with %d ids, want %d of both", len(got), len(seen), want)
	}
	marks, err := handles[1].Checkpoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for w := range handles {
		if n := batchOf(marks[fmt.Sprint("writer ", w)]); n != turns-1 {
			t.Errorf("the checkpoint of writer %d is %d, want %d", w, n, turns-1)
		}
	}
	ledger, err := collect(handles[0].Ledger(t.Context(), fleet.Window{}))
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, e := range ledger {
		read += e.Records
	}
	if read != want {
		t.Errorf("the ledger counts %d records, want %d", read, want)
	}
	if left, err := handles[0].Sweep(t.Context(), 0); err != nil {
		t.Errorf("sweep of %d files: %v", left, err)
	}
}

func tryCommit(t *testing.T, l *Lake, rs []fleet.Record, stream string, n int) error {
	fresh, err := l.Fresh(t.Context(), rs)
	if err != nil {
		return err
	}
	at := noon.Add(time.Duration(n) * time.Second)
	_, err = l.Commit(t.Context(), fleet.Commit{
		Base: fresh.Base, Records: fresh.Records, Checkpoints: map[string]time.Time{stream: at},
		Ledger: []fleet.LedgerEntry{{
			Stream: stream, Coverage: fleet.Complete, Records: len(fresh.Records),
			Window: fleet.Window{Start: at.Add(-time.Second), End: at},
		}},
	})
	return err
}

func TestSameRecordsFromTwoWritersAreKeptOnce(t *testing.T) {
	root := t.TempDir()
	first, second := openLake(t, root), openLake(t, root)
	rs := logLines(0, 10)
	add(t, first, rs, nil)
	if _, err := second.Fresh(t.Context(), rs); err != nil { // its cache has the day now
		t.Fatal(err)
	}
	add(t, first, logLines(10, 10), nil)
	fresh, err := second.Fresh(t.Context(), logLines(0, 25))
	if err != nil {
		t.Fatal(err)
	}
	if fresh.Dropped != 20 || len(fresh.Records) != 5 {
		t.Errorf("got %d dropped and %d new, want 20 and 5", fresh.Dropped, len(fresh.Records))
	}
}
