package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"muster/explore"
	"muster/fleet"
)

// refreshEvery is how often the explorer reads the list again: often enough to
// feel live, seldom enough to leave the machine to the collectors.
const refreshEvery = 2 * time.Second

func (a *app) exploreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explore [ID]",
		Short: "Explore traces, dossiers and findings in the terminal",
		Long: `Open the terminal explorer on the store, at the list of traces or at the dossier
of ID. Without a terminal it prints the same screen and ends.`,
		Example: "  muster explore\n  muster explore order-4711\n  muster explore | head",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := ""
			if len(args) > 0 {
				id = args[0]
			}
			return a.read(cmd.Context(), func(ctx context.Context, r fleet.Reader) error {
				if !a.onTerminal() {
					return explore.Print(ctx, a.stdout, r, a.width(), id)
				}
				return explore.Run(ctx, r, explore.Options{
					Now: time.Now, Input: a.stdin, Output: a.stdout, Store: a.store, Refresh: refreshEvery, Start: id,
				})
			})
		},
	}
}
