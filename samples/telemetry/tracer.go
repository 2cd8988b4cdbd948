package telemetry

import (
	"context"
	"net/http"

	"github.com/aws/smithy-go/middleware"

	"muster/samples/faults"
	"muster/samples/truth"
)

// The annotations by which muster joins, and those that tell what happened.
const (
	annotationCorrelation = "correlation_id"
	annotationMessage     = "message_id"
	annotationVersion     = "version"
)

// tracer is an instrumentation: X-Ray's SDK, or OpenTelemetry. Whatever is
// outside of a trace has empty ids, and is not traced.
type tracer interface {
	// ids are the trace, as truth spells it, and the innermost open span.
	ids(ctx context.Context) (trace, span string)
	// sampled reports whether the trace's spans are sent. What is not sampled has a
	// trace all the same, in headers and log lines; it is false outside of a trace.
	sampled(ctx context.Context) bool
	// shown is the trace as the instrumentation's own log lines spell it.
	shown(ctx context.Context) string
	// header is what carries the trace to the next service.
	header(ctx context.Context) string
	annotate(ctx context.Context, key, value string) error
	serve(next http.Handler) http.Handler
	send(base http.RoundTripper, peer string) http.RoundTripper
	instrument(stack *[]func(*middleware.Stack) error)
	step(ctx context.Context, name string, run func(context.Context) error) error
	begin(ctx context.Context, w Work) (context.Context, func(error))
	// flush sends the spans that have ended; close also frees what it holds.
	flush(ctx context.Context) error
	close(ctx context.Context) error
}

// Work is one piece of work that no request brought, such as a message.
type Work struct {
	// Message is the id of the message that it handles; empty where it handles
	// several.
	Message string
	// Correlation is the journey that the message says it belongs to; empty when
	// it does not say.
	Correlation string
	// Header is the trace header that came with the message, which the work goes
	// on with; empty starts a trace of its own.
	Header string
	// Invocation is the request id of the Lambda invocation that it is.
	Invocation string
}

// Do runs a piece of work in a segment of its own.
func (t *Telemetry) Do(ctx context.Context, w Work, run func(context.Context) error) (err error) {
	t.busy.enter()
	defer t.busy.leave()
	ctx, end := t.tracer.begin(ctx, w)
	defer func() { end(err) }()
	trace, _ := t.place(ctx)
	t.Truth.Journey(trace, w.Correlation)
	if w.Message != "" {
		if err := t.Consumed(ctx, w.Message); err != nil {
			return err
		}
	}
	if w.Correlation != "" {
		if err := t.Annotate(ctx, annotationCorrelation, w.Correlation); err != nil {
			return err
		}
	}
	return run(withCorrelation(ctx, w.Correlation))
}

// place is where the truth puts what happens in a context: its trace, and the
// innermost open span if it is sent.
func (t *Telemetry) place(ctx context.Context) (trace, span string) {
	trace, span = t.tracer.ids(ctx)
	if trace != "" && !t.tracer.sampled(ctx) {
		t.Truth.Unsampled(trace)
		span = ""
	}
	return trace, span
}

// Annotate adds to the innermost open span what can be asked for.
func (t *Telemetry) Annotate(ctx context.Context, key, value string) error {
	return t.tracer.annotate(ctx, key, value)
}

// Published notes on the trace that a message was published in it.
func (t *Telemetry) Published(ctx context.Context, message string) error {
	trace, _ := t.tracer.ids(ctx)
	t.Truth.Published(message, trace)
	return t.Annotate(ctx, annotationMessage, message)
}

// Consumed notes on the trace that a message is handled in it.
func (t *Telemetry) Consumed(ctx context.Context, message string) error {
	trace, _ := t.tracer.ids(ctx)
	t.Truth.Consumed(message, trace)
	return t.Annotate(ctx, annotationMessage, message)
}

// Step runs a named part of a request in a subsegment of its own.
func (t *Telemetry) Step(ctx context.Context, name string, run func(context.Context) error) error {
	return t.tracer.step(ctx, name, run)
}

// Header carries the trace to whoever gets a message.
func (t *Telemetry) Header(ctx context.Context) string { return t.tracer.header(ctx) }

// Trace is the trace of a context as truth spells it; "" outside of one.
func (t *Telemetry) Trace(ctx context.Context) string {
	trace, _ := t.tracer.ids(ctx)
	return trace
}

// ShownTrace is the trace of a context as the instrumentation spells it.
func (t *Telemetry) ShownTrace(ctx context.Context) string { return t.tracer.shown(ctx) }

// SpanID is the innermost open span of a context; "" outside of a trace.
func (t *Telemetry) SpanID(ctx context.Context) string {
	_, span := t.tracer.ids(ctx)
	return span
}

// Label notes that a fault hit the trace at hand, with whatever else is known
// of it, and that the policies which find it must say so. What is not sampled
// shows no fault.
func (t *Telemetry) Label(ctx context.Context, f faults.Fault, subject string, more truth.Label) {
	if !t.tracer.sampled(ctx) {
		return
	}
	more.Kind, more.Name, more.Subject = truth.LabelFault, string(f), subject
	more.Services = append(more.Services, t.service)
	more.Traces = append(more.Traces, t.Trace(ctx))
	more.Journeys = append(more.Journeys, Correlation(ctx))
	t.Truth.Label(more)
	for _, p := range faults.Of(f).Policies {
		place := truth.Expected{Traces: more.Traces}
		if p.Journey {
			place.Journeys = more.Journeys
		}
		t.Truth.Expect(p.ID, place)
	}
}
