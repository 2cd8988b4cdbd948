package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/fleet"
)

const (
	// maxStreams bounds the collectors that read at once of one account and region.
	// AWS's quotas are per account and region, so more streams at a time only wait
	// for each other.
	maxStreams = 8
	// placeStreams is maxStreams where there are several places, and allStreams what
	// all of them read at once, for the sake of memory: an account that throttles
	// holds up no more than its own.
	placeStreams = 4
	allStreams   = 32
	// commitRecords bounds one commit; DESIGN's limit for files of a good size.
	commitRecords = 100_000
	// commitEvery is the longest that records wait in memory while more arrive.
	// It bounds both what a crash reads again and how many snapshots a day makes.
	commitEvery = 5 * time.Second
)

// PassOptions shape one pass over the streams.
type PassOptions struct {
	// Since is where a stream without a checkpoint starts, and how far back a
	// stream is to be complete.
	Since time.Time
	// Until ends the pass: what happened from then on is left to a later one,
	// even where a source hands it over. Zero means now, and leaves nothing out.
	Until time.Time
	// SweepAfter is how old an hour is when it is read again, for what came late;
	// zero means never.
	SweepAfter time.Duration
	// CommitRecords and CommitEvery bound a commit; zero means the default.
	CommitRecords int
	CommitEvery   time.Duration
	// Progress, when set, is told the running totals after each commit.
	Progress func(Totals)
}

// StreamError is what ended the reading of one stream. The others went on.
type StreamError struct {
	Stream string
	Err    error
}

func (e *StreamError) Error() string { return fmt.Sprintf("collect %s: %v", e.Stream, e.Err) }
func (e *StreamError) Unwrap() error { return e.Err }

// part is one batch on its way from a stream to the committer.
type part struct {
	stream string
	batch  fleet.Batch
	marks  map[string]time.Time
	again  bool // the stream is followed, and its new records tell how late they are
	swept  fleet.Window
}

// Pass reads every stream from its checkpoint to o.Until and commits what they
// hand over. A stream that fails keeps the checkpoint of its last good batch;
// the others go on, and the error joined from all of them is returned with the
// totals. An error of the lake ends the pass.
func (l *Line) Pass(ctx context.Context, streams []fleet.Collector, o PassOptions) (Totals, error) {
	marks, err := l.Lake.Checkpoints(ctx)
	if err != nil {
		return Totals{}, fmt.Errorf("read the checkpoints: %w", err)
	}
	l.marks = maps.Clone(marks)
	w := fleet.Window{End: o.Until}
	if o.Until.IsZero() {
		o.Until = l.Now()
	}
	slices.SortStableFunc(streams, func(a, b fleet.Collector) int { return order(a) - order(b) })

	parts := make(chan part, maxStreams)
	g, gctx := errgroup.WithContext(ctx)
	failed := make(chan error, len(streams))
	var denied atomic.Int32
	ended := tally{read: map[string]int{}, whole: map[string]int{}}
	g.Go(func() error {
		defer close(parts)
		return sideBySide(gctx, streams, func(ctx context.Context, c fleet.Collector) error {
			got, err := read(ctx, c, marks, o, w, parts)
			l.Metrics.Complete(source(c.Stream()), got == all && err == nil)
			ended.note(source(c.Stream()), got == all && err == nil)
			if got == nothing {
				denied.Add(1)
			}
			if err != nil {
				if ctx.Err() != nil { // told to stop, or the lake failed: no fault of the stream
					return ctx.Err()
				}
				l.Metrics.StreamErrors.WithLabelValues(source(c.Stream())).Inc()
				failed <- &StreamError{Stream: c.Stream(), Err: err}
			}
			return nil
		})
	})
	totals := Totals{Streams: len(streams)}
	g.Go(func() error { return l.gather(gctx, parts, o, &totals) })
	err = g.Wait()
	close(failed)
	if err == nil {
		l.Metrics.Pass(ended.read, ended.whole)
	}
	totals.Denied = int(denied.Load())
	for e := range failed {
		totals.Failed++
		err = errors.Join(err, e)
	}
	return totals, err
}

// tally counts by source the streams that a pass has read, and those that it has
// read wholly. Safe for concurrent use.
type tally struct {
	mu          sync.Mutex
	read, whole map[string]int
}

func (t *tally) note(source string, whole bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.read[source]++
	if whole {
		t.whole[source]++
	}
}

// order puts spans first: they are the donors of most joins, so what follows is
// resolved as it is written instead of being amended later.
func order(c fleet.Collector) int {
	if source(c.Stream()) == "xray" {
		return 0
	}
	return 1
}

// source is the first element of a stream's name, from the closed set of sources.
func source(stream string) string {
	s, _, _ := strings.Cut(stream, "/")
	return s
}

// extent is how much of what was asked for a stream handed over.
type extent int

const (
	all     extent = iota // and where nothing was asked for
	partly                // its ledger says what is missing
	nothing               // since it is denied
)

