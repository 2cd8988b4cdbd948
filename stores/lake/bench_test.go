//go:build !noduckdb

package lake

import (
	"fmt"
	"testing"

	"muster/fleet"
)

func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{500, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l := openLake(b, b.TempDir())
			for n := 0; b.Loop(); n++ {
				add(b, l, logLines(n*size, size), nil)
			}
			b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func BenchmarkTrace(b *testing.B) {
	l := openLake(b, b.TempDir())
	const commits, size = 50, 2_000
	for n := range commits {
		add(b, l, logLines(n*size, size), nil)
	}
	id := logLines(commits*size/2, 1)[0].Keys.Trace
	for b.Loop() {
		if t, err := l.Trace(b.Context(), id); err != nil || len(t.Records) != 10 {
			b.Fatalf("got %d records, error %v", len(t.Records), err)
		}
	}
}

func BenchmarkRecords(b *testing.B) {
	l := openLake(b, b.TempDir())
	const size = 50_000
	add(b, l, logLines(0, size), nil)
	for b.Loop() {
		if rs, err := collect(l.Records(b.Context(), fleet.Query{})); err != nil || len(rs) != size {
			b.Fatalf("got %d records, error %v", len(rs), err)
		}
	}
	b.ReportMetric(size*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
