package storetest

import (
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
