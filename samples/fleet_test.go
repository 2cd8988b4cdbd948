package samples_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"muster/samples"
	"muster/samples/truth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// checkTruth holds the truth against what AWS says.
func checkTruth(t *testing.T, f *truth.File, e *evidence) {
	t.Helper()
	known := make(map[[2]string]string)
	for _, s := range f.Spans {
		known[[2]string{s.Trace, s.ID}] = s.Name
	}
	stored := make(map[[2]string]string)
	for k, s := range e.spans {
		stored[k] = s.Name
	}
	if diff := cmp.Diff(known, stored); diff != "" {
		t.Errorf("spans (-truth +X-Ray):\n%s", diff)
	}
	for _, l := range f.Lines {
		checkLine(t, l, e.lines[l.ID])
	}
	if len(f.Lines) != len(e.lines) || len(e.twice) > 0 {
		t.Errorf("%d lines in the truth, %d in CloudWatch Logs; twice: %v", len(f.Lines), len(e.lines), e.twice)
	}
	traced := 0
	for _, c := range f.Calls {
		if e.calls[c.Request] == 0 && !c.Unsure {
			t.Errorf("%s:%s %s is not in the trail", c.Service, c.Operation, c.Request)
		}
		if c.Span == "" {
			continue // in no trace, or in one that is not sampled
		}
		traced++
		if got := e.spans[[2]string{c.Trace, c.Span}].AWS; got.Request != c.Request || got.Operation != c.Operation {
			t.Errorf("%s %s is on span %s as %+v", c.Operation, c.Request, c.Span, got)
		}
	}
	if traced == 0 {
		t.Error("no AWS call belongs to a trace")
	}
	checkUnsampled(t, f, e)
	checkRequests(t, f, e)
	checkMessages(t, f, e)
}

func checkLine(t *testing.T, l truth.Line, line map[string]any) {
	t.Helper()
	shown, _ := line["trace_id"].(string)
	switch {
	case line == nil:
		t.Errorf("line %s was not shipped", l.ID)
	case l.Unlinked && shown != "":
		t.Errorf("unlinked line %s shows trace %s", l.ID, shown)
	case l.Unlinked && line["aws_request_id"] == nil && line["message_id"] == nil && line["requestId"] == nil:
		t.Errorf("unlinked line %s shows nothing to join it by: %v", l.ID, line)
	case !l.Unlinked && truth.TraceID(shown) != l.Trace:
		t.Errorf("line %s shows trace %q, the truth says %q", l.ID, shown, l.Trace)
	}
}

// checkUnsampled holds that services of both instrumentations leave out the spans
// of what is not sampled, and nothing else: its lines and calls are there.
func checkUnsampled(t *testing.T, f *truth.File, e *evidence) {
	t.Helper()
	dark := unsampled(f)
	for k := range e.spans {
		if dark[k[0]] {
			t.Errorf("trace %s is not sampled, and has span %s", k[0], k[1])
		}
	}
	wrote, called := make(map[string]bool), 0
	for _, l := range f.Lines {
		if dark[l.Trace] {
			wrote[l.Service] = true
		}
	}
	for _, c := range f.Calls {
		if dark[c.Trace] && e.calls[c.Request] > 0 {
			called++
		}
	}
	services := []string{samples.Gateway, samples.Orders}
	if slices.ContainsFunc(f.Requests, func(q truth.Request) bool { return dark[q.Trace] && q.Status == http.StatusCreated }) {
		services = append(services, samples.Inventory, samples.Payments, samples.Shipping)
	} else if len(f.Faults) == 0 {
		t.Error("no placing of an order is left out")
	}
	for _, service := range services {
		if !wrote[service] {
			t.Errorf("%s has no line of a request that is not sampled", service)
		}
	}
	if called == 0 {
		t.Error("no call of a request that is not sampled is in the trail")
	}
}

// unsampled are the traces of which no span is sent.
func unsampled(f *truth.File) map[string]bool {
	dark := make(map[string]bool)
	for _, tr := range f.Traces {
		if tr.Unsampled {
			dark[tr.ID] = true
		}
	}
	return dark
}

func checkRequests(t *testing.T, f *truth.File, e *evidence) {
	t.Helper()
	journeys, dark := make(map[string]string), unsampled(f)
	for _, tr := range f.Traces {
		journeys[tr.ID] = tr.Journey
	}
	for _, q := range f.Requests {
		s, sent := e.spans[[2]string{q.Trace, q.Span}]
		if dark[q.Trace] && sent || q.Journey == "" {
			t.Errorf("request %+v is in X-Ray as %+v", q, s)
		}
		if !dark[q.Trace] && (s.Name != "gateway" || s.HTTP.Response.Status != q.Status || s.Annotations["correlation_id"] != q.Journey) {
			t.Errorf("request %+v is in X-Ray as %+v", q, s)
		}
		if journeys[q.Trace] != q.Journey {
			t.Errorf("request %+v is on a trace of journey %q", q, journeys[q.Trace])
		}
	}
}

