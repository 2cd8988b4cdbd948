package correlate

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"muster/fleet"
)

// typical makes n records as a fleet yields them: traces of ten spans, ten log
// lines, and three API calls that only a request id joins, ten traces a second.
// One span of each trace shows a correlation id; every call uses one of four
// temporary keys.
func typical(n int) []fleet.Record {
	rs := make([]fleet.Record, 0, n+perTrace)
	for trace := 0; len(rs) < n; trace++ {
		rs = appendTrace(rs, trace)
	}
	return rs[:n]
}

const perTrace = 23

func appendTrace(rs []fleet.Record, trace int) []fleet.Record {
	id := fmt.Sprintf("%08x%024x", epoch.Unix(), trace)
	start := epoch.Add(time.Duration(trace) * 100 * time.Millisecond)
	for i := range 10 {
		s := fleet.Record{Kind: fleet.KindSpan, Time: start.Add(time.Duration(i) * time.Millisecond), Account: "111122223333", Region: "us-east-1"}
		s.Seen = fleet.Keys{Trace: id, Span: fmt.Sprintf("%016x", trace*100+i), Parent: fmt.Sprintf("%016x", trace*100)}
		s.ID = fleet.SpanID(id, s.Seen.Span)
		if i == 0 {
			s.Seen.Correlation = fmt.Sprintf("order-%d", trace)
		}
		if i > 6 {
			s.Seen.Request, s.Seen.Scope = fmt.Sprintf("%08x-0000-4000-8000-%012x", i, trace), fleet.ScopeAWS
		}
		l := s
		l.Kind, l.ID = fleet.KindLog, fmt.Sprintf("%056d", trace*100+i)
		l.Seen = fleet.Keys{Trace: s.Seen.Trace, Span: s.Seen.Span}
		rs = append(rs, s, l)
		if i > 6 {
			c := s
			c.Kind, c.ID = fleet.KindAPICall, fmt.Sprintf("%08x-1111-4111-8111-%012x", i, trace)
			c.Seen = fleet.Keys{Request: s.Seen.Request, Scope: s.Seen.Scope, AccessKey: fmt.Sprintf("ASIAEXAMPLE00000000%d", i%4)}
			c.Attributes = fleet.AttributesOf(fleet.AttrEventCategory, "Data")
			rs = append(rs, c)
		}
	}
	return rs
}

func BenchmarkResolve(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			rs := typical(n)
			b.ReportAllocs()
			for b.Loop() {
				Resolve(rs)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/record")
		})
	}
}

// BenchmarkAdd feeds batches to a Resolver that remembers all of them, and
// reports what it takes to remember one, all told. MUSTER_BENCH_FULL=1 adds the
// ten million that a gigabyte must hold.
func BenchmarkAdd(b *testing.B) {
	sizes := []int{200_000, 1_000_000}
	if os.Getenv("MUSTER_BENCH_FULL") != "" {
		sizes = append(sizes, 10_000_000)
	}
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				addTypical(b, n)
			}
		})
	}
}

func addTypical(b *testing.B, n int) {
	const batch = 200 // traces
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := NewResolver(0, Bound{})
	var spent time.Duration
	rs := make([]fleet.Record, 0, (batch+1)*perTrace)
	for trace := 0; r.Len() < n; {
		rs = rs[:0]
		for range batch {
			rs = appendTrace(rs, trace)
			trace++
		}
		start := cpuTime()
		r.Add(rs)
		spent += cpuTime() - start
	}
	rs = nil
	runtime.GC()
	runtime.ReadMemStats(&after)
	entries := float64(r.Len())
	b.ReportMetric(float64(spent.Nanoseconds())/entries, "cpu-ns/record")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/entries, "B/entry")
	b.ReportMetric(float64(r.Bytes())/entries, "counted-B/entry")
	b.ReportMetric(float64(peakBytes())/1e6, "peak-MB")
	runtime.KeepAlive(r)
}

// BenchmarkSQL runs resolve.sql on DuckDB.
func BenchmarkSQL(b *testing.B) {
	const n = 100_000
	db := openDuckDB(b)
	loadSeen(b, db, typical(n))
	for b.Loop() {
		if got := len(resolveInSQL(b, db)); got != n {
			b.Fatalf("%d rows, want %d", got, n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/record")
}
