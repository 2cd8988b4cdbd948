package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"muster/collectors"
	"muster/fleet"
	"muster/internal/heap"
	"muster/internal/metrics"
	"muster/internal/pipeline"
)

// leastEvery is the shortest time between passes: a shorter one would only use
// up the quota of AWS's calls.
const leastEvery = 100 * time.Millisecond

// collectFlags shape a collection.
type collectFlags struct {
	aws         awsFlags
	window      *windowFlags
	follow      bool
	every       time.Duration
	commit      uint
	commitEvery time.Duration
	sweepAfter  time.Duration
	iam         bool
	iamCaller   bool
	traces      []string
}

func (a *app) collectCommand() *cobra.Command {
	f := collectFlags{window: newWindowFlags(time.Now)}
	cmd := &cobra.Command{
		Use:   "collect",
		Short: "Read the fleet's evidence from AWS into the store",
		Long: `Read what AWS recorded since the last run: log groups, traces, API calls and
configuration changes. Each stream goes on from its own checkpoint, which is kept
with its records in one commit, so an interrupted run loses and doubles nothing.
A stream that is read for the first time starts at --since; an earlier --since
reads what lies before. An hour is read once more when it is --sweep-after old, for
what arrived late; what arrives even later is in the ledger.

A permission that is missing is named, and the rest goes on; where all are missing
the exit code is 2.`,
		Example: `  muster collect --since 1h
  muster collect --follow --trail-bucket my-trail --log-group-prefix /ecs/
  muster collect --follow --trail-bucket my-trail --trail-queue https://sqs.us-east-1.amazonaws.com/111122223333/trail-files
  muster collect --source xray,logs --since 7d --until 6d
  muster collect --trace 1-5f187253-0000000000000000000000a1
  muster collect --organization --assume-role muster-reader --regions us-east-1,eu-central-1
  muster collect --iam --trail-bucket my-trail > policy.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.collect(cmd.Context(), &f) },
	}
	f.aws.register(cmd.Flags())
	fs := cmd.Flags()
	fs.Var(&f.window.since, "since", "where a stream without a checkpoint starts (default 1h)")
	fs.Var(&f.window.until, "until", "end of the window; default now")
	fs.BoolVar(&f.follow, "follow", false, "go on until interrupted")
	atLeast(fs, &f.every, "every", leastEvery, 10*time.Second, "time between passes with --follow")
	fs.UintVar(&f.commit, "commit-records", 0, "commit at least after so many records; default 100000")
	a.joinMemory(fs)
	a.progressFlag(fs)
	sweepFlag(fs, &f.sweepAfter)
	fs.BoolVar(&f.iam, "iam", false, "read nothing: print the least policy that lets the configured sources be read")
	fs.StringSliceVar(&f.traces, "trace", nil, "read only the traces with these `ids`, in either spelling, and move no mark; looks --since 30d back unless told otherwise")
	fs.BoolVar(&f.iamCaller, "iam-caller", false, "with accounts: print the least policy of who assumes their roles, instead of the one of the roles")
	atLeast(fs, &f.commitEvery, "commit-every", 0, 0, "commit at least so often while records arrive; default 5s")
	return cmd
}

func (a *app) collect(ctx context.Context, f *collectFlags) error {
	if f.follow && f.window.until.text != "" {
		return errors.New("--follow has no end: leave out --until")
	}
	if f.follow && len(f.traces) > 0 {
		return errors.New("--trace reads once: leave out --follow")
	}
	if f.aws.trailQueue != "" && f.window.until.text != "" {
		return errors.New("--trail-queue takes what is in the queue: leave out --until, or read the bucket without the queue")
	}
	reach := time.Hour
	if len(f.traces) > 0 {
		reach = tracesReach
	}
	w, err := f.window.from(f.window.since.or(reach))
	if err != nil {
		return err
	}
	if f.iam || f.iamCaller {
		return a.printPolicy(ctx, f)
	}
	cfg, err := f.aws.config(ctx)
	if err != nil {
		return err
	}
	store, err := a.openLake(ctx, false)
	if err != nil {
		return err
	}
	defer store.Close()
	reg := prometheus.NewRegistry()
	line := a.line(store, reg)
	if len(f.traces) > 0 {
		return a.collectTraces(ctx, line, w, a.traceOptions(cfg, f, reg))
	}
	p := a.progressOf("collect")
	defer p.end()
	o := pipeline.PassOptions{
		Since: w.Start, Until: w.End, SweepAfter: f.sweepAfter,
		CommitRecords: int(f.commit), CommitEvery: f.commitEvery,
		Progress: func(t pipeline.Totals) { p.tell("", "collect: "+t.String()) },
	}
	from := a.collectOptions(cfg, &f.aws, reg)
	if f.follow {
		heap.Share()
		return a.follow(ctx, line, from, pipeline.FollowOptions{Pass: o, Every: f.every})
	}
	streams, err := collectors.Discover(ctx, from)
	if err != nil {
		return err
	}
	totals, err := line.Pass(ctx, streams, o)
	p.end()
	fmt.Fprintf(a.stdout, "collect: %s\n", totals)
	for _, late := range totals.LatenessLines() {
		fmt.Fprintln(a.stdout, "lateness of "+late)
	}
	if err == nil && totals.Denied == totals.Streams && totals.Streams > 0 {
		return fmt.Errorf("nothing may be read: all %d streams are denied; the warnings above name what is missing, and collect --iam prints a policy that allows it", totals.Streams)
	}
	return err
}

// printPolicy prints the least policy that the flags ask for. It calls nobody:
// whoever writes policies need not have the rights yet.
func (a *app) printPolicy(ctx context.Context, f *collectFlags) error {
	cfg, err := f.aws.load(ctx)
	if err != nil {
		return err
	}
	policy := collectors.Policy
	if f.iamCaller {
		policy = collectors.CallerPolicy
	}
	doc, err := policy(a.traceOptions(cfg, f, prometheus.NewRegistry()))
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(doc)
	return err
}

// tracesReach is how far back traces are looked for by their ids: as long as X-Ray
// itself keeps them.
const tracesReach = 30 * 24 * time.Hour

// traceOptions are those of the flags, with the traces that are asked for.
func (a *app) traceOptions(cfg aws.Config, f *collectFlags, reg prometheus.Registerer) collectors.Options {
	o := a.collectOptions(cfg, &f.aws, reg)
	o.TraceIDs = f.traces
	if len(f.traces) > 0 {
		o.Sources = []string{collectors.SourceXRay}
	}
	return o
}

// collectTraces reads traces by their ids.
func (a *app) collectTraces(ctx context.Context, line *pipeline.Line, w fleet.Window, o collectors.Options) error {
	if w.End.IsZero() {
		w.End = time.Now()
	}
	var missing *collectors.MissingTracesError
	totals, err := line.Stream(ctx, "X-Ray traces", func(yield func(fleet.Batch, error) bool) {
		for b, err := range collectors.Retrieve(ctx, o, w) {
			if errors.As(err, &missing) {
				return // what was found is kept
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "collect: %s\n", totals)
	if missing != nil {
		return missing
	}
	return nil
}

// sweepFlag adds the flag for when an hour is read again.
func sweepFlag(fs *pflag.FlagSet, to *time.Duration) {
	atLeast(fs, to, "sweep-after", 0, pipeline.DefaultSweepAfter, "age at which each hour is read once more, for what came late; 0s for never")
}

// line puts the pipeline together over a store.
func (a *app) line(store pipeline.Lake, reg prometheus.Registerer) *pipeline.Line {
	if more := int64(a.joinMegabytes)<<20 - pipeline.DefaultMaxBytes; more > 0 {
		heap.Raise(more)
	}
	return &pipeline.Line{
		Lake: store, Now: time.Now, Logger: a.logger(), Metrics: metrics.NewLine(reg), MaxBytes: int(a.joinMegabytes) << 20,
	}
}

// joinMemory adds the flag for what a line's resolver may remember.
func (a *app) joinMemory(fs *pflag.FlagSet) {
	fs.Uint16Var(&a.joinMegabytes, "join-memory", pipeline.DefaultMaxBytes>>20,
		"`megabytes` for records that later evidence may join, some 11,000 each; beyond them the join looks less far than 24 hours, and the ledger says so")
}
