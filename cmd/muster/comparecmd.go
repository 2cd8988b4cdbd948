package main

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"muster/compare"
	"muster/explore"
	"muster/fleet"
)

func (a *app) compareCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "compare ID [ID]", Short: "Two traces aligned, or one with the median of its route",
		Long: `Align the spans of two traces, the one before and the one after, and say what got
slower, what is new and what is gone. With one ID, the trace is compared with the
median of its route: of up to 200 traces that entered the same service by the same
path, within a day around it or from --since to --until. Ids in paths count as the
same: /orders/4711 and /orders/4712 are one route.

Spans of the same service and name below the same parent are one line. ΔSELF is
how much longer they were busy with themselves, ΔWAITED how much longer the end of
the request waited for them: of two traces, all of ΔWAITED together are what the
requests differ by. A difference counts from a hundredth of the longer request;
beside a median, only outside of what 80 % of its traces are within.

  ▲ slower   ▼ faster   + new   - gone   ~ called by another step   ✗ fails now`,
		Example: `  muster compare 1-5759e988-bd862e3fe1be46a994272793
  muster compare 1-5759e988-bd862e3fe1be46a994272793 order-4711
  muster compare ID --json | jq -r '.spans[] | select(.verdict == "slower") | [.service, .name] | @tsv'`,
		Args: cobra.RangeArgs(1, 2),
	}
	w := newWindowFlags(time.Now)
	fs := cmd.Flags()
	fs.Var(&w.since, "since", "the route's traces from then on: 15m, 36h, 7d or a moment")
	fs.Var(&w.until, "until", "the route's traces before then")
	asJSON := fs.Bool("json", false, "one JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		window, err := w.window()
		if err != nil {
			return err
		}
		before, after := "", args[0]
		if len(args) == 2 {
			before, after = args[0], args[1]
		}
		return a.read(cmd.Context(), func(ctx context.Context, r fleet.Reader) error {
			c, err := explore.Compare(ctx, r, before, after, window)
			if err != nil {
				return err
			}
			if *asJSON {
				return json.NewEncoder(a.stdout).Encode(newComparisonAnswer(c))
			}
			return explore.PrintComparison(a.stdout, c, cmp.Or(a.width(), pageWidth))
		})
	}
	return cmd
}

// comparisonAnswer is a comparison for scripts.
type comparisonAnswer struct {
	Before  totalJSON      `json:"before"`
	After   totalJSON      `json:"after"`
	LeastUS int64          `json:"least_us"` // the difference that counts
	Spans   []comparedJSON `json:"spans"`    // parents before what they call
}

type totalJSON struct {
	Trace  string `json:"trace_id"` // "" of a median
	Route  string `json:"route"`    // "" of a trace
	Traces int    `json:"traces"`
	TookUS int64  `json:"took_us"`
	Spans  int    `json:"spans"`
	Errors int    `json:"errors"`
}

type comparedJSON struct {
	Depth   int             `json:"depth"`
	Service string          `json:"service"`
	Name    string          `json:"name"`
	Verdict compare.Verdict `json:"verdict"`
	Fails   bool            `json:"fails"`
	Moved   bool            `json:"moved"`
	Seen    int             `json:"seen"` // in how many traces of before
	LowUS   int64           `json:"usual_low_us"`
	HighUS  int64           `json:"usual_high_us"`
	Before  sideJSON        `json:"before"`
	After   sideJSON        `json:"after"`
}

type sideJSON struct {
	Count    int    `json:"count"`
	TookUS   int64  `json:"took_us"`
	SelfUS   int64  `json:"self_us"`
	WaitedUS int64  `json:"waited_us"`
	Errors   int    `json:"errors"`
	Error    string `json:"error"`
	Record   string `json:"record"` // the longest
}

func newComparisonAnswer(c *explore.Comparison) comparisonAnswer {
	total := func(t compare.Total) totalJSON {
		return totalJSON{Traces: 1, TookUS: t.Took.Microseconds(), Spans: t.Spans, Errors: t.Errors}
	}
	out := comparisonAnswer{
		Before: total(c.Comparison.Before), After: total(c.Comparison.After),
		LeastUS: c.Least.Microseconds(), Spans: []comparedJSON{},
	}
	out.Before.Trace, out.Before.Route, out.Before.Traces, out.After.Trace = c.Before, c.Route, c.Of, c.After
	var add func(ns []*compare.Node, depth int)
	add = func(ns []*compare.Node, depth int) {
		for _, n := range ns {
			out.Spans = append(out.Spans, comparedJSON{
				depth, n.Service, n.Name, n.Verdict, n.Fails, n.Moved, n.Seen,
				n.Low.Microseconds(), n.High.Microseconds(), newSideJSON(&n.Before), newSideJSON(&n.After),
			})
			add(n.Kids, depth+1)
		}
	}
	add(c.Roots, 0)
	return out
}

func newSideJSON(s *compare.Side) sideJSON {
	return sideJSON{
		s.Count, s.Took.Microseconds(), s.Self.Microseconds(), s.Waited.Microseconds(), s.Errors, s.Error, s.Record,
	}
}
