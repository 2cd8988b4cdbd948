package collectors

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

const (
	envoyLine = `[2026-01-02T03:04:05.310Z] "POST /orders?root=1-5759e988-bd862e3fe1be46a994272793 HTTP/2" 503 UF 154 91 226 100 "10.0.35.28, 10.1.1.1" "curl/8" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "orders.local" "10.0.2.1:80"`
	istioLine = `[2026-01-02T03:04:05.310Z] "GET / HTTP/1.1" 200 - via_upstream - "-" 0 5 12 11 "-" "curl" "r-1" "orders" "10.0.2.1:80" outbound|80||orders 10.0.0.1:1 traceparent=00-` + hexTrace + "-" + hexSpan + `-01`
	clfLine   = `203.0.113.9 AIDA user [02/Jan/2026:03:04:05 +0000]"GET /pets HTTP/1.1" 404 42 c6af9ac6-7b61-11e6-9a41-93e8deadbeef`
	albLine   = `https 2026-01-02T03:04:05.186641Z app/front/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.086 0.048 0.037 502 - 34 366 "GET https://www.example.com:443/a?trace_id=` + hexOther + ` HTTP/1.1" "curl root=1-5759e988-bd862e3fe1be46a994272794" TLS_AES TLSv1.3 arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/t/73e2d6bc24d8a067 "Root=` + xrayTrace + `" "www.example.com" "session-reused" 1 2026-01-02T03:04:05.000000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_1234`
	hexOther  = "ffffe988bd862e3fe1be46a994272793"

	reportLine     = "REPORT RequestId: " + uuid + "\tDuration: 309.82 ms\tBilled Duration: 400 ms \tMemory Size: 512 MB\tMax Memory Used: 29 MB\tInit Duration: 120.5 ms\t\nXRAY TraceId: " + xrayTrace + "\tSegmentId: " + hexSpan + "\tSampled: true\t\n"
	reportJSONLine = `{"time":"2026-01-02T03:04:05.123Z","type":"platform.report","record":{"requestId":"` + uuid + `","metrics":{"durationMs":101.51,"billedDurationMs":300,"memorySizeMB":512,"maxMemoryUsedMB":33},"tracing":{"spanId":"` + hexSpan + `","type":"X-Amzn-Trace-Id","value":"Root=` + xrayTrace + `;Parent=` + hexSpan + `;Sampled=1"},"status":"timeout"}}`

	gatewayJSONLine = `{"requestId":"c6af9ac6-7b61-11e6-9a41-93e8deadbeef","xrayTraceId":"` + xrayTrace + `","ip":"203.0.113.9","requestTime":"02/Jan/2026:03:04:05 +0000","httpMethod":"POST","resourcePath":"/orders","path":"/prod/orders?root=1-5759e988-bd862e3fe1be46a994272794","status":"429","protocol":"HTTP/1.1","responseLatency":"12","userAgent":"curl","integrationRequestId":"` + uuid + `"}`
	httpAPILine     = `{"requestId":"JKJaXmPLvHcESHA=","routeKey":"GET /orders/{id}","stage":"$default","status":200}`
	envoyJSONLine   = `{"start_time":"2026-01-02T03:04:05.310Z","method":"GET","path":"/x","response_code":200,"response_flags":"-","duration":7,"x_forwarded_for":"10.0.0.9,10.0.0.8","request_id":"r-1","authority":"orders","upstream_host":"10.0.2.1:80","traceparent":"00-` + hexTrace + "-" + hexSpan + `-01"}`

	fluentLine   = `{"time":"2026-01-02T03:04:05.123Z","stream":"stderr","_p":"F","log":"2026-01-02T03:04:05.123Z stderr F {\"level\":\"error\",\"msg\":\"no luck\",\"order\":\"7\",\"trace_id\":\"` + hexTrace + `\"}\n","log_processed":{"order":"7"},"kubernetes":{"pod_name":"orders-5f-x","namespace_name":"shop","container_name":"orders","labels":{"app":"orders-app"}}}`
	firelensLine = `{"container_id":"ab12","container_name":"orders","source":"stdout","log":"INFO hello correlation_id=c-1","ecs_cluster":"prod","ecs_task_arn":"arn:aws:ecs:us-east-1:1:task/prod/9781c248","ecs_task_definition":"orders:7"}`
)

