//go:build !noduckdb

package lake

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"muster/fleet"
)

// TestLiveIndexKeepsToItsBound: with no memory to speak of the ids go to the
// disk, days that nobody asks for are forgotten, and the answers are the same.
func TestLiveIndexKeepsToItsBound(t *testing.T) {
	l := openLake(t, t.TempDir())
	l.live.max = 1
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
	if len(l.live.days) != 2 {
		t.Fatalf("%d days are known, want 2", len(l.live.days))
	}
	for _, d := range l.live.days {
		if d.ids.entries > 0 || len(d.ids.runs) == 0 {
			t.Errorf("%d ids in memory and %d runs on the disk", d.ids.entries, len(d.ids.runs))
		}
	}
	for range idleBatches + 1 {
		add(t, l, logLines(0, 1), nil)
	}
	add(t, l, logLines(10, 1), nil)
	if len(l.live.days) != 1 {
		t.Errorf("%d days are known after %d batches of one of them", len(l.live.days), idleBatches)
	}
	add(t, l, second, nil)
	if n := count(t, l); n != 21 {
		t.Errorf("got %d records, want 21", n)
	}
}

// TestWhatOnlyLooksLikeALiveIDIsNew: the table in memory may be wrong about an
// id, and the file is not.
func TestWhatOnlyLooksLikeALiveIDIsNew(t *testing.T) {
	l := openLake(t, t.TempDir())
	add(t, l, logLines(0, 10), nil)
	rs := logLines(5, 10)
	for i := range rs {
		l.live.days[newDayKey(rs[i].Kind, rs[i].TimeUS())].ids.add(hashID(rs[i].ID), 0)
	}
	fresh, err := l.Fresh(t.Context(), rs)
	if err != nil || len(fresh.Records) != 5 || fresh.Dropped != 5 || fresh.Records[0].ID != rs[5].ID {
		t.Errorf("got %d new and %d known, error %v, want 5 and 5", len(fresh.Records), fresh.Dropped, err)
	}
}

// TestLargeFilesAreAskedForSingleIDs reads a file that is too large to be kept.
func TestLargeFilesAreAskedForSingleIDs(t *testing.T) {
	l := openLake(t, t.TempDir())
	rs := logLines(0, 50)
	add(t, l, rs, nil)
	for _, d := range l.live.days {
		for i := range d.files {
			d.files[i].rows = cachedFileRows + 1
		}
	}
	for i := range rs[:7] {
		rs[3*i].Revision++
	}
	fresh, err := l.Fresh(t.Context(), rs)
	if err != nil || len(fresh.Revised) != 7 || fresh.Dropped != 43 {
		t.Errorf("got %d revised and %d known, error %v, want 7 and 43", len(fresh.Revised), fresh.Dropped, err)
	}
	if l.live.rows.rows != 0 {
		t.Errorf("%d rows are kept", l.live.rows.rows)
	}
}

// TestFileRowsAreBounded asks for more files than are kept.
func TestFileRowsAreBounded(t *testing.T) {
	var kept fileRows
	for n := range 10 {
		p := new(places)
		for i := range cachedRows / 8 {
			p.set(hashID(fmt.Sprint(i)), place{})
		}
		kept.keep(fmt.Sprint(n), p)
	}
	if kept.rows > cachedRows || len(kept.files) != 8 || len(kept.order) != 8 || kept.files["9"] == nil {
		t.Errorf("%d rows of %d files are kept", kept.rows, len(kept.files))
	}
}

// TestFreshIsWhatTheLakeHolds plays random batches of new, known and revised
// records, and amendments, by two programs of which each knows the other's
// commits only from the lake, through merges,
// compaction and restarts, and compares with a map.
func TestFreshIsWhatTheLakeHolds(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	root := t.TempDir()
	open := func() *Lake {
		l := openLake(t, root)
		l.live.max = []int{1, maxLiveBytes}[random.IntN(2)]
		return l
	}
	programs := []*Lake{open(), open()}
	live := map[string]int{} // revisions
	for round := range 60 {
		n := random.IntN(2)
		if random.IntN(10) == 0 {
			programs[n] = open()
		}
		l := programs[n]
		if round == 30 {
			if err := l.Compact(t.Context(), Compaction{OlderThan: -365 * 24 * time.Hour}); err != nil {
				t.Fatal(err)
			}
		}
		batch := logLines(0, 400)
		random.Shuffle(len(batch), func(i, k int) { batch[i], batch[k] = batch[k], batch[i] })
		batch = batch[:5+random.IntN(20)]
		var want fleet.Fresh
		for i := range batch {
			r := &batch[i]
			r.Revision = random.IntN(3)
			switch have, ok := live[r.ID]; {
			case !ok:
				want.Records = append(want.Records, *r)
			case r.Revision > have:
				want.Revised = append(want.Revised, *r)
			default:
				want.Dropped++
			}
		}
		fresh, err := l.Fresh(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		want.Base = fresh.Base
		if diff := cmp.Diff(want, fresh, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("round %d, want (-) and got (+):\n%s", round, diff)
		}
		for _, r := range slices.Concat(fresh.Records, fresh.Revised) {
			live[r.ID] = r.Revision
		}
		var as []fleet.Amendment
		for id := range live {
			if random.IntN(50) == 0 {
				r := logLines(lineNumber(t, id), 1)[0]
				as = append(as, fleet.Amendment{Ref: fleet.Ref{ID: id, Kind: r.Kind, Time: r.Time}, Keys: r.Keys})
			}
		}
		_, err = l.Commit(t.Context(), fleet.Commit{Base: fresh.Base, Records: fresh.Records, Revised: fresh.Revised, Amendments: as})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, programs[0]); n != len(live) {
		t.Errorf("got %d records, want %d", n, len(live))
	}
}

// lineNumber is that of a log line's id.
func lineNumber(t *testing.T, id string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimPrefix(id, "line-"))
	if err != nil {
		t.Fatal(err)
	}
	return n
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
