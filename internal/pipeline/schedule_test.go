package pipeline

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/audit"
	"muster/fleet"
	"muster/internal/schedule"
)

// runLog is a store without evidence that remembers runs, newest state last.
type runLog struct {
	runs []fleet.Run
	// begun is called before a run is saved that has not ended, and claimed after
	// that; reading is called when records are read.
	begun, claimed func(*runLog)
	reading        func()
	fail           error // of reading records
	failRenewal    error
	renewals       int
}

func (l *runLog) Runs(context.Context) iter.Seq2[fleet.Run, error] {
	return func(yield func(fleet.Run, error) bool) {
		for _, r := range l.runs {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (l *runLog) SaveFindings(ctx context.Context, r fleet.Run, _ []fleet.Finding) error {
	if !r.Renewed.IsZero() {
		if l.renewals++; l.failRenewal != nil {
			return l.failRenewal
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	l.runs = slices.DeleteFunc(l.runs, func(old fleet.Run) bool { return old.ID == r.ID })
	if l.begun != nil && r.Ended.IsZero() {
		l.begun(l)
	}
	l.runs = append(l.runs, r)
	if l.claimed != nil && r.Ended.IsZero() {
		l.claimed(l)
	}
	return nil
}

func (l *runLog) Checkpoints(context.Context) (map[string]time.Time, error) { return nil, nil }

func (l *runLog) Ledger(context.Context, fleet.Window) iter.Seq2[fleet.LedgerEntry, error] {
	return func(func(fleet.LedgerEntry, error) bool) {}
}

func (l *runLog) Records(context.Context, fleet.Query) iter.Seq2[fleet.Record, error] {
	return func(yield func(fleet.Record, error) bool) {
		if l.reading != nil {
			l.reading()
		}
		if l.fail != nil {
			yield(fleet.Record{}, l.fail)
		}
	}
}

func (l *runLog) Findings(context.Context, fleet.Query) iter.Seq2[fleet.Finding, error] {
	return func(func(fleet.Finding, error) bool) {}
}

func (l *runLog) Traces(context.Context, fleet.Query) iter.Seq2[fleet.Summary, error] {
	return func(func(fleet.Summary, error) bool) {}
}

func (l *runLog) Trace(context.Context, string) (fleet.Trace, error) {
	return fleet.Trace{}, fleet.ErrNotFound
}

var midnight = time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)

// nightly is an audit at two in the morning, at the time given.
func nightly(t *testing.T, now time.Time) Schedule {
	t.Helper()
	cron, err := schedule.Parse("0 2 * * *")
	if err != nil {
		t.Fatal(err)
	}
	return Schedule{Name: "nightly", Cron: cron, Back: 25 * time.Hour, Now: func() time.Time { return now }}
}

// catalogue is loaded once: compiling it is most of what these tests do.
var catalogue = sync.OnceValues(func() ([]audit.Policy, error) { return audit.Load(audit.Shipped()) })

func job(t *testing.T) Job {
	t.Helper()
	ps, err := catalogue()
	if err != nil {
		t.Fatal(err)
	}
	return Job{Policies: ps}
}

func TestScheduleRunsOnceWhenDue(t *testing.T) {
	l := &runLog{}
	for _, tt := range []struct {
		at   time.Duration
		want bool
	}{{time.Hour, false}, {2 * time.Hour, true}, {2*time.Hour + time.Minute, false}, {25 * time.Hour, false}, {26 * time.Hour, true}} {
		o, ran, err := nightly(t, midnight.Add(tt.at)).Run(t.Context(), l, job(t), midnight)
		if err != nil || ran != tt.want {
			t.Fatalf("after %s: %v, %v", tt.at, ran, err)
		}
		if ran && (o.Run.Window.End != midnight.Add(tt.at) || o.Run.Window.End.Sub(o.Run.Window.Start) != 25*time.Hour || o.Run.Ended.IsZero()) {
			t.Errorf("%+v", o.Run)
		}
	}
}

func TestScheduleCatchesUpWhatWasMissed(t *testing.T) {
	l := &runLog{}
	if _, ran, err := nightly(t, midnight.Add(2*time.Hour)).Run(t.Context(), l, job(t), midnight); !ran || err != nil {
		t.Fatal(ran, err)
	}
	o, ran, err := nightly(t, midnight.Add(100*time.Hour)).Run(t.Context(), l, job(t), midnight.Add(99*time.Hour))
	if !ran || err != nil {
		t.Fatal(ran, err)
	}
	if want := (fleet.Window{Start: midnight.Add(2 * time.Hour), End: midnight.Add(98 * time.Hour)}); o.Run.Window != want {
		t.Errorf("%v, want from the last run to the newest that was due: %v", o.Run.Window, want)
	}
}

func TestScheduleNeverOverlapsItself(t *testing.T) {
	at := midnight.Add(2*time.Hour + 10*time.Minute)
	other := fleet.Run{ID: "nightly@2026-03-14T02:00:00Z/other", Started: at.Add(-time.Minute), Window: fleet.Window{End: midnight.Add(2 * time.Hour)}}
	working := other
	working.Started, working.Renewed = at.Add(-9*time.Minute), at.Add(-beatEvery)
	add := func(r fleet.Run) func(*runLog) { return func(l *runLog) { l.runs = append(l.runs, r) } }
	for name, l := range map[string]*runLog{
		"one is under way":              {runs: []fleet.Run{other}},
		"one begins in the same moment": {begun: add(other)},
		"one has worked for long":       {runs: []fleet.Run{working}},
		"one is renewed in that moment": {claimed: add(working)},
	} {
		t.Run(name, func(t *testing.T) {
			if _, ran, err := nightly(t, at).Run(t.Context(), l, job(t), midnight); ran || err != nil {
				t.Fatal(ran, err)
			}
			l.begun, l.claimed = nil, nil
			late := nightly(t, at.Add(lease)) // the other was killed, and has said nothing since
			if _, ran, err := late.Run(t.Context(), l, job(t), midnight); !ran || err != nil {
				t.Errorf("what the other left was not caught up: %v, %v", ran, err)
			}
		})
	}
}

// beating is a schedule whose run is renewed at set times after its start, while
// it reads.
func beating(t *testing.T, l *runLog, after ...time.Duration) Schedule {
	t.Helper()
	began := midnight.Add(3 * time.Hour)
	now := began
	s := nightly(t, began)
	s.Now = func() time.Time { return now }
	due, done := make(chan struct{}), make(chan struct{})
	s.Beat = func(ctx context.Context, renew func()) {
		for {
			select {
			case <-due:
				renew()
				done <- struct{}{}
			case <-ctx.Done():
				return
			}
		}
	}
	l.reading = func() {
		for _, d := range after {
			now = began.Add(d)
			due <- struct{}{}
			<-done
			for _, r := range l.runs { // nobody else may run meanwhile
				if other := nightly(t, now); !alive(&r, now) {
					t.Errorf("after %s the run is taken for dead: %+v at %s", d, r, other.Now())
				}
			}
		}
	}
	return s
}

func TestScheduleRenewsARunWhileItJudges(t *testing.T) {
	l := &runLog{}
	s := beating(t, l, 30*time.Second, 60*time.Second, 150*time.Second, 240*time.Second)
	o, ran, err := s.Run(t.Context(), l, job(t), midnight)
	if !ran || err != nil {
		t.Fatal(ran, err)
	}
	if l.renewals != 4 || len(l.runs) != 1 || l.runs[0].Ended.IsZero() || !o.Run.Ended.Equal(midnight.Add(3*time.Hour+240*time.Second)) {
		t.Errorf("%d renewals, runs %+v", l.renewals, l.runs)
	}
}

func TestScheduleStopsARunThatItCannotRenew(t *testing.T) {
	for name, l := range map[string]*runLog{"the store is away": {failRenewal: errors.New("away")}, "the machine slept": {}} {
		t.Run(name, func(t *testing.T) {
			s := beating(t, l, 30*time.Second, 60*time.Second, 90*time.Second)
			if l.failRenewal == nil {
				s = beating(t, l, lease-leaseMargin)
			}
			_, ran, err := s.Run(t.Context(), l, job(t), midnight)
			if ran || !errors.Is(err, errLost) {
				t.Fatal(ran, err)
			}
			if n := len(l.runs); n != 1 || l.runs[0].Ended.IsZero() || !l.runs[0].Window.End.IsZero() {
				t.Errorf("runs %+v, want one that judged nothing", l.runs)
			}
		})
	}
}

func TestScheduleTriesAgainAfterAnError(t *testing.T) {
	l := &runLog{fail: errors.New("the store is away")}
	at := nightly(t, midnight.Add(3*time.Hour))
	if _, ran, err := at.Run(t.Context(), l, job(t), midnight); ran || err == nil || !strings.Contains(err.Error(), "away") {
		t.Fatal(ran, err)
	}
	l.fail = nil
	if _, ran, err := at.Run(t.Context(), l, job(t), midnight); !ran || err != nil {
		t.Error(ran, err)
	}
}
