package pipeline

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"muster/fleet"
	"muster/internal/schedule"
)

// RunLog is a store that remembers the audit's runs, in the order in which their
// states were saved.
type RunLog interface {
	Audited
	Runs(ctx context.Context) iter.Seq2[fleet.Run, error]
}

// Schedule is an audit that is due at times. Every run is recorded in the store,
// where it begins and where it ends, so that several programs on one store do
// each run once, and one that was missed is caught up by whoever comes first.
type Schedule struct {
	// Name tells schedules of one store apart.
	Name string
	Cron schedule.Cron
	// Jitter is the most that a run begins late.
	Jitter time.Duration
	// Back is how far back each run judges at least. What a source delivers later
	// than it is due is judged by the next run when Back is longer than the time
	// between two of them.
	Back time.Duration
	Now  func() time.Time
}

// lease is how long a run that has not ended keeps others away: longer than any
// audit takes, and short enough for a crash not to cost a day.
const lease = time.Hour

// Run does the audit that is due, if one is, and reports whether it did. began is
// when the schedule came to be: what was due before is not caught up.
func (s Schedule) Run(ctx context.Context, store RunLog, job Job, began time.Time) (Outcome, bool, error) {
	now := s.Now()
	last, busy, err := s.last(ctx, store, "", now)
	if err != nil || busy {
		return Outcome{}, false, err
	}
	if last.IsZero() {
		last = began
	}
	due := s.Cron.Due(last, now)
	if due.IsZero() || now.Before(due.Add(schedule.Jitter(s.Name, due, s.Jitter))) {
		return Outcome{}, false, nil
	}
	w := fleet.Window{Start: due.Add(-s.Back), End: due}
	if last.Before(w.Start) {
		w.Start = last
	}
	claim := fleet.Run{ID: s.prefix() + due.UTC().Format(time.RFC3339) + "/" + rand.Text(), Started: now, Window: w}
	if err := store.SaveFindings(ctx, claim, nil); err != nil {
		return Outcome{}, false, fmt.Errorf("begin run %s: %w", claim.ID, err)
	}
	if done, taken, err := s.last(ctx, store, claim.ID, now); err != nil || taken || !done.Before(due) {
		return Outcome{}, false, errors.Join(err, s.release(ctx, store, claim))
	}
	job.Window, job.Now, job.RunID, job.Ended = w, now, claim.ID, s.Now
	o, err := job.Run(ctx, store)
	if err != nil {
		return Outcome{}, false, errors.Join(err, s.release(context.WithoutCancel(ctx), store, claim))
	}
	return o, true, nil
}

func (s Schedule) prefix() string { return s.Name + "@" }

// last is the end of the newest window that a run of the schedule has judged, and
// whether a run is under way: one that began before the one named, or any.
func (s Schedule) last(ctx context.Context, store RunLog, before string, now time.Time) (last time.Time, busy bool, err error) {
	for r, err := range store.Runs(ctx) {
		if err != nil {
			return last, false, err
		}
		if !strings.HasPrefix(r.ID, s.prefix()) {
			continue
		}
		switch {
		case r.ID == before:
			before = "\x00" // what comes now began later
		case !r.Ended.IsZero():
			if r.Window.End.After(last) {
				last = r.Window.End
			}
		case before != "\x00" && now.Sub(r.Started) < lease:
			busy = true
		}
	}
	return last, busy, nil
}

// release ends a run that judged nothing: it has no window.
func (s Schedule) release(ctx context.Context, store RunLog, claim fleet.Run) error {
	claim.Window, claim.Ended = fleet.Window{}, s.Now()
	if err := store.SaveFindings(ctx, claim, nil); err != nil {
		return fmt.Errorf("end run %s: %w", claim.ID, err)
	}
	return nil
}