func checkMessages(t *testing.T, f *truth.File, e *evidence) {
	t.Helper()
	shown := make(map[string][]string) // traces by annotated message
	carried := 0
	for k, s := range e.spans {
		if id, ok := s.Annotations["message_id"].(string); ok {
			shown[id] = append(shown[id], k[0])
			if s.Name == "notifications" && s.Annotations["correlation_id"] != nil {
				carried++
			}
		}
	}
	dark := unsampled(f)
	for _, m := range f.Messages {
		want := slices.DeleteFunc(append([]string{m.Producer, m.Consumer}, m.Attempts...), func(trace string) bool { return dark[trace] })
		want = slices.Compact(slices.Sorted(slices.Values(want)))
		got := slices.Compact(slices.Sorted(slices.Values(shown[m.ID])))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("traces that show message %s (-truth +X-Ray):\n%s", m.ID, diff)
		}
	}
	if carried == 0 || carried == len(f.Messages) {
		t.Errorf("%d of %d messages carry a correlation id, want some", carried, len(f.Messages))
	}
}

func TestHealthyFleet(t *testing.T) {
	f, e, counts := run(t, samples.Options{Seed: 7})
	checkTruth(t, f, e)
	if len(f.Expected) > 0 || slices.ContainsFunc(f.Labels, func(l truth.Label) bool { return l.Kind != truth.LabelNoise }) {
		t.Errorf("findings are expected: %+v, of %+v", f.Expected, f.Labels)
	}
	checkLabels(t, f, e) // those of the noise
	if counts.Failed > 0 || counts.Refused > 0 || counts.Requests != len(f.Requests) {
		t.Errorf("%+v with %d requests in the truth", counts, len(f.Requests))
	}
	for k, s := range e.spans {
		if s.HTTP.Response.Status >= http.StatusBadRequest {
			t.Errorf("span %v (%s) has status %d", k, s.Name, s.HTTP.Response.Status)
		}
	}
	if most := mostRepeated(e, ""); most >= 8 {
		t.Errorf("one span made %d calls of one operation", most)
	}
}

// mostRepeated is the greatest number of calls of one AWS operation under one
// span, of one trace or of all.
func mostRepeated(e *evidence, trace string) int {
	type loop struct{ trace, parent, operation string }
	count := make(map[loop]int)
	most := 0
	for k, s := range e.spans {
		if s.Namespace == "aws" && (trace == "" || trace == k[0]) {
			l := loop{k[0], s.Parent, s.AWS.Operation}
			count[l]++
			most = max(most, count[l])
		}
	}
	return most
}

func TestFaultsAndIncidentsShow(t *testing.T) {
	f, e, counts := run(t, samples.Options{Seed: 7, Faults: samples.Faults(), Incidents: samples.Incidents()})
	checkTruth(t, f, e)
	if counts.Failed > 0 || counts.Refused == 0 {
		t.Errorf("%+v, want none failed and some refused", counts)
	}
	checkLabels(t, f, e)
}

// longest is the duration in seconds of the longest span of a name in a trace.
func longest(e *evidence, trace, name string) float64 {
	most := 0.0
	for k, s := range e.spans {
		if k[0] == trace && s.Name == name {
			most = max(most, s.End-s.Start)
		}
	}
	return most
}

func TestGatewayAnswersWhatIsWrong(t *testing.T) {
	fleet, _, _ := start(t, samples.Options{}) // without a truth, as a service alone
	const order = `{"id":"o-1","customer":"c","cents":100,"method":"card","lines":[{"sku":"sku-01","quantity":1}]}`
	for _, c := range []struct {
		name, method, path, body string
		want                     int
	}{
		{"an order", http.MethodPost, "/orders", order, http.StatusCreated},
		{"the same order again", http.MethodPost, "/orders", order, http.StatusConflict},
		{"it can be read", http.MethodGet, "/orders/o-1", "", http.StatusOK},
		{"no such order", http.MethodGet, "/orders/o-2", "", http.StatusNotFound},
		{"no JSON", http.MethodPost, "/orders", "{", http.StatusBadRequest},
		{"no order", http.MethodPost, "/orders", `{"id":"o-3"}`, http.StatusBadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, answer := ask(t, c.method, fleet.URL(samples.Gateway)+c.path, c.body); status != c.want {
				t.Errorf("status %d, want %d: %s", status, c.want, answer)
			}
		})
	}
	drain(t, fleet)
}

func TestDrainEndsWithItsContext(t *testing.T) {
	fleet, _, _ := start(t, samples.Options{}) // whose first lines wait to be shipped
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := fleet.Drain(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want one that wraps %v", err, context.Canceled)
	}
}

func TestStartSaysWhatIsMissing(t *testing.T) {
	_, err := samples.Start(t.Context(), samples.Options{Region: "us-east-1"})
	if err == nil || !strings.Contains(err.Error(), "X-Ray daemon") {
		t.Errorf("error %v, want one about the X-Ray daemon", err)
	}
}
