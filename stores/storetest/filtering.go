package storetest

import (
	"cmp"
	"fmt"
	"testing"
	"time"

	"muster/fleet"
)

// filtersJudgeTraces asks for traces by their entry, by any of their spans, and
// by what no span has, also where the span without a parent has not arrived.
func filtersJudgeTraces(t *testing.T, s Store) {
	whole, torn := traceAt(noon, 1), traceAt(noon.Add(time.Minute), 2)
	const slow, failed, gold, silver = 3 * time.Second, "fault", "gold", "silver"
	of := func(trace string, n, parent int, duration time.Duration, err, tier string) fleet.Record {
		at := noon.Add(time.Duration(n) * time.Millisecond)
		if trace == torn {
			at = at.Add(time.Minute)
		}
		r := span(trace, n, at)
		r.Duration, r.Error = duration, err
		if parent != 0 {
			r.Seen.Parent = span(trace, parent, noon).Seen.Span
			r.Keys.Parent = r.Seen.Parent
		}
		if tier != "" {
			r.Attributes = fleet.AttributesOf(fleet.AttrAnnotationPrefix+"tier", tier)
		}
		return r
	}
	commit(t, s, []fleet.Record{
		of(whole, 1, 0, time.Second, "", silver), of(whole, 2, 1, slow, failed, gold), of(whole, 3, 1, time.Second, "", ""),
		of(torn, 1, 9, slow, failed, ""), of(torn, 2, 1, time.Second, "", gold),
	}, fleet.Commit{})
	test := func(k fleet.Keyword, op fleet.Operator, value any) fleet.Filter {
		return fleet.FilterTest{Keyword: k, Op: op, Value: value}
	}
	tier := func(op fleet.Operator, value string) fleet.Filter {
		return fleet.FilterTest{Keyword: fleet.KeyAnnotation, Key: "tier", Op: op, Value: value}
	}
	entryFails, entrySlow := test(fleet.KeyFault, fleet.OpSet, nil), test(fleet.KeyResponseTime, fleet.OpMore, 2.0)
	for _, tt := range []struct {
		name string
		f    fleet.Filter
		want []string
	}{
		{"the entry fails", entryFails, []string{torn}},
		{"the entry is slow", entrySlow, []string{torn}},
		{"the entry does not fail", fleet.FilterNot{Of: entryFails}, []string{whole}},
		{"any span's annotation", tier(fleet.OpEqual, gold), []string{torn, whole}},
		{"no span's annotation", fleet.FilterNot{Of: tier(fleet.OpEqual, silver)}, []string{torn}},
		{"another annotation", tier(fleet.OpNotEqual, gold), []string{whole}},
		{"an annotation and the entry", fleet.FilterAll{tier(fleet.OpEqual, gold), entryFails}, []string{torn}},
		{"an annotation or the entry", fleet.FilterAny{tier(fleet.OpEqual, silver), entrySlow}, []string{torn, whole}},
		{"of a service", fleet.FilterService{Node: fleet.FilterNode{Name: "orders"}, Where: entryFails}, []string{torn, whole}},
	} {
		for _, limit := range []int{0, 10} {
			var got []string
			for _, sum := range all(t, s.Traces(t.Context(), fleet.Query{Filter: tt.f, Limit: limit})) {
				got = append(got, sum.Trace)
			}
			same(t, tt.name, tt.want, got) // newest first
		}
	}
}

// filtersLookBeyondTheWindow asks for the newest traces of a window by a span that
// may lie before or after it: a trace is of the window by any of its records.
func filtersLookBeyondTheWindow(t *testing.T, s Store) {
	const standard, gold = "standard", "gold"
	w := fleet.Window{Start: noon, End: noon.Add(time.Hour)}
	var rs []fleet.Record
	spanAt := func(trace string, at time.Time, tier string) {
		r := span(trace, len(rs)+1, at)
		r.Attributes = fleet.AttributesOf(fleet.AttrAnnotationPrefix+"tier", tier)
		rs = append(rs, r)
	}
	// Of each pair of spans one is in the window at most.
	spanning := func(n int, first time.Time, tier string, second time.Time, other string) string {
		trace := traceAt(noon, n)
		spanAt(trace, first, tier)
		spanAt(trace, second, other)
		return trace
	}
	after := spanning(1, w.End.Add(-time.Minute), standard, w.End.Add(time.Minute), gold)
	longAfter := spanning(2, w.Start.Add(time.Minute), standard, w.End.Add(20*time.Hour), gold)
	before := spanning(3, w.Start.Add(-time.Minute), gold, w.Start.Add(time.Minute), standard)
	around := spanning(4, w.Start.Add(-time.Hour), gold, w.End.Add(time.Hour), gold)
	rs = append(rs, logLine("around", w.Start.Add(time.Minute), fleet.Keys{Trace: around}))
	spanning(5, w.Start.Add(-time.Hour), gold, w.End, gold) // has nothing in the window
	spanning(6, w.Start, standard, w.End.Add(-time.Microsecond), standard)
	want := []string{after}
	const inside = 120 // more than a store may look at first
	for n := range inside {
		trace := traceAt(noon, 100+n)
		spanAt(trace, w.Start.Add(30*time.Minute-time.Duration(n)*time.Second), gold)
		want = append(want, trace)
	}
	want = append(want, longAfter, before, around) // newest first
	commit(t, s, rs, fleet.Commit{})
	filter := fleet.FilterTest{Keyword: fleet.KeyAnnotation, Key: "tier", Op: fleet.OpEqual, Value: gold}
	for _, limit := range []int{1, 2, inside, inside + 1, inside + 2, inside + 3, inside + 4, 0} {
		var got []string
		for _, sum := range all(t, s.Traces(t.Context(), fleet.Query{Filter: filter, Window: w, Limit: limit})) {
			got = append(got, sum.Trace)
		}
		same(t, fmt.Sprintf("the newest %d", limit), want[:min(len(want), cmp.Or(limit, len(want)))], got)
	}
}
