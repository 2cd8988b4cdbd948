package audit

import (
	"fmt"
	"slices"
	"testing"

	"muster/fleet"
)

// BenchmarkRecordedCalls holds recorded events of CloudTrail, over and over under
// other ids, against the shipped policies on API calls that are written in CEL.
func BenchmarkRecordedCalls(b *testing.B) {
	var recorded []fleet.Record
	for _, set := range []string{"cloudtrail-invictus", "cloudtrail-stratus"} {
		for _, rs := range trailFiles(b, corpus(b, set)) {
			recorded = append(recorded, rs...)
		}
	}
	m := &memory{}
	for i := range 100_000 {
		r := recorded[i%len(recorded)]
		r.ID = fmt.Sprint(i)
		m.records = append(m.records, r)
	}
	ps := slices.DeleteFunc(written(b), func(p Policy) bool { return p.On != OnAPICall })
	for b.Loop() {
		if _, err := Judge(b.Context(), ps, Input{Reader: m}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*float64(len(m.records))/b.Elapsed().Seconds(), "events/s")
}
