package telemetry

import (
	"context"
	"fmt"
	"net"

	"github.com/aws/aws-xray-sdk-go/v2/strategy/ctxmissing"
	"github.com/aws/aws-xray-sdk-go/v2/strategy/sampling"
	"github.com/aws/aws-xray-sdk-go/v2/xray"
	"github.com/aws/aws-xray-sdk-go/v2/xraylog"

	"muster/samples/truth"
)

// The SDK logs to standard output unless told otherwise, and may be told only
// from an init function.
func init() { xray.SetLogger(xraylog.NullLogger) }

// The X-Ray annotations by which muster joins.
const (
	annotationCorrelation = "correlation_id"
	annotationMessage     = "message_id"
)

// newTracing is the SDK's configuration of one service: nothing global, so
// that several services can live in one process.
func newTracing(service, daemon string, rec *truth.Recorder) (*xray.Config, error) {
	addr, err := net.ResolveUDPAddr("udp", daemon)
	if err != nil {
		return nil, fmt.Errorf("X-Ray daemon %q: %w", daemon, err)
	}
	emitter, err := xray.NewDefaultEmitter(addr)
	if err != nil {
		return nil, fmt.Errorf("X-Ray daemon %q: %w", daemon, err)
	}
	streaming, err := xray.NewDefaultStreamingStrategy()
	if err != nil {
		return nil, err
	}
	return &xray.Config{
		Emitter:                emitter,
		SamplingStrategy:       everything{},
		StreamingStrategy:      witness{StreamingStrategy: streaming, service: service, truth: rec},
		ContextMissingStrategy: ctxmissing.NewDefaultIgnoreErrorStrategy(),
	}, nil
}

// everything samples every request: the truth is about all of them.
type everything struct{}

func (everything) ShouldTrace(*sampling.Request) *sampling.Decision {
	return &sampling.Decision{Sample: true}
}

// witness notes every span that is sent. The SDK asks its streaming strategy
// about each segment and subsegment just before it writes it, with the span
// locked; there is no other place that sees them all.
type witness struct {
	xray.StreamingStrategy
	service string
	truth   *truth.Recorder
}

// RequiresStreaming answers as the SDK's own strategy does.
func (w witness) RequiresStreaming(seg *xray.Segment) bool {
	w.truth.Span(truth.Span{Trace: truth.TraceID(seg.TraceID), ID: seg.ID, Service: w.service, Name: seg.Name})
	return w.StreamingStrategy.RequiresStreaming(seg)
}

// Work is one piece of work that no request brought, such as a message.
type Work struct {
	// Message is the id of the message that it handles.
	Message string
	// Correlation is the journey that the message says it belongs to; empty when
	// it does not say.
	Correlation string
}

// Do runs a piece of work in a trace of its own.
func (t *Telemetry) Do(ctx context.Context, w Work, run func(context.Context) error) (err error) {
	t.busy.enter()
	defer t.busy.leave()
	ctx = context.WithValue(ctx, xray.RecorderContextKey{}, t.tracing)
	ctx, seg := xray.BeginSegment(ctx, t.service)
	defer func() { seg.Close(err) }()
	trace := traceID(ctx)
	t.Truth.Journey(trace, w.Correlation)
	t.Truth.Consumed(w.Message, trace)
	if err := seg.AddAnnotation(annotationMessage, w.Message); err != nil {
		return fmt.Errorf("annotate the message: %w", err)
	}
	if w.Correlation != "" {
		if err := seg.AddAnnotation(annotationCorrelation, w.Correlation); err != nil {
			return fmt.Errorf("annotate the correlation: %w", err)
		}
	}
	return run(withCorrelation(ctx, w.Correlation))
}

// Published notes on the trace that a message was published in it.
func (t *Telemetry) Published(ctx context.Context, message string) error {
	t.Truth.Published(message, traceID(ctx))
	if err := xray.AddAnnotation(ctx, annotationMessage, message); err != nil {
		return fmt.Errorf("annotate the message: %w", err)
	}
	return nil
}

// Expect notes that the trace at hand shows what a policy looks for.
func (t *Telemetry) Expect(ctx context.Context, policy string) {
	t.Truth.Expect(policy, truth.Expected{Traces: []string{traceID(ctx)}})
}

// ExpectInJourney notes that the journey at hand shows what a policy looks
// for; a finding may lie on any of its traces.
func (t *Telemetry) ExpectInJourney(ctx context.Context, policy string) {
	place := truth.Expected{Traces: []string{traceID(ctx)}}
	if c := Correlation(ctx); c != "" {
		place.Journeys = []string{c}
	}
	t.Truth.Expect(policy, place)
}

// Step runs a named part of a request in a subsegment of its own.
func Step(ctx context.Context, name string, run func(context.Context) error) error {
	return xray.Capture(ctx, name, run)
}

// traceID is the trace of a context as truth spells it; "" outside of one.
func traceID(ctx context.Context) string { return truth.TraceID(xray.TraceID(ctx)) }

// spanID is the innermost open span of a context; "" outside of a trace.
func spanID(ctx context.Context) string {
	if seg := xray.GetSegment(ctx); seg != nil {
		return seg.ID
	}
	return ""
}
