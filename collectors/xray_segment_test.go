package collectors

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// otlpSpan is what an independent translator made of the same document.
type otlpSpan struct {
	TraceID  string `json:"traceId"`
	SpanID   string `json:"spanId"`
	ParentID string `json:"parentSpanId"`
	Name     string `json:"name"`
	Start    string `json:"startTimeUnixNano"`
	End      string `json:"endTimeUnixNano"`
	Status   struct {
		Code int `json:"code"`
	} `json:"status"`
}

func otlpSpans(t *testing.T, path string) []otlpSpan {
	t.Helper()
	var doc struct {
		ResourceSpans []struct {
			ScopeSpans []struct {
				Spans []otlpSpan `json:"spans"`
			} `json:"scopeSpans"`
		} `json:"resourceSpans"`
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	var spans []otlpSpan
	for _, r := range doc.ResourceSpans {
		for _, s := range r.ScopeSpans {
			spans = append(spans, s.Spans...)
		}
	}
	return spans
}

func TestSegmentsTranslateAsOpenTelemetryTranslatesThem(t *testing.T) {
	for _, want := range corpusFiles(t, "otel-xray", "expected-otlp/*.otlp.json") {
		name := strings.TrimSuffix(filepath.Base(want), ".otlp.json")
		t.Run(name, func(t *testing.T) {
			folder := "segments"
			if strings.HasPrefix(name, "scorekeep") {
				folder = "segments-awscli"
			}
			rs, _ := readFile(t, filepath.Join(corpus(t, "otel-xray"), folder, name))
			spans := otlpSpans(t, want)
			if len(rs) != len(spans) {
				t.Fatalf("got %d spans, want %d", len(rs), len(spans))
			}
			for i := range rs {
				compareSpan(t, &rs[i], spans[i])
			}
		})
	}
}

func compareSpan(t *testing.T, r *fleet.Record, want otlpSpan) {
	t.Helper()
	name := firstOf(r.Attributes.Get("segment_name"), r.Name)
	got := []string{r.Seen.Trace, r.Seen.Span, r.Seen.Parent, name}
	if diff := cmp.Diff([]string{want.TraceID, want.SpanID, want.ParentID, want.Name}, got); diff != "" {
		t.Errorf("trace, span, parent, name (-want +got):\n%s", diff)
	}
	if (r.Error != "" && r.Error != "throttle") != (want.Status.Code == 2) {
		t.Errorf("span %s: error %q where OTLP has status %d", want.SpanID, r.Error, want.Status.Code)
	}
	nearNanos(t, r.Time, want.Start)
	if inProgress := r.Attributes.Get(fleet.AttrInProgress) == "true"; inProgress != (want.End == "") {
		t.Errorf("span %s: in progress %t", want.SpanID, inProgress)
	}
	if want.End != "" {
		nearNanos(t, r.End(), want.End)
	}
}

// nearNanos compares to the microsecond, and to float64's precision further on.
func nearNanos(t *testing.T, got time.Time, nanos string) {
	t.Helper()
	n, err := strconv.ParseUint(nanos, 10, 64) // one of the documents is of the year 2438
	if err != nil {
		t.Fatal(err)
	}
	want := time.UnixMicro(int64(n / 1000))
	if d := got.Sub(want).Abs(); d > 2*time.Microsecond {
		t.Errorf("got time %s, %s from %s", got, d, want)
	}
}

func TestRefusedSegmentsAreKeptRawAndReported(t *testing.T) {
	var refused map[string]string
	if err := json.Unmarshal([]byte(fileText(t, filepath.Join(corpus(t, "otel-xray"), "expected-otlp", "rejected.json"))), &refused); err != nil {
		t.Fatal(err)
	}
	for name := range refused {
		rs, ledger := readFile(t, filepath.Join(corpus(t, "otel-xray"), "segments", name))
		if len(rs) != 1 || len(ledger) != 1 {
			t.Fatalf("%s: got %d records and %d ledger entries, want 1 and 1", name, len(rs), len(ledger))
		}
		r := rs[0]
		if r.Attributes.Get(fleet.AttrUnreadable) == "" || !strings.Contains(r.ID, "!") || !json.Valid(r.Raw) || r.Time.Year() != 2020 {
			t.Errorf("%s: got %+v", name, r)
		}
		if ledger[0].Reason != "unreadable" || !strings.Contains(ledger[0].Detail, name) {
			t.Errorf("%s: got ledger %+v", name, ledger[0])
		}
	}
	if len(refused) != 2 {
		t.Errorf("expected two refused documents, have %v", refused)
	}
}

// TestCapturesOfTheRealSDK reads what aws-xray-sdk-go/v2 sent.
func TestCapturesOfTheRealSDK(t *testing.T) {
	spans := map[string]fleet.Record{}
	for _, p := range corpusFiles(t, "xray-sdk-captures", "*.udp") {
		datagram, _ := readFile(t, p)
		pretty, _ := readFile(t, strings.TrimSuffix(p, ".udp")+".json")
		if diff := cmp.Diff(datagram, pretty); diff != "" {
			t.Errorf("%s reads otherwise as .json (-datagram +json):\n%s", p, diff)
		}
		for _, r := range datagram {
			if r.Attributes.Get(fleet.AttrUnreadable) != "" {
				t.Errorf("%s: %s", p, r.Attributes.Get(fleet.AttrUnreadable))
			}
			if old, ok := spans[r.ID]; !ok || r.Revision >= old.Revision {
				spans[r.ID] = r
			}
		}
	}
	get := func(trace, span string) fleet.Record {
		t.Helper()
		id, _ := fleet.ParseTraceID(trace)
		r, ok := spans[fleet.SpanID(id, span)]
		if !ok {
			t.Fatalf("no span %s", span)
		}
		return r
	}
	slow := get("1-6b060a20-a907d8df61c6ddffb1071ecb", "6049a9743a0d4852")
	if slow.Revision != 1 || slow.Duration < 50*time.Millisecond || slow.Service != "async" {
		t.Errorf("the finished copy must win: %+v", slow)
	}
	const trace = "1-6b060a20-02824693e59a59d3fb62ab14"
	order := get(trace, "008a9ce984d37f9a")
	if order.Name != "POST /orders" || order.Service != "orders" || order.Seen.Correlation != "c-123" ||
		order.Attributes.Get("annotation.amount") != "42.5" || order.Attributes.Get(fleet.AttrHTTPStatus) != "202" ||
		order.Attributes.Get(fleet.AttrSourceIP) != "203.0.113.9" || order.Error != "" {
		t.Errorf("got %+v", order)
	}
	put := get(trace, "3a412da253ebfd06")
	if put.Name != "dynamodb:PutItem" || put.Service != "orders" || put.Seen.Scope != fleet.ScopeAWS ||
		put.Seen.Request != "b1f8a470-bf24-41aa-87c8-2ca6a99d6c52" || put.Seen.Parent != order.Seen.Span {
		t.Errorf("got %+v", put)
	}
	if bad := get(trace, "b8cac0b40973557f"); bad.Error != "error" || !strings.Contains(bad.Message, "ResourceNotFoundException") {
		t.Errorf("a 400 with fault and error set is the caller's error: %+v", bad)
	}
	if call := get(trace, "1414b6bd0702d760"); call.Name != "POST 127.0.0.1:40679" || call.Attributes.Get(fleet.AttrNamespace) != "remote" {
		t.Errorf("got %+v", call)
	}
	if deep := get(trace, "70f03b55f49ed354"); deep.Seen.Parent != "1414b6bd0702d760" {
		t.Errorf("nesting must name the parent, not parent_id: %+v", deep.Seen)
	}
	if alone := get("1-6b060a20-e4eaaa5b3cc6210946c9054a", "01b7625c579c1d73"); alone.Revision != 1 || alone.Service != "" {
		t.Errorf("a streamed subsegment without its segment: %+v", alone)
	}
}

func TestStreamedSubsegmentsTakeTheServiceOfTheirSegment(t *testing.T) {
	child := `{"trace_id":"1-5f187253-6a106696d56b1f4ef9eba2ed","id":"aaaaaaaaaaaaaaaa","parent_id":"5cc4a447f5d4d696","type":"subsegment","name":"x","start_time":1595437651.6,"end_time":1595437651.7}`
	grandchild := strings.NewReplacer("aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "5cc4a447f5d4d696", "aaaaaaaaaaaaaaaa").Replace(child)
	rs, _ := readFile(t, write(t, []byte(grandchild+child+span1)))
	for _, r := range rs {
		if r.Service != "orders" || r.Revision != 1 {
			t.Errorf("%s: service %q, revision %d", r.ID, r.Service, r.Revision)
		}
	}
}

func TestErrorsOfSpans(t *testing.T) {
	for name, c := range map[string]struct{ flags, want string }{
		"well":               {`"http":{"response":{"status":200}}`, ""},
		"client's":           {`"error":true,"http":{"response":{"status":404}}`, "error"},
		"both":               {`"error":true,"fault":true,"http":{"response":{"status":400}}`, "error"},
		"both, no status":    {`"error":true,"fault":true`, "fault"},
		"server's":           {`"fault":true,"http":{"response":{"status":500}}`, "fault"},
		"throttled":          {`"throttle":true,"error":true`, "throttle"},
		"throttled, unsaid":  {`"error":true,"http":{"response":{"status":429}}`, "throttle"},
		"server's, throttle": {`"fault":true,"throttle":true`, "throttle"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := strings.TrimSuffix(span1, "}") + "," + c.flags + "}"
			if r := parseSegment([]byte(doc), origin{})[0]; r.Error != c.want {
				t.Errorf("got %q, want %q", r.Error, c.want)
			}
		})
	}
}

func TestSpansNameOperationsAndResources(t *testing.T) {
	for name, c := range map[string]struct {
		more, want, resources, scope string
	}{
		"table":      {`"namespace":"aws","aws":{"operation":"PutItem","table_name":"orders","request_id":"r"}`, "orders:PutItem", "AWS::DynamoDB::Table/orders", "aws"},
		"queue":      {`"namespace":"aws","aws":{"operation":"SendMessage","queue_url":"http://x/1/events"}`, "orders:SendMessage", "AWS::SQS::Queue/events", ""},
		"invocation": {`"origin":"AWS::Lambda::Function","aws":{"request_id":"r"}`, "orders", "", "lambda"},
		"server":     {`"http":{"request":{"method":"GET","url":"http://h:1/a/b?c=d"}}`, "GET /a/b", "", ""},
		"server, /":  {`"http":{"request":{"method":"GET","url":"http://h"}}`, "GET /", "", ""},
		"client":     {`"namespace":"remote","http":{"request":{"method":"GET","url":"http://h:1/a"}}`, "GET h:1", "", ""},
		"no call":    {`"namespace":"local"`, "orders", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			doc := strings.TrimSuffix(span1, "}") + "," + c.more + "}"
			r := parseSegment([]byte(doc), origin{})[0]
			got := []string{r.Name, strings.Join(r.Resources, " "), string(r.Seen.Scope)}
			if diff := cmp.Diff([]string{c.want, c.resources, c.scope}, got); diff != "" {
				t.Errorf("name, resources, scope (-want +got):\n%s", diff)
			}
		})
	}
}

