package collectors

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"muster/fleet"
)

// segmentDoc is an X-Ray segment document, or a subsegment in one. What AWS's
// SDKs disagree about is kept raw and read where it is used.
type segmentDoc struct {
	TraceID     string            `json:"trace_id"`
	ID          string            `json:"id"`
	ParentID    string            `json:"parent_id"`
	Name        string            `json:"name"`
	Type        string            `json:"type"`
	Namespace   string            `json:"namespace"`
	Origin      string            `json:"origin"`
	User        string            `json:"user"`
	ResourceARN string            `json:"resource_arn"`
	Start       *float64          `json:"start_time"`
	End         *float64          `json:"end_time"`
	InProgress  bool              `json:"in_progress"`
	Inferred    bool              `json:"inferred"`
	Error       bool              `json:"error"`
	Fault       bool              `json:"fault"`
	Throttle    bool              `json:"throttle"`
	Cause       json.RawMessage   `json:"cause"`
	HTTP        segmentHTTP       `json:"http"`
	AWS         segmentAWS        `json:"aws"`
	SQL         segmentSQL        `json:"sql"`
	Annotations json.RawMessage   `json:"annotations"`
	Links       []segmentLink     `json:"links"`
	Subsegments []json.RawMessage `json:"subsegments"`
}

type segmentHTTP struct {
	Request struct {
		Method    string `json:"method"`
		URL       string `json:"url"`
		ClientIP  string `json:"client_ip"`
		UserAgent string `json:"user_agent"`
	} `json:"request"`
	Response struct {
		Status json.Number `json:"status"`
	} `json:"response"`
}

type segmentSQL struct {
	URL   string `json:"url"`
	Query string `json:"sanitized_query"`
}

type segmentLink struct {
	TraceID string `json:"trace_id"`
}

// segmentScan turns one document into spans.
type segmentScan struct {
	origin
	trace   string
	service string
	spans   []fleet.Record
	room    *fleet.Attributes // where those of a span are gathered
	at      map[string]int    // span id → index in spans; nil while there are few
}

// fewSpans are looked through faster than hashed.
const fewSpans = 16

// maxNesting bounds subsegments in subsegments; SDKs stay below ten.
const maxNesting = 64

// parseSegmentCarefully is parseSegment by encoding/json.
func parseSegmentCarefully(doc []byte, o origin) []fleet.Record {
	doc = compact(doc)
	s := segmentScan{origin: o, at: map[string]int{}, room: new(fleet.Attributes)}
	err := s.add(doc, "", 0)
	if err == nil {
		return s.spans
	}
	var head struct {
		TraceID any `json:"trace_id"`
		ID      any `json:"id"`
		Start   any `json:"start_time"`
	}
	id := "span"
	var at time.Time
	if json.Unmarshal(doc, &head) == nil {
		trace := fmt.Sprint(head.TraceID)
		if t, ok := fleet.ParseTraceID(trace); ok {
			trace = t
		}
		id = clip(fleet.SpanID(trace, fmt.Sprint(head.ID)), maxIDBytes)
		if start, ok := head.Start.(float64); ok {
			at, _ = timeOfSeconds(start)
		}
	}
	return []fleet.Record{unreadable(fleet.KindSpan, id, at, doc, o, err)}
}

// add appends the span of one document and those nested in it. Nesting names
// the parent: nested subsegments carry the root's id in parent_id.
func (s *segmentScan) add(doc []byte, parent string, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("more than %d levels of subsegments", maxNesting)
	}
	var d segmentDoc
	if err := json.Unmarshal(doc, &d); err != nil {
		return err
	}
	span, err := s.one(&d, doc, parent, depth)
	if err != nil {
		return err
	}
	for _, sub := range d.Subsegments {
		if err := s.add(sub, span, depth+1); err != nil {
			return fmt.Errorf("subsegment of %s: %w", span, err)
		}
	}
	return nil
}

