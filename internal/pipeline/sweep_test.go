package pipeline

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// visible is a stream whose records can be read from a time on, each.
type visible struct {
	name    string
	now     time.Time
	records map[string][2]time.Time // by id: when it happened, and from when on it is seen
	asked   []fleet.Window
}

func (v *visible) Stream() string { return v.name }

func (v *visible) Collect(_ context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		v.asked = append(v.asked, w)
		b := fleet.Batch{Through: w.End}
		for id, times := range v.records {
			if w.Contains(times[0]) && !times[1].After(v.now) {
				b.Records = append(b.Records, fleet.Record{ID: id, Kind: fleet.KindLog, Time: times[0]})
			}
		}
		yield(b, nil)
	}
}

// follow makes a pass every step until a time.
func (v *visible) follow(t *testing.T, m *memory, from, until time.Time, step time.Duration) Totals {
	t.Helper()
	var totals Totals
	for v.now = from; !v.now.After(until); v.now = v.now.Add(step) {
		got, err := newLine(m).Pass(t.Context(), []fleet.Collector{v}, PassOptions{Since: from.Add(-step), Until: v.now, SweepAfter: 2 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		totals.add(got)
	}
	return totals
}

// TestEachHourIsReadOnceMoreWhenItIsOldEnough: what came late is found, nothing
// is read a third time, and the lateness is measured.
func TestEachHourIsReadOnceMoreWhenItIsOldEnough(t *testing.T) {
	m := newMemory()
	v := &visible{name: "logs/a", records: map[string][2]time.Time{
		"prompt": {at(100), at(101)},
		"late":   {at(200), at(200 + 3500)},
	}}
	begin := epoch.Add(10 * time.Minute)
	totals := v.follow(t, m, begin, epoch.Add(6*time.Hour), 10*time.Minute)
	if len(m.live) != 2 {
		t.Errorf("%d of 2 records are there", len(m.live))
	}
	read := map[time.Time]int{} // how often each minute was asked for
	for _, w := range v.asked {
		for at := w.Start; at.Before(w.End); at = at.Add(time.Minute) {
			read[at]++
		}
	}
	for at := epoch; at.Before(epoch.Add(4 * time.Hour)); at = at.Add(time.Minute) {
		if read[at] != 2 {
			t.Fatalf("%v was read %d times, want twice", at, read[at])
		}
	}
	if got := Watermarks(m.marks); len(got) != 1 {
		t.Errorf("watermarks %v", got)
	}
	if got := totals.Lateness["logs"]; got == nil || got.Records != 1 || got.Most < time.Hour || got.Most > 3*time.Hour {
		t.Errorf("lateness %v, want that of the late record: the first reading of a stream tells nothing", got)
	}
	for _, e := range m.ledger {
		if e.Reason == "late" {
			t.Errorf("the sweep found it, and the ledger complains: %+v", e)
		}
	}
}

// TestWhatComesAfterTheSweepIsInTheLedger: a trail's file brings what happened
// long ago.
func TestWhatComesAfterTheSweepIsInTheLedger(t *testing.T) {
	m := newMemory()
	v := &visible{name: "trail/a"}
	v.follow(t, m, at(600), epoch.Add(5*time.Hour), 10*time.Minute)
	e := &eager{stream{name: "trail/a"}} // hands over one of a second before the end of its window
	_, err := newLine(m).Pass(t.Context(), []fleet.Collector{
		&shifted{e, -4 * time.Hour},
	}, PassOptions{Until: epoch.Add(5*time.Hour + time.Minute), SweepAfter: 2 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	var late []fleet.LedgerEntry
	for _, e := range m.ledger {
		if e.Reason == "late" {
			late = append(late, e)
		}
	}
	if len(late) != 1 || late[0].Records != 2 || late[0].Coverage != fleet.Partial ||
		late[0].Window != (fleet.Window{Start: epoch.Add(time.Hour), End: epoch.Add(2 * time.Hour)}) || !strings.Contains(late[0].Detail, "4h0m1s") {
		t.Errorf("got %+v", late)
	}
}

// shifted hands over records of another time than that of its window.
type shifted struct {
	*eager
	by time.Duration
}

func (s *shifted) Collect(ctx context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		for b, err := range s.eager.Collect(ctx, w) {
			for i := range b.Records {
				b.Records[i].Time = b.Records[i].Time.Add(s.by)
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

func TestPlanReadsAgainWhatIsRecentInALakeFromBeforeSweeps(t *testing.T) {
	now := epoch.Add(240 * time.Hour)
	marks := map[string]time.Time{"logs/s": now.Add(-time.Minute), startMark + "logs/s": epoch}
	ss := plan("logs/s", marks, time.Time{}, now, 2*time.Hour)
	if len(ss) != 1 {
		t.Fatalf("got %d stretches, want the tail alone: no hour has come of age since", len(ss))
	}
	ss = plan("logs/s", marks, time.Time{}, now.Add(2*time.Hour), 2*time.Hour)
	if len(ss) != 2 || ss[1].window.Start.Before(now.Add(-3*time.Hour)) {
		t.Errorf("got %+v", ss)
	}
	if diff := cmp.Diff(map[string]time.Time{sweepMark + "logs/s": ss[1].window.End}, ss[1].done); diff != "" {
		t.Error(diff)
	}
}

// TestPassCountsWhatIsDenied: a stream of which nothing may be read, and none
// that lacks a file.
func TestPassCountsWhatIsDenied(t *testing.T) {
	totals, err := newLine(newMemory()).Pass(t.Context(), []fleet.Collector{
		&refused{stream{name: "logs/a"}}, &stream{name: "logs/b"}, &refused{stream{name: "xray/a"}},
	}, PassOptions{Since: at(0), Until: at(30)})
	if err != nil || totals.Streams != 3 || totals.Denied != 2 {
		t.Errorf("%d of %d denied: %v", totals.Denied, totals.Streams, err)
	}
}

func TestLatenessBounds(t *testing.T) {
	var l Lateness
	for i := range 100 {
		l.note(time.Duration(i) * time.Second)
	}
	l.note(50 * time.Hour)
	l.note(-time.Second)
	if l.Records != 102 || l.Within(0.5) != time.Minute || l.Within(0.95) != 5*time.Minute || l.Within(1) != 50*time.Hour {
		t.Errorf("got %s", l.String())
	}
}

// glimpsed is a stream with one record.
type glimpsed struct{ r fleet.Record }

func (glimpsed) Stream() string { return "logs/a" }

func (g glimpsed) Collect(_ context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		if w.Contains(g.r.Time) && !yield(fleet.Batch{
			Records: []fleet.Record{g.r}, Through: g.r.Time,
			Ledger: []fleet.LedgerEntry{{Window: w, Coverage: fleet.Complete}},
		}, nil) {
			return
		}
		yield(fleet.Batch{}, errors.New("and then no more"))
	}
}

// TestAGlanceStoresAndMovesNoMark: what it found is known to the pass after it, which
// is the one that says what is complete.
func TestAGlanceStoresAndMovesNoMark(t *testing.T) {
	m := newMemory()
	l := newLine(m)
	g := fleet.Glance{Stream: glimpsed{fleet.Record{ID: "l-1", Kind: fleet.KindLog, Time: at(5)}}, From: at(0)}
	glances, due := make(chan fleet.Glance, 2), make(chan time.Time)
	glances <- g
	glances <- g
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.between(ctx, due, glances) }()
	due <- at(10)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for len(glances) > 0 { // the pass was due first
		if err := l.glance(t.Context(), <-glances); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if len(m.live) != 1 || len(m.marks) > 0 || len(m.ledger) > 0 {
		t.Errorf("%d records, marks %v, ledger %v", len(m.live), m.marks, m.ledger)
	}
}

func TestCoveredIsWhatWasReadAndWhatIsSettled(t *testing.T) {
	const stream = "xray/1/r"
	hour := func(h int) time.Time { return at(h * 3600) }
	window := func(from, to int) fleet.Window { return fleet.Window{Start: hour(from), End: hour(to)} }
	for name, c := range map[string]struct {
		marks         map[string]time.Time
		read, settled fleet.Window
	}{
		"never read":             {map[string]time.Time{"xray/1/s": hour(9)}, fleet.Window{}, fleet.Window{}},
		"swept":                  {map[string]time.Time{stream: hour(9), startMark + stream: hour(1), sweepMark + stream: hour(6)}, window(1, 9), window(1, 6)},
		"not swept, long ago":    {map[string]time.Time{stream: hour(9), startMark + stream: hour(1)}, window(1, 9), window(1, 7)},
		"not swept, just begun":  {map[string]time.Time{stream: hour(9), startMark + stream: hour(8)}, window(8, 9), window(8, 8)},
		"swept by another's age": {map[string]time.Time{stream: hour(9), startMark + stream: hour(1), sweepMark + stream: hour(10)}, window(1, 9), window(1, 9)},
	} {
		t.Run(name, func(t *testing.T) {
			read, settled := Covered(c.marks, stream)
			if diff := cmp.Diff([]fleet.Window{c.read, c.settled}, []fleet.Window{read, settled}); diff != "" {
				t.Error(diff)
			}
		})
	}
}
