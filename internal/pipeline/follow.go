package pipeline

import (
	"context"
	"errors"
	"time"

	"muster/fleet"
)

// FollowOptions shape the endless following of a fleet.
type FollowOptions struct {
	Pass PassOptions // Until is set anew for each pass
	// Every is the time from the start of one pass to the start of the next.
	Every time.Duration
	// After, when set, runs after each pass: the audit on its schedule, or what
	// a screen shows. An error of it ends the following.
	After func(ctx context.Context, t Totals) error
	// Glances, when set, are read as they come, between passes.
	Glances <-chan fleet.Glance
}

// Follow makes pass after pass until ctx ends, which is not an error. The
// streams are listed anew for each pass, so a log group made a minute ago is
// read from its start. A stream that fails is tried again with the next pass,
// and so is listing once it has worked: a source that is down for a while is
// the normal case, a wrong credential at the start is not. An error of the lake
// ends the following.
func (l *Line) Follow(ctx context.Context, list func(context.Context) ([]fleet.Collector, error), o FollowOptions) error {
	tick := time.NewTicker(o.Every)
	defer tick.Stop()
	for listed := false; ; listed = true {
		err := l.once(ctx, list, listed, o)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // being told to stop is how following ends
		}
		if err != nil {
			return err
		}
		if err := l.between(ctx, tick.C, o.Glances); err != nil || ctx.Err() != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // as above
			}
			return err
		}
	}
}

// between reads glances until the next pass is due.
func (l *Line) between(ctx context.Context, due <-chan time.Time, glances <-chan fleet.Glance) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-due:
			return nil
		case g := <-glances:
			if err := l.glance(ctx, g); err != nil {
				return err
			}
		}
	}
}

// glance commits what is new in a stream, and moves no mark: the next pass reads
// the same again, and drops it. So an error of the stream is the pass's to tell.
func (l *Line) glance(ctx context.Context, g fleet.Glance) error {
	s := Step{readAt: l.Now()}
	for b, err := range g.Stream.Collect(ctx, fleet.Window{Start: g.From}) {
		if err != nil {
			l.Logger.DebugContext(ctx, "a glance failed", "stream", g.Stream.Stream(), "error", err)
			break
		}
		s.absorb(part{stream: g.Stream.Stream(), batch: fleet.Batch{Records: b.Records}, again: true})
	}
	if len(s.Records) == 0 {
		return nil
	}
	t, err := l.Take(ctx, s)
	if err == nil && t.Stored > 0 {
		l.Logger.DebugContext(ctx, "a glance found new records", "stream", g.Stream.Stream(), "records", t.Stored)
	}
	return err
}

// once is one pass and what follows it. patient says that an error of listing
// is worth waiting out.
func (l *Line) once(ctx context.Context, list func(context.Context) ([]fleet.Collector, error), patient bool, o FollowOptions) error {
	streams, err := list(ctx)
	if err != nil {
		if patient && ctx.Err() == nil {
			l.Logger.WarnContext(ctx, "the streams could not be listed", "error", err)
			return nil
		}
		return err
	}
	t, err := l.Pass(ctx, streams, o.Pass)
	if err != nil && !onlyStreams(err) {
		return err
	}
	if err != nil {
		l.Logger.WarnContext(ctx, "a stream could not be read", "error", err)
	}
	if o.After == nil {
		return nil
	}
	return o.After(ctx, t)
}

// onlyStreams reports whether err is made of StreamErrors alone.
func onlyStreams(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // looks at the joined errors themselves
		for _, e := range joined.Unwrap() {
			if e != nil && !onlyStreams(e) {
				return false
			}
		}
		return true
	}
	var s *StreamError
	return errors.As(err, &s)
}
