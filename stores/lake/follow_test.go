//go:build !noduckdb

package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// follower keeps what it was handed, newest state by id, and its mark.
type follower struct {
	mark   int64
	states map[string]fleet.Change
	seen   int
}

func newFollower() *follower { return &follower{states: map[string]fleet.Change{}} }

// catchUp takes at most so many batches, and none of a commit in part.
func (f *follower) catchUp(t *testing.T, l *Lake, batches int) {
	t.Helper()
	for c, err := range l.Changes(t.Context(), f.mark) {
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Changes) > followRows {
			t.Errorf("a batch has %d changes, want at most %d", len(c.Changes), followRows)
		}
		for _, s := range c.Changes {
			old, ok := f.states[s.Record.ID]
			newer := s.Record.Revision > old.Record.Revision || s.Record.Revision == old.Record.Revision && s.Amendment > old.Amendment
			if !ok || newer {
				f.states[s.Record.ID] = s
			}
		}
		f.seen += len(c.Changes)
		if c.Through > 0 {
			f.mark = c.Through
		}
		if batches--; batches == 0 {
			return
		}
	}
}

// same fails the test unless the follower knows what is live in the lake.
func (f *follower) same(t *testing.T, l *Lake) {
	t.Helper()
	want := map[string]fleet.Record{}
	for r, err := range l.Records(t.Context(), fleet.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		want[r.ID] = r
	}
	got := map[string]fleet.Record{}
	for id, s := range f.states {
		got[id] = s.Record
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%.2000s", diff)
	}
}

func TestChangesFollowEveryCommit(t *testing.T) {
	l, f := openLake(t, t.TempDir()), newFollower()
	f.catchUp(t, l, 0)
	f.same(t, l)
	for n := range 2*compactEvery + 3 { // merges come in between
		rs := logLines(5*n, 10) // half of them known
		rs[0].Revision, rs[0].Message = n, fmt.Sprint("revision ", n)
		add(t, l, rs, map[string]time.Time{"s": noon})
		f.catchUp(t, l, 0)
		f.same(t, l)
	}
	seen := f.seen
	add(t, l, nil, map[string]time.Time{"s": noon.Add(time.Hour)}) // a commit of a mark alone
	f.catchUp(t, l, 0)
	f.catchUp(t, l, 0)
	if f.seen != seen {
		t.Errorf("got %d changes more, want none", f.seen-seen)
	}
}

func TestChangesCarryAmendments(t *testing.T) {
	l, f := openLake(t, t.TempDir()), newFollower()
	rs := logLines(0, 3)
	add(t, l, rs, nil)
	for n := range 3 {
		fresh, err := l.Fresh(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		keys := rs[1].Keys
		keys.Correlation, keys.CorrelationLink = fmt.Sprint("order-", n), fleet.Link{Via: fleet.RungSeen, Sure: fleet.Exact}
		a := fleet.Amendment{Ref: fleet.Ref{ID: rs[1].ID, Kind: rs[1].Kind, Time: rs[1].Time}, Keys: keys}
		if _, err := l.Commit(t.Context(), fleet.Commit{Base: fresh.Base, Amendments: []fleet.Amendment{a}}); err != nil {
			t.Fatal(err)
		}
	}
	f.catchUp(t, l, 0)
	f.same(t, l)
}

// TestChangesOutliveExpiredSnapshots follows a lake that keeps nothing of its
// past, seldom and in parts.
func TestChangesOutliveExpiredSnapshots(t *testing.T) {
	l, f := openLake(t, t.TempDir()), newFollower()
	l.upkeep = upkeep{}
	for n := range 3 * compactEvery {
		add(t, l, logLines(3*n, 4), nil)
		if n%7 == 0 {
			f.catchUp(t, l, 1)
		}
	}
	f.catchUp(t, l, 0)
	f.same(t, l)
}

func TestChangesComeInBoundedBatches(t *testing.T) {
	l := openLake(t, t.TempDir())
	add(t, l, logLines(0, 2*followRows+1), nil)
	add(t, l, logLines(2*followRows+1, 1), nil)
	var sizes []int
	var marks []int64
	for c, err := range l.Changes(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		sizes, marks = append(sizes, len(c.Changes)), append(marks, c.Through)
	}
	if diff := cmp.Diff([]int{followRows, followRows, 2}, sizes); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
	// No mark may move while a part of its commit is not handed over.
	if diff := cmp.Diff([]int64{0, 0, 2}, marks); diff != "" {
		t.Errorf("marks (-want +got):\n%s", diff)
	}
}

func TestChangesOfALakeThatWasSetBack(t *testing.T) {
	l, f := openLake(t, t.TempDir()), newFollower()
	add(t, l, logLines(0, 5), nil)
	f.mark = 100 // of commits that are gone
	f.catchUp(t, l, 0)
	f.same(t, l)
}

func TestChangesEndWithTheirContext(t *testing.T) {
	l := openLake(t, t.TempDir())
	add(t, l, logLines(0, 10), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for _, err := range l.Changes(ctx, 0) {
		if n++; !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want context.Canceled", err)
		}
	}
	if n != 1 {
		t.Errorf("got %d items, want one error", n)
	}
}

func TestChangedFindings(t *testing.T) {
	l := openLake(t, t.TempDir())
	save := func(fs ...fleet.Finding) {
		if err := l.SaveFindings(t.Context(), fleet.Run{ID: "r"}, fs); err != nil {
			t.Fatal(err)
		}
	}
	check := func(after int64, want ...fleet.Finding) int64 {
		t.Helper()
		got, through, err := l.ChangedFindings(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(got, func(a, b fleet.Finding) int { return strings.Compare(a.Fingerprint, b.Fingerprint) })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after %d (-want +got):\n%s", after, diff)
		}
		return through
	}
	check(0)
	a, b := fleet.Finding{Fingerprint: "a", Count: 1}, fleet.Finding{Fingerprint: "b", Count: 1}
	save(a, b)
	mark := check(0, a, b)
	check(mark)
	for n := range 2 * foldFiles {
		b.Count = n
		save(b)
		mark = check(mark, b)
	}
	check(0, a, b)
}
