package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"muster/internal/engines"
	"muster/internal/heap"
	"muster/stores/lake"
)

// openSearchVerb measures how fast a lake gets into OpenSearch.
const openSearchVerb = "opensearch"

// ownIndices are all that a follower writes to.
const ownIndices = "otel-v1-apm-*,logs-otel-v1-*,muster-*"

// openSearchBench holds muster's follower against a loader that does nothing but
// send the same documents, on one engine and in turns.
type openSearchBench struct {
	options
	engine *engines.OpenSearch
	url    string // of the engine
	lake   string
	out    io.Writer
	// interval is how often the engine makes documents visible, as it says it: -1
	// for never.
	interval string

	peakBytes int64 // of muster
}

func runOpenSearch(ctx context.Context, args []string, out io.Writer) error {
	b := openSearchBench{out: out}
	f := flag.NewFlagSet("bench opensearch", flag.ContinueOnError)
	f.StringVar(&b.muster, "muster", filepath.Join("bin", "muster"), "the program to measure")
	f.StringVar(&b.folder, "folder", filepath.Join(".cache", "bench"), "where the corpus and the lake go")
	f.IntVar(&b.records, "records", 600_000, "size of the corpus")
	f.IntVar(&b.pairs, "pairs", 3, "how often each side runs")
	f.Uint64Var(&b.seed, "seed", 1, "of the corpus")
	f.StringVar(&b.interval, "refresh", "-1", "how often the engine makes documents visible; 1s is what it does by itself")
	waits := f.Bool("latency", false, "measure what readers wait for instead")
	var l openSearchLatency
	f.IntVar(&l.spans, "spans", 300_000, "with -latency: how many are there; log lines and API calls come with them")
	f.BoolVar(&l.alone, "spans-only", false, "with -latency: leave log lines and API calls out")
	f.StringVar(&l.url, "url", "", "with -latency: an OpenSearch that runs, gets what it lacks of the lake and keeps it")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *waits {
		return b.measureLatency(ctx, l)
	}
	heap.Raise(int64(b.records) * documentRoom) // or the loader collects garbage all the time
	c, err := writeCorpus(b.folder, b.records, b.seed)
	if err != nil {
		return fmt.Errorf("write the corpus: %w", err)
	}
	b.lake = filepath.Join(b.folder, "opensearch-lake")
	if err := os.RemoveAll(b.lake); err != nil {
		return err
	}
	if _, err := measure(ctx, b.muster, append([]string{"import", "--store", b.lake}, c.list()...)...); err != nil {
		return err
	}
	if b.engine, err = engines.StartFastOpenSearch(ctx); err != nil {
		return err
	}
	b.url = b.engine.URL()
	return errors.Join(b.compare(ctx), b.engine.Close())
}

// documentRoom is what a document takes in memory until the bare loader is through
// with it, in bytes: a tape grows by twos.
const documentRoom = 5000

// warmDocuments are sent before anything is measured: after about as many
// OpenSearch gets no faster.
const warmDocuments = 300_000

// round is each side in one turn.
type round struct{ bare, muster side }

// side is how fast one side was, in documents a second, and what it took of the
// processor, in microseconds a document.
type side struct{ rate, engine, own float64 }

func (b *openSearchBench) compare(ctx context.Context) error {
	l, err := lake.Open(ctx, b.lake, lake.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	t, err := record(ctx, l)
	if err = errors.Join(err, l.Close()); err != nil {
		return fmt.Errorf("encode the documents: %w", err)
	}
	if err := b.refresh(ctx); err != nil {
		return err
	}
	if err := b.warm(ctx, t); err != nil {
		return err
	}
	var rounds []round
	for i := range max(1, b.pairs) {
		r, err := b.pair(ctx, t, i%2 == 1)
		if err != nil {
			return err
		}
		rounds = append(rounds, r)
	}
	b.report(t, rounds)
	if err := b.settle(ctx); err != nil {
		return err
	}
	header(b.out)
	return b.lookUp(ctx, b.lake)
}

// pair measures both sides, muster first or second.
func (b *openSearchBench) pair(ctx context.Context, t *tape, first bool) (r round, err error) {
	for _, mine := range []bool{first, !first} {
		name := "the bare loader"
		if mine {
			name = "muster"
			r.muster, err = b.follow(ctx, t.items)
		} else {
			r.bare, err = b.bare(ctx, t.bodies)
		}
		if err == nil {
			err = b.holds(ctx)
		}
		if err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
	}
	fmt.Fprintf(b.out, "bare loader %.0f documents/s, muster %.0f\n", r.bare.rate, r.muster.rate)
	return r, nil
}

// warm runs the engine until its compiler is through with what indexing needs, and
// with what muster asks besides.
func (b *openSearchBench) warm(ctx context.Context, t *tape) error {
	for n := 0; n < warmDocuments; n += t.items {
		s, err := b.bare(ctx, t.bodies)
		if err != nil {
			return err
		}
		fmt.Fprintf(b.out, "warming up: %.0f documents/s, %.0f µs of the engine each\n", s.rate, s.engine)
	}
	s, err := b.follow(ctx, t.items)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "warming up by muster: %.0f documents/s, %.0f µs of the engine each\n", s.rate, s.engine)
	return nil
}

