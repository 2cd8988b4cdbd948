//go:build !noduckdb

package lake

import (
	"testing"
	"time"

	"muster/fleet"
)

// TestLiveIndexForgetsAndReadsAgain makes the index too small for two days.
func TestLiveIndexForgetsAndReadsAgain(t *testing.T) {
	l := openLake(t, t.TempDir())
	l.live.max = 15
	first, second := logLines(0, 10), logLines(100, 10)
	for i := range second {
		second[i].Time = second[i].Time.Add(48 * time.Hour)
	}
	for range 2 {
		add(t, l, first, nil)
		add(t, l, second, nil)
	}
	if n := count(t, l); n != 20 {
		t.Errorf("got %d records, want 20", n)
	}
	held := 0
	for _, d := range l.live.days {
		held += len(d.ids)
	}
	if held > l.live.max {
		t.Errorf("the index holds %d ids, more than %d", held, l.live.max)
	}
}

// TestAmendmentFindsItsRow amends rows in the middle of files that this handle
// wrote, that it read, and that were amended before.
func TestAmendmentFindsItsRow(t *testing.T) {
	root := t.TempDir()
	writer, other := openLake(t, root), openLake(t, root)
	want := append(logLines(0, 200), logLines(200, 200)...)
	add(t, writer, want[:200], nil)
	add(t, writer, want[200:], nil)
	for n, l := range []*Lake{writer, other, writer} {
		var as []fleet.Amendment
		for i := n; i < len(want); i += 7 {
			want[i].Keys.Correlation = "round " + string(rune('a'+n))
			as = append(as, fleet.Amendment{Ref: fleet.Ref{ID: want[i].ID, Kind: want[i].Kind, Time: want[i].Time}, Keys: want[i].Keys})
		}
		fresh, err := l.Fresh(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Commit(t.Context(), fleet.Commit{Base: fresh.Base, Amendments: as}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := collect(other.Records(t.Context(), fleet.Query{}))
	if err != nil || len(got) != len(want) {
		t.Fatalf("got %d records, error %v, want %d", len(got), err, len(want))
	}
	for i := range got {
		if got[i].ID != want[i].ID || got[i].Keys.Correlation != want[i].Keys.Correlation {
			t.Errorf("got %s of %q, want %s of %q", got[i].ID, got[i].Keys.Correlation, want[i].ID, want[i].Keys.Correlation)
		}
	}
}

func TestDaysBeforeTheEpochAreCountedDown(t *testing.T) {
	for us, want := range map[int64]int32{0: 0, usPerDay - 1: 0, usPerDay: 1, -1: -1, -usPerDay: -1, -usPerDay - 1: -2} {
		if got := newDayKey(fleet.KindLog, us).day; got != want {
			t.Errorf("%d microseconds: got day %d, want %d", us, got, want)
		}
	}
}
