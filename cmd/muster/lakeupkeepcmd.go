package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"muster/fleet"
	"muster/stores/lake"
)

// lakeUpkeepCommands are the verbs below "lake" that look after it.
func (a *app) lakeUpkeepCommands() []*cobra.Command {
	return []*cobra.Command{a.lakeCompactCommand(), a.lakeExpireCommand(), a.lakeEraseCommand(), a.lakeCheckCommand(), a.lakeExportCommand()}
}

func (a *app) lakeCompactCommand() *cobra.Command {
	var asJSON bool
	var c lake.Compaction
	cmd := &cobra.Command{
		Use:   "compact",
		Short: "Make of each closed day a few large files",
		Long: `Make of each day that is over a few large files for each kind of evidence, sorted by
trace id: small files are merged, amendments take the place of what they amend, and
rows that another engine deleted are left out. Each kind and day is one commit, so
that every reader sees each record once at every moment, and writers may go on. Run
it daily, or let muster run do it.`,
		Example: `  muster lake compact --dry-run
  muster lake compact --older-than 6h --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := a.openExisting(cmd.Context(), c.DryRun)
			if err != nil {
				return err
			}
			defer store.Close()
			return a.compact(cmd, store, c, asJSON)
		},
	}
	fs := cmd.Flags()
	atLeast(fs, &c.OlderThan, "older-than", time.Minute, time.Hour, "how long a day must be over")
	fs.BoolVar(&c.DryRun, "dry-run", false, "say what would be rewritten, and write nothing")
	fs.BoolVar(&asJSON, "json", false, "one JSON object a line for each kind and day")
	return cmd
}

func (a *app) compact(cmd *cobra.Command, store *lake.Lake, c lake.Compaction, asJSON bool) error {
	parts := newTable([]string{"DAY", "KIND", "FILES", "", "SIZE", "", "ROWS", "FOLDED", "DELETED", ""}, 0)
	out := newJSONLines(a.stdout)
	n, busy := 0, 0
	clear := a.clearLine()
	c.Each = func(p lake.CompactedPart) error {
		clear()
		n++
		note := ""
		if p.Busy {
			busy++
			note = "left: another program is at it"
		}
		if asJSON {
			return out.Encode(p)
		}
		after, size := fmt.Sprint(p.FilesAfter), bytesText(p.BytesAfter)
		if c.DryRun {
			after, size = "?", "?"
		}
		parts.add([]string{
			p.Day, p.Kind, fmt.Sprint(p.FilesBefore), "→ " + after, bytesText(p.BytesBefore), "→ " + size,
			fmt.Sprint(p.Rows), fmt.Sprint(p.Folded), fmt.Sprint(p.Deleted), note,
		})
		return nil
	}
	if isTerminal(a.stderr) {
		c.Progress = func(p lake.CompactedPart, rows int64) {
			fmt.Fprintf(a.stderr, "\r\x1b[K%s %s: %d of %d rows", p.Day, p.Kind, rows, p.Rows)
		}
	}
	err := store.Compact(cmd.Context(), c)
	clear()
	if err != nil {
		return err
	}
	if !asJSON && n > 0 {
		if err := parts.print(a.stdout, a.width()); err != nil {
			return err
		}
	}
	verb := "rewritten"
	if c.DryRun {
		verb = "to rewrite"
	}
	_, err = fmt.Fprintf(a.summary(asJSON), "compact: %s, %d left to the next time\n", countText(n-busy, "kind and day", "kinds and days")+" "+verb, busy)
	return err
}

// retentionFlags are those of lake expire and of run.
type retentionFlags struct {
	keep     days
	keepKind []string
}

func (f *retentionFlags) register(fs *pflag.FlagSet) {
	fs.Var(&f.keep, "keep", "how long evidence is kept: 90d; without it for ever")
	fs.StringArrayVar(&f.keepKind, "keep-kind", nil, "how long one `kind` is kept: log=30d; repeatable")
}

// retention is what the flags say.
func (f *retentionFlags) retention() (lake.Retention, error) {
	r := lake.Retention{Keep: time.Duration(f.keep), KeepKind: map[fleet.Kind]time.Duration{}}
	for _, text := range f.keepKind {
		kind, keep, ok := strings.Cut(text, "=")
		var d days
		if !ok || !isKind(kind) || d.Set(keep) != nil {
			return r, fmt.Errorf("--keep-kind %q: give a kind (%s) and a length of time: log=30d", text, kindList())
		}
		r.KeepKind[fleet.Kind(kind)] = time.Duration(d)
	}
	return r, nil
}

func isKind(text string) bool {
	for _, k := range fleet.Kinds() {
		if text == string(k) {
			return true
		}
	}
	return false
}

func kindList() string {
	names := make([]string, len(fleet.Kinds()))
	for i, k := range fleet.Kinds() {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

// days is a flag for how long something is kept: 90d, 36h.
type days time.Duration

// leastKept is the shortest retention: below it evidence would go while it is
// still being joined.
const leastKept = 24 * time.Hour

// String implements pflag.Value.
func (d *days) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

// Type implements pflag.Value.
func (d *days) Type() string { return "duration" }

// Set implements pflag.Value.
func (d *days) Set(s string) error {
	v, err := parseAgo(s)
	if err != nil || v < leastKept {
		return fmt.Errorf("%q is no time to keep evidence for: give a day or more, such as 90d", s)
	}
	*d = days(v)
	return nil
}

func (a *app) lakeExpireCommand() *cobra.Command {
	var f retentionFlags
	var snapshots, orphans time.Duration
	var dryRun, asJSON bool
	cmd := &cobra.Command{
		Use:   "expire",
		Short: "Drop old days, forget old snapshots, sweep orphans",
		Long: `Drop the days of evidence that are kept no longer, all at once; forget the snapshots
of all tables that no reader needs any more, with the files that only they name; and
remove the files that interrupted commits left behind. Checkpoints, findings, runs
and the ledger stay, so that nothing is collected again. Evidence that was dropped
lies on the disk until the snapshots that hold it are older than --snapshots.`,
		Example: `  muster lake expire --keep 90d --keep-kind log=30d --dry-run
  muster lake expire                    snapshots and orphans only`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := f.retention()
			if err != nil {
				return err
			}
			r.Snapshots, r.Orphans, r.DryRun = snapshots, orphans, dryRun
			store, err := a.openExisting(cmd.Context(), dryRun)
			if err != nil {
				return err
			}
			defer store.Close()
			return a.expire(cmd, store, r, asJSON)
		},
	}
	fs := cmd.Flags()
	f.register(fs)
	atLeast(fs, &snapshots, "snapshots", time.Minute, time.Hour, "how long a snapshot stays for those that began to read it")
	atLeast(fs, &orphans, "orphans", time.Hour, 24*time.Hour, "how old a file that no snapshot names gets; no commit may take longer")
	fs.BoolVar(&dryRun, "dry-run", false, "say what would go, and remove nothing")
	fs.BoolVar(&asJSON, "json", false, "one JSON object a line for each kind and day, and one with the sums")
	return cmd
}

func (a *app) expire(cmd *cobra.Command, store *lake.Lake, r lake.Retention, asJSON bool) error {
	parts := newTable([]string{"DAY", "KIND", "FILES", "ROWS", "SIZE"}, 0)
	out := newJSONLines(a.stdout)
	r.Each = func(p lake.ExpiredPart) error {
		if asJSON {
			return out.Encode(p)
		}
		parts.add([]string{p.Day, p.Kind, fmt.Sprint(p.Files), fmt.Sprint(p.Rows), bytesText(p.Bytes)})
		return nil
	}
	done, err := store.Expire(cmd.Context(), r)
	if err != nil {
		return err
	}
	if asJSON {
		return out.Encode(done)
	}
	if done.Days > 0 {
		if err := parts.print(a.stdout, a.width()); err != nil {
			return err
		}
	}
	would := ""
	if r.DryRun {
		would = "would have "
	}
	_, err = fmt.Fprintf(a.stdout, "expire: %sdropped %s with %d rows in %d files (%s), forgot %s, swept %s (%s)\n", would,
		countText(done.Days, "kind and day", "kinds and days"), done.Rows, done.Files, bytesText(done.Bytes),
		countText(done.Snapshots, "snapshot", "snapshots"), countText(done.Orphans, "orphan", "orphans"), bytesText(done.OrphanBytes))
	return err
}

// countText is a number with its noun.
func countText(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// bytesText is a size as people read it.
func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f := float64(n)
	for _, name := range []string{"KiB", "MiB", "GiB"} {
		if f /= unit; f < unit {
			return fmt.Sprintf("%.1f %s", f, name)
		}
	}
	return fmt.Sprintf("%.1f TiB", f/unit)
}

func newJSONLines(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

// summary is where the last line goes: aside when the output is for programs.
func (a *app) summary(asJSON bool) io.Writer {
	if asJSON {
		return a.stderr
	}
	return a.stdout
}

// clearLine removes the progress from a terminal.
func (a *app) clearLine() func() {
	if !isTerminal(a.stderr) {
		return func() {}
	}
	return func() { fmt.Fprint(a.stderr, "\r\x1b[K") }
}
