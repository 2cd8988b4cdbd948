package export

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"muster/fleet"
)

// order is a dossier with all that an export has to bear.
func order() fleet.Trace {
	const trace = "67432b5e9f3a41d7c05be0a1862f44d1"
	at := time.Date(2026, 11, 24, 12, 0, 0, 123456000, time.UTC)
	record := func(kind fleet.Kind, id, span, parent, service, name, fault string, after, took time.Duration) fleet.Record {
		return fleet.Record{
			ID: id, Kind: kind, Time: at.Add(after), Duration: took, Service: service, Name: name, Error: fault,
			Account: "111122223333", Region: "us-east-1",
			Keys: fleet.Keys{
				Trace: trace, Span: span, Parent: parent, Correlation: "order-4711",
				TraceLink: fleet.Link{Via: fleet.RungSeen, Sure: fleet.Exact},
			},
		}
	}
	ms := time.Millisecond
	root := record(fleet.KindSpan, "1", "00000000000000a1", "", "gateway", "POST /checkout", "fault", 0, 812*ms)
	root.Attributes = fleet.AttributesOf(fleet.AttrSpanType, "segment", fleet.AttrHTTPMethod, "POST", fleet.AttrHTTPStatus, "500")
	child := record(fleet.KindSpan, "2", "00000000000000a2", "00000000000000a1", "注文", "POST /注文 <&>", "", 9*ms, 700*ms)
	child.Attributes = fleet.AttributesOf(fleet.AttrSpanType, "segment")
	call := record(fleet.KindSpan, "3", "00000000000000a3", "00000000000000a2", "注文", "dynamodb:PutItem", "throttle", 12*ms, 0)
	call.Attributes = fleet.AttributesOf(fleet.AttrNamespace, "aws")
	call.Message, call.Keys.Request, call.Keys.Scope = "slow \x1b[2J down", "REQ-1", fleet.ScopeAWS
	running := call
	running.Revision, running.Duration, running.ID = -1, time.Hour, "3-in-progress"
	odd := record(fleet.KindSpan, "4", "step-1", "00000000000000a2", "saga", "Wait", "", 20*ms, ms)
	line := record(fleet.KindLog, "5", "00000000000000a2", "", "注文", "ERROR", "error", 30*ms, 0)
	line.Message = "card refused"
	api := record(fleet.KindAPICall, "6", "", "", "dynamodb", "dynamodb:PutItem", "", -123456*time.Microsecond, 0)
	api.Keys.Request, api.Keys.Scope, api.Principal = "REQ-1", fleet.ScopeAWS, "arn:aws:sts::111122223333:assumed-role/orders/task"
	api.Resources = []string{"AWS::DynamoDB::Table/orders"}
	loose := record(fleet.KindLog, "7", "", "", "ledger", "INFO", "", 40*ms, 0)
	loose.Message = "nightly sums"
	return fleet.Trace{ID: trace, Correlation: "order-4711", Records: []fleet.Record{api, root, child, call, running, odd, line, loose}}
}

// TestOTLPIsReadByItsOwnDefinition reads the export with OpenTelemetry's messages.
func TestOTLPIsReadByItsOwnDefinition(t *testing.T) {
	var b bytes.Buffer
	if err := OTLP(&b, order()); err != nil {
		t.Fatal(err)
	}
	// Protobuf's JSON has bytes in base64, OTLP's has ids in hex: the ids are looked
	// at as text, and left out for the reading.
	text := b.String()
	for _, want := range []string{`"traceId":"67432b5e9f3a41d7c05be0a1862f44d1"`, `"spanId":"00000000000000a2","parentSpanId":"00000000000000a1"`} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s in %s", want, text)
		}
	}
	var req collector.ExportTraceServiceRequest
	if err := protojson.Unmarshal(b.Bytes(), &req); err != nil {
		t.Fatal(err)
	}
	spans, events, failed := 0, 0, 0
	for _, rs := range req.ResourceSpans {
		for _, s := range rs.ScopeSpans[0].Spans {
			spans++
			events += len(s.Events)
			if s.GetStatus().GetCode() == 2 {
				failed++
			}
			if s.EndTimeUnixNano < s.StartTimeUnixNano {
				t.Errorf("%s ends before it begins", s.Name)
			}
		}
	}
	if spans != 4 || events != 3 || failed != 2 || len(req.ResourceSpans) != 3 {
		t.Errorf("there are %d spans, %d events, %d failures, %d services", spans, events, failed, len(req.ResourceSpans))
	}
}

func TestEvidenceIsAnEventOfItsSpan(t *testing.T) {
	req, err := requestOf(order())
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]string{} // event by span
	for _, rs := range req.ResourceSpans {
		for _, s := range rs.ScopeSpans[0].Spans {
			for _, e := range s.Events {
				at[e.Name] = s.Name
			}
		}
	}
	for event, span := range map[string]string{"card refused": "POST /注文 <&>", "dynamodb:PutItem": "dynamodb:PutItem", "nightly sums": "POST /checkout"} {
		if at[event] != span {
			t.Errorf("%q is an event of %q, want %q", event, at[event], span)
		}
	}
}

func TestWriteTakesTheFormatFromTheName(t *testing.T) {
	alone := fleet.Trace{Records: []fleet.Record{{ID: "x", Kind: fleet.KindAPICall}}}
	tests := []struct {
		name, file string
		trace      fleet.Trace
		want       string // of the error
	}{
		{"otlp", "a.otlp.json", order(), ""},
		{"json", "a.json", alone, ""},
		{"no spans", "a.otlp.json", alone, "export it as JSON"},
		{"no format", "a.txt", order(), "end it in"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			err := Write(&b, tt.file, tt.trace)
			if err == nil {
				err = errors.New("")
			}
			if !strings.Contains(err.Error(), tt.want) || (tt.want == "") != (b.Len() > 0) {
				t.Errorf("%v, %d bytes", err, b.Len())
			}
		})
	}
}
