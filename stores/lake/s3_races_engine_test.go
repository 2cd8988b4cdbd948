//go:build engines

package lake

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"muster/fleet"
)

// worker is a program that commits to a stream, of which several run by mistake
// or by design.
type worker struct {
	at     s3Place
	aws    *faultyAWS
	random *rand.Rand
	lake   *Lake
	// What became of its turns.
	acknowledged, conflicts, cut, unclear int
}

// turn commits the next batch, perhaps with a fault, and perhaps cut at a random
// moment, as if the process ended: then nothing of it runs on.
func (w *worker) turn(t *testing.T) error {
	if w.lake == nil {
		l, err := Open(t.Context(), w.at.root, w.at.options())
		if err != nil {
			return err
		}
		w.lake = l
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.aws.next.Store(int64(faultNone))
	kill := false
	switch w.random.IntN(4) {
	case 0:
		kill = true
		timer := time.AfterFunc(time.Duration(w.random.IntN(250_000))*time.Microsecond, cancel)
		defer timer.Stop()
	case 1, 2:
		w.aws.next.Store(w.random.Int64N(int64(faults)))
	}
	err := commitBatch(ctx, w.lake)
	switch {
	case err == nil:
		w.acknowledged++
	case errors.Is(err, fleet.ErrConflict):
		w.conflicts++
	case kill && ctx.Err() != nil:
		w.cut++
		_ = w.lake.Close()
		w.lake = nil
	default:
		w.unclear++
		t.Logf("unclear: %v", err)
	}
	return nil
}

// commitBatch is commitNext without an entry in the ledger, which has a commit
// of its own.
func commitBatch(ctx context.Context, l *Lake) error {
	marks, err := l.Checkpoints(ctx)
	if err != nil {
		return err
	}
	n := batchOf(marks[killStream]) + 1
	fresh, err := l.Fresh(ctx, logLines(n*batchRecords, 2*batchRecords))
	if err != nil {
		return err
	}
	at := noon.Add(time.Duration(n) * time.Second)
	_, err = l.Commit(ctx, fleet.Commit{Base: fresh.Base, Records: fresh.Records, Checkpoints: map[string]time.Time{killStream: at}})
	return err
}

// s3Races lets two workers commit the same batch of one stream, again and again.
// Either of them may be killed, and either may not learn what became of its
// commit.
func s3Races(t *testing.T, at s3Place) {
	checker := at.open(t)
	var workers [2]*worker
	for i := range workers {
		aws := newFaultyAWS(t, at.url)
		w := &worker{at: at, aws: aws, random: rand.New(rand.NewPCG(raceSeed, uint64(i)))}
		w.at.url = aws.URL
		workers[i] = w
		t.Cleanup(func() {
			if w.lake != nil {
				_ = w.lake.Close()
			}
		})
	}
	last, won := -1, 0
	for n := range races {
		var wg sync.WaitGroup
		for _, w := range workers {
			wg.Go(func() {
				if err := w.turn(t); err != nil {
					t.Errorf("race %d: %v", n, err)
				}
			})
		}
		wg.Wait()
		for _, w := range workers {
			w.aws.late.Wait()
		}
		// Both may get their turn, one after the other; neither may go back.
		now := checkpoint(t, checker)
		if now < last || now > last+len(workers) {
			t.Fatalf("race %d: the checkpoint went from batch %d to %d", n, last, now)
		}
		won += now - last
		last = now
		if n%20 == 19 {
			t.Logf("%d races, %d batches", n+1, last+1)
			checkBatches(t, checker, last)
		}
		if t.Failed() {
			return
		}
	}
	acknowledged, conflicts, happened := 0, 0, int64(0)
	for _, w := range workers {
		t.Logf("%d acknowledged, %d conflicts, %d cut, %d unclear, %d faults", w.acknowledged, w.conflicts, w.cut, w.unclear, w.aws.done.Load())
		acknowledged += w.acknowledged
		conflicts += w.conflicts
		happened += w.aws.done.Load()
	}
	if acknowledged > won {
		t.Errorf("%d commits were acknowledged, and %d are there", acknowledged, won)
	}
	if conflicts == 0 || happened < races/2 || won < races/2 {
		t.Errorf("the races were none: %d won, %d conflicts, %d faults", won, conflicts, happened)
	}
	t.Logf("%d races, %d batches there, 0 lost, 0 doubled", races, won)
}

func s3Orphans(t *testing.T, at s3Place) {
	l := at.open(t)
	for range 3 {
		if _, err := commitNext(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	orphan := dataName(l.base, tableEvidence, "log-2026-03-14-orphan.parquet")
	if _, err := writeParquet(l.files(t.Context()), orphan, []row{{ID: "x"}}, evidenceOptions("")...); err != nil {
		t.Fatal(err)
	}
	if n, err := l.Sweep(t.Context(), time.Hour); n != 0 || err != nil {
		t.Errorf("%d files of an hour's age are swept, error %v", n, err)
	}
	if n, err := l.Sweep(t.Context(), 0); n != 1 || err != nil {
		t.Errorf("%d files are swept, error %v, want the orphan", n, err)
	}
	if _, err := l.files(t.Context()).ReadFile(orphan); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the orphan: %v", err)
	}
	checkBatches(t, at.open(t), 2)
}

func s3Expire(t *testing.T, at s3Place) {
	l := at.open(t)
	for range 14 { // beyond a merge of small files
		if _, err := commitNext(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Expire(t.Context(), Retention{Snapshots: time.Nanosecond}); err != nil {
		t.Fatal(err)
	}
	again := at.open(t)
	tbl, err := again.head(t.Context(), tableEvidence)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(tbl.Metadata().Snapshots()); n != 1 {
		t.Errorf("%d snapshots are left, want 1", n)
	}
	checkBatches(t, again, 13)
	metadata := 0
	err = again.files(t.Context()).WalkDir(location(again.base, tableEvidence)+"/metadata", func(name string, _ fs.DirEntry, err error) error {
		if _, ok := versionOf(name); ok {
			metadata++
		}
		return err
	})
	if err != nil || metadata > 12 { // the current one, 10 before it, and one in passing
		t.Errorf("%d metadata files are kept, error %v", metadata, err)
	}
	if _, err := commitNext(t.Context(), again); err != nil {
		t.Error(err)
	}
	checkBatches(t, l, 14)
}
