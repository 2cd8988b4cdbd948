package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"muster/explore"
	"muster/fleet"
)

// mostMapSpans is how many of the newest spans the service map is made from
// unless --limit says otherwise: it holds some 200 bytes of each in memory.
const mostMapSpans = 1_000_000

func (a *app) servicesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "services [NAME]", Short: "The service map: who calls whom, how often, how well and how fast",
		Long: `Print the service map of the spans in a window: services in layers, callers above
those they call, each with the rate, errors and latency of its requests, and below
it the same of its calls. Nodes and calls that belong to a cycle are marked ↺.
A NAME leaves what that node calls and is called by.

● sends segments, → is an AWS service, ○ is called and sends nothing; ⇢ are messages,
whose time is that from sending to receiving.`,
		Example: `  muster services --since 1h
  muster services payments
  muster services --json | jq -r 'select(.cycle > 0) | .name // (.from + " " + .to)'`,
		Args: cobra.MaximumNArgs(1),
	}
	w := newWindowFlags(time.Now)
	fs := cmd.Flags()
	fs.Var(&w.since, "since", "only from then on: 15m, 36h, 7d or a moment")
	fs.Var(&w.until, "until", "only before then")
	limit := fs.Int("limit", mostMapSpans, "of at most so many spans, the newest; 0 for all")
	asJSON := fs.Bool("json", false, "one JSON object a line, for each node and each edge")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		window, err := w.window()
		if err != nil {
			return err
		}
		if *limit < 0 {
			return fmt.Errorf("--limit %d: give how many, or 0 for all", *limit)
		}
		name := ""
		if len(args) > 0 {
			name = args[0]
		}
		return a.read(cmd.Context(), func(ctx context.Context, r fleet.Reader) error {
			m, err := explore.Services(ctx, r, fleet.Query{Window: window, Limit: *limit})
			if err != nil {
				return err
			}
			if m, err = m.Focus(name); err != nil {
				return err
			}
			if *asJSON {
				return a.printMap(m)
			}
			return explore.PrintServices(a.stdout, m, cmp.Or(a.width(), pageWidth), name)
		})
	}
	return cmd
}

// nodeJSON and edgeJSON are what scripts read of the map.
type nodeJSON struct {
	Kind  string           `json:"kind"` // "node"
	Name  string           `json:"name"`
	Type  explore.NodeKind `json:"type"`
	Layer int              `json:"layer"`
	statsJSON
}

type edgeJSON struct {
	Kind    string `json:"kind"` // "edge"
	From    string `json:"from"`
	To      string `json:"to"`
	Message bool   `json:"message"`
	statsJSON
}

type statsJSON struct {
	Cycle  int     `json:"cycle"` // 0 for none
	Count  int     `json:"count"`
	Rate   float64 `json:"per_second"`
	Errors int     `json:"errors"`
	P50    int64   `json:"p50_us"`
	P95    int64   `json:"p95_us"`
	Max    int64   `json:"max_us"`
}

func (a *app) printMap(m *explore.ServiceMap) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	stats := func(s *explore.ServiceStats, cycle int) statsJSON {
		return statsJSON{
			cycle, s.Count, m.Rate(s.Count), s.Errors,
			s.P50.Microseconds(), s.P95.Microseconds(), s.Max.Microseconds(),
		}
	}
	for i := range m.Nodes {
		n := &m.Nodes[i]
		if err := enc.Encode(nodeJSON{"node", n.Name, n.Kind, n.Layer, stats(&n.ServiceStats, n.Cycle)}); err != nil {
			return err
		}
	}
	for i := range m.Edges {
		e := &m.Edges[i]
		if err := enc.Encode(edgeJSON{"edge", e.From, e.To, e.Message, stats(&e.ServiceStats, e.Cycle)}); err != nil {
			return err
		}
	}
	return nil
}
