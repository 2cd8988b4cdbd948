//go:build !noduckdb

package lake

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

// BenchmarkCompact folds a day of evidence of about a kilobyte each, a tenth of
// it amended, and reports the most memory in use meanwhile, which is the same
// for a day of any size.
func BenchmarkCompact(b *testing.B) {
	const commits, size = 10, 20_000
	peak := uint64(0)
	for b.Loop() {
		b.StopTimer()
		l := later(b, b.TempDir())
		rng := rand.New(rand.NewPCG(1, 2))
		for n := range commits {
			rs := logLines(n*size, size)
			for i := range rs {
				rs[i].Raw = fmt.Appendf(nil, `{"message":"order %x","padding":"%0900x"}`, rng.Uint64(), rng.Uint64())
			}
			add(b, l, rs, nil)
			amend(b, l, rs[:size/10], fmt.Sprint("order ", n))
		}
		l.live = newLiveIndex() // of the writer, not of compaction
		runtime.GC()
		stop := watchHeap(&peak)
		b.StartTimer()
		if err := l.Compact(b.Context(), Compaction{}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		stop()
		b.StartTimer()
	}
	b.ReportMetric(float64(commits*size)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(peak)/(1<<20), "MiB-peak")
}

// watchHeap notes the most heap that is in use until it is stopped.
func watchHeap(peak *uint64) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		var m runtime.MemStats
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				runtime.ReadMemStats(&m)
				*peak = max(*peak, m.HeapInuse)
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}
