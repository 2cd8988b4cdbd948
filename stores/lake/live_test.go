//go:build !noduckdb

package lake

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
		held += d.ids.len()
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

// TestOneIDOnTwoDaysIsTwoRecords: what is amended of one leaves the other alone,
// whoever asks.
func TestOneIDOnTwoDaysIsTwoRecords(t *testing.T) {
	l := openLake(t, t.TempDir())
	rs := append(logLines(0, 1), logLines(0, 1)...)
	rs[1].Time = rs[1].Time.Add(24 * time.Hour)
	add(t, l, rs, nil)
	fresh, err := l.Fresh(t.Context(), rs)
	if err != nil || fresh.Dropped != 2 {
		t.Fatalf("%d of 2 known again, error %v", fresh.Dropped, err)
	}
	keys := rs[0].Keys
	keys.Correlation = "amended"
	a := fleet.Amendment{Ref: fleet.Ref{ID: rs[0].ID, Kind: rs[0].Kind, Time: rs[0].Time}, Keys: keys}
	if _, err := l.Commit(t.Context(), fleet.Commit{Base: fresh.Base, Amendments: []fleet.Amendment{a}}); err != nil {
		t.Fatal(err)
	}
	var got [][]any
	for r, err := range l.Records(t.Context(), fleet.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, []any{r.TimeUS(), r.Keys.Correlation})
	}
	want := [][]any{{rs[0].TimeUS(), "amended"}, {rs[1].TimeUS(), ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records, want (-) and got (+):\n%s", diff)
	}
	asked, err := ask(t, l, "select time_us, correlation_id from records order by time_us")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("view records, want (-) and got (+):\n%s", diff)
	}
}

func TestDaysBeforeTheEpochAreCountedDown(t *testing.T) {
	for us, want := range map[int64]int32{0: 0, usPerDay - 1: 0, usPerDay: 1, -1: -1, -usPerDay: -1, -usPerDay - 1: -2} {
		if got := newDayKey(fleet.KindLog, us).day; got != want {
			t.Errorf("%d microseconds: got day %d, want %d", us, got, want)
		}
	}
}
