package correlate

import (
	"fmt"
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
	const perTrace = 23
	rs := make([]fleet.Record, 0, n+perTrace)
	for trace := 0; len(rs) < n; trace++ {
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
				c.Attributes = map[string]string{fleet.AttrEventCategory: "Data"}
				rs = append(rs, c)
			}
		}
	}
	return rs[:n]
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

// BenchmarkAdd feeds batches of a thousand to a Resolver that remembers
// 200,000, and reports what it takes to remember one.
func BenchmarkAdd(b *testing.B) {
	const n, batch = 200_000, 1000
	rs := typical(n)
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		r := NewResolver(24 * time.Hour)
		start := time.Now()
		for i := 0; i < n; i += batch {
			r.Add(rs[i : i+batch])
		}
		b.ReportMetric(float64(time.Since(start).Nanoseconds())/n, "ns/record")
		for i := range rs {
			rs[i].Keys = fleet.Keys{} // what the answers share with the Resolver is not the records'
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(r.Len()), "B/entry")
	}
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
