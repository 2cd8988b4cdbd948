package collectors

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

const (
	hexTrace  = "5759e988bd862e3fe1be46a994272793"
	xrayTrace = "1-5759e988-bd862e3fe1be46a994272793"
	hexSpan   = "53995c3f42cd8ad8"
	uuid      = "b1f8a470-bf24-41aa-87c8-2ca6a99d6c52"
)

// lineKeys are the keys of a log line.
func lineKeys(group, line string) fleet.Keys {
	e := logEvent{EventID: "l", Group: group, Timestamp: 1767323045000, Message: line}
	r := e.record(origin{})
	return r.Seen
}

func TestLogLinesShowTheirIDs(t *testing.T) {
	trace := fleet.Keys{Trace: hexTrace}
	traceAndSpan := fleet.Keys{Trace: hexTrace, Span: hexSpan}
	for name, c := range map[string]struct {
		line string
		want fleet.Keys
	}{
		"header":            {"X-Amzn-Trace-Id: Root=" + xrayTrace + ";Parent=53995c3f42cd8ad8;Sampled=1", trace},
		"header, Self":      {"x-amzn-trace-id=Self=1-67891234-12456789abcdef012345678;Root=" + xrayTrace, trace},
		"root":              {"got Root=" + xrayTrace + " from the balancer", trace},
		"root of something": {"root=/var/lib/x", fleet.Keys{}},
		"xray_trace_id":     {"xray_trace_id=" + xrayTrace, trace},
		"AWS-XRAY, span":    {"[AWS-XRAY-TRACE-ID: " + xrayTrace + "@" + hexSpan + "]", traceAndSpan},
		"AWS-XRAY":          {"[AWS-XRAY-TRACE-ID: " + xrayTrace + "] hello", trace},
		"trace_id":          {"trace_id=" + hexTrace + " span_id=" + hexSpan, traceAndSpan},
		"upper case":        {"TraceID: " + strings.ToUpper(hexTrace) + " SpanID: " + strings.ToUpper(hexSpan), traceAndSpan},
		"quoted":            {`traceId="` + hexTrace + `"`, trace},
		"traceparent":       {"traceparent: 00-" + hexTrace + "-" + hexSpan + "-01", traceAndSpan},
		"zero id":           {"trace_id=00000000000000000000000000000000", fleet.Keys{}},
		"zero X-Ray id":     {"Root=1-00000000-000000000000000000000000", fleet.Keys{}},
		"too short":         {"trace_id=" + hexTrace[1:], fleet.Keys{}},
		"an id of no name":  {"seen " + hexTrace, fleet.Keys{}},
		"Lambda report": {
			"REPORT RequestId: " + uuid + "\tDuration: 1.2 ms\tXRAY TraceId: " + xrayTrace + "\tSegmentId: " + hexSpan + "\tSampled: true",
			fleet.Keys{Trace: hexTrace, Span: hexSpan, Request: uuid, Scope: fleet.ScopeLambda},
		},
		"Lambda start":     {"START RequestId: " + uuid + " Version: $LATEST", fleet.Keys{Request: uuid, Scope: fleet.ScopeLambda}},
		"SDK error":        {"operation error DynamoDB: GetItem, https response error StatusCode: 400, RequestID: " + uuid + ", ResourceNotFoundException: x", fleet.Keys{Request: uuid, Scope: fleet.ScopeAWS}},
		"older SDK error":  {"ResourceNotFound: x\n\tstatus code: 400, request id: " + uuid, fleet.Keys{Request: uuid, Scope: fleet.ScopeAWS}},
		"Java SDK error":   {"x (Service: AmazonDynamoDBv2; Status Code: 400; Error Code: X; Request ID: " + uuid + "; Proxy: null)", fleet.Keys{Request: uuid, Scope: fleet.ScopeAWS}},
		"client's request": {"x-request-id: abc-1", fleet.Keys{Request: "abc-1", Scope: fleet.ScopeApp}},
		"request id":       {"request_id=abc-1, done", fleet.Keys{Request: "abc-1", Scope: fleet.ScopeApp}},
		"aws before app":   {"request_id=abc-1 aws_request_id=" + uuid, fleet.Keys{Request: uuid, Scope: fleet.ScopeAWS}},
		"correlation":      {"correlationId=c-123.", fleet.Keys{Correlation: "c-123"}},
		"correlation none": {"X-Correlation-Id: - done", fleet.Keys{}},
		"messages":         {"sent messageId=m-1 and MessageId: m-2 and message_id=m-1", fleet.Keys{Messages: []string{"m-1", "m-2"}}},
		"the first wins":   {"trace_id=" + hexTrace + " trace_id=" + strings.Repeat("a", 32), trace},

		"JSON":              {`{"trace_id":"` + xrayTrace + `","span_id":"` + hexSpan + `"}`, traceAndSpan},
		"JSON, camel case":  {`{"traceId":"` + hexTrace + `","correlationId":"c-1","messageId":"m"}`, fleet.Keys{Trace: hexTrace, Correlation: "c-1", Messages: []string{"m"}}},
		"JSON, nested":      {`{"trace":{"id":"` + hexTrace + `"},"span":{"id":"` + hexSpan + `"}}`, traceAndSpan},
		"JSON, headers":     {`{"headers":{"X-Amzn-Trace-Id":"Root=` + xrayTrace + `;Sampled=0"}}`, trace},
		"JSON, aws request": {`{"aws_request_id":"` + uuid + `"}`, fleet.Keys{Request: uuid, Scope: fleet.ScopeAWS}},
		"JSON, app request": {`{"request_id":"r-1"}`, fleet.Keys{Request: "r-1", Scope: fleet.ScopeApp}},
		"JSON, numbers":     {`{"correlation_id":4711}`, fleet.Keys{Correlation: "4711"}},
		"JSON, many":        {`{"message_ids":["m-1","m-2"]}`, fleet.Keys{Messages: []string{"m-1", "m-2"}}},
		"JSON, field first": {`{"msg":"retry of correlation_id=c-0","correlation_id":"c-1"}`, fleet.Keys{Correlation: "c-1"}},
		"JSON in JSON":      {`{"log":"{\"trace_id\":\"` + hexTrace + `\"}"}`, trace},
		"Docker's":          {`{"log":"16:42 INFO TraceID: ` + hexTrace + ` SpanID: ` + hexSpan + ` [x]\n","stream":"stdout"}`, traceAndSpan},
		"broken JSON":       {`{"trace_id":"` + hexTrace + `"`, trace},
		"null":              {`{"trace_id":null,"correlation_id":"none"}`, fleet.Keys{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, lineKeys("/muster/orders", c.line)); diff != "" {
				t.Errorf("keys of %s (-want +got):\n%s", c.line, diff)
			}
		})
	}
}

