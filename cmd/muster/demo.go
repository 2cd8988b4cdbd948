package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"muster/audit"
	"muster/explore"
	"muster/fleet"
	"muster/internal/localaws"
	"muster/internal/pipeline"
	"muster/samples"
	"muster/samples/truth"
	"muster/stores/lake"
)

const (
	// demoEvery is the time between passes, and demoCommit the longest that
	// records wait: the demo's explorer should feel live.
	demoEvery  = 2 * time.Second
	demoCommit = time.Second
	// demoAudit is the time between audits while the explorer is open.
	demoAudit = 6 * time.Second
	// demoOverlap is far above every lateness of demoDelay.
	demoOverlap = 45 * time.Second
	// drainPasses bounds the passes over drained sources. One reads what was
	// pending, the next finds nothing new; a third means that it still grows.
	drainPasses = 5
	// drainTime bounds the draining of the fleet and of the stand-in.
	drainTime = 60 * time.Second
)

// demoDelay makes evidence late as AWS does, in seconds instead of minutes.
var demoDelay = localaws.Delay{
	Trail: 6 * time.Second, Lookup: 3 * time.Second, Config: 3 * time.Second, Logs: 500 * time.Millisecond,
}

// demo is one run of the fleet on a local AWS, with muster watching it.
type demo struct {
	app       *app
	flags     demoFlags
	faults    []samples.Fault
	incidents []samples.Incident

	aws      *demoAWS
	fleet    *samples.Fleet
	recorder *truth.Recorder
	store    *lake.Lake
	line     *pipeline.Line
	policies []audit.Policy
	logger   *slog.Logger

	started time.Time
	stored  atomic.Int64
	open    atomic.Int64 // findings that stand
	audited time.Time
}

func (d *demo) run(ctx context.Context) (err error) {
	if !d.app.onS3() {
		if err := os.MkdirAll(d.app.store, 0o755); err != nil {
			return fmt.Errorf("demo: make the store: %w", err)
		}
	}
	closeLog, err := d.log()
	if err != nil {
		return err
	}
	defer closeLog()
	if err := d.start(ctx); err != nil {
		return errors.Join(err, d.close())
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if d.flags.headless {
		return d.headless(ctx)
	}
	return d.live(ctx)
}

// log keeps what the parts say out of the explorer's terminal: in a file beside
// the store.
func (d *demo) log() (func(), error) {
	if d.flags.headless {
		d.logger = d.app.logger()
		return func() {}, nil
	}
	name := filepath.Clean(d.app.store) + ".log"
	if d.app.onS3() {
		name = d.app.beside("demo.log")
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	d.logger = slog.New(slog.NewTextHandler(f, nil))
	return func() { f.Close() }, nil
}

func (d *demo) openStore(ctx context.Context) error {
	o, err := d.app.lakeOptions(ctx, false)
	if err != nil {
		return err
	}
	o.Logger = d.logger
	if d.store, err = lake.Open(ctx, d.app.store, o); err != nil {
		return err
	}
	marks, err := d.store.Checkpoints(ctx)
	if err == nil && len(marks) > 0 {
		err = fmt.Errorf("demo: store %s holds evidence already: the demo is scored against its own run, so give it a new one", d.app.store)
	}
	return err
}

// start brings up the store, AWS and the fleet, in that order.
func (d *demo) start(ctx context.Context) error {
	var err error
	if d.policies, err = loadPolicies(nil); err != nil {
		return err
	}
	if err := d.openStore(ctx); err != nil {
		return err
	}
	d.line = d.app.line(d.store, prometheus.NewRegistry())
	d.line.Logger = d.logger
	if d.aws, err = d.startAWS(ctx); err != nil {
		return err
	}
	d.policies = d.aws.judges(d.policies)
	d.started = time.Now()
	if d.flags.headless { // it grows with the load, and nobody asks for it in the explorer
		d.recorder = truth.NewRecorder(d.flags.seed, time.Now)
	}
	d.fleet, err = samples.Start(ctx, d.aws.options(samples.Options{
		Seed: d.flags.seed, Faults: d.faults, Incidents: d.incidents, Truth: d.recorder, Now: time.Now, Logger: d.logger,
	}))
	if err != nil {
		return fmt.Errorf("demo: start the sample fleet: %w", err)
	}
	return nil
}

func (d *demo) close() error {
	var errs []error
	if d.fleet != nil {
		errs = append(errs, d.fleet.Close())
	}
	if d.aws != nil {
		errs = append(errs, d.aws.close())
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	return errors.Join(errs...)
}

func (d *demo) follow(ctx context.Context) error {
	return d.line.Follow(ctx, d.streams, pipeline.FollowOptions{
		Pass:  pipeline.PassOptions{Since: d.started, CommitEvery: demoCommit},
		Every: demoEvery, After: d.after,
	})
}

// after counts what a pass brought, and audits when it is time.
func (d *demo) after(ctx context.Context, t pipeline.Totals) error {
	d.stored.Add(int64(t.Stored))
	now := time.Now()
	if now.Sub(d.audited) < demoAudit {
		return nil
	}
	d.audited = now
	return d.audit(ctx, false)
}

func (d *demo) audit(ctx context.Context, drained bool) error {
	r, err := pipeline.Audit(ctx, d.store, d.policies, fleet.Window{Start: d.started.Add(-time.Minute)}, time.Now(), drained)
	if err != nil {
		return err
	}
	standing := 0
	for i := range r.Findings {
		if r.Findings[i].Status != fleet.StatusResolved {
			standing++
		}
	}
	d.open.Store(int64(standing))
	return nil
}

// live runs load and collection behind the explorer until it is left.
func (d *demo) live(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return orStopped(gctx, d.fleet.Load(gctx, 24*time.Hour)) })
	g.Go(func() error { return d.follow(gctx) })
	err := explore.Run(gctx, d.store, explore.Options{
		Now: time.Now, Input: d.app.stdin, Output: d.app.stdout, Store: "demo", Refresh: refreshEvery,
		Status: func() string {
			return fmt.Sprintf("demo fleet, seed %d · %d records · %d findings", d.flags.seed, d.stored.Load(), d.open.Load())
		},
		Actions: d.app.exploreActions(d.store, "waivers.yaml", ""),
	})
	stop()
	err = errors.Join(orStopped(ctx, err), g.Wait())
	if err == nil {
		fmt.Fprintf(d.app.stdout, "The evidence stays in %s: look again with\n  muster explore --store %s\n", d.app.store, d.app.store)
	}
	return err
}

// orStopped drops the errors of being told to stop.
func orStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
