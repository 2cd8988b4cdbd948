package main

import (
	"cmp"
	"context"
	"fmt"
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
	var waivers, dashboards, size string
	var presses []string
	cmd := &cobra.Command{
		Use:   "explore [ID]",
		Short: "Explore traces, dossiers and findings in the terminal",
		Long: `Open the terminal explorer on the store, at the list of traces or at the dossier
of ID. Without a terminal it prints the same screen and ends.

It begins in the view and with the filters that it was left in, which are kept by
store in muster/explorer.json under XDG_STATE_HOME.

With --press it prints the screens that keys lead to, without a terminal: one for
each --press, of --size. Keys are separated by blanks and named as in the help
(enter, esc, tab, pgdown, ctrl+u); other words are typed, with space for a blank.`,
		Example: "  muster explore\n  muster explore order-4711\n  muster explore | head\n" +
			"  muster explore --press S --size 160x50                 # the service map\n" +
			"  muster explore --press '/ errors enter' --press enter  # what failed, and the newest of it",
		Args: cobra.MaximumNArgs(1),
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
			options := explore.Options{
				Now: time.Now, Store: a.store, Start: id,
				Status:      func() string { return a.reach() + freshness(ctx, store) },
				Actions:     a.exploreActions(store, waivers, dashboards),
				Expressions: explore.Expressions{Parse: filter.Parse, Complete: filter.Complete},
			}
			if len(presses) > 0 {
				w, h, err := cells(size)
				if err != nil {
					return err
				}
				return explore.Play(ctx, a.stdout, a.thrifty(store, io.Discard), options, w, h, presses)
			}
			if !a.onTerminal() {
				return explore.Print(ctx, a.stdout, a.thrifty(store, a.stderr), cmp.Or(a.width(), pageWidth), id)
			}
			options.Refresh = refreshEvery
			if a.onS3() {
				options.Refresh = refreshPaid
			}
			options.Input, options.Output = a.stdin, a.stdout
			options.State, options.Save = a.exploreState()[a.store], a.keepExploreState
			return explore.Run(ctx, a.thrifty(store, io.Discard), options)
		},
	}
	cmd.Flags().StringVar(&waivers, "waivers", "waivers.yaml", "`file` that findings are waived in, for muster audit --waivers")
	cmd.Flags().StringVar(&dashboards, "dashboards-url", "", "`address` of OpenSearch Dashboards, to open links there and not in the AWS console")
	cmd.Flags().StringArrayVar(&presses, "press", nil, "`keys` to press; prints the screen that they lead to (repeatable)")
	cmd.Flags().StringVar(&size, "size", "120x40", "`cells` of the screens of --press: width x height")
	return cmd
}

// cells reads a size such as 120x40.
func cells(s string) (w, h int, err error) {
	if _, err := fmt.Sscanf(s, "%dx%d", &w, &h); err != nil || fmt.Sprintf("%dx%d", w, h) != s {
		return 0, 0, fmt.Errorf("explore: --size %s: give width and height in cells, such as 120x40", s)
	}
	return w, h, nil
}

// reach says how far back the lists go, where that is not all.
func (a *app) reach() string {
	if !a.onS3() {
		return ""
	}
	return fmt.Sprintf("lists: last %g h · ", recentSpan.Hours())
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
