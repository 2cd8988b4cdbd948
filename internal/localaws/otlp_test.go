package localaws

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resources "go.opentelemetry.io/proto/otlp/resource/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

func said(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

func counted(key string, value int64) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: value}}}
}

func list(key string, values ...string) *common.KeyValue {
	items := &common.ArrayValue{}
	for _, v := range values {
		items.Values = append(items.Values, said("", v).Value)
	}
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: items}}}
}

func digits(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// postOTLP sends spans as an exporter does, zipped, and returns the answer.
func postOTLP(t *testing.T, s *Server, spans ...*otlp.Span) *collector.ExportTraceServiceResponse {
	t.Helper()
	sent, err := proto.Marshal(&collector.ExportTraceServiceRequest{ResourceSpans: []*otlp.ResourceSpans{{
		Resource:   &resources.Resource{Attributes: []*common.KeyValue{said("service.name", "payments"), said("service.version", "1.4.0")}},
		ScopeSpans: []*otlp.ScopeSpans{{Spans: spans}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	if _, err := z.Write(sent); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Endpoint()+"/v1/traces", &body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("Content-Encoding", "gzip")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got bytes.Buffer
	if _, err := got.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v: %s", resp.StatusCode, err, &got)
	}
	answer := new(collector.ExportTraceServiceResponse)
	if err := proto.Unmarshal(got.Bytes(), answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestOTLPSpansBecomeSegments(t *testing.T) {
	s := start(t, Options{})
	began := uint64(time.Date(2026, 11, 26, 5, 0, 0, 0, time.UTC).UnixNano())
	const trace, server, call = "6b07b81f8dc6077dd9a8d38875748979", "1111111111111111", "2222222222222222"
	answer := postOTLP(
		t, s,
		&otlp.Span{
			TraceId: digits(t, trace), SpanId: digits(t, server), ParentSpanId: digits(t, "3333333333333333"),
			Name: "POST /payments", Kind: otlp.Span_SPAN_KIND_SERVER, StartTimeUnixNano: began, EndTimeUnixNano: began + 1e9,
			Attributes: []*common.KeyValue{
				said("http.request.method", "POST"), counted("http.response.status_code", 402), said("url.path", "/payments"),
				said("server.address", "payments"), said("correlation_id", "j-1"), said("other", "x"), list("aws.xray.annotations", "correlation_id"),
			},
			Status: &otlp.Status{Code: otlp.Status_STATUS_CODE_ERROR},
		},
		&otlp.Span{
			TraceId: digits(t, trace), SpanId: digits(t, call), ParentSpanId: digits(t, server),
			Name: "DynamoDB.PutItem", Kind: otlp.Span_SPAN_KIND_CLIENT, StartTimeUnixNano: began, EndTimeUnixNano: began + 1e9,
			Attributes: []*common.KeyValue{
				said("rpc.system", "aws-api"), said("rpc.service", "DynamoDB"), said("rpc.method", "PutItem"), said("aws.request_id", "R1"),
				said("aws.region", "us-east-1"), counted("http.response.status_code", 503),
			},
			Events: []*otlp.Span_Event{{Name: "exception", Attributes: []*common.KeyValue{said("exception.message", "try later")}}},
		},
		&otlp.Span{TraceId: digits(t, trace), Name: "without an id"},
	)
	if n := answer.GetPartialSuccess().GetRejectedSpans(); n != 1 {
		t.Errorf("%d spans are refused, want the one without an id", n)
	}
	got, err := xray.NewFromConfig(client(t, s, BootstrapKey)).BatchGetTraces(t.Context(), &xray.BatchGetTracesInput{
		TraceIds: []string{"1-6b07b81f-8dc6077dd9a8d38875748979"},
	})
	if err != nil || len(got.Traces) != 1 || len(got.Traces[0].Segments) != 2 {
		t.Fatalf("%+v, %v; want one trace of two documents", got, err)
	}
	documents := make(map[string]map[string]any)
	for _, segment := range got.Traces[0].Segments {
		var d map[string]any
		if err := json.Unmarshal([]byte(*segment.Document), &d); err != nil {
			t.Fatal(err)
		}
		for _, gone := range []string{"start_time", "end_time", "trace_id", "metadata", "cause"} {
			delete(d, gone)
		}
		delete(d["aws"].(map[string]any), "xray")
		documents[*segment.Id] = d
	}
	type object = map[string]any
	want := map[string]object{
		server: {
			"id": server, "parent_id": "3333333333333333", "name": "payments", "error": true, "aws": object{}, "service": object{"version": "1.4.0"},
			"http":        object{"request": object{"method": "POST", "url": "http://payments/payments"}, "response": object{"status": 402.0}},
			"annotations": object{"correlation_id": "j-1"},
		},
		call: {
			"id": call, "parent_id": server, "type": "subsegment", "name": "DynamoDB", "namespace": "aws", "fault": true,
			"aws":     object{"operation": "PutItem", "region": "us-east-1", "request_id": "R1"},
			"service": object{"version": "1.4.0"},
			"http":    object{"request": object{}, "response": object{"status": 503.0}},
		},
	}
	if diff := cmp.Diff(want, documents); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