// bare measures the bare loader on an engine without documents.
func (b *openSearchBench) bare(ctx context.Context, bodies [][]byte) (side, error) {
	if err := b.empty(ctx); err != nil {
		return side{}, err
	}
	n := 0
	for _, body := range bodies {
		n += lines(body) / 2
	}
	before, own := cpuOf(b.engine.PID()), cpuOf(os.Getpid())
	took, err := loadBare(ctx, b.url, bodies)
	own = cpuOf(os.Getpid()) - own
	return side{float64(n) / took.Seconds(), perDocument(cpuOf(b.engine.PID())-before, n), perDocument(own, n)}, err
}

// perDocument is a time in microseconds for each of n documents.
func perDocument(d time.Duration, n int) float64 { return float64(d.Microseconds()) / float64(n) }

func lines(body []byte) (n int) {
	for _, c := range body {
		if c == '\n' {
			n++
		}
	}
	return n
}

// follow measures muster as a whole process, from its start to its end.
func (b *openSearchBench) follow(ctx context.Context, items int) (side, error) {
	if err := b.empty(ctx); err != nil {
		return side{}, err
	}
	before := cpuOf(b.engine.PID())
	c, err := measure(ctx, b.muster, "opensearch", "follow", "--once", "--store", b.lake, "--opensearch", b.url)
	b.peakBytes = max(b.peakBytes, c.peakBytes)
	return side{float64(items) / c.wall.Seconds(), perDocument(cpuOf(b.engine.PID())-before, items), perDocument(c.cpu, items)}, err
}

func (b *openSearchBench) report(t *tape, rounds []round) {
	size := 0
	for _, body := range t.bodies {
		size += len(body)
	}
	fmt.Fprintf(b.out, "%d documents of %d bytes into OpenSearch, %d runs each, in turns on one engine\n", t.items, size/t.items, len(rounds))
	fmt.Fprintf(b.out, "%-52s %9s %9s %9s\n", "documents/s", "minimum", "median", "maximum")
	for _, line := range []struct {
		name, format string
		of           func(round) float64
	}{
		{"bare loader, 2 workers, the same requests", "%9.0f", func(r round) float64 { return r.bare.rate }},
		{"muster opensearch follow, the whole process", "%9.0f", func(r round) float64 { return r.muster.rate }},
		{"muster's share of the bare loader, %", "%9.1f", func(r round) float64 { return 100 * r.muster.rate / r.bare.rate }},
		{"CPU µs a document: the engine, from the bare loader", "%9.0f", func(r round) float64 { return r.bare.engine }},
		{"CPU µs a document: the engine, from muster", "%9.0f", func(r round) float64 { return r.muster.engine }},
		{"CPU µs a document: the bare loader", "%9.1f", func(r round) float64 { return r.bare.own }},
		{"CPU µs a document: muster", "%9.1f", func(r round) float64 { return r.muster.own }},
		{"muster's share by CPU time of all, %", "%9.1f", func(r round) float64 {
			return 100 * (r.bare.engine + r.bare.own) / (r.muster.engine + r.muster.own)
		}},
	} {
		values := make([]float64, len(rounds))
		for i, r := range rounds {
			values[i] = line.of(r)
		}
		fmt.Fprintf(b.out, "%-52s", line.name)
		for _, q := range []float64{0, 0.5, 1} {
			fmt.Fprintf(b.out, " "+line.format, quantile(values, q))
		}
		fmt.Fprintln(b.out)
	}
	var bare, mine float64 // seconds a document in all runs
	for _, r := range rounds {
		bare, mine = bare+1/r.bare.rate, mine+1/r.muster.rate
	}
	fmt.Fprintf(b.out, "muster's share of the bare loader by the time of all runs: %.1f %%\n", 100*bare/mine)
	fmt.Fprintf(b.out, "muster's peak memory: %d MB\n", b.peakBytes>>20)
}
