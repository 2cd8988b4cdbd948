package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"muster/audit/scene"
	"muster/audit/waiver"
	"muster/fleet"
	"muster/internal/pipeline"
)

func (a *app) noiseCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "noise",
		Short: "Say how loud each policy is, and which waiver would silence it",
		Long: `Count, over all findings that the store keeps, how often each policy fired, how much of
it is waived, and name the one waiver that would cover most of what is left: so that
tuning is a decision and not a guess. Fill in id, owner, reason and expiry, and put the
line into the file of --waivers.`,
		Example: "  muster audit noise\n  muster audit noise --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.noise(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one policy a line")
	return cmd
}

func (a *app) noise(ctx context.Context, asJSON bool) error {
	store, err := a.openExisting(ctx, true)
	if err != nil {
		return err
	}
	defer store.Close()
	var fs []fleet.Finding
	for f, err := range store.Findings(ctx, fleet.Query{}) {
		if err != nil {
			return err
		}
		fs = append(fs, f)
	}
	evidence, err := pipeline.Evidence(ctx, store, fs)
	if err != nil {
		return err
	}
	all := waiver.Measure(fs, func(f *fleet.Finding) scene.Scene { return scene.Of(f, evidence, nil) })
	if asJSON {
		enc := json.NewEncoder(a.stdout)
		enc.SetEscapeHTML(false)
		for i := range all {
			if err := enc.Encode(all[i]); err != nil {
				return err
			}
		}
		return nil
	}
	t := newTable([]string{"POLICY", "FIRES", "A DAY", "FINDINGS", "WAIVED", "RESOLVED", "SILENCES", "BY THIS WAIVER"}, 7)
	for _, n := range all {
		t.add([]string{
			n.Policy, strconv.Itoa(n.Fires), strconv.FormatFloat(n.PerDay, 'f', 1, 64), strconv.Itoa(n.Findings),
			fmt.Sprintf("%d (%.0f %%)", n.Waived, 100*n.Share), strconv.Itoa(n.Resolved), strconv.Itoa(n.Silences), n.Entry,
		})
	}
	return t.print(a.stdout, a.width())
}
