package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/samples"
)

// maxTrouble is what the AWS SDK's retries can still bear.
const maxTrouble = 0.3

// demoFlags shape one run of the demo.
type demoFlags struct {
	headless  bool
	duration  time.Duration
	seed      uint64
	faults    []string
	incidents []string
	truthFile string
	trouble   float64
	aws       string
	week      weekFlags
}

func (a *app) demoCommand() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "A fleet with faults and incidents on a stand-in for AWS, live in the explorer",
		Long: `Start the AWS stand-in and the sample fleet on loopback, drive load through it with
labelled faults and incidents, collect and join what they leave behind, audit it,
and open the explorer on it. Nothing outside this machine is touched.

With --headless it runs for --for without a terminal, drains every source, and
prints what it found beside what really happened: precision and recall of the
joins and findings against the fleet's ground truth. It exits with 0 only if every
request was found, every join was right, and every fault and incident has its
finding.

With --aws ministack the fleet runs on an AWS that others wrote, which is downloaded
from PyPI the first time. CloudTrail and Logs are collected from it, X-Ray from the
stand-in beside it. There are no incidents then: docs/fleet.md says why.

With --days no fleet runs: the evidence of so many days of it, with day and night,
weekends, releases, faults and incidents, is simulated and goes the same way into
the store, with its ground truth beside it. The same seed, rate and --until give
the same evidence. Up to 150,000 records are audited and scored; --score does it
for more.`,
		Example: `  muster demo
  muster demo --headless --for 30s --seed 7 --store ./demo-store
  muster demo --fault none --incident none        a healthy fleet
  muster demo --fault n-plus-one --incident none
  muster demo --days 7 --seed 1 --store ./week    a simulated week, written in a minute
  muster demo --aws ministack                     the fleet on an AWS that others wrote
  muster demo --headless --trouble 0.1            sources that throttle, fail, repeat and are late`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.onMinistack(cmd); err != nil {
				return err
			}
			if f.week.days != 0 {
				return a.demoDays(cmd, f)
			}
			if !f.headless && !a.onTerminal() {
				return fmt.Errorf("demo: standard output is no terminal: add --headless")
			}
			if f.duration <= 0 {
				return fmt.Errorf("demo: --for %s: give a time above zero", f.duration)
			}
			if f.trouble < 0 || f.trouble > maxTrouble {
				return fmt.Errorf("demo: --trouble %g: give a share from 0 to %g", f.trouble, maxTrouble)
			}
			faults, err := choose("--fault", f.faults, samples.Faults())
			if err != nil {
				return err
			}
			incidents, err := choose("--incident", f.incidents, samples.Incidents())
			if err != nil {
				return err
			}
			if err := a.demoStore(cmd.Flags().Changed("store") || a.getenv("MUSTER_STORE") != ""); err != nil {
				return err
			}
			d := &demo{app: a, flags: f, faults: faults, incidents: incidents}
			return d.run(cmd.Context())
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&f.headless, "headless", false, "no explorer: run, drain, and print a summary with precision and recall")
	fs.DurationVar(&f.duration, "for", 30*time.Second, "how long the load lasts with --headless; the explorer's load lasts until you quit")
	fs.Uint64Var(&f.seed, "seed", 7, "seed of the load, the faults and the incidents")
	fs.StringSliceVar(&f.faults, "fault", []string{"all"}, "faults to switch on: all, none, "+names(samples.Faults()))
	fs.StringSliceVar(&f.incidents, "incident", []string{"all"}, "incidents to switch on: all, none, "+names(samples.Incidents()))
	fs.Float64Var(&f.trouble, "trouble", 0, "share of reads that are throttled, that fail, whose page is empty, and of evidence that comes late or twice")
	fs.StringVar(&f.aws, "aws", awsStandIn, "what the fleet runs on: "+awsStandIn+", or "+awsMinistack+", an AWS that others wrote (needs python3)")
	fs.StringVar(&f.truthFile, "truth", "", "where to write the ground truth; default truth.json in the store")
	f.week.flags(fs)
	if err := cmd.RegisterFlagCompletionFunc("aws", cobra.FixedCompletions([]string{awsStandIn, awsMinistack}, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

// demoStore makes sure that the demo has a store of its own: scores against the
// ground truth of this run mean nothing beside the evidence of another.
func (a *app) demoStore(named bool) error {
	if !named {
		dir, err := os.MkdirTemp("", "muster-demo-")
		if err != nil {
			return fmt.Errorf("demo: make a folder for the store: %w", err)
		}
		a.store = dir
		return nil
	}
	if a.onS3() {
		return nil // opening it says more
	}
	entries, err := os.ReadDir(a.store)
	if err == nil && len(entries) > 0 {
		return fmt.Errorf("demo: store %s is not empty: the demo is scored against its own run, so give it a new folder or remove that one", a.store)
	}
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("demo: store: %w", err)
	}
	return nil
}

// choose turns the values of a flag into what they name.
func choose[T ~string](flag string, values []string, all []T) ([]T, error) {
	var out []T
	for _, v := range values {
		switch {
		case v == "all":
			out = append(out, all...)
		case v == "none":
		case slices.Contains(all, T(v)):
			out = append(out, T(v))
		default:
			return nil, fmt.Errorf("%s %q: give all, none, %s", flag, v, names(all))
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func names[T ~string](all []T) string {
	out := make([]string, len(all))
	for i, v := range all {
		out[i] = string(v)
	}
	return strings.Join(out, ", ")
}
