package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"muster/collectors"
	"muster/fleet"
	"muster/internal/pipeline"
	"muster/samples/truth"
	"muster/samples/week"
	"muster/stores/lake"
)

// weekFlags shape simulated days.
type weekFlags struct {
	days  int
	until string
	rate  float64
	score bool
}

func (f *weekFlags) flags(fs *pflag.FlagSet) {
	fs.IntVar(&f.days, "days", 0, "no fleet: write this many simulated days of it into the store, and score them")
	fs.StringVar(&f.until, "until", "", "when the simulated days end; default the last full hour")
	fs.Float64Var(&f.rate, "rate", 1, "load of the simulated days: 1 is about 830,000 records a week")
	fs.BoolVar(&f.score, "score", false, "audit and score the simulated days however many records they have")
}

// demoDays is the demo in virtual time.
func (a *app) demoDays(cmd *cobra.Command, f demoFlags) error {
	if f.week.days < 1 || f.week.days > maxDays {
		return fmt.Errorf("demo: --days %d: give a number from 1 to %d", f.week.days, maxDays)
	}
	if !(f.week.rate > 0 && f.week.rate <= maxRate) { // not a number is neither
		return fmt.Errorf("demo: --rate %g: give a number above zero, up to %d", f.week.rate, maxRate)
	}
	for _, live := range []string{"headless", "for", "fault", "incident", "trouble"} {
		if cmd.Flags().Changed(live) {
			return fmt.Errorf("demo: --%s is for the running fleet: simulated days have every fault and incident", live)
		}
	}
	d := &weeks{app: a, flags: f.week, seed: f.seed}
	if err := d.between(); err != nil { // before a store is made for nothing
		return err
	}
	if err := a.demoStore(cmd.Flags().Changed("store") || a.getenv("MUSTER_STORE") != ""); err != nil {
		return err
	}
	if !a.onS3() {
		if err := os.MkdirAll(a.store, 0o755); err != nil {
			return fmt.Errorf("demo: make the store: %w", err)
		}
	}
	d.path = cmp.Or(f.truthFile, a.beside("truth.json"))
	return d.simulate(cmd.Context())
}

const (
	// maxDays keeps a typing error from filling a disk: a day at rate 1 takes
	// about 30 MB.
	maxDays = 400
	// maxRate is a fleet of some thousand requests a second.
	maxRate = 1000
	// scoredRecords is how many records are audited and scored unasked: what takes
	// about ten seconds.
	scoredRecords = 150_000
	// chunksAhead is how many chunks of evidence are made before their turn, so
	// that one core simulates while the other joins and writes.
	chunksAhead = 2
)

// weeks is one run of the demo in virtual time.
type weeks struct {
	app     *app
	flags   weekFlags
	seed    uint64
	path    string // of the truth
	from    time.Time
	until   time.Time
	store   *lake.Lake
	started time.Time
}

// simulate writes the days into the store, and scores what became of them.
func (d *weeks) simulate(ctx context.Context) (err error) {
	if d.store, err = d.app.openLake(ctx, false); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.store.Close()) }()
	rooms, err := os.MkdirTemp("", "muster-week-")
	if err != nil {
		return fmt.Errorf("demo: make a folder for the truth: %w", err)
	}
	defer os.RemoveAll(rooms)
	t, err := week.NewTruth(rooms, d.seed, d.from, d.until)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	w, err := week.New(week.Options{Seed: d.seed, From: d.from, Until: d.until, Rate: d.flags.rate}, t)
	if err != nil {
		return err
	}
	d.started = time.Now()
	totals, err := d.app.line(d.store, prometheus.NewRegistry()).Stream(ctx, "week", d.batches(ctx, w))
	if isTerminal(d.app.stderr) {
		fmt.Fprint(d.app.stderr, "\r\x1b[K")
	}
	if err != nil {
		return fmt.Errorf("demo: write the simulated days: %w", err)
	}
	if err := t.Write(d.path); err != nil {
		return err
	}
	fmt.Fprintf(d.app.stdout, "%s to %s, seed %d, rate %g: %s; written in %s\n", d.from.Format(time.RFC3339), d.until.Format(time.RFC3339),
		d.seed, d.flags.rate, totals, d.took())
	if err := d.labels(w.Labels()); err != nil {
		return err
	}
	if totals.Stored > scoredRecords && !d.flags.score {
		fmt.Fprintf(d.app.stdout, "Neither audited nor scored, which takes longer than writing: add --score, or run\n  muster audit --store %s --since %s\nstore  %s\ntruth  %s\n",
			d.app.store, d.from.Format(time.RFC3339), d.app.store, d.path)
		return nil
	}
	return d.judge(ctx)
}

// took is the time since the last step began, and begins the next.
func (d *weeks) took() time.Duration {
	now := time.Now()
	t := now.Sub(d.started).Round(100 * time.Millisecond)
	d.started = now
	return t
}

