package telemetry

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/aws/aws-xray-sdk-go/v2/header"
	"github.com/aws/aws-xray-sdk-go/v2/instrumentation/awsv2"
	"github.com/aws/aws-xray-sdk-go/v2/strategy/ctxmissing"
	"github.com/aws/aws-xray-sdk-go/v2/strategy/sampling"
	"github.com/aws/aws-xray-sdk-go/v2/xray"
	"github.com/aws/aws-xray-sdk-go/v2/xraylog"
	"github.com/aws/smithy-go/middleware"

	"muster/samples/truth"
)

// The SDK logs to standard output unless told otherwise, and may be told only
// from an init function.
func init() { xray.SetLogger(xraylog.NullLogger) }

// xrayTracer is X-Ray's SDK for one service: nothing global, so that several
// services can live in one process.
type xrayTracer struct {
	service string
	config  *xray.Config
}

func newXRay(service, daemon string, rec *truth.Recorder) (xrayTracer, error) {
	addr, err := net.ResolveUDPAddr("udp", daemon)
	if err != nil {
		return xrayTracer{}, fmt.Errorf("X-Ray daemon %q: %w", daemon, err)
	}
	emitter, err := xray.NewDefaultEmitter(addr)
	if err != nil {
		return xrayTracer{}, fmt.Errorf("X-Ray daemon %q: %w", daemon, err)
	}
	streaming, err := xray.NewDefaultStreamingStrategy()
	if err != nil {
		return xrayTracer{}, err
	}
	return xrayTracer{service, &xray.Config{
		Emitter:                emitter,
		SamplingStrategy:       everything{},
		StreamingStrategy:      witness{StreamingStrategy: streaming, service: service, truth: rec},
		ContextMissingStrategy: ctxmissing.NewDefaultIgnoreErrorStrategy(),
	}}, nil
}

// Unsampled is the trace header of a request that its sender has decided not to
// sample, as API Gateway does by a sampling rule: a trace of which no span is sent.
func Unsampled() string { return "Root=" + xray.NewTraceID() + ";" + string(header.NotSampled) }

// everything samples every request that comes without a decision: which are not
// sampled the load decides, and says so in their header.
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

func (x xrayTracer) ids(ctx context.Context) (trace, span string) {
	seg := xray.GetSegment(ctx)
	if seg == nil {
		return "", ""
	}
	return truth.TraceID(xray.TraceID(ctx)), seg.ID
}

func (x xrayTracer) sampled(ctx context.Context) bool {
	seg := xray.GetSegment(ctx)
	return seg != nil && seg.ParentSegment.Sampled
}

func (x xrayTracer) shown(ctx context.Context) string { return xray.TraceID(ctx) }

func (x xrayTracer) header(ctx context.Context) string {
	seg := xray.GetSegment(ctx)
	if seg == nil {
		return ""
	}
	return seg.DownstreamHeader().String()
}

func (x xrayTracer) annotate(ctx context.Context, key, value string) error {
	if err := xray.AddAnnotation(ctx, key, value); err != nil {
		return fmt.Errorf("annotate %s: %w", key, err)
	}
	return nil
}

func (x xrayTracer) serve(next http.Handler) http.Handler {
	base := context.WithValue(context.Background(), xray.RecorderContextKey{}, x.config)
	return xray.HandlerWithContext(base, xray.NewFixedSegmentNamer(x.service), next)
}

func (x xrayTracer) send(base http.RoundTripper, _ string) http.RoundTripper {
	return xray.RoundTripper(base) // which names the subsegment after the host
}

func (x xrayTracer) instrument(stack *[]func(*middleware.Stack) error) {
	awsv2.AWSV2Instrumentor(stack)
}

func (x xrayTracer) step(ctx context.Context, name string, run func(context.Context) error) error {
	return xray.Capture(ctx, name, run)
}

func (x xrayTracer) begin(ctx context.Context, w Work) (context.Context, func(error)) {
	ctx = context.WithValue(ctx, xray.RecorderContextKey{}, x.config)
	var seg *xray.Segment
	if w.Header == "" {
		ctx, seg = xray.BeginSegment(ctx, x.service)
	} else {
		// Without a request the SDK does not look at what the header decided.
		ctx, seg = xray.NewSegmentFromHeader(ctx, x.service, &http.Request{URL: new(url.URL)}, header.FromString(w.Header))
	}
	if w.Invocation != "" {
		seg.Lock()
		seg.Origin = "AWS::Lambda::Function"
		seg.GetAWS()["request_id"] = w.Invocation
		seg.Unlock()
	}
	return ctx, seg.Close
}

// flush and close have nothing to do: the SDK sends a segment when it ends.
func (x xrayTracer) flush(context.Context) error { return nil }

func (x xrayTracer) close(context.Context) error { return nil }
