package collectors

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"muster/fleet"
)

// shape is which format a document has.
type shape int

const (
	shapeUnknown      shape = iota
	shapeDaemonHeader       // {"format":"json","version":1}, the first line of a datagram
	shapeSegment            // an X-Ray segment document
	shapeOTelSpan           // a span of Transaction Search, out of aws/spans
	shapeTrace              // a trace in an answer of BatchGetTraces, or of ListRetrievedTraces
	shapeTraceSegment       // {"Id":…,"Document":"…"} out of such a trace
	shapeTrailEvent         // a CloudTrail record
	shapeLookupEvent        // an event in an answer of LookupEvents
	shapeEventBridge        // an event whose detail is one of these
	shapeLogEvent           // FilterLogEvents' event
	shapeSubscription       // a subscription's payload
	shapeLambdaLogs         // the same in a Lambda event: {"awslogs":{"data":…}}
	shapeItem               // a configuration item
	shapeRuleEvent          // a Config rule's Lambda event, the item in a string
	shapeStreamed           // a record of Kinesis or Firehose, what was sent packed in it
	shapeExecution          // what Step Functions says of an execution: DescribeExecution's answer
	shapeHistoryEvent       // of its history: an element of GetExecutionHistory's answer
	shapeDigest             // what CloudTrail puts beside its files to check them by; no evidence
)

// memberSet notes which telling members an object has.
type memberSet uint64

// memberBits are the members that tell formats apart.
var memberBits = map[string]memberSet{
	"format": 1 << 0, "version": 1 << 1, "trace_id": 1 << 2, "id": 1 << 3, "start_time": 1 << 4,
	"Segments": 1 << 5, "Document": 1 << 6, "eventID": 1 << 7, "eventSource": 1 << 8, "eventName": 1 << 9,
	"CloudTrailEvent": 1 << 10, "detail": 1 << 11, "detail-type": 1 << 12, "message": 1 << 13,
	"timestamp": 1 << 14, "messageType": 1 << 15, "logEvents": 1 << 16, "awslogs": 1 << 17,
	"resourceType": 1 << 18, "configurationItemCaptureTime": 1 << 19, "configurationItemStatus": 1 << 20,
	"name": 1 << 21, "configurationItem": 1 << 22, "invokingEvent": 1 << 23,
	"digestStartTime": 1 << 24, "logFiles": 1 << 25,
	"kinesis": 1 << 26, "data": 1 << 27, "recordId": 1 << 28, "Data": 1 << 29, "SequenceNumber": 1 << 30,
	"spanId": 1 << 31, "startTimeUnixNano": 1 << 32, "Spans": 1 << 33,
	"insightDetails": 1 << 34, "previousEventId": 1 << 35, "executionArn": 1 << 36, "stateMachineArn": 1 << 37,
}

func (m *memberSet) add(name []byte) { *m |= memberBits[string(name)] }

func (m memberSet) has(names ...string) bool {
	for _, n := range names {
		if m&memberBits[n] == 0 {
			return false
		}
	}
	return true
}

// shape tells the format by the members that only it has.
func (m memberSet) shape() shape {
	switch {
	case m.has("kinesis"), m.has("recordId", "data"), m.has("Data", "SequenceNumber"):
		return shapeStreamed
	case m.has("previousEventId"):
		return shapeHistoryEvent
	case m.has("executionArn", "stateMachineArn"):
		return shapeExecution
	case m.has("detail", "detail-type"), m.has("configurationItem", "messageType"):
		return shapeEventBridge
	case m.has("eventSource", "eventName"), m.has("eventID", "eventName"), m.has("eventID", "insightDetails"):
		return shapeTrailEvent
	case m.has("CloudTrailEvent"):
		return shapeLookupEvent
	case m.has("trace_id", "id"), m.has("id", "start_time", "name"):
		return shapeSegment
	case m.has("spanId", "startTimeUnixNano"):
		return shapeOTelSpan
	case m.has("Segments"), m.has("Spans"):
		return shapeTrace
	case m.has("Document"):
		return shapeTraceSegment
	case m.has("messageType", "logEvents"):
		return shapeSubscription
	case m.has("awslogs"):
		return shapeLambdaLogs
	case m.has("message", "timestamp"):
		return shapeLogEvent
	case m.has("resourceType", "configurationItemCaptureTime"), m.has("resourceType", "configurationItemStatus"):
		return shapeItem
	case m.has("invokingEvent"):
		return shapeRuleEvent
	case m.has("digestStartTime", "logFiles"):
		return shapeDigest
	case m.has("format", "version"):
		return shapeDaemonHeader
	}
	return shapeUnknown
}

// parseDocument turns a valid document of a known shape into records.
func parseDocument(doc []byte, s shape, o origin) ([]fleet.Record, error) {
	switch s {
	case shapeSegment:
		return parseSegment(doc, o), nil
	case shapeOTelSpan:
		return parseOTelSpan(doc, o), nil
	case shapeTrace, shapeTraceSegment:
		return parseTraceAnswer(doc, o)
	case shapeTrailEvent:
		return []fleet.Record{parseTrailEvent(doc, o)}, nil
	case shapeLookupEvent:
		return parseLookupEvent(doc, o)
	case shapeItem:
		return parseItem(doc, o), nil
	case shapeLogEvent:
		var e logEvent
		if err := json.Unmarshal(doc, &e); err != nil {
			return nil, fmt.Errorf("read log event: %w", err)
		}
		return e.records(o), nil
	case shapeSubscription:
		return parseSubscription(doc, o)
	case shapeLambdaLogs:
		return parseLambdaLogs(doc, o)
	case shapeEventBridge:
		return parseEventBridge(doc, o)
	case shapeRuleEvent:
		return parseRuleEvent(doc, o)
	case shapeStreamed:
		return parseStreamed(doc, o)
	case shapeDaemonHeader, shapeDigest, shapeExecution, shapeHistoryEvent: // the latter two are for pastRuns
		return nil, nil
	case shapeUnknown:
	}
	return nil, errors.New("a JSON object of none of the formats that muster reads")
}

