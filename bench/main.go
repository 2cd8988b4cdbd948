// Command bench measures muster as a whole process: evidence from gzipped files
// to a joined, sorted lake, beside the same job as a DuckDB script written with
// care (peers/duckdb.sql), in pairs and with the results compared. It prints;
// nothing depends on the figures, which are the machine's as much as muster's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"

	"muster/internal/heap"
	"muster/stores/lake"
)

func main() {
	heap.Bound() // as muster does: some verbs are muster's parts in this process
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// explorerVerb measures what a person at the explorer waits for.
const explorerVerb = "explorer"

// peerVerb makes this program the peer, so that it is a process of its own.
const peerVerb = "peer"

// options of a run.
type options struct {
	muster, folder string
	records, pairs int
	seed           uint64
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 3 && args[0] == peerVerb {
		return runPeer(ctx, args[1], args[2])
	}
	if len(args) > 0 && args[0] == latencyVerb {
		return runLatency(ctx, args[1:], out)
	}
	if len(args) > 0 && args[0] == explorerVerb {
		return runExplorer(ctx, out)
	}
	if len(args) > 0 && args[0] == memoryVerb {
		return runMemory(ctx, args[1:], out)
	}
	if len(args) == 6 && args[0] == streamVerb {
		return runStream(ctx, args[1:], out)
	}
	if len(args) > 0 && args[0] == rulesVerb {
		return runRules(ctx, args[1:], out)
	}
	if len(args) > 0 && args[0] == openSearchVerb {
		return runOpenSearch(ctx, args[1:], out)
	}
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.muster, "muster", filepath.Join("bin", "muster"), "the program to measure")
	f.StringVar(&o.folder, "folder", filepath.Join(".cache", "bench"), "where the corpus and the results go")
	f.IntVar(&o.records, "records", 100_000, "size of the corpus")
	f.IntVar(&o.pairs, "pairs", 5, "how often each side runs")
	f.Uint64Var(&o.seed, "seed", 1, "of the corpus")
	if err := f.Parse(args); err != nil {
		return err
	}
	return o.measure(ctx, out)
}

func (o options) measure(ctx context.Context, out io.Writer) error {
	c, err := writeCorpus(o.folder, o.records, o.seed)
	if err != nil {
		return fmt.Errorf("write the corpus: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ours, theirs := filepath.Join(o.folder, "lake"), filepath.Join(o.folder, "peer")
	var muster, duck []cost
	for range max(1, o.pairs) {
		if err := errors.Join(os.RemoveAll(ours), os.RemoveAll(theirs), os.MkdirAll(theirs, 0o755)); err != nil {
			return err
		}
		a, err := measure(ctx, o.muster, append([]string{"import", "--store", ours}, c.list()...)...)
		if err != nil {
			return err
		}
		b, err := measure(ctx, self, peerVerb, filepath.Dir(c.trail), theirs)
		if err != nil {
			return err
		}
		muster, duck = append(muster, a), append(duck, b)
	}
	l, err := lake.Open(ctx, ours, lake.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer l.Close()
	if err := compare(ctx, l, theirs); err != nil {
		return err
	}
	records := max(1, o.records/recordsPerTrace) * recordsPerTrace
	report(out, records, muster, duck)
	fmt.Fprintln(out)
	header(out)
	return latency(ctx, l, out)
}

// report prints both sides, each figure as minimum, median and maximum.
func report(out io.Writer, records int, muster, duck []cost) {
	fmt.Fprintf(out, "%d records from gzipped files to joined Parquet, %d runs each, alternately; the same records came out\n", records, len(muster))
	fmt.Fprintf(out, "%-28s %9s %9s %9s   %9s %9s %9s\n", "", "muster", "", "", "DuckDB", "", "")
	fmt.Fprintf(out, "%-28s %9s %9s %9s   %9s %9s %9s\n", "", "minimum", "median", "maximum", "minimum", "median", "maximum")
	for _, line := range []struct {
		name, format string
		of           func(cost) float64
	}{
		{"records/s", "%9.0f", func(c cost) float64 { return float64(records) / c.wall.Seconds() }},
		{"CPU seconds", "%9.2f", func(c cost) float64 { return c.cpu.Seconds() }},
		{"peak memory, MB", "%9.0f", func(c cost) float64 { return float64(c.peakBytes) / 1e6 }},
	} {
		fmt.Fprintf(out, "%-28s", line.name)
		for _, side := range [][]cost{muster, duck} {
			values := make([]float64, len(side))
			for i, c := range side {
				values[i] = line.of(c)
			}
			for _, q := range []float64{0, 0.5, 1} {
				fmt.Fprintf(out, " "+line.format, quantile(values, q))
			}
			fmt.Fprint(out, "  ")
		}
		fmt.Fprintln(out)
	}
}

// quantile is the value at a share q of the way from the smallest to the largest.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}
