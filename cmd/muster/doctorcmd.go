package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"muster/collectors"
	"muster/fleet"
)

func (a *app) doctorCommand() *cobra.Command {
	var f awsFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "What a configured account lacks, and for which join or policy",
		Long: `Check the account that the flags name: permissions, the trail and its data events,
X-Ray's storage mode and sampling, AWS Config's recorder, how long log groups keep
their lines, and the clock. Each line says what is missing, and what for. It reads
only, in some thirty calls.

Where --store has evidence, X-Ray's own count of each service's requests (its service
graph) is compared with the segments that the store has of the same traces: those that
began in the newest whole hour that was read at its full age, or in --since and --until.

Exit code 0: nothing is missing; 1: something is; 2: it could not be checked at all.`,
		Example: `  muster doctor --trail-bucket my-trail
  muster doctor --json | jq 'select(.state != "ok")'
  muster doctor --source xray --since 24h --json | jq 'select(.compared) | .state, .compared'`,
		Args: cobra.NoArgs,
	}
	w := newWindowFlags(time.Now)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		window, err := w.window()
		if err != nil {
			return err
		}
		return a.doctor(cmd.Context(), &f, window, asJSON)
	}
	f.register(cmd.Flags())
	cmd.Flags().Var(&w.since, "since", "compare X-Ray's service graph with the store for traces that began from then on: 6h, 7d or a moment; default the newest whole hour that was read at its full age")
	cmd.Flags().Var(&w.until, "until", "and before then; default what the store has, without the last 5 minutes")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one object a line")
	return cmd
}

func (a *app) doctor(ctx context.Context, f *awsFlags, w fleet.Window, asJSON bool) error {
	cfg, err := f.config(ctx)
	if err != nil {
		return err
	}
	o := a.collectOptions(cfg, f, prometheus.NewRegistry())
	unknown, done := a.compared(ctx, &o, w)
	checks, err := a.examine(ctx, o)
	if err := errors.Join(err, done()); err != nil {
		return err
	}
	return a.printChecks(append(checks, unknown...), asJSON)
}

// printChecks prints what was found, and says by the exit code whether something
// is missing.
func (a *app) printChecks(checks []collectors.Check, asJSON bool) error {
	missing, unknown, place := 0, 0, ""
	e := json.NewEncoder(a.stdout)
	for i := range checks {
		c := &checks[i]
		switch c.State {
		case collectors.StateMissing:
			missing++
		case collectors.StateUnknown:
			unknown++
		}
		if asJSON {
			if err := e.Encode(c); err != nil {
				return err
			}
			continue
		}
		if at := c.Account + " " + c.Region; at != place && c.Account != "" {
			place = at
			fmt.Fprintf(a.stdout, "account %s, region %s\n", c.Account, c.Region)
		}
		fmt.Fprintf(a.stdout, "%-8s %-11s %s\n", c.State, c.Subject, fleet.Printable(c.Found))
		if c.For != "" {
			fmt.Fprintf(a.stdout, "%-8s %-11s for: %s\n%-8s %-11s do:  %s\n", "", "", c.For, "", "", fleet.Printable(c.Remedy))
		}
	}
	if missing > 0 {
		return &exitError{code: exitFindings, reason: fmt.Sprintf("%d of %d checks found something missing, %d could not be made", missing, len(checks), unknown)}
	}
	return nil
}

// examine checks each place by itself. With several, each check names its own.
func (a *app) examine(ctx context.Context, o collectors.Options) ([]collectors.Check, error) {
	places, err := collectors.Places(ctx, o)
	if err != nil {
		return nil, err
	}
	if len(places) == 1 && places[0].Err == nil {
		return collectors.Examine(ctx, places[0].Options)
	}
	var all []collectors.Check
	for _, p := range places {
		checks, err := []collectors.Check(nil), p.Err
		if err == nil {
			checks, err = collectors.Examine(ctx, p.Options)
		}
		if err != nil {
			checks = append(checks, collectors.Check{
				Subject: "account", State: collectors.StateMissing, Found: err.Error(), For: "everything of this account",
				Remedy: "let the caller assume the role: collect --iam-caller prints its policy, and docs/accounts.md has the role's trust policy",
			})
		}
		for _, c := range checks {
			c.Account, c.Region = p.Account, p.Region
			all = append(all, c)
		}
	}
	return all, ctx.Err()
}
