package telemetry

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"muster/samples/truth"
)

// chain is a service of X-Ray's SDK that calls one of OpenTelemetry, which calls
// one of X-Ray's again, and hands its trace on by a message. It returns the trace
// headers that were sent, the message's last.
func chain(t *testing.T, header string, rec *truth.Recorder) []string {
	t.Helper()
	nowhere := httptest.NewServer(http.NotFoundHandler()) // whose answers exporters do not mind
	defer nowhere.Close()
	byXRay, err := newXRay("gateway", "127.0.0.1:9", rec)
	if err != nil {
		t.Fatal(err)
	}
	byOTel, err := newOTel(t.Context(), "payments", nowhere.URL, rec)
	if err != nil {
		t.Fatal(err)
	}
	var sent []string
	next := "" // URL of the service after
	serve := func(tr tracer) *httptest.Server {
		url := next
		s := httptest.NewServer(tr.serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			sent = append(sent, r.Header.Get(TraceHeader))
			if url == "" {
				sent = append(sent, tr.header(r.Context()))
				return
			}
			call(r.Context(), t, tr.send(http.DefaultTransport, "peer"), url, "")
		})))
		next = s.URL
		return s
	}
	for _, tr := range []tracer{byXRay, byOTel, byXRay} {
		s := serve(tr)
		defer s.Close()
	}
	call(t.Context(), t, http.DefaultTransport, next, header)
	for _, tr := range []tracer{byXRay, byOTel} { // who gets the message
		_, end := tr.begin(t.Context(), Work{Header: sent[len(sent)-1]})
		end(nil)
	}
	_ = byOTel.close(t.Context()) // nobody takes its spans
	return sent
}

func call(ctx context.Context, t *testing.T, by http.RoundTripper, url, header string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if header != "" {
		req.Header.Set(TraceHeader, header)
	}
	resp, err := (&http.Client{Transport: by}).Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
}

// TestDecisionNotToSampleTravels: both instrumentations hand it on, in the same
// trace, and send no span.
func TestDecisionNotToSampleTravels(t *testing.T) {
	rec, header := truth.NewRecorder(1, time.Now), Unsampled()
	root, _, _ := strings.Cut(header, ";")
	sent := chain(t, header, rec)
	for n, h := range sent {
		if !strings.HasPrefix(h, root+";") || !strings.HasSuffix(h, ";Sampled=0") {
			t.Errorf("header %d is %q, want one of %s that is not sampled", n, h, root)
		}
	}
	if spans := rec.File().Spans; len(spans) > 0 || len(sent) != 4 {
		t.Errorf("%d spans are sent, by %d headers: %+v", len(spans), len(sent), spans)
	}

	rec = truth.NewRecorder(1, time.Now)
	for n, h := range chain(t, "", rec)[1:] { // without a decision
		if !strings.HasSuffix(h, ";Sampled=1") {
			t.Errorf("header %d is %q, want a sampled one", n, h)
		}
	}
	services := map[string]int{}
	for _, s := range rec.File().Spans {
		services[s.Service]++
	}
	if services["gateway"] < 4 || services["payments"] != 3 {
		t.Errorf("sampled, the services send %v spans", services)
	}
}

func TestLabelsAreOfWhatIsSampled(t *testing.T) {
	for header, want := range map[string]int{"": 1, Unsampled(): 0} {
		rec := truth.NewRecorder(1, time.Now)
		tracing, err := newXRay("orders", "127.0.0.1:9", rec)
		if err != nil {
			t.Fatal(err)
		}
		tel := &Telemetry{Truth: rec, tracer: tracing, service: "orders"}
		err = tel.Do(t.Context(), Work{Header: header, Correlation: "j-1"}, func(ctx context.Context) error {
			tel.Label(ctx, "n-plus-one", "order-1", truth.Label{})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		f := rec.File()
		if len(f.Labels) != want || len(f.Expected) != want || len(f.Spans) != want || f.Traces[0].Unsampled != (want == 0) || f.Traces[0].Journey != "j-1" {
			t.Errorf("header %q: %+v", header, f)
		}
	}
}
