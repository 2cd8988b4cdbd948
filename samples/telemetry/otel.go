package telemetry

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/smithy-go/middleware"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"muster/samples/truth"
)

// otelTracer is OpenTelemetry's SDK for one service, which sends its spans by
// OTLP over HTTP to an ADOT collector. Its ids and its propagation are X-Ray's,
// so that traces go on between both instrumentations.
type otelTracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// exportEvery is how long spans wait to be sent together.
const exportEvery = 500 * time.Millisecond

// newOTel starts the exporter. endpoint is the collector's URL.
func newOTel(ctx context.Context, service, endpoint string, rec *truth.Recorder) (otelTracer, error) {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimSuffix(endpoint, "/")+"/v1/traces"))
	if err != nil {
		return otelTracer{}, fmt.Errorf("OTLP collector %q: %w", endpoint, err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithIDGenerator(xrayIDs{}), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", service), attribute.String("service.version", firstVersion),
			attribute.String("telemetry.sdk.language", "go"), attribute.String("telemetry.sdk.name", "opentelemetry"),
		)),
		sdktrace.WithSpanProcessor(otelWitness{service, rec}),
		sdktrace.WithBatcher(exporter, sdktrace.WithBatchTimeout(exportEvery)),
	)
	return otelTracer{provider, provider.Tracer("muster/samples")}, nil
}

// xrayIDs makes ids that X-Ray takes: a trace's begins with its time.
type xrayIDs struct{}

// NewIDs makes the ids of a trace and its first span.
func (g xrayIDs) NewIDs(ctx context.Context) (id trace.TraceID, span trace.SpanID) {
	binary.BigEndian.PutUint32(id[:4], uint32(time.Now().Unix()))
	_, _ = rand.Read(id[4:]) // never fails
	return id, g.NewSpanID(ctx, id)
}

// NewSpanID makes the id of a further span.
func (xrayIDs) NewSpanID(context.Context, trace.TraceID) (id trace.SpanID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// otelWitness notes every span that is sent, by the name that the collector
// will give it.
type otelWitness struct {
	service string
	truth   *truth.Recorder
}

// OnStart does nothing.
func (otelWitness) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd notes the span.
func (w otelWitness) OnEnd(s sdktrace.ReadOnlySpan) {
	names := make(map[attribute.Key]string)
	for _, kv := range s.Attributes() {
		names[kv.Key] = kv.Value.AsString()
	}
	name := cmp.Or(names["peer.service"], names["rpc.service"], s.Name())
	if s.SpanKind() == trace.SpanKindServer {
		name = w.service
	}
	at := s.SpanContext()
	w.truth.Span(truth.Span{Trace: at.TraceID().String(), ID: at.SpanID().String(), Service: w.service, Name: name})
}

// Shutdown does nothing.
func (otelWitness) Shutdown(context.Context) error { return nil }

// ForceFlush does nothing.
func (otelWitness) ForceFlush(context.Context) error { return nil }

// xrayHeader carries traces as X-Ray does.
type xrayHeader struct{}

// TraceHeader carries a trace, and whether it is sampled.
const TraceHeader = "X-Amzn-Trace-Id"

// Inject writes the header.
func (xrayHeader) Inject(ctx context.Context, to propagation.TextMapCarrier) {
	if h := spanHeader(ctx); h != "" {
		to.Set(TraceHeader, h)
	}
}

// Extract reads the header; what is none leaves the context as it is.
func (xrayHeader) Extract(ctx context.Context, from propagation.TextMapCarrier) context.Context {
	return withHeader(ctx, from.Get(TraceHeader))
}

// Fields names the header.
func (xrayHeader) Fields() []string { return []string{TraceHeader} }

// withHeader is a context in the trace of a header. Only "Sampled=0" says that it
// is not sampled. X-Ray's SDK calls the parent zero then, which no parent may be
// here: one that nobody sends stands in for it, or the trace would end.
func withHeader(ctx context.Context, header string) context.Context {
	cfg := trace.SpanContextConfig{TraceFlags: trace.FlagsSampled}
	for part := range strings.SplitSeq(header, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		var err error
		switch key {
		case "Root":
			cfg.TraceID, err = trace.TraceIDFromHex(truth.TraceID(value))
		case "Parent":
			if cfg.SpanID, err = trace.SpanIDFromHex(value); value == noSpan {
				cfg.SpanID, err = xrayIDs{}.NewSpanID(ctx, cfg.TraceID), nil
			}
		case "Sampled":
			if value == "0" {
				cfg.TraceFlags = 0
			}
		}
		if err != nil {
			return ctx
		}
	}
	cfg.Remote = true
	if at := trace.NewSpanContext(cfg); at.IsValid() {
		return trace.ContextWithRemoteSpanContext(ctx, at)
	}
	return ctx
}

// noSpan is what X-Ray's SDK calls a span that is not sampled.
const noSpan = "0000000000000000"

func spanHeader(ctx context.Context) string {
	at := trace.SpanContextFromContext(ctx)
	if !at.IsValid() {
		return ""
	}
	id := at.TraceID().String()
	decision := "0"
	if at.IsSampled() {
		decision = "1"
	}
	return "Root=1-" + id[:8] + "-" + id[8:] + ";Parent=" + at.SpanID().String() + ";Sampled=" + decision
}

func (o otelTracer) ids(ctx context.Context) (id, span string) {
	at := trace.SpanContextFromContext(ctx)
	if !at.IsValid() {
		return "", ""
	}
	return at.TraceID().String(), at.SpanID().String()
}

func (o otelTracer) sampled(ctx context.Context) bool {
	return trace.SpanContextFromContext(ctx).IsSampled()
}

// shown is W3C's spelling, without dashes.
func (o otelTracer) shown(ctx context.Context) string {
	id, _ := o.ids(ctx)
	return id
}

func (o otelTracer) header(ctx context.Context) string { return spanHeader(ctx) }

// annotations is the attribute by which the collector is told which of the
// others are to be annotations.
const annotations = attribute.Key("aws.xray.annotations")

func (o otelTracer) annotate(ctx context.Context, key, value string) error {
	span := trace.SpanFromContext(ctx)
	keys := []string{key}
	if read, ok := span.(sdktrace.ReadOnlySpan); ok {
		for _, kv := range read.Attributes() {
			if kv.Key == annotations {
				keys = append(kv.Value.AsStringSlice(), key)
			}
		}
	}
	span.SetAttributes(attribute.String(key, value), annotations.StringSlice(keys))
	return nil
}

func (o otelTracer) serve(next http.Handler) http.Handler {
	return otelhttp.NewHandler(next, "request", otelhttp.WithTracerProvider(o.provider), otelhttp.WithPropagators(xrayHeader{}),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method + " " + r.URL.Path }))
}

