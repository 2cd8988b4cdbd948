package pipeline

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/correlate"
	"muster/fleet"
)

// stories is evidence of many small stories over twelve days, each of them
// within a horizon: two traces that a message ties, a call and a log line
// that only show a request, and a correlation id on one of them.
func stories(r *rand.Rand) []fleet.Record {
	var all []fleet.Record
	for n := range 40 {
		start := epoch.Add(time.Duration(r.Int64N(int64(12 * 24 * time.Hour))))
		when := func() time.Time {
			return start.Add(time.Duration(r.Int64N(int64(20 * time.Hour)))).Truncate(time.Microsecond)
		}
		add := func(id string, kind fleet.Kind, k fleet.Keys) {
			all = append(all, fleet.Record{ID: fmt.Sprintf("%s-%d", id, n), Kind: kind, Time: when(), Seen: k})
		}
		first, second := fmt.Sprintf("%032x", 2*n+1), fmt.Sprintf("%032x", 2*n+2)
		asked, message := fmt.Sprint("request-", n), fmt.Sprint("message-", n)
		add("producer", fleet.KindSpan, fleet.Keys{Trace: first, Span: "a", Request: asked, Scope: fleet.ScopeAWS})
		add("consumer", fleet.KindSpan, fleet.Keys{Trace: second, Span: "b", Messages: []string{message}})
		add("sent", fleet.KindLog, fleet.Keys{Trace: first, Messages: []string{message}})
		add("call", fleet.KindAPICall, fleet.Keys{Request: asked, Scope: fleet.ScopeAWS})
		add("line", fleet.KindLog, fleet.Keys{Request: asked, Scope: fleet.ScopeAWS})
		add("named", fleet.KindLog, fleet.Keys{Trace: first, Correlation: fmt.Sprint("journey-", n)})
	}
	return all
}

// TestTakeInAnyOrderAnswersAsOneRunOverEverything hands evidence of many days to
// lines in whatever order and portions, of one source after the other or mixed,
// in and out of the order of time, with restarts in between.
func TestTakeInAnyOrderAnswersAsOneRunOverEverything(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		all := stories(r)
		want := slices.Clone(all)
		correlate.Resolve(want)
		fleet.Sort(want)

		switch r.IntN(4) {
		case 0:
			fleet.Sort(all)
		case 1:
			slices.SortStableFunc(all, func(a, b fleet.Record) int { return len(a.Kind) - len(b.Kind) })
		case 2:
			fleet.Sort(all)
			slices.SortStableFunc(all, func(a, b fleet.Record) int { return len(b.Kind) - len(a.Kind) })
		default:
			r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		}
		m := newMemory()
		l := newLine(m)
		portion := 1 + r.IntN(len(all))
		for batch := range slices.Chunk(all, portion) {
			if r.IntN(5) == 0 {
				l = newLine(m) // a restart
			}
			if _, err := l.Take(t.Context(), Step{Records: batch}); err != nil {
				t.Fatal(err)
			}
		}
		var got []fleet.Record
		for rec, err := range m.Records(t.Context(), fleet.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, rec)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d, %d records at a time: one run (-) and the lake (+) differ:\n%s", seed, portion, diff)
		}
	}
}
