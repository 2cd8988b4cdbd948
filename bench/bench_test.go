package main

import (
	"context"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/collectors"
	"muster/fleet"
	"muster/internal/metrics"
	"muster/internal/pipeline"
	"muster/stores/lake"
)

// The bench is fair only while both sides write the same records. The order of
// the files must not matter either, so that muster reads the spans last here.
func TestMusterAndThePeerGiveTheSameRecords(t *testing.T) {
	const traces = 40
	folder := t.TempDir()
	c, err := writeCorpus(folder, traces*recordsPerTrace, 7)
	if err != nil {
		t.Fatal(err)
	}
	if err := runPeer(t.Context(), filepath.Dir(c.trail), folder); err != nil {
		t.Fatal(err)
	}
	l, err := lake.Open(t.Context(), filepath.Join(folder, "lake"), lake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	line := &pipeline.Line{
		Lake: l, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Metrics: metrics.NewLine(prometheus.NewRegistry()),
	}
	read := func(ctx context.Context, path string) iter.Seq2[fleet.Batch, error] {
		return collectors.ReadFile(ctx, path, collectors.FileOptions{})
	}
	p, err := line.Import(t.Context(), []string{c.trail, c.logs, c.segments}, read, func(pipeline.ImportProgress) {})
	if err != nil || p.Totals.Stored != traces*recordsPerTrace {
		t.Fatalf("import: %s, %v", p.Totals, err)
	}
	if err := compare(t.Context(), l, folder); err != nil {
		t.Error(err)
	}
}

func TestQuantile(t *testing.T) {
	values := []float64{5, 1, 3}
	if a, b, c := quantile(values, 0), quantile(values, 0.5), quantile(values, 1); a != 1 || b != 3 || c != 5 {
		t.Errorf("got %v %v %v, want 1 3 5", a, b, c)
	}
}

// BenchmarkImport is an import of MUSTER_BENCH_RECORDS records in this process,
// for profiles: go test ./bench -run '^$' -bench Import -benchtime 1x -cpuprofile cpu.out.
func BenchmarkImport(b *testing.B) {
	records := 60_000
	if n, err := strconv.Atoi(os.Getenv("MUSTER_BENCH_RECORDS")); err == nil {
		records = n
	}
	folder := b.TempDir()
	if kept := os.Getenv("MUSTER_BENCH_FOLDER"); kept != "" { // holds the corpus, for the next time
		folder = kept
	}
	c, err := writeCorpus(folder, records, 1)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		l, err := lake.Open(b.Context(), filepath.Join(b.TempDir(), "lake"), lake.Options{})
		if err != nil {
			b.Fatal(err)
		}
		line := &pipeline.Line{
			Lake: l, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
			Metrics: metrics.NewLine(prometheus.NewRegistry()),
		}
		read := func(ctx context.Context, path string) iter.Seq2[fleet.Batch, error] {
			return collectors.ReadFile(ctx, path, collectors.FileOptions{})
		}
		if _, err := line.Import(b.Context(), c.list(), read, func(pipeline.ImportProgress) {}); err != nil {
			b.Fatal(err)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*float64(records)/b.Elapsed().Seconds(), "records/s")
}
