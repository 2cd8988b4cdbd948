package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"muster/samples/truth"
)

// CorrelationHeader carries the id of a client's journey from hop to hop.
const CorrelationHeader = "X-Correlation-Id"

// A Handler answers a request. A *Refusal is answered with its status, any
// other error with 500.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Refusal is an answer of 400 or above, sent or received.
type Refusal struct {
	Status int
	Reason string
}

// Error names the status and the reason.
func (r *Refusal) Error() string { return fmt.Sprintf("%d: %s", r.Status, r.Reason) }

// Handle adds a route: traced, measured, and written down.
func (t *Telemetry) Handle(mux *http.ServeMux, route string, h Handler) {
	traced := t.tracer.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.serve(route, h, w, r) }))
	mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
		t.busy.enter()
		defer t.busy.leave()
		traced.ServeHTTP(w, r)
	})
}

func (t *Telemetry) serve(route string, h Handler, w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	ctx, correlation := r.Context(), r.Header.Get(CorrelationHeader)
	if correlation != "" {
		ctx = withCorrelation(ctx, correlation)
	}
	t.describe(ctx, map[string]string{annotationCorrelation: correlation, annotationVersion: t.Version()})
	trace, span := t.place(ctx)
	t.Truth.Journey(trace, correlation)
	answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	if err := h(answer, r.WithContext(ctx)); err != nil {
		t.fail(ctx, answer, err)
	}
	t.metrics.observe(route, answer.status, time.Since(start))
	if t.entry {
		t.Truth.Request(truth.Request{
			Trace: trace, Span: span, Journey: correlation, Name: route, Status: answer.status,
		})
	}
}

// describe annotates what has a value. A span without an annotation is no
// reason to fail.
func (t *Telemetry) describe(ctx context.Context, annotations map[string]string) {
	for key, value := range annotations {
		if value == "" {
			continue
		}
		if err := t.Annotate(ctx, key, value); err != nil {
			t.Log.WarnContext(ctx, "no annotation", "error", err.Error())
		}
	}
}

// fail answers with what went wrong. A refusal was logged by who refused.
func (t *Telemetry) fail(ctx context.Context, w http.ResponseWriter, err error) {
	var refused *Refusal
	if !errors.As(err, &refused) {
		t.Log.ErrorContext(ctx, "request failed", "error", err.Error())
		refused = &Refusal{Status: http.StatusInternalServerError, Reason: "internal error"}
	}
	body, err := json.Marshal(map[string]string{"error": refused.Reason})
	if err != nil {
		panic(err) // a map of strings always marshals
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(refused.Status)
	_, _ = w.Write(body) // the client is gone when this fails
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader keeps the status.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Answer writes a value as JSON.
func Answer(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body))) // which X-Ray's SDK notes
	w.WriteHeader(status)
	_, err = w.Write(body)
	return err
}

// TraceOf is the trace that an answer says it belongs to, as truth spells it.
func TraceOf(h http.Header) string {
	_, after, _ := strings.Cut(h.Get(TraceHeader), "Root=")
	id, _, _ := strings.Cut(after, ";")
	return truth.TraceID(id)
}

// Peer is another service: its name, and where it is found.
type Peer struct {
	Name string
	Find func(ctx context.Context) (url string, err error)
	// Untraced leaves the trace header out, as a client without instrumentation
	// does.
	Untraced bool
}

// Call sends a request to a peer in the context's trace, with body as JSON
// unless it is nil, and reads the answer into out. An answer of 400 or above is
// a *Refusal.
func (t *Telemetry) Call(ctx context.Context, p Peer, method, path string, body, out any) error {
	var buf bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&buf).Encode(body); err != nil {
			return fmt.Errorf("call %s: %w", p.Name, err)
		}
	}
	url, err := p.Find(ctx)
	if err != nil {
		return fmt.Errorf("find %s: %w", p.Name, err)
	}
	req, err := http.NewRequestWithContext(ctx, method, url+path, &buf)
	if err != nil {
		return fmt.Errorf("call %s: %w", p.Name, err)
	}
	req.Host = p.Name // names the subsegment, as service discovery would
	req.Header.Set("Content-Type", "application/json")
	if c := Correlation(ctx); c != "" {
		req.Header.Set(CorrelationHeader, c)
	}
	began := time.Now()
	defer func() { allowSlow(t.Truth, t.Trace(ctx), began) }()
	transport := http.RoundTripper(t.http)
	if !p.Untraced {
		transport = t.tracer.send(t.http, p.Name)
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("call %s: %w", p.Name, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		var said struct{ Error string }
		if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
			return fmt.Errorf("call %s: status %d: %w", p.Name, resp.StatusCode, err)
		}
		return &Refusal{Status: resp.StatusCode, Reason: said.Error}
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("read the answer of %s: %w", p.Name, err)
	}
	return nil
}
