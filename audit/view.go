package audit

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"muster/fleet"
	"muster/internal/document"
)

// record is a fleet.Record as expressions see it. The names in the tags are
// those of the view "records" where both have the field. Here and in the other
// types of expressions the tag doc is what "muster policies schema" says.
type record struct {
	ID            string    `cel:"id" doc:"the record's id, as in the view records"`
	Kind          string    `cel:"kind" doc:"span, log, api_call, change or verdict"`
	Time          time.Time `cel:"time" doc:"when it happened"`
	Seconds       float64   `cel:"seconds" doc:"how long it took; 0 for everything but spans"`
	Account       string    `cel:"account" doc:"the AWS account"`
	Region        string    `cel:"region" doc:"the AWS region"`
	Service       string    `cel:"service" doc:"the logical service (orders), or the AWS service of an API call (dynamodb)"`
	Name          string    `cel:"name" doc:"the operation, the level of a log line, what happened to a resource, or the rule of a verdict"`
	Resources     []string  `cel:"resources" doc:"what it touched: canonical names (AWS::DynamoDB::Table/orders) first, then ARNs"`
	Principal     string    `cel:"principal" doc:"who did it, as an ARN where there is one"`
	Origin        string    `cel:"origin" doc:"who obtained the temporary credentials it was done with"`
	Error         string    `cel:"error" doc:"empty when it went well; else fault, error, throttle, an error code, or NON_COMPLIANT"`
	Message       string    `cel:"message" doc:"one line for people; of a log line what it says"`
	TraceID       string    `cel:"trace_id" doc:"32 hex digits; empty for none"`
	SpanID        string    `cel:"span_id" doc:"of a span its own, of a log line the span that it names"`
	ParentID      string    `cel:"parent_id" doc:"the span above"`
	RequestID     string    `cel:"request_id" doc:"the request id of AWS, of an invocation or of a client"`
	CorrelationID string    `cel:"correlation_id" doc:"the journey's"`
	MessageIDs    []string  `cel:"message_ids" doc:"the ids of the messages it shows"`
	EventSource   string    `cel:"event_source" doc:"of an API call, such as dynamodb.amazonaws.com"`
	EventName     string    `cel:"event_name" doc:"of an API call, such as PutItem"`
	SourceIP      string    `cel:"source_ip" doc:"of an API call: an address, or the name of an AWS service"`
	UserAgent     string    `cel:"user_agent" doc:"the program that made an API call"`
	ReadOnly      bool      `cel:"read_only" doc:"an API call that changes nothing"`
	HTTPMethod    string    `cel:"http_method" doc:"of a span"`
	HTTPStatus    int64     `cel:"http_status" doc:"of a span; 0 for none"`
	LogGroup      string    `cel:"log_group" doc:"of a log line"`

	Attributes *attributes `cel:"attributes" doc:"all attributes, those with a name of their own too"`

	src  *fleet.Record
	full bool // the fields above are filled in
	// doc is the evidence once something in it was asked for; parsed says whether
	// it was, and odd why it cannot be read.
	doc    *document.Document
	parsed bool
	odd    error
	// bound is what a closure has in place of the variable of a comprehension.
	bound string
}

func view(r *fleet.Record) *record {
	v := &record{}
	v.show(r)
	v.fill()
	return v
}

// show makes it the view of another record, of which closures see all; CEL does
// when it is filled. The one before is forgotten, and the memory of its evidence
// used again.
func (r *record) show(rec *fleet.Record) { r.src, r.full, r.parsed = rec, false, false }