// labels lists what has happened, and when.
func (d *weeks) labels(all []truth.Label) error {
	t := tabwriter.NewWriter(d.app.stdout, 0, 0, 2, ' ', 0)
	for _, l := range all {
		if l.Kind == truth.LabelNoise {
			continue
		}
		until := ""
		if !l.Until.IsZero() {
			until = l.Until.Format("15:04")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d traces\t%d requests\n", l.Kind, l.Name, l.Time.Format("Mon 02 15:04"), until, len(l.Traces), len(l.Requests))
	}
	return t.Flush()
}

// between are the days, which end at a full hour that has passed unless given.
func (d *weeks) between() error {
	d.until = time.Now().UTC().Truncate(time.Hour)
	if d.flags.until != "" {
		t, err := parseTime(d.flags.until, time.Now())
		if err != nil {
			return fmt.Errorf("--until: %w", err)
		}
		d.until = t.UTC().Truncate(time.Second)
	}
	d.from = d.until.Add(-time.Duration(d.flags.days) * 24 * time.Hour)
	return nil
}

// batches are the records of the simulation's documents, which are made ahead.
func (d *weeks) batches(ctx context.Context, w *week.Week) iter.Seq2[fleet.Batch, error] {
	type made struct {
		week.Chunk
		err error
	}
	return func(yield func(fleet.Batch, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		ahead := make(chan made, chunksAhead)
		defer func() {
			stop()
			for range ahead { // until the simulation has noticed
			}
		}()
		go func() {
			defer close(ahead)
			for c, err := range w.Chunks(ctx) {
				select {
				case ahead <- made{c, err}:
				case <-ctx.Done():
					return
				}
			}
		}()
		for c := range ahead {
			if c.err != nil {
				yield(fleet.Batch{}, c.err)
				return
			}
			if !d.read(ctx, c.Chunk, yield) {
				return
			}
			d.progress(c.Until)
		}
		if err := ctx.Err(); err != nil {
			yield(fleet.Batch{}, err)
			return
		}
		yield(fleet.Batch{Ledger: d.complete()}, nil)
	}
}

// complete says in the ledger that the days are all there, so that policies of
// absence can be judged: the simulation is the whole of what happened.
func (d *weeks) complete() []fleet.LedgerEntry {
	var out []fleet.LedgerEntry
	for _, source := range []string{"xray", "logs", "trail", "config", "verdicts"} {
		out = append(out, fleet.LedgerEntry{
			Stream: source + "/" + week.Account + "/" + week.Region + "/simulated", Coverage: fleet.Complete,
			Window: fleet.Window{Start: d.from, End: d.until},
		})
	}
	return out
}

// read hands a chunk to the collectors' parsers, the spans first: what comes
// after them finds its trace.
func (d *weeks) read(ctx context.Context, c week.Chunk, yield func(fleet.Batch, error) bool) bool {
	for _, part := range []struct {
		name string
		body []byte
	}{{"segments", c.Segments}, {"CloudTrail", c.Trail}, {"Config", c.Items}, {"logs", c.Logs}} {
		if len(part.body) == 0 {
			continue // nothing of that kind has come
		}
		name := fmt.Sprintf("%s up to %s", part.name, c.Until.Format(time.RFC3339))
		for b, err := range collectors.ReadStream(ctx, name, bytes.NewReader(part.body), collectors.FileOptions{Account: week.Account, Region: week.Region}) {
			if !yield(b, err) || err != nil {
				return false
			}
		}
	}
	return true
}

// progress rewrites one line on a terminal.
func (d *weeks) progress(until time.Time) {
	if isTerminal(d.app.stderr) {
		share := 100 * until.Sub(d.from) / d.until.Sub(d.from)
		fmt.Fprintf(d.app.stderr, "\r\x1b[K%3d %%  %s", share, until.Format("Monday 15:04"))
	}
}

// judge audits the days and scores the store against the truth. The sources are
// drained: there is nothing to wait for.
func (d *weeks) judge(ctx context.Context) error {
	policies, err := loadPolicies(nil)
	if err != nil {
		return err
	}
	d.took()
	window := fleet.Window{Start: d.from.Add(-time.Minute)}
	if _, err := pipeline.Audit(ctx, d.store, policies, window, time.Now(), true); err != nil {
		return err
	}
	audited := d.took()
	file, err := truth.Read(d.path)
	if err != nil {
		return err
	}
	report, err := truth.Score(ctx, d.store, file)
	if err != nil {
		return err
	}
	if err := report.Print(d.app.stdout); err != nil {
		return err
	}
	fmt.Fprintf(d.app.stdout, "audited in %s, scored in %s\nstore  %s\ntruth  %s\n", audited, d.took(), d.app.store, d.path)
	if !report.OK() {
		return &exitError{code: exitFindings, reason: "the days were not right: see the problems above"}
	}
	return nil
}