// checkShape reports what parseDocument would fail on, for the formats that
// wrap another: the others keep what they cannot read.
func checkShape(doc []byte, s shape) error {
	switch s {
	case shapeSegment, shapeOTelSpan, shapeTrailEvent, shapeItem, shapeDaemonHeader, shapeDigest:
		return nil
	case shapeLogEvent:
		var e logEvent
		return json.Unmarshal(doc, &e)
	case shapeHistoryEvent:
		_, err := parseHistoryEvent(doc)
		return err
	default:
		_, err := parseDocument(doc, s, origin{})
		return err
	}
}

// parseTraceAnswer reads a trace of BatchGetTraces or ListRetrievedTraces, or one
// segment of it.
func parseTraceAnswer(doc []byte, o origin) ([]fleet.Record, error) {
	type segment struct{ Document string }
	var trace struct {
		segment
		Segments []segment
		Spans    []segment
	}
	if err := json.Unmarshal(doc, &trace); err != nil {
		return nil, fmt.Errorf("read trace: %w", err)
	}
	if trace.Document != "" {
		trace.Segments = append(trace.Segments, trace.segment)
	}
	var rs []fleet.Record
	for _, s := range append(trace.Segments, trace.Spans...) {
		rs = append(rs, parseSpanDocument(s.Document, o)...)
	}
	return rs, nil
}

// parseSpanDocument reads a document of a trace, in either of X-Ray's formats.
func parseSpanDocument(document string, o origin) []fleet.Record {
	if strings.Contains(document, otelMember) {
		return parseOTelSpan([]byte(document), o)
	}
	return parseSegment([]byte(document), o)
}

// otelMember is a member that every span of Transaction Search has, and nothing
// else that X-Ray or a service writes.
const otelMember = `"startTimeUnixNano"`

// parseLookupEvent reads an event of LookupEvents, which carries CloudTrail's
// record as a string.
func parseLookupEvent(doc []byte, o origin) ([]fleet.Record, error) {
	var e struct{ CloudTrailEvent string }
	if err := json.Unmarshal(doc, &e); err != nil {
		return nil, fmt.Errorf("read looked-up event: %w", err)
	}
	return []fleet.Record{parseTrailEvent([]byte(e.CloudTrailEvent), o)}, nil
}

// parseLambdaLogs reads a subscription's payload as a Lambda function gets it:
// gzip in base64.
func parseLambdaLogs(doc []byte, o origin) ([]fleet.Record, error) {
	var e struct {
		Logs struct {
			Data string `json:"data"`
		} `json:"awslogs"`
	}
	if err := json.Unmarshal(doc, &e); err != nil {
		return nil, fmt.Errorf("read Lambda event: %w", err)
	}
	packed, err := base64.StdEncoding.DecodeString(e.Logs.Data)
	if err != nil {
		return nil, fmt.Errorf("read awslogs.data: %w", err)
	}
	payload, err := gunzip(packed)
	if err != nil {
		return nil, fmt.Errorf("read awslogs.data: %w", err)
	}
	return parseSubscription(payload, o)
}

// parseEventBridge reads an event that carries a CloudTrail record or a
// configuration item. Config's own notifications carry the item without detail.
func parseEventBridge(doc []byte, o origin) ([]fleet.Record, error) {
	type carrier struct {
		Item    json.RawMessage `json:"configurationItem"`
		Event   string          `json:"eventName"`
		Insight json.RawMessage `json:"insightDetails"`
	}
	var e struct {
		carrier
		DetailType string          `json:"detail-type"`
		Detail     json.RawMessage `json:"detail"`
		Account    string          `json:"account"`
		Region     string          `json:"region"`
	}
	if err := json.Unmarshal(doc, &e); err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	inner := e.carrier
	if len(e.Detail) > 0 {
		if err := json.Unmarshal(e.Detail, &inner); err != nil {
			return nil, fmt.Errorf("read detail of event: %w", err)
		}
	}
	o = origin{firstOf(e.Account, o.account), firstOf(e.Region, o.region)}
	switch {
	case len(inner.Item) > 0 && inner.Item[0] == '{':
		return parseItem(inner.Item, o), nil
	case inner.Event != "", len(inner.Insight) > 0:
		return []fleet.Record{parseTrailEvent(e.Detail, o)}, nil
	}
	return nil, fmt.Errorf("the event %q carries neither an API call nor a configuration item", clip(e.DetailType, maxIDBytes))
}

// parseRuleEvent reads what a Config rule's Lambda function is invoked with.
func parseRuleEvent(doc []byte, o origin) ([]fleet.Record, error) {
	var e struct {
		Invoking string `json:"invokingEvent"`
	}
	if err := json.Unmarshal(doc, &e); err != nil {
		return nil, fmt.Errorf("read rule event: %w", err)
	}
	rs, err := parseEventBridge([]byte(e.Invoking), o)
	if err != nil {
		return nil, fmt.Errorf("read invokingEvent: %w", err)
	}
	return rs, nil
}
