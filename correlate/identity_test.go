package correlate

import (
	"testing"
	"time"

	"muster/fleet"
)

// TestOneIDOnTwoRecordsIsTwoRecords: an id counts among the records of its kind
// and UTC day, as in the stores.
func TestOneIDOnTwoRecordsIsTwoRecords(t *testing.T) {
	tomorrow := func(r fleet.Record) fleet.Record { r.Time = r.Time.Add(24 * time.Hour); return r }
	other := span("x", "10:00:00", traceB)
	tests := []struct {
		name   string
		second fleet.Record
	}{
		{"of another day", tomorrow(other)},
		{"of another kind at the same time", func() fleet.Record { r := other; r.Kind = fleet.KindLog; return r }()},
		{"of another day and a higher revision", func() fleet.Record { r := tomorrow(other); r.Revision = 1; return r }()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			first := with(span("x", "10:00:00", traceA), correlated("C1"))
			rs := []fleet.Record{first, tt.second}
			r := NewResolver(0, Bound{})
			r.Add(rs)
			if got := [2]string{rs[0].Keys.Trace, rs[1].Keys.Trace}; got != [2]string{traceA, traceB} {
				t.Errorf("traces %v, want each its own", got)
			}
			if r.Len() != 2 {
				t.Errorf("%d records remembered, want 2", r.Len())
			}
			// A revision of one replaces that one: its trace has no donor any more.
			again := []fleet.Record{span("y", "10:00:01", traceA)}
			r.Add(again)
			revised := []fleet.Record{span("x", "10:00:00", traceA)}
			revised[0].Revision = 2
			amended := r.Add(revised)
			if len(amended) != 1 || amended[0].Ref.ID != "y" || amended[0].Keys.Correlation != "" {
				t.Errorf("amendments %v, want y to lose its correlation", amended)
			}
			if r.Len() != 3 {
				t.Errorf("%d records remembered, want 3", r.Len())
			}
		})
	}
}
