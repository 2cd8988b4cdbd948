package correlate

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// at is a time of day on the day of the tests.
func at(clock string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", "2026-11-20 "+clock)
	if err != nil {
		panic(err)
	}
	return t
}

const (
	traceA = "6920aaaa000000000000000000000001"
	traceB = "6920bbbb000000000000000000000002"
	table  = "AWS::DynamoDB::Table/orders"
)

func span(id, clock, trace string) fleet.Record {
	return fleet.Record{ID: id, Kind: fleet.KindSpan, Time: at(clock), Seen: fleet.Keys{Trace: trace, Span: id}}
}

func write(id, clock, request string) fleet.Record {
	return fleet.Record{
		ID: id, Kind: fleet.KindAPICall, Time: at(clock), Resources: []string{table},
		Seen: fleet.Keys{Request: request, Scope: fleet.ScopeAWS},
	}
}

func change(clock string) fleet.Record {
	return fleet.Record{ID: "c", Kind: fleet.KindChange, Time: at(clock), Resources: []string{table}}
}

// with sets more keys of a record.
func with(r fleet.Record, set func(k *fleet.Keys)) fleet.Record {
	set(&r.Seen)
	return r
}

// TestLateEvidenceAmends adds records one by one. The last of each case changes
// an earlier answer that lies more than one join away.
func TestLateEvidenceAmends(t *testing.T) {
	request := func(k *fleet.Keys) { k.Request, k.Scope = "R1", fleet.ScopeAWS }
	message := func(k *fleet.Keys) { k.Messages = []string{"M1"} }
	tests := []struct {
		name    string
		records []fleet.Record
		want    map[string]fleet.Keys // the amendments that the last record brings
	}{
		{
			name: "the span of a request that only a write with a trace of its own leads to",
			records: []fleet.Record{
				with(write("w", "10:00:00", "R1"), func(k *fleet.Keys) { k.Trace = traceB }),
				change("10:05:00"),
				with(span("s", "10:00:00", traceA), request),
			},
			want: map[string]fleet.Keys{"c": {
				Trace: traceA, Request: "R1", Scope: fleet.ScopeAWS,
				TraceLink:   fleet.Link{Via: fleet.RungRequest, Sure: fleet.Inferred},
				RequestLink: fleet.Link{Via: fleet.RungTouch, Sure: fleet.Inferred},
			}},
		},
		{
			name: "the correlation id of a trace two messages away",
			records: []fleet.Record{
				with(span("a", "10:00:00", traceA), message),
				with(span("b", "10:00:01", traceB), message),
				with(span("donor", "10:00:02", traceA), func(k *fleet.Keys) { k.Correlation = "C1" }),
			},
			want: map[string]fleet.Keys{
				"a": {
					Trace: traceA, Correlation: "C1",
					TraceLink:       fleet.Link{Via: fleet.RungSeen, Sure: fleet.Exact},
					CorrelationLink: fleet.Link{Via: fleet.RungTrace, Sure: fleet.Exact},
				},
				"b": {
					Trace: traceB, Correlation: "C1",
					TraceLink:       fleet.Link{Via: fleet.RungSeen, Sure: fleet.Exact},
					CorrelationLink: fleet.Link{Via: fleet.RungMessage, Sure: fleet.Exact},
				},
			},
		},
		{
			name: "a revision that no longer shows the message takes back the tie",
			records: []fleet.Record{
				with(span("a", "10:00:00", traceA), message),
				with(span("b", "10:00:01", traceB), message),
				func() fleet.Record { r := span("a", "10:00:00", traceA); r.Revision = 1; return r }(),
			},
			want: map[string]fleet.Keys{"b": {
				Trace:     traceB,
				TraceLink: fleet.Link{Via: fleet.RungSeen, Sure: fleet.Exact},
			}},
		},
		{
			name: "who obtained the key with which a key was obtained",
			records: []fleet.Record{
				{ID: "call", Kind: fleet.KindAPICall, Time: at("10:02:00"), Seen: fleet.Keys{AccessKey: "ASIA2"}},
				{ID: "second", Kind: fleet.KindAPICall, Time: at("10:01:00"), Principal: "role", Seen: fleet.Keys{AccessKey: "ASIA1", IssuedKey: "ASIA2"}},
				{ID: "first", Kind: fleet.KindAPICall, Time: at("10:00:00"), Principal: "user", Seen: fleet.Keys{AccessKey: "AKIA", IssuedKey: "ASIA1"}},
			},
			want: map[string]fleet.Keys{
				"call":   {Origin: "user", OriginLink: fleet.Link{Via: fleet.RungSession, Sure: fleet.Exact}},
				"second": {Origin: "user", OriginLink: fleet.Link{Via: fleet.RungSession, Sure: fleet.Exact}},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewResolver(time.Hour, Bound{})
			var amended []fleet.Amendment
			for i := range tt.records {
				amended = r.Add(tt.records[i : i+1])
			}
			got := map[string]fleet.Keys{}
			for _, a := range amended {
				got[a.Ref.ID] = a.Keys
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("amendments, want (-) and got (+):\n%s", diff)
			}
		})
	}
}

