package collectors

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// execution is what Step Functions says of one run of a state machine, beside its
// history: DescribeExecution's answer, as AWS's command line prints it.
type execution struct {
	ARN         string      `json:"executionArn"`
	Machine     string      `json:"stateMachineArn"`
	Name        string      `json:"name"`
	Status      string      `json:"status"`
	Start       historyTime `json:"startDate"`
	Input       string      `json:"input"`
	TraceHeader string      `json:"traceHeader"`
}

// historyEvent is an event of an execution's history.
type historyEvent struct {
	ID       int64       `json:"id"`
	Previous int64       `json:"previousEventId"`
	Type     string      `json:"type"`
	At       historyTime `json:"timestamp"`

	details historyDetails
	raw     json.RawMessage
}

// historyDetails are what events of the various types say; each type has a member
// of its own for them, "taskFailedEventDetails" and so on.
type historyDetails struct {
	Name         string `json:"name"`
	Input        string `json:"input"`
	Error        string `json:"error"`
	Cause        string `json:"cause"`
	Resource     string `json:"resource"`
	ResourceType string `json:"resourceType"`
	Role         string `json:"roleArn"`
}

// historyTime is a time as the API spells it (seconds since 1970) or as AWS's
// command line does (RFC 3339).
type historyTime struct{ time.Time }

// UnmarshalJSON reads either spelling.
func (t *historyTime) UnmarshalJSON(text []byte) error {
	var seconds float64
	if json.Unmarshal(text, &seconds) == nil {
		at, ok := timeOfSeconds(seconds)
		if !ok {
			return fmt.Errorf("%v is no time", seconds)
		}
		t.Time = at
		return nil
	}
	var spelled string
	if err := json.Unmarshal(text, &spelled); err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339Nano, spelled)
	if err != nil {
		return fmt.Errorf("%q is no time", clip(spelled, maxIDBytes))
	}
	t.Time = at.UTC().Truncate(time.Microsecond)
	return nil
}

// parseHistoryEvent reads one event; doc is kept.
func parseHistoryEvent(doc []byte) (historyEvent, error) {
	var e historyEvent
	var members map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(doc, &e), json.Unmarshal(doc, &members)); err != nil {
		return e, fmt.Errorf("read event of an execution's history: %w", err)
	}
	if e.ID < 1 || e.Type == "" || e.At.IsZero() {
		return e, errors.New("read event of an execution's history: it has no id, type or timestamp")
	}
	for name, details := range members {
		if strings.HasSuffix(name, "EventDetails") {
			if err := json.Unmarshal(details, &e.details); err != nil {
				return e, fmt.Errorf("read %s of event %d: %w", clip(name, maxIDBytes), e.ID, err)
			}
		}
	}
	e.raw = doc
	return e, nil
}

// executionARN takes "arn:aws:states:us-east-1:1:execution:machine:name" apart;
// executions of EXPRESS machines are "express:machine:name:id". ok is whether it
// is one of these.
func executionARN(arn string) (o origin, machine, name string, ok bool) {
	const parts = 8
	words := strings.SplitN(arn, ":", parts)
	if len(words) < parts || words[0] != "arn" || words[2] != "states" || words[5] != "execution" && words[5] != "express" {
		return o, "", "", false
	}
	return origin{words[4], words[3]}, words[6], words[7], true
}

// traceOfExecution is the trace of an execution that was given none, made of its
// ARN: all that tells of the execution agrees on it.
func traceOfExecution(arn string) string {
	h := sha256.Sum256([]byte("execution\x00" + arn))
	return hex.EncodeToString(h[:16])
}

// spanOfExecution is the id of an execution's span, or of that of a state which
// was entered by an event.
func spanOfExecution(arn string, event int64) string {
	h := sha256.Sum256(fmt.Appendf(nil, "state\x00%s\x00%d", arn, event))
	return hex.EncodeToString(h[:8])
}

// records are the spans of an execution as far as its history goes.
func (x *execution) records(events []historyEvent, o origin) ([]fleet.Record, error) {
	from, machine, name, ok := executionARN(x.ARN)
	if !ok {
		return nil, fmt.Errorf("%q is no ARN of an execution", clip(x.ARN, maxIDBytes))
	}
	if len(events) == 0 {
		return nil, nil
	}
	r := replay{
		execution: *x, origin: origin{firstOf(from.account, o.account), firstOf(from.region, o.region)},
		machine: machine, name: name, at: map[int64]int{},
	}
	slices.SortStableFunc(events, func(a, b historyEvent) int { return int(a.ID - b.ID) })
	r.spans = []stateSpan{{name: machine, kind: "execution", parent: -1, start: events[0].At.Time}}
	for i := range events {
		r.take(&events[i], i, events)
	}
	r.readKeys()
	rs := make([]fleet.Record, 0, len(r.spans))
	for i := range r.spans {
		rs = append(rs, r.record(i))
	}
	return rs, nil
}

const statusRunning = "RUNNING"

