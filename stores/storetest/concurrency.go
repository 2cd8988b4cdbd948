package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"muster/fleet"
)

func cancelledContextEnds(t *testing.T, s Store) {
	commit(t, s, []fleet.Record{logLine("a", noon, fleet.Keys{})}, fleet.Commit{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for _, err := range s.Records(ctx, fleet.Query{}) {
		if n++; !errors.Is(err, context.Canceled) {
			t.Errorf("Records: got error %v, want context.Canceled", err)
		}
	}
	same(t, "a sequence ends after its error; items", 1, n)
	if _, err := s.Trace(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Trace: got error %v, want context.Canceled", err)
	}
	if _, err := s.Commit(ctx, fleet.Commit{Records: []fleet.Record{logLine("b", noon, fleet.Keys{})}}); err == nil {
		t.Error("Commit: got no error from a cancelled context")
	}
	same(t, "records", []string{"a"}, ids(records(t, s, fleet.Query{})))
}

// readersRunBesideAWriter commits in pairs and sees that no reader ever gets
// half of one, nor a record twice.
func readersRunBesideAWriter(t *testing.T, s Store) {
	const commits, readers = 12, 3
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for last := 0; ; {
				n, err := countOnce(t.Context(), s)
				if err != nil || n%2 != 0 || n < last {
					t.Errorf("a reader saw %d records after %d, error %v", n, last, err)
					return
				}
				last = n
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for n := range commits {
		at := noon.Add(time.Duration(n) * time.Second)
		commit(t, s, []fleet.Record{
			logLine(fmt.Sprint("a", n), at, fleet.Keys{}), change(fmt.Sprint("b", n), at),
		}, fleet.Commit{})
	}
	close(done)
	wg.Wait()
	same(t, "records in the end", 2*commits, len(records(t, s, fleet.Query{})))
}

// countOnce counts the records of a store, of which none may come twice.
func countOnce(ctx context.Context, s Store) (int, error) {
	seen := map[string]bool{}
	for r, err := range s.Records(ctx, fleet.Query{}) {
		if err != nil {
			return 0, err
		}
		if seen[r.ID] {
			return 0, fmt.Errorf("%s came twice", r.ID)
		}
		seen[r.ID] = true
	}
	return len(seen), nil
}