// TestLoadTakesNothingBack starts from a part of the evidence: the donor of the
// trace lies before what is loaded.
func TestLoadTakesNothingBack(t *testing.T) {
	all := []fleet.Record{
		with(span("donor", "08:00:00", traceA), correlated("C1")), span("a", "10:00:00", traceA), span("b", "10:00:01", traceB),
	}
	Resolve(all)
	r := NewResolver(time.Hour, Bound{})
	r.Load(all[1:])
	if amended := r.Add([]fleet.Record{span("c", "10:00:02", traceA)}); len(amended) > 0 {
		t.Errorf("amendments %v, want none", amended)
	}
	known := all[1:2]
	r.Add(known)
	if got := known[0].Keys.Correlation; got != "C1" {
		t.Errorf("correlation %q, want C1 as before", got)
	}
	// What does follow from what is here is amended as ever.
	amended := r.Add([]fleet.Record{with(span("d", "10:00:03", traceB), correlated("C2"))})
	if len(amended) != 1 || amended[0].Ref.ID != "b" || amended[0].Keys.Correlation != "C2" {
		t.Errorf("amendments %v, want b to take C2", amended)
	}
}

// TestLoadComesInParts loads the donor of a trace after, and apart from, those
// that took from it, and later by itself.
func TestLoadComesInParts(t *testing.T) {
	all := []fleet.Record{
		span("a", "10:00:00", traceA), with(span("donor", "10:00:01", traceA), correlated("C2")), span("b", "10:00:02", traceB),
	}
	Resolve(all)
	for _, parts := range [][]int{{1, 2, 3}, {1, 3}} {
		r, from := NewResolver(time.Hour, Bound{}), 0
		for _, to := range parts {
			r.Load(all[from:to])
			from = to
		}
		amended := r.Add([]fleet.Record{with(span("earlier", "09:59:59", traceA), correlated("C1"))})
		if len(amended) != 1 || amended[0].Ref.ID != "a" || amended[0].Keys.Correlation != "C1" {
			t.Errorf("loaded in parts %v: amendments %v, want a to take C1", parts, amended)
		}
	}
	r := NewResolver(time.Hour, Bound{})
	r.Load(all[:1])
	r.Add(all[2:]) // a is held: its donor is not here
	r.Load(all[1:2])
	amended := r.Add([]fleet.Record{with(span("earlier", "09:59:59", traceA), correlated("C1"))})
	if len(amended) != 1 || amended[0].Ref.ID != "a" {
		t.Errorf("amendments %v, want a to be free again", amended)
	}
}

func TestAddKnowsARecordAgain(t *testing.T) {
	r := NewResolver(time.Hour, Bound{})
	revised := with(span("a", "10:00:00", traceA), correlated("C2"))
	revised.Revision = 1
	r.Add([]fleet.Record{revised})
	again := []fleet.Record{with(span("a", "10:00:00", traceB), correlated("C1")), revised}
	if amended := r.Add(again); len(amended) > 0 {
		t.Errorf("amendments %v, want none", amended)
	}
	for _, a := range again {
		if a.Keys.Trace != traceA || a.Keys.Correlation != "C2" {
			t.Errorf("revision %d got keys %+v, want those of the newest revision", a.Revision, a.Keys)
		}
	}
	if r.Len() != 1 {
		t.Errorf("%d records remembered, want 1", r.Len())
	}
}