// read hands over the windows of one stream that are not in the lake yet, and
// of their records those in wanted.
func read(ctx context.Context, c fleet.Collector, marks map[string]time.Time, o PassOptions, wanted fleet.Window, parts chan<- part) (extent, error) {
	got := all
	for _, s := range plan(c.Stream(), marks, o.Since, o.Until, o.SweepAfter) {
		var through time.Time
		for b, err := range c.Collect(ctx, s.window) {
			if err != nil {
				return partly, errors.Join(err, unread(ctx, c.Stream(), s.window, err, parts))
			}
			through = later(through, b.Through)
			got = max(got, lacking(&b, through))
			b.Records = slices.DeleteFunc(b.Records, func(r fleet.Record) bool { return !wanted.Contains(r.Time) })
			if !wanted.End.IsZero() {
				b.Done = nil // some of the records may have been left out
			}
			if err := send(ctx, parts, part{
				stream: c.Stream(), batch: b, marks: s.progress(b.Through), again: s.again, swept: s.swept,
			}); err != nil {
				return got, err
			}
		}
		if s.done == nil || through.Before(s.window.End) {
			continue // nothing to mark, or a part of it could not be read
		}
		if err := send(ctx, parts, part{stream: c.Stream(), marks: s.done}); err != nil {
			return got, err
		}
	}
	return got, nil
}

// lacking is what a batch says of how much could be read, when so far it could
// be through a time.
func lacking(b *fleet.Batch, through time.Time) extent {
	got := all
	for i := range b.Ledger {
		switch e := &b.Ledger[i]; {
		case e.Coverage == fleet.Complete || e.Reason == "sampled" || e.Reason == "filtered":
		case e.Reason == "denied" && through.IsZero() && len(b.Records) == 0:
			return nothing
		default:
			got = partly
		}
	}
	return got
}

// send hands a part to the committer, unless told to stop.
func send(ctx context.Context, parts chan<- part, p part) error {
	select {
	case parts <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unread puts a window that could not be read into the ledger: "no finding" and
// "no data" are different answers.
func unread(ctx context.Context, stream string, w fleet.Window, why error, parts chan<- part) error {
	entry := fleet.LedgerEntry{
		Stream: stream, Window: w, Coverage: fleet.Partial, Reason: "failed", Detail: why.Error(),
	}
	// Told to stop, the next pass reads it.
	return send(ctx, parts, part{stream: stream, batch: fleet.Batch{Ledger: []fleet.LedgerEntry{entry}}})
}

// gather commits what arrives, at the latest every o.CommitEvery or
// o.CommitRecords.
func (l *Line) gather(ctx context.Context, parts <-chan part, o PassOptions, totals *Totals) error {
	if o.CommitRecords <= 0 {
		o.CommitRecords = commitRecords
	}
	if o.CommitEvery <= 0 {
		o.CommitEvery = commitEvery
	}
	tick := time.NewTicker(o.CommitEvery)
	defer tick.Stop()
	s := Step{readAt: o.Until}
	flush := func() error {
		if s.empty() {
			s.settle(ctx) // what they hand over was committed before
			s.done = nil
			return nil
		}
		t, err := l.Take(ctx, s)
		if err != nil {
			return err
		}
		totals.add(t)
		l.warn(ctx, s.Ledger)
		s = Step{readAt: o.Until}
		if o.Progress != nil {
			o.Progress(*totals)
		}
		return nil
	}
	for {
		select {
		case p, open := <-parts:
			if !open {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return flush()
			}
			s.absorb(p)
			if len(s.Records) < o.CommitRecords {
				continue
			}
		case <-tick.C:
		}
		if err := flush(); err != nil {
			return err
		}
	}
}

// warn says once what is missing of which stream, so that a source that is
// denied does not look like one in which nothing happened. A failed stream is an
// error of the pass, and a sampled or filtered one is as its owner wants it.
func (l *Line) warn(ctx context.Context, entries []fleet.LedgerEntry) {
	for i := range entries {
		e := &entries[i]
		if e.Coverage == fleet.Complete || e.Reason == "failed" || e.Reason == "sampled" || e.Reason == "filtered" {
			continue
		}
		what := e.Stream + " " + e.Reason
		if l.warned[what] {
			continue
		}
		if l.warned == nil {
			l.warned = map[string]bool{}
		}
		l.warned[what] = true
		l.Logger.WarnContext(ctx, "evidence is missing", "stream", e.Stream, "reason", e.Reason, "detail", e.Detail)
	}
}

func (s *Step) absorb(p part) {
	s.Records = append(s.Records, p.batch.Records...)
	if p.batch.Done != nil {
		s.done = append(s.done, p.batch.Done)
	}
	if p.again {
		if s.arrivals == nil {
			s.arrivals = map[string]arrival{}
		}
		for i := range p.batch.Records {
			s.arrivals[p.batch.Records[i].ID] = arrival{p.stream, p.swept}
		}
	}
	for _, e := range p.batch.Ledger {
		if e.Stream == "" {
			e.Stream = p.stream
		}
		s.Ledger = append(s.Ledger, e)
	}
	if s.Checkpoints == nil {
		s.Checkpoints = map[string]time.Time{}
	}
	maps.Copy(s.Checkpoints, p.marks)
}