// form is what a line of a known form says.
type form struct {
	seen                          fleet.Keys
	errored, level, message, name string // name is the service
	attributes                    map[string]string
}

var forms = map[string]struct {
	line string
	want form
}{
	"envoy": {envoyLine, form{fleet.Keys{Request: "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2", Scope: fleet.ScopeApp}, "fault", "", "POST /orders?root=1-5759e988-bd862e3fe1be46a994272793 503 226 ms", "mesh", map[string]string{
		"log_format": "envoy", "http_method": "POST", "http_status": "503", "source_ip": "10.0.35.28", "user_agent": "curl/8", "duration_ms": "226",
		"http_path": "/orders?root=1-5759e988-bd862e3fe1be46a994272793", "response_flags": "UF", "request_bytes": "154", "response_bytes": "91", "upstream_ms": "100", "authority": "orders.local", "upstream": "10.0.2.1:80",
	}}},
	"istio": {istioLine, form{fleet.Keys{Trace: hexTrace, Span: hexSpan, Request: "r-1", Scope: fleet.ScopeApp}, "", "", "GET / 200 12 ms", "mesh", map[string]string{
		"log_format": "envoy", "http_method": "GET", "http_status": "200", "user_agent": "curl", "duration_ms": "12", "http_path": "/", "response_details": "via_upstream",
		"request_bytes": "0", "response_bytes": "5", "upstream_ms": "11", "authority": "orders", "upstream": "10.0.2.1:80",
	}}},
	"API Gateway": {clfLine, form{fleet.Keys{Request: "c6af9ac6-7b61-11e6-9a41-93e8deadbeef", Scope: fleet.ScopeApp}, "error", "", "GET /pets 404", "mesh", map[string]string{
		"log_format": "apigateway", "http_method": "GET", "http_status": "404", "source_ip": "203.0.113.9", "http_path": "/pets", "response_bytes": "42", "caller": "AIDA", "user": "user",
	}}},
	"combined": {`::1 - - [02/Jan/2026:03:04:05 +0000] "GET /?request_id=evil HTTP/1.0" 200 - "-" "trace_id=` + hexOther + `"`, form{fleet.Keys{}, "", "", "GET /?request_id=evil 200", "mesh", map[string]string{
		"log_format": "clf", "http_method": "GET", "http_status": "200", "source_ip": "::1", "http_path": "/?request_id=evil", "user_agent": "trace_id=" + hexOther,
	}}},
	"ALB": {albLine, form{fleet.Keys{Trace: hexTrace}, "fault", "", "GET https://www.example.com:443/a?trace_id=" + hexOther + " 502 171 ms", "front", map[string]string{
		"log_format": "alb", "http_method": "GET", "http_status": "502", "source_ip": "192.168.131.39", "user_agent": "curl root=1-5759e988-bd862e3fe1be46a994272794", "duration_ms": "171",
		"http_url": "https://www.example.com:443/a?trace_id=" + hexOther, "load_balancer": "app/front/50dc6c495c0c9188", "target": "10.0.0.1:80", "request_bytes": "34", "response_bytes": "366",
		"target_group": "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/t/73e2d6bc24d8a067", "domain": "www.example.com", "actions": "forward",
	}}},
	"API Gateway, JSON": {gatewayJSONLine, form{fleet.Keys{Trace: hexTrace, Request: uuid, Scope: fleet.ScopeLambda}, "throttle", "", "POST /prod/orders?root=1-5759e988-bd862e3fe1be46a994272794 429 12 ms", "mesh", map[string]string{
		"log_format": "apigateway", "http_method": "POST", "http_status": "429", "source_ip": "203.0.113.9", "user_agent": "curl", "duration_ms": "12", "api_request_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
		"http_path": "/prod/orders?root=1-5759e988-bd862e3fe1be46a994272794",
	}}},
	"HTTP API": {httpAPILine, form{fleet.Keys{Request: "JKJaXmPLvHcESHA=", Scope: fleet.ScopeApp}, "", "", "GET /orders/{id} 200", "mesh", map[string]string{
		"log_format": "apigateway", "http_method": "GET", "http_status": "200", "http_path": "/orders/{id}",
	}}},
	"envoy, JSON": {envoyJSONLine, form{fleet.Keys{Trace: hexTrace, Span: hexSpan, Request: "r-1", Scope: fleet.ScopeApp}, "", "", "GET /x 200 7 ms", "mesh", map[string]string{
		"log_format": "envoy", "http_method": "GET", "http_status": "200", "source_ip": "10.0.0.9", "duration_ms": "7", "http_path": "/x", "upstream": "10.0.2.1:80",
	}}},
	"REPORT": {reportLine, form{fleet.Keys{Trace: hexTrace, Span: hexSpan, Request: uuid, Scope: fleet.ScopeLambda}, "", "", strings.SplitN(reportLine, "\n", 2)[0], "mesh", map[string]string{
		"log_format": "lambda-report", "duration_ms": "309.82", "lambda.billed_ms": "400", "lambda.memory_mb": "512", "lambda.max_memory_mb": "29", "lambda.init_ms": "120.5", "lambda.cold_start": "true",
	}}},
	"REPORT of an error": {strings.Replace(reportLine, "\tInit", "\tStatus: error\tError Type: Runtime.ExitError\tInit", 1), form{fleet.Keys{Trace: hexTrace, Span: hexSpan, Request: uuid, Scope: fleet.ScopeLambda}, "fault", "", "", "mesh", map[string]string{
		"lambda.status": "error", "lambda.error_type": "Runtime.ExitError",
	}}},
	"REPORT, JSON": {reportJSONLine, form{fleet.Keys{Trace: hexTrace, Span: hexSpan, Request: uuid, Scope: fleet.ScopeLambda}, "timeout", "", "REPORT Duration: 101.51 ms Billed Duration: 300 ms Memory Size: 512 MB Max Memory Used: 33 MB", "mesh", map[string]string{
		"log_format": "lambda-report", "duration_ms": "101.51", "lambda.billed_ms": "300", "lambda.memory_mb": "512", "lambda.max_memory_mb": "33", "lambda.status": "timeout",
	}}},
	"Fluent Bit": {fluentLine, form{fleet.Keys{Trace: hexTrace}, "error", "ERROR", "no luck", "orders-app", map[string]string{
		"container": "orders", "pod": "orders-5f-x", "kubernetes_namespace": "shop", "order": "7", "stream": "stderr", "kubernetes.labels.app": "orders-app",
	}}},
	"FireLens": {firelensLine, form{fleet.Keys{Correlation: "c-1"}, "", "INFO", "INFO hello correlation_id=c-1", "orders", map[string]string{
		"container": "orders", "task": "arn:aws:ecs:us-east-1:1:task/prod/9781c248", "cluster": "prod", "ecs_task_definition": "orders:7",
	}}},
	"the mesh on EKS": {`{"stream":"stdout","kubernetes":{"pod_name":"p","container_name":"envoy"},"log":` + spelled(envoyLine) + `}`, form{fleet.Keys{Request: "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2", Scope: fleet.ScopeApp}, "fault", "", "", "envoy", map[string]string{
		"log_format": "envoy", "pod": "p", "container": "envoy", "http_status": "503",
	}}},
	// What only looks like one of these.
	"a field named log":     {`{"log":"trace_id=` + hexTrace + `","level":"info"}`, form{fleet.Keys{Trace: hexTrace}, "", "INFO", "trace_id=" + hexTrace, "mesh", map[string]string{}}},
	"the fleet's own words": {`{"requestId":"r","httpMethod":"GET","stage":"x","status":500,"msg":"called"}`, form{fleet.Keys{Request: "r", Scope: fleet.ScopeApp}, "", "", "called", "mesh", map[string]string{"status": "500"}}},
	"a quote":               {`[2026-01-02T03:04:05Z] "GET / HTTP/2" said the client`, form{fleet.Keys{}, "", "", `[2026-01-02T03:04:05Z] "GET / HTTP/2" said the client`, "mesh", map[string]string{}}},
}

