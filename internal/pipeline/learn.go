package pipeline

import (
	"context"
	"fmt"
	"time"

	"muster/correlate"
	"muster/fleet"
)

// loadBatch is how many records of the lake are handed to the resolver at a
// time: enough to make the call cheap, few enough to hold in memory.
const loadBatch = 10_000

// forget throws away what the resolver knows; the next commit reads it again.
func (l *Line) forget() {
	l.resolver, l.base, l.known = nil, 0, fleet.Window{}
}

// learn makes sure that the resolver knows every live record within the horizon
// of the fresh ones. Records that this line committed itself are known already.
//
// The resolver forgets what is older than twice the horizon behind its newest
// record, so l.known ends there too. Evidence from before that, or from a time
// far after it, starts a new resolver about its own time.
func (l *Line) learn(ctx context.Context, f fleet.Fresh) error {
	horizon := l.Horizon
	if horizon == 0 {
		horizon = DefaultHorizon
	}
	need, ok := around(f, horizon)
	if !ok {
		return nil
	}
	load := need
	if l.resolver == nil || need.Start.Before(l.known.Start) || need.Start.After(l.known.End) {
		l.resolver = correlate.NewResolver(2 * horizon)
		l.base, l.known = f.Base, need
	} else {
		load.Start = l.known.End
	}
	if load.Start.Before(load.End) && f.Base != 0 {
		if err := l.load(ctx, load); err != nil {
			return fmt.Errorf("read back %s to %s for joining: %w",
				fleet.FormatTime(load.Start), fleet.FormatTime(load.End), err)
		}
	}
	if need.End.After(l.known.End) {
		l.known.End = need.End
	}
	if oldest := l.known.End.Add(-3 * horizon); oldest.After(l.known.Start) {
		l.known.Start = oldest
	}
	return nil
}

func (l *Line) load(ctx context.Context, w fleet.Window) error {
	batch := make([]fleet.Record, 0, loadBatch)
	for r, err := range l.Lake.Records(ctx, fleet.Query{Window: w}) {
		if err != nil {
			return err
		}
		r.Raw = nil // joins never look at it
		if batch = append(batch, r); len(batch) == loadBatch {
			l.resolver.Load(batch)
			batch = batch[:0]
		}
	}
	l.resolver.Load(batch)
	return nil
}

// around is the window that the horizon spans about the fresh records.
func around(f fleet.Fresh, horizon time.Duration) (w fleet.Window, any bool) {
	for _, rs := range [][]fleet.Record{f.Records, f.Revised} {
		for i := range rs {
			t := rs[i].Time
			if !any || t.Before(w.Start) {
				w.Start = t
			}
			if !any || t.After(w.End) {
				w.End = t
			}
			any = true
		}
	}
	return fleet.Window{Start: w.Start.Add(-horizon), End: w.End.Add(horizon)}, any
}
