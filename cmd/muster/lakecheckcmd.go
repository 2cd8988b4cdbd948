package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"muster/fleet"
	"muster/stores/lake"
)

func (a *app) lakeCheckCommand() *cobra.Command {
	var asJSON bool
	var c lake.Check
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Read the whole lake and report what is not as it says",
		Long: `Read the lake's current snapshots whole: that their files are there with their sizes,
footers, rows, columns and field ids; that bounds and partitions are those of the
content; that no record is live twice; that no file lies there which no snapshot
names; and that the catalog is not behind its tables. Exit code 1 when something is
wrong.`,
		Example: `  muster lake check
  muster lake check --json --store /var/lib/muster`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := a.openLake(cmd.Context(), true)
			if err != nil {
				return err
			}
			defer store.Close()
			return a.checkLake(cmd, store, c, asJSON)
		},
	}
	fs := cmd.Flags()
	atLeast(fs, &c.Orphans, "orphans", time.Millisecond, 24*time.Hour, "how old a file that no snapshot names must be to be reported; younger ones may belong to a commit under way")
	fs.BoolVar(&asJSON, "json", false, "one JSON object a line for each damage, the counts on standard error")
	return cmd
}

func (a *app) checkLake(cmd *cobra.Command, store *lake.Lake, c lake.Check, asJSON bool) error {
	out := newJSONLines(a.stdout)
	clear := a.clearLine()
	if isTerminal(a.stderr) {
		c.Progress = func(files, all int) { fmt.Fprintf(a.stderr, "\r\x1b[K%d of %d files", files, all) }
	}
	done, err := store.Check(cmd.Context(), c, func(d lake.Damage) error {
		clear()
		if asJSON {
			return out.Encode(d)
		}
		about := d.Table
		if d.File != "" {
			about = d.File
		}
		_, err := fmt.Fprintf(a.stdout, "%-10s %s: %s\n", d.What, fleet.Printable(about), fleet.Printable(d.Detail))
		return err
	})
	clear()
	if err != nil {
		return err
	}
	fmt.Fprintf(a.summary(asJSON), "check: %d files with %d rows, %d records live, %s\n", done.Files, done.Rows, done.Live,
		countText(done.Damages, "thing is wrong", "things are wrong"))
	if done.Damages > 0 {
		return &exitError{code: exitFindings}
	}
	return nil
}
