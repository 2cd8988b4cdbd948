package opensearch

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"muster/fleet"
)

var midday = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// randomTraces are traces over ten hours, most of them short and some as long as
// a day. Their first span has no parent.
func randomTraces(random *rand.Rand, n int) []fleet.Record {
	var out []fleet.Record
	gold := 1 + random.IntN(40) // of a hundred spans
	for i := range n {
		trace := fmt.Sprintf("%032x", i+1)
		start := midday.Add(time.Duration(random.IntN(600)) * time.Minute)
		apart := []time.Duration{time.Millisecond, time.Second, time.Hour, 6 * time.Hour}[min(3, random.IntN(40)/9)]
		for s := range 1 + random.IntN(4) {
			r := fleet.Record{Kind: fleet.KindSpan, Time: start, Service: "orders"}
			r.Seen = fleet.Keys{Trace: trace, Span: fmt.Sprintf("%016x", s+1)}
			if s > 0 {
				r.Seen.Parent = fmt.Sprintf("%016x", 1)
				r.Time = start.Add(time.Duration(random.Int64N(int64(apart))).Truncate(time.Microsecond))
			}
			if random.IntN(100) < gold {
				r.Attributes.Set(fleet.AttrAnnotationPrefix+"tier", "gold")
			}
			if random.IntN(10) == 0 {
				r.Error = "fault"
			}
			r.Duration = time.Duration(random.IntN(3000)) * time.Millisecond
			r.ID, r.Keys = fleet.SpanID(trace, r.Seen.Span), r.Seen
			out = append(out, r)
		}
		line := fleet.Record{ID: fmt.Sprint("line ", i), Kind: fleet.KindLog, Time: start.Add(time.Duration(random.Int64N(int64(apart))).Truncate(time.Microsecond))}
		line.Keys.Trace = trace
		out = append(out, line)
	}
	return out
}

// newestOf are the traces that a query finds, by looking at every record.
func newestOf(records []fleet.Record, q *fleet.Query) []string {
	near := wholeDays(q.Window)
	byTrace, starts, in := map[string][]fleet.Record{}, map[string]time.Time{}, map[string]bool{}
	for _, r := range records {
		t := r.Keys.Trace
		if near.Contains(r.Time) {
			byTrace[t] = append(byTrace[t], r)
			if r.Kind == fleet.KindSpan && (starts[t].IsZero() || r.Time.Before(starts[t])) {
				starts[t] = r.Time
			}
		}
		in[t] = in[t] || q.Window.Contains(r.Time)
	}
	var out []string
	for t, rs := range byTrace {
		fleet.Sort(rs)
		if in[t] && fleet.MatchTrace(q.Filter, rs) {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(starts[b].Compare(starts[a]), strings.Compare(a, b)) })
	return out[:min(len(out), q.Limit)]
}

// TestNewestTracesOfAWindow asks for the newest traces of windows by filters whose
// spans lie in them, before them and after them, named either way.
func TestNewestTracesOfAWindow(t *testing.T) {
	defer func(strays, spans, candidates, records int) {
		manyStrays, manySpans, maxCandidates, manyRecords = strays, spans, candidates, records
	}(manyStrays, manySpans, maxCandidates, manyRecords)
	gold := fleet.FilterTest{Keyword: fleet.KeyAnnotation, Key: "tier", Op: fleet.OpEqual, Value: "gold"}
	slow := fleet.FilterTest{Keyword: fleet.KeyResponseTime, Op: fleet.OpMore, Value: 2.0}
	fault := fleet.FilterTest{Keyword: fleet.KeyFault, Op: fleet.OpSet}
	filters := []fleet.Filter{
		gold, slow,
		fleet.FilterAll{gold, fault},
		fleet.FilterAny{gold, slow},
		fleet.FilterNot{Of: gold},
		fleet.FilterService{Node: fleet.FilterNode{Name: "orders"}, Where: fault},
	}
	const fleets, questions = 8, 8
	cut := 0 // answers that are as long as they may be
	for seed := range uint64(fleets) {
		random := rand.New(rand.NewPCG(seed, 7))
		records := randomTraces(random, 300)
		if seed%2 == 0 { // a clock that is ahead
			early := records[0]
			early.ID, early.Time, early.Keys.Trace = "early", midday.AddDate(70, 0, 0), strings.Repeat("f", 32)
			early.Seen.Trace, early.Keys.Parent, early.Seen.Parent = early.Keys.Trace, "", ""
			records = append(records, early)
		}
		s := openAt(t, newSearched(t, records))
		for range questions {
			q := fleet.Query{Filter: filters[random.IntN(len(filters))], Limit: 1 + random.IntN(40)}
			if random.IntN(5) > 0 {
				q.Window.Start = midday.Add(time.Duration(random.IntN(600)) * time.Minute)
			}
			if random.IntN(5) > 0 {
				q.Window.End = cmp.Or(q.Window.Start, midday).Add(time.Duration(1+random.IntN(400)) * time.Minute)
			}
			manyStrays, manySpans = []int{1, 30, 20_000}[random.IntN(3)], []int{1, 1, 200_000}[random.IntN(3)]
			maxCandidates = []int{5, 40, 10_000}[random.IntN(3)]
			manyRecords = []int{1, 1, 10_000}[random.IntN(3)]
			want := newestOf(records, &q)
			if len(want) == q.Limit {
				cut++
			}
			var got []string
			for sum, err := range s.Traces(t.Context(), q) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, sum.Trace)
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d, the newest %d of %v by %+v, named by spans up to %d (-want +got):\n%s", seed, q.Limit, q.Window, q.Filter, manyStrays, diff)
			}
		}
	}
	if cut < fleets*questions/4 {
		t.Errorf("only %d answers were cut at their limit", cut)
	}
}