// fill fills in what CEL sees.
func (r *record) fill() {
	if r.full {
		return
	}
	rec, a := r.src, r.src.Attributes
	status, _ := strconv.ParseInt(a.Get(fleet.AttrHTTPStatus), 10, 64) // absent or odd: 0, as in the lake
	*r = record{
		ID: rec.ID, Kind: string(rec.Kind), Time: rec.Time, Seconds: rec.Duration.Seconds(),
		Account: rec.Account, Region: rec.Region, Service: rec.Service, Name: rec.Name,
		Resources: rec.Resources, Principal: rec.Principal, Origin: rec.Keys.Origin,
		Error: rec.Error, Message: rec.Message,
		TraceID: rec.Keys.Trace, SpanID: rec.Keys.Span, ParentID: rec.Keys.Parent,
		RequestID: rec.Keys.Request, CorrelationID: rec.Keys.Correlation, MessageIDs: rec.Keys.Messages,
		EventSource: a.Get(fleet.AttrEventSource), EventName: a.Get(fleet.AttrEventName),
		SourceIP: a.Get(fleet.AttrSourceIP), UserAgent: a.Get(fleet.AttrUserAgent),
		ReadOnly:   a.Get(fleet.AttrReadOnly) == "true",
		HTTPMethod: a.Get(fleet.AttrHTTPMethod), HTTPStatus: status, LogGroup: a.Get(fleet.AttrLogGroup),
		Attributes: (*attributes)(&rec.Attributes), src: rec, full: true, doc: r.doc, parsed: r.parsed, odd: r.odd,
	}
}

// attr is the attribute of that name, "" when there is none.
func (r *record) attr(name string) string { return r.src.Attributes.Get(name) }

// maxValues bounds what values finds; the longest request of a security group
// has some hundreds.
const maxValues = 10_000

// values are all texts, numbers and truth values at or below a path in the
// evidence. Paths are as in json.
func (r *record) values(path string) []string {
	var out []string
	r.each(newPlace(path), func(s string) bool {
		out = append(out, s)
		return true
	})
	slices.Sort(out) // members have no order
	return out
}

// each calls do for the values at or below a place, until it says no.
func (r *record) each(p place, do func(string) bool) {
	n := 0
	var walk func(document.Value) bool
	walk = func(at document.Value) bool {
		switch at.Kind() {
		case document.Object, document.Array:
			return at.Some(walk)
		default:
			s, ok := at.Scalar()
			if !ok || s == "" {
				return false // go on
			}
			n++
			return n > maxValues || !do(s)
		}
	}
	if at, ok := r.at(p); ok {
		walk(at)
	}
}

// json is the text, number or truth value at a path of keys and indexes, joined
// by dots, in the evidence; "" when the path leads nowhere or to something that
// is no scalar, or when the evidence is no JSON.
func (r *record) json(path string) string { return r.scalar(newPlace(path)) }

func (r *record) scalar(p place) string {
	at, ok := r.at(p)
	if !ok {
		return ""
	}
	s, _ := at.Scalar()
	return s
}

// place is a path in the evidence, taken apart.
type place []step

// step is a key, and the number that it is as well; -1 for none.
type step struct {
	key   string
	index int
}

func newPlace(path string) place {
	var p place
	for key := range strings.SplitSeq(path, ".") {
		s := step{key, -1}
		if i, err := strconv.Atoi(key); err == nil && i >= 0 {
			s.index = i
		}
		p = append(p, s)
	}
	return p
}

// document is the evidence, or why it is no JSON.
func (r *record) document() (*document.Document, error) {
	if !r.parsed {
		r.parsed = true
		if r.doc == nil {
			r.doc = &document.Document{}
		}
		raw := r.src.Raw
		r.odd = r.doc.Parse(unsafe.String(unsafe.SliceData(raw), len(raw))) // nobody changes evidence
	}
	return r.doc, r.odd
}

// at is what a place has.
func (r *record) at(p place) (document.Value, bool) {
	doc, _ := r.document() // evidence that is no JSON is empty
	at := doc.Root()
	for _, s := range p {
		var ok bool
		switch at.Kind() {
		case document.Object:
			at, ok = at.Member(s.key)
		case document.Array:
			if s.index >= 0 {
				at, ok = at.Element(s.index)
			}
		}
		if !ok {
			return at, false
		}
	}
	return at, true
}