func spelled(line string) string {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestLinesOfKnownForms: quickly and carefully alike, and the evidence stays.
func TestLinesOfKnownForms(t *testing.T) {
	for name, c := range forms {
		t.Run(name, func(t *testing.T) {
			text := `{"eventId":"l","logGroupName":"/muster/mesh","logStreamName":"s","timestamp":1767323045310,"message":` + spelled(c.line) + `}`
			got := sameBothWays(t, []byte(text+"\n"+text))
			if len(got.Records) != 2 || got.quick != 1 {
				t.Fatalf("got %d records, %d quickly", len(got.Records), got.quick)
			}
			r := got.Records[1]
			if r.Kind != fleet.KindLog || string(r.Raw) != c.line {
				t.Errorf("got a %s of %s", r.Kind, r.Raw)
			}
			if diff := cmp.Diff(c.want.seen, r.Seen); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			said := form{r.Seen, r.Error, r.Name, r.Message, r.Service, r.Attributes.Map()}
			maps.DeleteFunc(said.attributes, func(name, _ string) bool { _, asked := c.want.attributes[name]; return !asked })
			if c.want.message == "" {
				said.message = ""
			}
			if diff := cmp.Diff(c.want, said, cmp.AllowUnexported(form{})); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStreamsSayWhereALineIsFrom(t *testing.T) {
	for stream, want := range map[string]map[string]string{
		"ecs/orders/9781c248fe1c4f0bb3a1b2c3d4e5f607":                                                 {"container": "orders", "task": "9781c248fe1c4f0bb3a1b2c3d4e5f607"},
		"a/b/orders/9781c248-fe1c-4f0b-b3a1-b2c3d4e5f607":                                             {"container": "orders", "task": "9781c248-fe1c-4f0b-b3a1-b2c3d4e5f607"},
		"ip-10-0-1-2.ec2.internal-application.var.log.containers.orders-5f_shop_app-1-0123456789.log": {"pod": "orders-5f", "kubernetes_namespace": "shop", "container": "app-1"},
		"2026/01/02/[$LATEST]0123456789abcdef0123456789abcdef":                                        {},
		"orders/1": {},
	} {
		e := logEvent{EventID: "l", Group: "/ecs/orders", Stream: stream, Message: "hello"}
		got := e.record(origin{}).Attributes.Map()
		delete(got, "log_group")
		delete(got, "log_stream")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", stream, diff)
		}
	}
}

// TestRecordedReportsAreRead holds REPORT lines that were recorded on AWS.
func TestRecordedReportsAreRead(t *testing.T) {
	path := filepath.Join(corpus(t, "custodian"), "api-recordings", "test_mu_sqs_subscriber__logs.GetLogEvents_2.json")
	text, err := os.ReadFile(path)
	must(t, err)
	var answer struct {
		Data struct{ Events []logEvent }
	}
	must(t, json.Unmarshal(text, &answer))
	reports := 0
	for _, e := range answer.Data.Events {
		e.Group = "/aws/lambda/mu"
		r := e.record(origin{})
		if r.Attributes.Get("log_format") != "lambda-report" {
			continue
		}
		reports++
		if r.Attributes.Get("duration_ms") == "" || r.Attributes.Get("lambda.billed_ms") == "" || r.Attributes.Get("lambda.memory_mb") != "512" || r.Seen.Scope != fleet.ScopeLambda {
			t.Errorf("got %+v", r)
		}
	}
	if reports != strings.Count(string(text), `"REPORT RequestId`) || reports == 0 {
		t.Errorf("%d reports were read", reports)
	}
}

// FuzzLineForms: whatever a line is, in an envelope or not, it is read quickly as
// it is read carefully.
func FuzzLineForms(f *testing.F) {
	for _, c := range forms {
		f.Add(c.line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, message := range []string{line, `{"stream":"stdout","log":` + spelled(line) + `}`} {
			text := `{"eventId":"l","logGroupName":"/muster/mesh","logStreamName":"ecs/a/9781c248fe1c4f0bb3a1b2c3d4e5f607","timestamp":1767323045310,"message":` + spelled(message) + `}`
			for _, r := range sameBothWays(t, []byte(text+"\n"+text)).Records {
				checkKeys(t, &r)
			}
		}
	})
}

func BenchmarkLineForms(b *testing.B) {
	for name, line := range map[string]string{
		"envoy": envoyLine, "clf": clfLine, "alb": albLine, "gateway-json": gatewayJSONLine, "report": reportLine, "fluent-bit": fluentLine,
	} {
		b.Run(name, func(b *testing.B) {
			e := logEvent{EventID: "l", Group: "/muster/mesh", Timestamp: 1767323045000, Message: line}
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				if r := e.record(origin{}); r.Message == "" {
					b.Fatal("no message")
				}
			}
		})
	}
}
