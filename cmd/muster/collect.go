package main

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"muster/internal/metrics"
	"muster/internal/pipeline"
	"muster/stores/lake"
)

func (a *app) collectCommand() *cobra.Command {
	var (
		flags  awsFlags
		window = newWindowFlags(time.Now)
		follow bool
		every  time.Duration
		commit int
		within time.Duration
	)
	cmd := &cobra.Command{
		Use:   "collect",
		Short: "Read the fleet's evidence from AWS into the store",
		Long: `Read what AWS recorded since the last run: log groups, traces, API calls and
configuration changes. Each stream goes on from its own checkpoint, which is kept
with its records in one commit, so an interrupted run loses and doubles nothing.
A stream that is read for the first time starts at --since; an earlier --since
reads what lies before.`,
		Example: `  muster collect --since 1h
  muster collect --follow --trail-bucket my-trail --log-group-prefix /ecs/
  muster collect --source xray,logs --since 7d --until 6d`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			cfg, err := flags.config(ctx)
			if err != nil {
				return err
			}
			store, err := a.openLake(ctx, false)
			if err != nil {
				return err
			}
			defer store.Close()
			line := a.line(store, prometheus.NewRegistry())
			o := pipeline.PassOptions{
				Since: window.since.time, Until: window.until.time,
				CommitRecords: commit, CommitEvery: within, Progress: a.progress("collect"),
			}
			if o.Since.IsZero() {
				o.Since = time.Now().Add(-time.Hour)
			}
			list := a.lister(cfg, &flags)
			if follow {
				return line.Follow(ctx, list, pipeline.FollowOptions{Pass: o, Every: every})
			}
			streams, err := list(ctx)
			if err != nil {
				return err
			}
			totals, err := line.Pass(ctx, streams, o)
			a.done("collect", totals)
			return err
		},
	}
	flags.register(cmd.Flags())
	cmd.Flags().Var(&window.since, "since", "where a stream without a checkpoint starts (default 1h)")
	cmd.Flags().Var(&window.until, "until", "end of the window; default now")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on until interrupted")
	cmd.Flags().DurationVar(&every, "every", 10*time.Second, "time between passes with --follow")
	cmd.Flags().IntVar(&commit, "commit-records", 0, "commit at least after so many records; default 100000")
	cmd.Flags().DurationVar(&within, "commit-every", 0, "commit at least so often while records arrive; default 5s")
	return cmd
}

// line puts the pipeline together over a store.
func (a *app) line(store *lake.Lake, reg prometheus.Registerer) *pipeline.Line {
	return &pipeline.Line{Lake: store, Now: time.Now, Logger: a.logger(), Metrics: metrics.NewLine(reg)}
}

// progress rewrites one line on a terminal, and is silent elsewhere.
func (a *app) progress(verb string) func(pipeline.Totals) {
	if !isTerminal(a.stderr) {
		return nil
	}
	return func(t pipeline.Totals) {
		fmt.Fprintf(a.stderr, "\r\x1b[K%s: %s", verb, t)
	}
}

func (a *app) done(verb string, t pipeline.Totals) {
	if isTerminal(a.stderr) {
		fmt.Fprint(a.stderr, "\r\x1b[K")
	}
	fmt.Fprintf(a.stdout, "%s: %s\n", verb, t)
}
