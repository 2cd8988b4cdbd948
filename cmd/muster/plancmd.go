package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"muster/collectors"
	"muster/fleet"
)

// planFlags shape a plan.
type planFlags struct {
	aws    awsFlags
	window *windowFlags
	json   bool
}

func (a *app) planCommand() *cobra.Command {
	f := planFlags{window: newWindowFlags(time.Now)}
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "What a collection would take: calls, minutes, bytes, dollars, and the quota that binds",
		Long: `Look at what there is, by some thirty calls, and say for each source what reading a
window of it is likely to take. Nothing is read and nothing is written. Sources are
read side by side, so that the whole takes as long as the slowest.`,
		Example: `  muster plan --since 30d
  muster plan --since 7d --trail-bucket my-trail --quota-share 0.25`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.plan(cmd.Context(), &f) },
	}
	f.aws.register(cmd.Flags())
	fs := cmd.Flags()
	fs.Var(&f.window.since, "since", "begin of the window (default 1h)")
	fs.Var(&f.window.until, "until", "end of the window; default now")
	fs.BoolVar(&f.json, "json", false, "one object a line")
	return cmd
}

func (a *app) plan(ctx context.Context, f *planFlags) error {
	w, err := f.window.from(f.window.since.or(time.Hour))
	if err != nil {
		return err
	}
	cfg, err := f.aws.config(ctx)
	if err != nil {
		return err
	}
	places, err := collectors.Places(ctx, a.collectOptions(cfg, &f.aws, prometheus.NewRegistry()))
	if err != nil {
		return err
	}
	var all []collectors.Estimate
	for _, p := range places {
		if p.Err != nil {
			all = append(all, collectors.Estimate{Account: p.Account, Region: p.Region, Source: "none", Basis: p.Err.Error()})
			continue
		}
		some, err := collectors.Estimates(ctx, p.Options, f.aws.quotaShare, w)
		if err != nil {
			return err
		}
		all = append(all, some...)
	}
	if f.json {
		return planJSON(a.stdout, all)
	}
	planTable(a.stdout, all, len(places) > 1)
	return nil
}

func planJSON(out io.Writer, all []collectors.Estimate) error {
	e := json.NewEncoder(out)
	var errs []error
	for i := range all {
		errs = append(errs, e.Encode(struct {
			collectors.Estimate
			Minutes float64 `json:"minutes"`
		}{all[i], all[i].Time.Minutes()}))
	}
	return errors.Join(errs...)
}

// planTable prints a line for each source, with its place where there are several.
func planTable(out io.Writer, all []collectors.Estimate, several bool) {
	for i := range all {
		if several {
			all[i].Source += " " + all[i].Account + " " + all[i].Region
		}
	}
	fmt.Fprintf(out, "%-11s %8s %12s %10s %10s %9s  %s\n", "source", "streams", "calls", "minutes", "MB", "dollars", "quota")
	var sum collectors.Estimate
	slowest := -1
	for i := range all {
		e := &all[i]
		planLine(out, e.Source, e, quotaText(e))
		sum.Streams += e.Streams
		sum.Calls += e.Calls
		sum.Bytes += e.Bytes
		sum.Dollars += e.Dollars
		if slowest < 0 || e.Time > all[slowest].Time {
			slowest = i
		}
	}
	if slowest >= 0 {
		sum.Time = all[slowest].Time
		planLine(out, "all", &sum, "binds: "+quotaText(&all[slowest]))
	}
	fmt.Fprintln(out)
	for i := range all {
		fmt.Fprintf(out, "%s: %s\n", all[i].Source, fleet.Printable(all[i].Basis))
	}
	for i := range all {
		if all[i].Advice != "" {
			fmt.Fprintf(out, "advice: %s\n", all[i].Advice)
		}
	}
}

func planLine(out io.Writer, name string, e *collectors.Estimate, quota string) {
	fmt.Fprintf(out, "%-11s %8d %12d %10.1f %10.1f %9.2f  %s\n", name, e.Streams, e.Calls, e.Time.Minutes(), float64(e.Bytes)/1e6, e.Dollars, quota)
}

func quotaText(e *collectors.Estimate) string {
	switch {
	case e.Quota == "":
		return "not known"
	case e.Rate == 0:
		return e.Quota + ", none published"
	}
	return fmt.Sprintf("%s, %g a second", e.Quota, e.Rate)
}