// one appends the span of a document, without those nested in it, and returns
// its id.
func (s *segmentScan) one(d *segmentDoc, doc []byte, parent string, depth int) (string, error) {
	if depth == 0 {
		trace, ok := fleet.ParseTraceID(d.TraceID)
		if !ok {
			return "", fmt.Errorf("trace_id %q is no trace id", clip(d.TraceID, maxIDBytes))
		}
		s.trace, parent = trace, d.ParentID
		if d.Type != "subsegment" {
			s.service = d.Name
		}
	}
	r, err := s.span(d, parent, depth)
	if err != nil {
		return "", err
	}
	r.Raw = doc
	if depth > 0 {
		r.Raw = withoutMember(doc, "subsegments") // the segment's own Raw has them all
	}
	s.keep(&r)
	return r.Seen.Span, nil
}

// keep adds a span, or lets the later revision of one that is there win.
func (s *segmentScan) keep(r *fleet.Record) {
	if i := s.find(r.Seen.Span); i >= 0 {
		if r.Revision >= s.spans[i].Revision {
			s.spans[i] = *r
		}
		return
	}
	if s.at != nil {
		s.at[r.Seen.Span] = len(s.spans)
	}
	s.spans = append(s.spans, *r)
}

// find is the index of the span with an id, -1 for none.
func (s *segmentScan) find(span string) int {
	if s.at != nil {
		if i, ok := s.at[span]; ok {
			return i
		}
		return -1
	}
	for i := range s.spans {
		if s.spans[i].Seen.Span == span {
			return i
		}
	}
	return -1
}

func (s *segmentScan) span(d *segmentDoc, parent string, depth int) (fleet.Record, error) {
	id, ok := fleet.ParseSpanID(d.ID)
	if !ok {
		return fleet.Record{}, fmt.Errorf("id %q is no segment id", clip(d.ID, maxIDBytes))
	}
	if parent, ok = fleet.ParseSpanID(parent); !ok {
		parent = ""
	}
	switch d.Namespace {
	case "", "aws", "remote", "local":
	default:
		return fleet.Record{}, fmt.Errorf("unexpected namespace %q", clip(d.Namespace, maxIDBytes))
	}
	start, duration, err := d.times()
	if err != nil {
		return fleet.Record{}, err
	}
	why, err := readCause(d.Cause)
	if err != nil {
		return fleet.Record{}, err
	}
	operation := d.operation()
	r := fleet.Record{
		ID: fleet.SpanID(s.trace, id), Revision: 1, Kind: fleet.KindSpan,
		Time: start, Duration: duration,
		Account: firstOf(d.AWS.AccountID, s.account), Region: firstOf(d.AWS.Region, s.region),
		Service: clean(s.service), Name: clean(operation), Resources: d.resources(),
		Error: d.outcome(), Message: oneLine(why.text()),
	}
	*s.room = (*s.room)[:0]
	d.describe(s.room, operation, depth)
	set(s.room, "exception_type", why.kind())
	set(s.room, "cause_id", why.id)
	if d.InProgress || d.End == nil {
		r.Revision = 0
		s.room.Set(fleet.AttrInProgress, "true")
	}
	r.Attributes = s.room.Clone()
	r.Seen = d.keys()
	r.Seen.Trace, r.Seen.Span, r.Seen.Parent = s.trace, id, parent
	return r, nil
}

// times are start and duration. A document without an end is in progress.
func (d *segmentDoc) times() (time.Time, time.Duration, error) {
	if d.Start == nil {
		return time.Time{}, 0, errors.New("no start_time")
	}
	start, ok := timeOfSeconds(*d.Start)
	if !ok {
		return time.Time{}, 0, fmt.Errorf("start_time %v is no time", *d.Start)
	}
	if d.End == nil {
		return start, 0, nil
	}
	end, ok := timeOfSeconds(*d.End)
	if !ok {
		return time.Time{}, 0, fmt.Errorf("end_time %v is no time", *d.End)
	}
	return start, max(0, end.Sub(start)), nil // clocks that went back
}

// outcome is the span's error. The Go SDK sets fault beside error for any
// failed call, so the status decides between the two where there is one.
func (d *segmentDoc) outcome() string {
	status := string(d.HTTP.Response.Status)
	clients := len(status) == 3 && status[0] == '4'
	switch {
	case d.Throttle, clients && status == "429" && (d.Error || d.Fault):
		return "throttle"
	case d.Error && (clients || !d.Fault):
		return "error"
	case d.Fault:
		return "fault"
	}
	return ""
}
