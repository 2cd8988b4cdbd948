//go:build !noduckdb

package lake

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// later opens a lake at a time when the tests' days are long over.
func later(t testing.TB, root string) *Lake {
	t.Helper()
	l := openLake(t, root)
	l.options.Now = func() time.Time { return noon.Add(48 * time.Hour) }
	return l
}

// amend commits new correlation ids for records and sets them there too.
func amend(t testing.TB, l *Lake, rs []fleet.Record, correlation string) {
	t.Helper()
	for {
		fresh, err := l.Fresh(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		c := fleet.Commit{Base: fresh.Base}
		for i := range rs {
			rs[i].Keys.Correlation = correlation
			rs[i].Keys.CorrelationLink = fleet.Link{Via: fleet.RungSeen, Sure: fleet.Exact}
			c.Amendments = append(c.Amendments, fleet.Amendment{Ref: fleet.Ref{ID: rs[i].ID, Kind: rs[i].Kind, Time: rs[i].Time}, Keys: rs[i].Keys})
		}
		_, err = l.Commit(t.Context(), c)
		if err == nil {
			return
		}
		if !errors.Is(err, fleet.ErrConflict) {
			t.Fatal(err)
		}
	}
}

// history commits n batches of ten records, with revisions and amendments of
// earlier ones, and returns what is live afterwards, in order.
func history(t testing.TB, l *Lake, n int) []fleet.Record {
	t.Helper()
	all := logLines(0, 10*n)
	for i := range n {
		add(t, l, all[10*i:10*i+10], nil)
		if i == 0 {
			continue
		}
		revised := &all[10*i-3]
		revised.Revision, revised.Message = i, fmt.Sprint("revision ", i)
		add(t, l, []fleet.Record{*revised}, nil)
		amend(t, l, all[10*i-5:10*i+2], fmt.Sprint("order ", i))
	}
	return all
}

func compactAll(t testing.TB, l *Lake, c Compaction) []CompactedPart {
	t.Helper()
	var done []CompactedPart
	c.Each = func(p CompactedPart) error {
		done = append(done, p)
		return nil
	}
	if err := l.Compact(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return done
}

// sameRecords fails the test unless the lake's readers see exactly these.
func sameRecords(t testing.TB, l *Lake, want []fleet.Record) {
	t.Helper()
	got, err := collect(l.Records(t.Context(), fleet.Query{}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("records (-want +got):\n%.3000s", diff)
	}
}

func dayFiles(t testing.TB, l *Lake) (base, amends, deletes int) {
	t.Helper()
	tbl, err := l.head(t.Context(), tableEvidence)
	if err != nil {
		t.Fatal(err)
	}
	parts, all, err := planParts(t.Context(), tbl, iceberg.AlwaysTrue{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		for _, f := range p.files {
			if f.amends {
				amends++
			} else {
				base++
			}
		}
	}
	return base, amends, len(all)
}

// TestCompactLeavesOneFileAndTheSameRecords folds a day of many commits, in
// passes over few ids at a time and with few files side by side.
func TestCompactLeavesOneFileAndTheSameRecords(t *testing.T) {
	for name, lim := range map[string]limits{
		"as shipped": {},
		"small":      {fileBytes: largeBytes, marks: 7, sortBytes: 1 << 10, merge: 2},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			l, other := later(t, root), later(t, root)
			want := history(t, l, 12)
			sameRecords(t, other, want)
			dry := compactAll(t, l, Compaction{DryRun: true, limits: lim})
			done := compactAll(t, l, Compaction{limits: lim})
			if len(done) != 1 || len(dry) != 1 || done[0].Rows != 120 || done[0].Folded == 0 || done[0].Folded != dry[0].Folded || done[0].FilesAfter != 1 {
				t.Errorf("got %+v, announced %+v", done, dry)
			}
			if base, amends, _ := dayFiles(t, l); base != 1 || amends != 0 {
				t.Errorf("got %d base and %d amending files, want 1 and 0", base, amends)
			}
			for _, l := range []*Lake{l, other} {
				sameRecords(t, l, want)
				if got, err := ask(t, l, "select count(*), count(distinct id) from records"); err != nil || got[0][0] != int64(120) || got[0][1] != int64(120) {
					t.Errorf("SQL counts %v, error %v, want 120 of 120", got, err)
				}
				if fresh, err := l.Fresh(t.Context(), want); err != nil || fresh.Dropped != 120 {
					t.Errorf("%d of 120 are known, error %v", fresh.Dropped, err)
				}
			}
			if again := compactAll(t, other, Compaction{limits: lim}); len(again) != 0 {
				t.Errorf("a second compaction did %+v, want nothing", again)
			}
			// A record that was folded can be revised and amended as before, and
			// folded once more.
			amend(t, other, want[5:30], "after")
			want[50].Revision, want[50].Message = 99, "after"
			add(t, l, want[50:51], nil)
			sameRecords(t, l, want)
			if done := compactAll(t, l, Compaction{limits: lim}); len(done) != 1 || done[0].Folded != 26 {
				t.Errorf("got %+v, want 26 folded", done)
			}
			sameRecords(t, other, want)
		})
	}
}

func TestCompactCutsLargeFiles(t *testing.T) {
	l := later(t, t.TempDir())
	rng := rand.New(rand.NewPCG(1, 2))
	want := logLines(0, 12_000)
	for i := range want {
		raw := make([]byte, 40)
		for j := range raw {
			raw[j] = byte('a' + rng.IntN(26))
		}
		want[i].Raw = raw
	}
	for c := range slices.Chunk(want, 1_200) {
		add(t, l, c, nil)
	}
	done := compactAll(t, l, Compaction{limits: limits{fileBytes: 200 << 10, marks: 10, sortBytes: 1 << 20, merge: 8}})
	if len(done) != 1 || done[0].FilesAfter < 2 {
		t.Fatalf("got %+v, want several files", done)
	}
	sameRecords(t, l, want)
	// The files follow one another, so that a trace lies in one of them, or two.
	p, err := l.planQuery(t.Context(), &fleet.Query{Trace: want[6_000].Keys.Trace})
	if err != nil || len(p.files) > 2 {
		t.Errorf("one trace reads %d files of %d, error %v", len(p.files), done[0].FilesAfter, err)
	}
}

func TestCompactLeavesOpenDays(t *testing.T) {
	l := later(t, t.TempDir())
	history(t, l, 3)
	l.options.Now = func() time.Time { return time.Date(2026, 3, 15, 0, 59, 0, 0, time.UTC) }
	if done := compactAll(t, l, Compaction{}); len(done) != 0 {
		t.Errorf("a day that has been over for 59 minutes: got %+v", done)
	}
	l.options.Now = func() time.Time { return time.Date(2026, 3, 15, 1, 0, 0, 0, time.UTC) }
	if done := compactAll(t, l, Compaction{}); len(done) != 1 {
		t.Errorf("a day that has been over for an hour: got %+v", done)
	}
}

// TestReadersBesideCompactionSeeEachRecordOnce lets two handles write, one
// compact and two read, all the time.
func TestReadersBesideCompactionSeeEachRecordOnce(t *testing.T) {
	const records, rounds = 300, 12
	root := t.TempDir()
	l := later(t, root)
	want := logLines(0, records)
	for c := range slices.Chunk(want, 30) {
		add(t, l, c, nil)
	}
	ctx, stop := context.WithCancel(t.Context())
	var readers, compactor sync.WaitGroup
	reads := 0
	reader := later(t, root)
	readers.Go(func() {
		for ctx.Err() == nil {
			got, err := ask(t, reader, "select count(*), count(distinct id) from records")
			if err != nil || got[0][0] != int64(records) || got[0][1] != int64(records) {
				t.Errorf("SQL counts %v, error %v, want %d", got, err, records)
			}
			if n := count(t, reader); n != records {
				t.Errorf("Records: got %d, want %d", n, records)
			}
			reads++
		}
	})
	busy := 0
	second := later(t, root)
	compactor.Go(func() {
		for ctx.Err() == nil {
			err := second.Compact(t.Context(), Compaction{Each: func(p CompactedPart) error {
				if p.Busy {
					busy++
				}
				return nil
			}})
			if err != nil {
				t.Error(err)
			}
		}
	})
	for n := range rounds {
		amend(t, l, want[n*20:n*20+60], fmt.Sprint("order ", n))
		want[n].Revision, want[n].Message = n+1, "revised"
		add(t, l, want[n:n+1], nil)
	}
	stop()
	readers.Wait()
	compactor.Wait()
	t.Logf("%d reads, %d compactions gave way", reads, busy)
	if reads < 3 {
		t.Errorf("only %d reads", reads)
	}
	sameRecords(t, reader, want)
	compactAll(t, second, Compaction{})
	sameRecords(t, reader, want)
}

// TestCompactGivesWay changes the part between reading and committing.
func TestCompactGivesWay(t *testing.T) {
	root := t.TempDir()
	l, other := later(t, root), later(t, root)
	want := history(t, l, 4)
	once := false
	done := compactAll(t, l, Compaction{Progress: func(CompactedPart, int64) {
		if !once {
			once = true
			deleteRows(t, other, iceberg.EqualTo(iceberg.Reference("id"), want[0].ID))
		}
	}})
	if len(done) != 1 || !done[0].Busy {
		t.Errorf("got %+v, want that it gave way", done)
	}
	sameRecords(t, l, want[1:])
	if left, err := l.Sweep(t.Context(), 0); err != nil || left != 0 {
		t.Errorf("%d files were left, error %v", left, err)
	}
	compactAll(t, l, Compaction{})
	sameRecords(t, other, want[1:])
}

// TestCompactBesideALateAmendment lets an amendment in between: it wins, and
// compaction lands.
func TestCompactBesideALateAmendment(t *testing.T) {
	root := t.TempDir()
	l, other := later(t, root), later(t, root)
	want := history(t, l, 4)
	once := false
	done := compactAll(t, l, Compaction{Progress: func(CompactedPart, int64) {
		if !once {
			once = true
			amend(t, other, want[3:9], "late")
		}
	}})
	if len(done) != 1 || done[0].Busy {
		t.Errorf("got %+v, want that it was done", done)
	}
	sameRecords(t, other, want)
	compactAll(t, l, Compaction{})
	sameRecords(t, other, want)
}

func TestCompactedRowsDoNotComeAgainToAFollower(t *testing.T) {
	l, f := later(t, t.TempDir()), newFollower()
	want := history(t, l, 6)
	f.catchUp(t, l, 0)
	f.same(t, l)
	seen := f.seen
	compactAll(t, l, Compaction{})
	f.catchUp(t, l, 0)
	if f.seen != seen {
		t.Errorf("got %d changes again, want none", f.seen-seen)
	}
	behind := newFollower()
	behind.catchUp(t, l, 0)
	behind.same(t, l)
	amend(t, l, want[2:4], "after")
	f.catchUp(t, l, 0)
	f.same(t, l)
	if f.seen != seen+2 {
		t.Errorf("got %d changes of an amendment of 2", f.seen-seen)
	}
	half := newFollower() // has seen up to the middle of what is folded next
	half.catchUp(t, l, 0)
	amend(t, l, want[20:30], "later")
	compactAll(t, l, Compaction{})
	half.catchUp(t, l, 0)
	half.same(t, l)
}
