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
	// Beat calls renew every beatEvery until the context ends; nil for the machine's
	// clock.
	Beat func(ctx context.Context, renew func())
}

const (
	// lease is how long a run that has said nothing keeps others away. It is short,
	// so that a run that was killed is taken over soon; one that is at work renews it.
	lease = 2 * time.Minute
	// beatEvery leaves four tries to renew a lease. A renewal is a commit to a small
	// table: less than a second, and ten on a bad day.
	beatEvery = 30 * time.Second
	// leaseMargin is how long before its lease ends a run that could not renew it
	// stops: what it does last must be over, and clocks may differ.
	leaseMargin = 20 * time.Second
)

// errLost says that a run could not renew its lease.
var errLost = errors.New("the run could not be renewed in the store for too long, and another program may have taken it over")

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
	o, err := s.judge(ctx, store, job, claim)
	if err != nil {
		return Outcome{}, false, errors.Join(err, s.release(context.WithoutCancel(ctx), store, claim))
	}
	return o, true, nil
}

// judge runs the job and renews the run's lease meanwhile.
func (s Schedule) judge(ctx context.Context, store RunLog, job Job, claim fleet.Run) (Outcome, error) {
	ctx, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	stop := s.renew(ctx, store, claim, lose)
	defer stop()
	job.Window, job.Now, job.RunID = claim.Window, claim.Started, claim.ID
	job.Ended = func() time.Time {
		// Nothing may be saved after the run's end, and that only while the lease lasts.
		now, until := s.Now(), stop().Add(lease-leaseMargin)
		time.AfterFunc(until.Sub(now), func() { lose(errLost) })
		return now
	}
	o, err := job.Run(ctx, store)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errLost) {
		return o, errors.Join(cause, err)
	}
	return o, err
}

// renew says that a run is at work until it is stopped, which tells when that was
// said last. Where it cannot be said in time, the run is lost.
func (s Schedule) renew(ctx context.Context, store RunLog, claim fleet.Run, lose context.CancelCauseFunc) (stop func() time.Time) {
	ctx, cancel := context.WithCancel(ctx)
	over, last := make(chan struct{}), claim.Started
	beat := s.Beat
	if beat == nil {
		beat = everyBeat
	}
	left := func() time.Duration { return last.Add(lease - leaseMargin).Sub(s.Now()) }
	renew := func() {
		if left() <= 0 { // the machine slept
			lose(errLost)
			return
		}
		soon, done := context.WithTimeout(ctx, left())
		defer done()
		now := s.Now()
		claim.Renewed = now
		if err := store.SaveFindings(soon, claim, nil); err == nil {
			last = now
		} else if left() < beatEvery { // the next would come too late
			lose(fmt.Errorf("%w: %w", errLost, err))
		}
	}
	go func() {
		defer close(over)
		beat(ctx, renew)
	}()
	return func() time.Time {
		cancel()
		<-over
		return last
	}
}

func everyBeat(ctx context.Context, renew func()) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			renew()
		}
	}
}

func (s Schedule) prefix() string { return s.Name + "@" }

// last is the end of the newest window that a run of the schedule has judged, and
// whether a run is under way: one that began before the one named, or any. One
// that was renewed began before: its states are no longer in the order of claims.
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
		case alive(&r, now) && (before != "\x00" || !r.Renewed.IsZero()):
			busy = true
		}
	}
	return last, busy, nil
}

// alive reports whether a run that has not ended has said so lately.
func alive(r *fleet.Run, now time.Time) bool {
	last := r.Started
	if r.Renewed.After(last) {
		last = r.Renewed
	}
	return now.Sub(last) < lease
}

// release ends a run that judged nothing: it has no window.
func (s Schedule) release(ctx context.Context, store RunLog, claim fleet.Run) error {
	claim.Window, claim.Ended = fleet.Window{}, s.Now()
	if err := store.SaveFindings(ctx, claim, nil); err != nil {
		return fmt.Errorf("end run %s: %w", claim.ID, err)
	}
	return nil
}
