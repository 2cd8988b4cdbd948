package audit

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// span is a span of trace "t"; namespace is empty for one that calls nobody.
func span(id, parent, service, name, namespace string, from, secs float64) *fleet.Record {
	r := fleet.Record{
		ID: "t/" + id, Kind: fleet.KindSpan, Time: at(from), Duration: seconds(secs), Service: service, Name: name,
		Keys: fleet.Keys{Trace: "t", Span: id, Parent: parent},
	}
	if namespace != "" {
		r.Attributes.Set(fleet.AttrNamespace, namespace)
	}
	return &r
}

func TestSelfTimeLeavesOutTheCallsBelow(t *testing.T) {
	for _, tt := range []struct {
		name  string
		below []*fleet.Record
		want  float64
	}{
		{"nothing below", nil, 10},
		{"one call", []*fleet.Record{span("b", "s", "orders", "x", "aws", 2, 3)}, 7},
		{"a call below a step below a step", []*fleet.Record{
			span("o", "a", "orders", "o", "", 1, 9), span("s1", "o", "orders", "step", "", 1, 9), span("b", "s1", "orders", "x", "aws", 2, 3),
		}, 7},
		{"calls at the same time", []*fleet.Record{
			span("b", "a", "orders", "x", "aws", 2, 3), span("c", "a", "orders", "x", "aws", 3, 3), span("d", "a", "orders", "x", "aws", 3.5, 1),
		}, 6},
		{"a call below a call counts once", []*fleet.Record{
			span("b", "a", "orders", "x", "remote", 2, 5), span("c", "b", "payments", "x", "aws", 3, 3),
		}, 5},
		{"a call that outlasts its caller", []*fleet.Record{span("b", "a", "orders", "x", "aws", 8, 9)}, 8},
		{"a call that began before its caller", []*fleet.Record{span("b", "a", "orders", "x", "aws", -5, 6)}, 9},
		{"a step is no call", []*fleet.Record{span("b", "a", "orders", "x", "", 2, 3)}, 10},
		{"two spans with one id that make a circle", []*fleet.Record{span("b", "a", "orders", "x", "", 2, 3), span("b", "b", "orders", "x", "", 2, 3)}, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rs := append([]*fleet.Record{span("a", "", "gateway", "POST orders", "remote", 0, 10), span("s", "a", "orders", "POST /orders", "", 1, 8)}, tt.below...)
			got := newStory("t", rs).Dependencies[0]
			if got.ID != "t/a" || got.Seconds != 10 || got.SelfSeconds != tt.want {
				t.Errorf("%+v, want self_seconds %g", got, tt.want)
			}
		})
	}
}

func TestAStorySortsItsRecordsAndFindsItsRoot(t *testing.T) {
	running := span("r", "", "batch", "run", "", 0, 0)
	running.Attributes.Set(fleet.AttrInProgress, "true")
	failed := line("l", "t", at(2), "no")
	failed.Error = "error"
	apiCall, change := call("c", at(3), "Put"), fleet.Record{ID: "ch", Kind: fleet.KindChange, Time: at(50)}
	s := newStory("t", []*fleet.Record{
		running, span("g", "", "gateway", "POST /orders", "", 1, 4), span("x", "g", "orders", "x", "", 2, 9), &failed, &apiCall, &change,
	})
	got := map[string]any{
		"rooted": s.Rooted, "service": s.Service, "name": s.Name, "services": strings.Join(s.Services, " "), "traces": strings.Join(s.TraceIDs, " "),
		"seconds": s.Seconds, "start": s.Start, "spans": len(s.Spans), "logs": len(s.Logs), "calls": len(s.Calls), "changes": len(s.Changes),
		"errors": len(s.Errors), "records": len(s.Records),
	}
	want := map[string]any{
		"rooted": true, "service": "gateway", "name": "POST /orders", "services": "batch gateway orders", "traces": "t",
		"seconds": 11.0, "start": at(0), "spans": 3, "logs": 1, "calls": 1, "changes": 1, "errors": 1, "records": 6,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAStoryWithoutSpansLastsFromItsFirstRecordToItsLast(t *testing.T) {
	a, b := line("a", "t", at(1), ""), line("b", "t", at(4), "")
	s := newStory("t", []*fleet.Record{&a, &b})
	if s.Rooted || s.Seconds != 3 || !s.Start.Equal(at(1)) || s.Service != "orders" {
		t.Errorf("rooted %v, %g s from %s, service %q", s.Rooted, s.Seconds, s.Start, s.Service)
	}
}

func TestTargetsAreTheCalleesNames(t *testing.T) {
	s := newStory("t", []*fleet.Record{
		span("a", "", "gateway", "POST 10.0.1.12", "remote", 0, 1), span("o", "a", "orders", "POST /orders", "", 0, 1),
		span("b", "o", "orders", "dynamodb:PutItem", "aws", 0, 1), span("c", "o", "orders", "GET api.example.com", "remote", 0, 1),
	})
	var got []string
	for _, d := range s.Dependencies {
		got = append(got, d.Service+" → "+d.Target)
	}
	if diff := cmp.Diff([]string{"gateway → orders", "orders → dynamodb", "orders → GET api.example.com"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRepeatedCallsAreGroupedByParentTargetAndOperation(t *testing.T) {
	rs := []*fleet.Record{span("o", "", "orders", "GET /orders", "", 0, 9)}
	for _, id := range []string{"1", "2", "3"} {
		rs = append(rs, span("g"+id, "o", "orders", "dynamodb:GetItem", "aws", 1, 0.5))
	}
	rs = append(rs,
		span("p1", "o", "orders", "dynamodb:PutItem", "aws", 2, 1), // once only
		span("e1", "elsewhere", "orders", "dynamodb:GetItem", "aws", 3, 1),
		span("e2", "elsewhere", "orders", "dynamodb:GetItem", "aws", 3, 1),
	)
	want := []*repeat{
		{IDs: []string{"t/g1", "t/g2", "t/g3"}, TraceID: "t", Service: "orders", Target: "dynamodb", Name: "dynamodb:GetItem", Parent: "GET /orders", Count: 3, Seconds: 1.5},
		{IDs: []string{"t/e1", "t/e2"}, TraceID: "t", Service: "orders", Target: "dynamodb", Name: "dynamodb:GetItem", Count: 2, Seconds: 2},
	}
	if diff := cmp.Diff(want, newStory("t", rs).Repeated); diff != "" {
		t.Error(diff)
	}
}

func TestSpansOfTwoTracesWithOneIDAreKeptApart(t *testing.T) {
	a, b := span("a", "", "gateway", "POST orders", "remote", 0, 2), span("b", "a", "orders", "x", "aws", 0, 2)
	b.Keys.Trace = "u"
	if d := newStory("j", []*fleet.Record{a, b}).Dependencies[0]; d.SelfSeconds != 2 {
		t.Errorf("a span of another trace was taken for a child: %+v", d)
	}
}
