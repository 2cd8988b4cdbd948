package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"muster/fleet"
	"muster/internal/pipeline"
	"muster/stores/lake"
)

func (a *app) resolveCommand() *cobra.Command {
	var dryRun, asJSON bool
	w := newWindowFlags(time.Now)
	r := lake.Recompute{}
	cmd := &cobra.Command{
		Use:   "resolve",
		Short: "Compute the joins of a window anew and write what differs",
		Long: `Compute the joins of what is in the store anew, in the store's own engine (DuckDB on
a folder, Athena on S3), and write the differences as amendments. Collecting joins evidence as it comes, so that there
should be none; where evidence came more than a day later than what it belongs to,
this joins it.

Without --since and --until all of the store is looked at. With a window, records
within --horizon around it take part and stay as they are, and so does every join
that rests on evidence further away.`,
		Example: `  muster resolve --dry-run              print what would change
  muster resolve --since 7d --json      one object for each difference`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if r.Window, err = w.window(); err != nil {
				return err
			}
			store, err := a.openExisting(cmd.Context(), dryRun)
			if err != nil {
				return err
			}
			defer store.Close()
			r.DryRun = dryRun
			return a.resolve(cmd, store, r, asJSON)
		},
	}
	fs := cmd.Flags()
	fs.Var(&w.since, "since", "from this time on: how long ago (36h, 7d) or a moment")
	fs.Var(&w.until, "until", "up to this time")
	atLeast(fs, &r.Horizon, "horizon", 0, pipeline.DefaultHorizon, "how far around the window evidence is looked for")
	fs.BoolVar(&dryRun, "dry-run", false, "write nothing")
	fs.BoolVar(&asJSON, "json", false, "one JSON object a line for each difference, the counts on standard error")
	return cmd
}

func (a *app) resolve(cmd *cobra.Command, store *lake.Lake, r lake.Recompute, asJSON bool) error {
	differences := newTable([]string{"TIME", "KIND", "ID", "KEY", "WAS", "VIA", "IS", "VIA"}, 0)
	out := json.NewEncoder(a.stdout)
	out.SetEscapeHTML(false)
	r.Each = func(d lake.Difference) error {
		for _, c := range keyChanges(&d) {
			if !asJSON {
				differences.add([]string{shortTime(d.Ref.Time), c.Kind, c.ID, c.Key, c.Was, c.WasVia, c.Is, c.IsVia})
			} else if err := out.Encode(c); err != nil {
				return err
			}
		}
		return nil
	}
	done, err := store.Recompute(cmd.Context(), r)
	if err != nil {
		return err
	}
	if done.Differ > 0 && !asJSON {
		if err := differences.print(a.stdout, a.width()); err != nil {
			return err
		}
	}
	summary := fmt.Sprintf("resolve: %d records looked at, %d differ, %d amended", done.Looked, done.Differ, done.Amended)
	if done.Beyond > 0 {
		summary += fmt.Sprintf("; %d rest on evidence outside the horizon and stay", done.Beyond)
	}
	to := a.stdout
	if asJSON {
		to = a.stderr
	}
	_, err = fmt.Fprintln(to, summary)
	return err
}

// keyChange is one key of one record that is another when computed anew.
type keyChange struct {
	Time   string `json:"time"`
	Kind   string `json:"kind"`
	ID     string `json:"id"`
	Key    string `json:"key"`
	Was    string `json:"was"`
	WasVia string `json:"was_via"`
	Is     string `json:"is"`
	IsVia  string `json:"is_via"`
}

// keyChanges lists what differs, by the names of the columns of "records".
func keyChanges(d *lake.Difference) []keyChange {
	var out []keyChange
	add := func(key, was string, wasLink fleet.Link, is string, isLink fleet.Link) {
		if was != is || wasLink != isLink {
			out = append(out, keyChange{
				Time: fleet.FormatTime(d.Ref.Time), Kind: string(d.Ref.Kind), ID: d.Ref.ID, Key: key,
				Was: was, WasVia: link(wasLink), Is: is, IsVia: link(isLink),
			})
		}
	}
	was, now := &d.Was, &d.Now
	add("request_id", was.Request, was.RequestLink, now.Request, now.RequestLink)
	add("request_scope", string(was.Scope), was.RequestLink, string(now.Scope), was.RequestLink)
	add("trace_id", was.Trace, was.TraceLink, now.Trace, now.TraceLink)
	add("correlation_id", was.Correlation, was.CorrelationLink, now.Correlation, now.CorrelationLink)
	add("origin", was.Origin, was.OriginLink, now.Origin, now.OriginLink)
	return out
}
