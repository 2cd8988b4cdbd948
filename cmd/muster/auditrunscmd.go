package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"muster/fleet"
)

func (a *app) auditRunsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List the audits that the store has recorded, the newest first",
		Long: `List the audits that the store has recorded: when, over which window, by how many
policies, and with which program. --json has the version of each policy too, the
first digits of a hash of its file.`,
		Example: "  muster audit runs --limit 5\n  muster audit runs --json | jq 'select(.versions[\"n-plus-one\"] != \"1f0c9a7e\") | .id'",
		Args:    cobra.NoArgs,
	}
	asJSON := cmd.Flags().Bool("json", false, "one run a line")
	limit := cmd.Flags().Int("limit", 20, "at most so many; 0 for all")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *limit < 0 {
			return fmt.Errorf("--limit %d: give how many, or 0 for all", *limit)
		}
		return a.auditRuns(cmd.Context(), *limit, *asJSON)
	}
	return cmd
}

func (a *app) auditRuns(ctx context.Context, limit int, asJSON bool) error {
	store, err := a.openExisting(ctx, true)
	if err != nil {
		return err
	}
	defer store.Close()
	var all []fleet.Run
	for r, err := range store.Runs(ctx) {
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(x, y fleet.Run) int { return y.Started.Compare(x.Started) })
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	if asJSON {
		enc := json.NewEncoder(a.stdout)
		enc.SetEscapeHTML(false)
		for i := range all {
			if err := enc.Encode(newRunLine(&all[i])); err != nil {
				return err
			}
		}
		return nil
	}
	t := newTable([]string{"RUN", "BEGAN", "TOOK", "FROM", "UNTIL", "POLICIES", "NOT JUDGED", "FINDINGS", "PROGRAM"}, 1, 3, 4)
	for i := range all {
		r := &all[i]
		took := "under way, or killed"
		if !r.Ended.IsZero() {
			took = r.Ended.Sub(r.Started).Round(time.Millisecond).String()
		}
		t.add([]string{
			r.ID, timeOrBlank(r.Started), took, timeOrBlank(r.Window.Start), timeOrBlank(r.Window.End),
			strconv.Itoa(r.Policies), strconv.Itoa(len(r.NotJudged)), strconv.Itoa(r.Findings), r.Program,
		})
	}
	return t.print(a.stdout, a.width())
}

// timeOrBlank is a time, "" for none.
func timeOrBlank(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fleet.FormatTime(t)
}

// runLine is a run as scripts read it.
type runLine struct {
	ID        string            `json:"id"`
	Started   time.Time         `json:"started"`
	Renewed   time.Time         `json:"renewed,omitzero"`
	Ended     time.Time         `json:"ended,omitzero"`
	From      time.Time         `json:"from,omitzero"`
	Until     time.Time         `json:"until,omitzero"`
	Policies  int               `json:"policies"`
	Findings  int               `json:"findings"`
	NotJudged map[string]string `json:"not_judged,omitempty"`
	Program   string            `json:"program,omitempty"`
	Versions  map[string]string `json:"versions,omitempty"`
}

func newRunLine(r *fleet.Run) runLine {
	return runLine{
		ID: r.ID, Started: r.Started, Renewed: r.Renewed, Ended: r.Ended, From: r.Window.Start, Until: r.Window.End,
		Policies: r.Policies, Findings: r.Findings, NotJudged: r.NotJudged, Program: r.Program, Versions: r.Versions,
	}
}
