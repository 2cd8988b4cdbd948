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
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
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
