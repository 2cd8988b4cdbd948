package telemetry

import (
	"context"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// call is the span of one AWS call, with all its attempts.
func (o otelTracer) call(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	out middleware.InitializeOutput, m metadata, err error,
) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return next.HandleInitialize(ctx, in)
	}
	service, operation := awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx)
	ctx, span := o.tracer.Start(ctx, service+"."+operation, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("rpc.system", "aws-api"), attribute.String("rpc.service", service), attribute.String("rpc.method", operation),
		attribute.String("aws.region", awsmiddleware.GetRegion(ctx)),
	))
	out, m, err = next.HandleInitialize(ctx, in)
	endSpan(span, err)
	return out, m, err
}

// otelAnswer notes what an answer says of itself; that of the last attempt stays.
func otelAnswer(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	out middleware.DeserializeOutput, m metadata, err error,
) {
	out, m, err = next.HandleDeserialize(ctx, in)
	span := trace.SpanFromContext(ctx)
	if resp, ok := out.RawResponse.(*smithyhttp.Response); ok {
		span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
	}
	if id, ok := awsmiddleware.GetRequestIDMetadata(m); ok && id != "" {
		span.SetAttributes(attribute.String("aws.request_id", id))
	}
	return out, m, err
}
