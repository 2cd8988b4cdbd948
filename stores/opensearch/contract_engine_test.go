//go:build engines

package opensearch

import (
	"context"
	"iter"
	"os"
	"testing"
	"time"

	"muster/fleet"
	"muster/stores/lake"
	"muster/stores/storetest"
)

// followed is a lake and the OpenSearch that follows it: written to the one,
// read from the other.
type followed struct {
	*Store
	lake *lake.Lake
}

func openFollowed(t *testing.T) *followed {
	t.Helper()
	return &followed{newStore(t), openLake(t)}
}

func openLake(t *testing.T) *lake.Lake {
	t.Helper()
	l, err := lake.Open(t.Context(), t.TempDir(), lake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func (f *followed) Checkpoints(ctx context.Context) (map[string]time.Time, error) {
	return f.lake.Checkpoints(ctx)
}

func (f *followed) Fresh(ctx context.Context, rs []fleet.Record) (fleet.Fresh, error) {
	return f.lake.Fresh(ctx, rs)
}

func (f *followed) Ledger(ctx context.Context, w fleet.Window) iter.Seq2[fleet.LedgerEntry, error] {
	return f.lake.Ledger(ctx, w)
}

func (f *followed) Commit(ctx context.Context, c fleet.Commit) (fleet.Snapshot, error) {
	next, err := f.lake.Commit(ctx, c)
	if err != nil {
		return 0, err
	}
	return next, f.see(ctx)
}

func (f *followed) SaveFindings(ctx context.Context, run fleet.Run, fs []fleet.Finding) error {
	if err := f.lake.SaveFindings(ctx, run, fs); err != nil {
		return err
	}
	return f.see(ctx)
}

// see catches up and makes it visible.
func (f *followed) see(ctx context.Context) error {
	if _, err := f.CatchUp(ctx, f.lake); err != nil {
		return err
	}
	return f.Refresh(ctx)
}

func TestReadingContract(t *testing.T) {
	storetest.RunReading(t, func(t *testing.T) storetest.Store {
		f := openFollowed(t)
		t.Cleanup(func() {
			if text, err := os.ReadFile(f.refused.path); err == nil {
				t.Errorf("OpenSearch refused documents: %.2000s", text)
			}
		})
		return f
	})
}
