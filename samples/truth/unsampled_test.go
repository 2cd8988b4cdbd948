package truth_test

import (
	"strings"
	"testing"
	"time"

	"muster/fleet"
	"muster/samples/truth"
)

// unsampled is a run of one request that is not sampled: its message is handled
// on trace B.
func unsampled() *truth.File {
	r := truth.NewRecorder(7, func() time.Time { return start })
	r.Unsampled(traceA)
	r.Journey(traceA, "j-1")
	r.Request(truth.Request{Trace: traceA, Journey: "j-1", Name: "POST /orders", Status: 201})
	r.Published("m-1", traceA)
	r.Consumed("m-1", traceB)
	r.Span(truth.Span{Trace: traceB, ID: spanB, Service: "notifications", Name: "notifications"})
	r.Line(truth.Line{ID: "shown", Service: "gateway", Trace: traceA})
	r.Line(truth.Line{ID: "audit", Service: "orders", Trace: traceA, Unlinked: true, Hidden: true})
	r.Line(truth.Line{ID: "relayed", Service: "orders", Trace: traceA, Unlinked: true, Message: "m-1"})
	r.Call(truth.Call{Request: "put", Service: "DynamoDB", Operation: "PutItem", Trace: traceA})
	return r.File()
}

// unsampledStore is what a perfect muster makes of it.
func unsampledStore() *store {
	line := func(id string, s, k fleet.Keys) fleet.Record {
		return fleet.Record{ID: id, Kind: fleet.KindLog, Seen: s, Keys: k, Raw: []byte(`{"line":"` + id + `"}`)}
	}
	joined := fleet.Keys{Trace: traceA, TraceLink: message, Correlation: "j-1", CorrelationLink: byTrace}
	return &store{
		records: []fleet.Record{
			line("shown", fleet.Keys{Trace: traceA, Correlation: "j-1"}, fleet.Keys{Trace: traceA, TraceLink: seen, Correlation: "j-1", CorrelationLink: seen}),
			line("audit", fleet.Keys{}, fleet.Keys{}), line("relayed", fleet.Keys{}, joined),
			{ID: "call", Kind: fleet.KindAPICall, Seen: fleet.Keys{Request: "put", Scope: fleet.ScopeAWS}},
			{
				ID: fleet.SpanID(traceB, spanB), Kind: fleet.KindSpan, Seen: fleet.Keys{Trace: traceB},
				Keys: fleet.Keys{Trace: traceB, TraceLink: seen, Correlation: "j-1", CorrelationLink: message},
			},
		},
		summaries: []fleet.Summary{{Trace: traceA, Correlation: "j-1"}, {Trace: traceB, Correlation: "j-1"}},
	}
}

func TestScoreOfWhatIsNotSampled(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*store)
		want  string // in a problem; "" for none
	}{
		{"as it is", func(*store) {}, ""},
		{"the message was shown by its consumer first", func(s *store) { s.find("relayed").Keys.Trace = traceB }, ""},
		{"a line of the message on a trace of others", func(s *store) { s.find("relayed").Keys.Trace = stray }, "exact joins are wrong"},
		{"a line of the message on none", func(s *store) { s.find("relayed").Keys = fleet.Keys{} }, "recall of exact joins"},
		{"a hidden line on another trace", func(s *store) { s.find("audit").Keys = fleet.Keys{Trace: traceB, TraceLink: exact} }, "exact joins are wrong"},
		{"a call on another trace", func(s *store) { s.find("call").Keys = fleet.Keys{Trace: traceB, TraceLink: exact} }, "exact joins are wrong"},
		{"no line that shows the request", func(s *store) { s.drop("shown"); s.drop("relayed") }, "requests were not found"},
		{"no summary of its trace", func(s *store) { s.summaries = s.summaries[1:] }, "requests were not found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := unsampledStore()
			c.spoil(s)
			r, err := truth.Score(t.Context(), s, unsampled())
			if err != nil {
				t.Fatal(err)
			}
			problems := strings.Join(r.Problems(), "; ")
			if (c.want == "") != r.OK() || !strings.Contains(problems, c.want) {
				t.Errorf("problems %q, want %q", problems, c.want)
			}
		})
	}
}