// readKeys finds the ids that the execution shows: in the trace header that it was
// started with, in its input, and in its name, which EventBridge makes of the
// event's id. Its ARN ties it to the call that started it, and to its log lines.
func (r *replay) readKeys() {
	var s keyScan
	trace, parent, ok := parseTrace(r.TraceHeader)
	if _, after, found := strings.Cut(r.TraceHeader, "Parent="); ok && found {
		id, _, _ := strings.Cut(after, ";")
		parent, _ = fleet.ParseSpanID(id)
	}
	s.take(messageKey, r.ARN)
	const uuid = 36
	if r.name != "" && len(r.name) >= uuid && isUUID(r.name[:uuid]) {
		s.take(messageKey, r.name[:uuid])
	}
	if json.Valid([]byte(r.Input)) {
		s.input([]byte(r.Input))
	}
	r.keys = s.keys
	r.keys.Request, r.keys.Scope = "", "" // of whoever started it, not of this
	if !ok {
		trace = firstOf(s.keys.Trace, traceOfExecution(r.ARN))
	}
	r.keys.Trace, r.keys.Parent = trace, parent
}

// input takes ids from an execution's input. An event of EventBridge has its id
// there.
func (s *keyScan) input(input []byte) {
	var event struct {
		ID   string `json:"id"`
		Type string `json:"detail-type"`
	}
	if json.Unmarshal(input, &event) == nil && event.Type != "" {
		s.take(messageKey, event.ID)
	}
	eachScalar(input, func(path, key []byte, v scalar) { s.field(path, key, v.String()) })
}

func isUUID(s string) bool {
	for i := range len(s) {
		c := s[i]
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// record is the span at a place.
func (r *replay) record(i int) fleet.Record {
	s := &r.spans[i]
	out := fleet.Record{
		Kind: fleet.KindSpan, Time: s.start, Account: r.account, Region: r.region, Revision: s.revision,
		Service: clean(r.machine), Name: clean(s.name), Message: oneLine(clean(joined(s.failed, s.cause))),
		Attributes: fleet.AttributesOf(fleet.AttrSpanType, "subsegment", "origin", stepFunctions),
	}
	if s.ended {
		out.Duration = max(0, s.end.Sub(s.start))
	} else {
		out.Attributes.Set(fleet.AttrInProgress, "true")
	}
	if s.failed != "" {
		out.Error = "fault"
		set(&out.Attributes, "exception_type", s.failed)
	}
	set(&out.Attributes, "execution_arn", r.ARN)
	set(&out.Attributes, "saga", r.machine)
	set(&out.Attributes, "saga_id", r.name)
	set(&out.Attributes, "state_type", s.kind)
	set(&out.Attributes, "task", s.task)
	out.Seen = fleet.Keys{Trace: r.keys.Trace, Span: spanOfExecution(r.ARN, s.event), Correlation: r.keys.Correlation}
	var touched resourceSet
	if i == 0 {
		out.Attributes.Set(fleet.AttrSpanType, "segment")
		set(&out.Attributes, "status", firstOf(r.Status, statusRunning))
		if r.redrives > 0 {
			set(&out.Attributes, "redrives", fmt.Sprint(r.redrives))
		}
		out.Seen.Parent, out.Seen.Messages = r.keys.Parent, r.keys.Messages
		touched.addARN("AWS::StepFunctions::StateMachine", machineOf(r.ARN))
		for _, role := range s.resources {
			out.Principal = clean(role)
		}
	} else {
		set(&out.Attributes, "saga_step", s.name)
		out.Seen.Parent = spanOfExecution(r.ARN, r.spans[s.parent].event)
		for _, arn := range s.resources {
			touched.addARN("", arn)
		}
	}
	out.Resources = touched.list()
	out.ID = fleet.SpanID(out.Seen.Trace, out.Seen.Span)
	out.Raw = s.evidence(i, r)
	return out
}

// stepFunctions is the origin of spans, as X-Ray has it for those of its own.
const stepFunctions = "AWS::StepFunctions::StateMachine"

func joined(a, b string) string {
	if a != "" && b != "" {
		return a + ": " + b
	}
	return a + b
}

// machineOf is the ARN of an execution's state machine.
func machineOf(execution string) string {
	words := strings.SplitN(execution, ":", 8)
	return strings.Join(words[:5], ":") + ":stateMachine:" + words[6]
}

// evidence is the events of a span, with the execution's own answer in front.
func (s *stateSpan) evidence(i int, r *replay) []byte {
	doc := struct {
		ARN         string            `json:"executionArn"`
		Status      string            `json:"status,omitempty"`
		TraceHeader string            `json:"traceHeader,omitempty"`
		Events      []json.RawMessage `json:"events"`
	}{ARN: r.ARN, Events: s.events}
	if i == 0 {
		doc.Status, doc.TraceHeader = r.Status, r.TraceHeader
	}
	out, err := json.Marshal(doc)
	if err != nil {
		return nil // valid messages marshal
	}
	return compact(out)
}