func (o otelTracer) send(base http.RoundTripper, peer string) http.RoundTripper {
	return otelhttp.NewTransport(base, otelhttp.WithTracerProvider(o.provider), otelhttp.WithPropagators(xrayHeader{}),
		otelhttp.WithSpanOptions(trace.WithAttributes(attribute.String("peer.service", peer))))
}

func (o otelTracer) step(ctx context.Context, name string, run func(context.Context) error) error {
	ctx, span := o.tracer.Start(ctx, name)
	err := run(ctx)
	endSpan(span, err)
	return err
}

func endSpan(span trace.Span, err error) {
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

func (o otelTracer) begin(ctx context.Context, w Work) (context.Context, func(error)) {
	ctx = withHeader(ctx, w.Header)
	ctx, span := o.tracer.Start(ctx, "work", trace.WithSpanKind(trace.SpanKindServer))
	if w.Invocation != "" {
		span.SetAttributes(attribute.String("faas.invocation_id", w.Invocation))
	}
	return ctx, func(err error) { endSpan(span, err) }
}

func (o otelTracer) flush(ctx context.Context) error {
	if err := o.provider.ForceFlush(ctx); err != nil {
		return fmt.Errorf("export spans: %w", err)
	}
	return nil
}

func (o otelTracer) close(ctx context.Context) error {
	if err := o.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("export the last spans: %w", err)
	}
	return nil
}

// instrument traces AWS calls with the names of OpenTelemetry's conventions.
func (o otelTracer) instrument(stack *[]func(*middleware.Stack) error) {
	*stack = append(*stack, func(s *middleware.Stack) error {
		if err := s.Initialize.Add(middleware.InitializeMiddlewareFunc("OTelCall", o.call), middleware.After); err != nil {
			return fmt.Errorf("trace calls: %w", err)
		}
		if err := s.Deserialize.Add(middleware.DeserializeMiddlewareFunc("OTelAnswer", otelAnswer), middleware.Before); err != nil {
			return fmt.Errorf("trace answers: %w", err)
		}
		return nil
	})
}
