package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/internal/pipeline"
	"muster/samples/truth"
)

// headless runs the load for its time, drains every source and scores what was
// made of it.
func (d *demo) headless(ctx context.Context) error {
	d.say("fleet up: %d faults, %d incidents, seed %d; load for %s", len(d.faults), len(d.incidents), d.flags.seed, d.flags.duration)
	g, gctx := errgroup.WithContext(ctx)
	following, stopFollowing := context.WithCancel(gctx)
	g.Go(func() error { return d.follow(following) })
	g.Go(func() error {
		defer stopFollowing()
		return d.fleet.Load(gctx, d.flags.duration)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	file, err := d.drain(ctx)
	if err != nil {
		return err
	}
	if err := d.audit(ctx, true); err != nil {
		return err
	}
	path := d.flags.truthFile
	if path == "" {
		path = d.app.beside("truth.json")
	}
	if err := file.Write(path); err != nil {
		return err
	}
	report, err := truth.Score(ctx, d.store, file)
	if err != nil {
		return err
	}
	if err := report.Print(d.app.stdout); err != nil {
		return err
	}
	fmt.Fprintf(d.app.stdout, "store  %s\ntruth  %s\n", d.app.store, path)
	if !report.OK() {
		return &exitError{code: exitFindings, reason: "the demo was not right: see the problems above"}
	}
	return nil
}

// drain makes all evidence visible, reads until nothing new comes, and returns
// the truth about it.
func (d *demo) drain(ctx context.Context) (*truth.File, error) {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	d.say("draining the fleet and its sources")
	if err := d.fleet.Drain(ctx); err != nil {
		return nil, fmt.Errorf("drain the fleet: %w", err)
	}
	file := d.recorder.File()
	// CloudTrail's times are whole seconds. From the next one on only muster's
	// own reading goes on, and it is left out.
	until := time.Now().Truncate(time.Second).Add(time.Second)
	if err := sleep(ctx, time.Until(until)); err != nil {
		return nil, err
	}
	d.aws.standIn.Drain()
	for range drainPasses {
		streams, err := d.streams(ctx)
		if err != nil {
			return nil, err
		}
		t, err := d.line.Pass(ctx, streams, pipeline.PassOptions{Since: d.started, Until: until})
		if err != nil {
			return nil, err
		}
		if t.Stored == 0 && t.Revised == 0 {
			return file, nil
		}
	}
	return nil, fmt.Errorf("drain: something new came in each of %d passes: is the fleet still running?", drainPasses)
}

// sleep waits for a while, or for ctx to end.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.app.stderr, "demo: "+format+"\n", args...)
}