func TestLambdaLinesBelongToTheirInvocation(t *testing.T) {
	want := fleet.Keys{Request: uuid, Scope: fleet.ScopeLambda}
	for _, line := range []string{
		"2026-01-02T03:04:05.678Z\t" + uuid + "\tINFO\thello",
		"[INFO]\t2026-01-02T03:04:05.678Z\t" + uuid + "\thello",
		`{"requestId":"` + uuid + `","level":"INFO"}`,
		"RequestId: " + uuid + " Error: exited",
	} {
		if diff := cmp.Diff(want, lineKeys("/aws/lambda/orders", line)); diff != "" {
			t.Errorf("keys of %s (-want +got):\n%s", line, diff)
		}
	}
}

func FuzzLogLine(f *testing.F) {
	f.Add("/muster/orders", `{"trace_id":"`+xrayTrace+`","msg":"a=b"}`)
	f.Add("/aws/lambda/x", "REPORT RequestId: "+uuid+"\tXRAY TraceId: "+xrayTrace)
	f.Add("g", "Authorization: Bearer abc password=\"a\\\"b\" Root=1-")
	f.Fuzz(func(t *testing.T, group, line string) {
		e := logEvent{Group: group, Timestamp: 1767323045000, Message: line}
		r := e.record(origin{})
		checkKeys(t, &r)
	})
}

// checkKeys holds for every record, whatever it was read from.
func checkKeys(t *testing.T, r *fleet.Record) {
	t.Helper()
	if k := r.Seen.Trace; k != "" {
		if id, ok := fleet.ParseTraceID(k); !ok || id != k {
			t.Errorf("trace %q is no trace id", k)
		}
	}
	for _, k := range []string{r.Seen.Span, r.Seen.Parent} {
		if id, ok := fleet.ParseSpanID(k); k != "" && (!ok || id != k) {
			t.Errorf("span %q is no span id", k)
		}
	}
	if (r.Seen.Request == "") != (r.Seen.Scope == "") {
		t.Errorf("request %q has scope %q", r.Seen.Request, r.Seen.Scope)
	}
	if r.ID == "" || strings.ContainsAny(r.Message, "\r\n") || len(r.Message) > maxMessageBytes {
		t.Errorf("ID %q, message %q", r.ID, r.Message)
	}
	text := []string{r.ID, r.Account, r.Region, r.Service, r.Name, r.Principal, r.Error, r.Message, r.Seen.Request, r.Seen.Correlation, r.Seen.AccessKey}
	text = slices.Concat(text, r.Resources, r.Seen.Messages)
	for k, v := range r.Attributes.All() {
		text = append(text, k, v)
	}
	for _, s := range text {
		if !utf8.ValidString(s) {
			t.Errorf("%q is no UTF-8", s)
		}
	}
	if _, err := r.MarshalJSON(); err != nil {
		t.Error(err)
	}
}

func BenchmarkLogLine(b *testing.B) {
	e := logEvent{EventID: "l", Group: "/muster/orders", Timestamp: 1767323045000, Message: `{"time":"2026-01-02T03:04:05.000123Z","level":"INFO","service":"orders","msg":"order placed","line":"l-77","trace_id":"` +
		xrayTrace + `","span_id":"` + hexSpan + `","correlation_id":"c-123","aws_request_id":"` + uuid + `","order_id":"o-1","amount":42.5}`}
	b.SetBytes(int64(len(e.Message)))
	b.ReportAllocs()
	for b.Loop() {
		if r := e.record(origin{}); r.Seen.Trace == "" {
			b.Fatal("no trace")
		}
	}
}