func TestServicesAreSpelledAsCloudTrailDoes(t *testing.T) {
	for in, want := range map[string]string{
		"DynamoDB": "dynamodb", "AmazonDynamoDBv2": "dynamodb", "CloudWatch Logs": "logs", "AWSLambda": "lambda",
		"SQS": "sqs", "SFN": "states", "EventBridge": "events",
	} {
		if got := canonicalService(in); got != want {
			t.Errorf("canonicalService(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzSegment(f *testing.F) {
	f.Add(span1)
	f.Add(`{"trace_id":"1-5f187253-6a106696d56b1f4ef9eba2ed","id":"5cc4a447f5d4d696","name":"a","start_time":1e9,"subsegments":[{"id":"5cc4a447f5d4d697","start_time":1,"cause":"x"}]}`)
	f.Fuzz(func(t *testing.T, doc string) {
		if !json.Valid([]byte(doc)) {
			return
		}
		rs := parseSegment([]byte(doc), origin{})
		if len(rs) == 0 {
			t.Error("a document gave nothing")
		}
		for i := range rs {
			checkKeys(t, &rs[i])
		}
	})
}

func BenchmarkSegment(b *testing.B) {
	doc := []byte(fileText(b, filepath.Join(corpus(b, "otel-xray"), "segments", "ddbSample.txt")))
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if len(parseSegment(doc, origin{})) != 18 {
			b.Fatal("wrong number of spans")
		}
	}
}
