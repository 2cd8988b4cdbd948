package main

import (
	"cmp"
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"muster/explore"
	"muster/fleet"
	"muster/internal/filter"
	"muster/internal/pipeline"
	"muster/stores/lake"
	"muster/stores/opensearch"
)

// refreshEvery is how often the explorer reads the list again: often enough to
// feel live, seldom enough to leave the machine to the collectors.
const refreshEvery = 2 * time.Second

func (a *app) exploreCommand() *cobra.Command {
	var waivers, dashboards string
	cmd := &cobra.Command{
		Use:   "explore [ID]",
		Short: "Explore traces, dossiers and findings in the terminal",
		Long: `Open the terminal explorer on the store, at the list of traces or at the dossier
of ID. Without a terminal it prints the same screen and ends.

It begins in the view and with the filters that it was left in, which are kept by
store in muster/explorer.json under XDG_STATE_HOME.`,
		Example: "  muster explore\n  muster explore order-4711\n  muster explore | head",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := ""
			if len(args) > 0 {
				id = args[0]
			}
			ctx := cmd.Context()
			store, err := a.openReader(ctx)
			if err != nil {
				return err
			}
			defer store.Close()
			if !a.onTerminal() {
				return explore.Print(ctx, a.stdout, a.thrifty(store, a.stderr), cmp.Or(a.width(), pageWidth), id)
			}
			refresh := refreshEvery
			if a.onS3() {
				refresh = refreshPaid
			}
			return explore.Run(ctx, a.thrifty(store, io.Discard), explore.Options{
				Now: time.Now, Input: a.stdin, Output: a.stdout, Store: a.store, Refresh: refresh, Start: id,
				Status:      func() string { return freshness(ctx, store) },
				Actions:     a.exploreActions(store, waivers, dashboards),
				Expressions: explore.Expressions{Parse: filter.Parse, Complete: filter.Complete},
				State:       a.exploreState()[a.store], Save: a.keepExploreState,
			})
		},
	}
	cmd.Flags().StringVar(&waivers, "waivers", "waivers.yaml", "`file` that findings are waived in, for muster audit --waivers")
	cmd.Flags().StringVar(&dashboards, "dashboards-url", "", "`address` of OpenSearch Dashboards, to open links there and not in the AWS console")
	return cmd
}

// pageWidth is how many cells a screen has that is printed to no terminal.
const pageWidth = 120

// freshness says how far a store goes.
func freshness(ctx context.Context, store fleet.Reader) string {
	switch s := store.(type) {
	case *lake.Lake:
		return completeTo(ctx, s)
	case *opensearch.Store:
		return followedTo(ctx, s)
	default:
		return ""
	}
}

// completeTo says how far the slowest stream has been read.
func completeTo(ctx context.Context, store *lake.Lake) string {
	marks, err := store.Checkpoints(ctx)
	if err != nil {
		return "checkpoints: " + err.Error()
	}
	var slowest time.Time
	for _, t := range pipeline.Watermarks(marks) {
		if slowest.IsZero() || t.Before(slowest) {
			slowest = t
		}
	}
	if slowest.IsZero() {
		return "imported"
	}
	return "complete to " + slowest.UTC().Format("Jan 02 15:04:05")
}
