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
	// begun is called when a run was saved that has not ended.
	begun func(*runLog)
	fail  error // of reading records
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

func (l *runLog) SaveFindings(_ context.Context, r fleet.Run, _ []fleet.Finding) error {
	l.runs = slices.DeleteFunc(l.runs, func(old fleet.Run) bool { return old.ID == r.ID })
	if l.begun != nil && r.Ended.IsZero() {
		l.begun(l)
	}
	l.runs = append(l.runs, r)
	return nil
}

func (l *runLog) Checkpoints(context.Context) (map[string]time.Time, error) { return nil, nil }

func (l *runLog) Ledger(context.Context, fleet.Window) iter.Seq2[fleet.LedgerEntry, error] {
	return func(func(fleet.LedgerEntry, error) bool) {}
}

func (l *runLog) Records(context.Context, fleet.Query) iter.Seq2[fleet.Record, error] {
	return func(yield func(fleet.Record, error) bool) {
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
	for name, l := range map[string]*runLog{
		"one is under way":              {runs: []fleet.Run{other}},
		"one begins in the same moment": {begun: func(l *runLog) { l.runs = append(l.runs, other) }},
	} {
		t.Run(name, func(t *testing.T) {
			if _, ran, err := nightly(t, at).Run(t.Context(), l, job(t), midnight); ran || err != nil {
				t.Fatal(ran, err)
			}
			late := nightly(t, at.Add(2*time.Hour)) // the other has crashed
			if _, ran, err := late.Run(t.Context(), l, job(t), midnight); !ran || err != nil {
				t.Errorf("what the other left was not caught up: %v, %v", ran, err)
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
