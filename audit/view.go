package audit

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/fleet"
)

// record is a fleet.Record as expressions see it. The names in the tags are
// those of the view "records" where both have the field.
type record struct {
	ID            string    `cel:"id"`
	Kind          string    `cel:"kind"`
	Time          time.Time `cel:"time"`
	Seconds       float64   `cel:"seconds"` // the duration; 0 for everything but spans
	Account       string    `cel:"account"`
	Region        string    `cel:"region"`
	Service       string    `cel:"service"`
	Name          string    `cel:"name"`
	Resources     []string  `cel:"resources"`
	Principal     string    `cel:"principal"`
	Origin        string    `cel:"origin"`
	Error         string    `cel:"error"`
	Message       string    `cel:"message"`
	TraceID       string    `cel:"trace_id"`
	SpanID        string    `cel:"span_id"`
	ParentID      string    `cel:"parent_id"`
	RequestID     string    `cel:"request_id"`
	CorrelationID string    `cel:"correlation_id"`
	EventSource   string    `cel:"event_source"`
	EventName     string    `cel:"event_name"`
	SourceIP      string    `cel:"source_ip"`
	UserAgent     string    `cel:"user_agent"`
	ReadOnly      bool      `cel:"read_only"`
	HTTPMethod    string    `cel:"http_method"`
	HTTPStatus    int64     `cel:"http_status"` // 0 for none
	LogGroup      string    `cel:"log_group"`
	// Attributes are all of the record's, those with a name of their own too.
	Attributes map[string]string `cel:"attributes"`

	src *fleet.Record
	// doc is the evidence once json was asked for it; parsed says whether it was.
	doc    any
	parsed bool
}

func view(r *fleet.Record) *record {
	a := r.Attributes
	status, _ := strconv.ParseInt(a[fleet.AttrHTTPStatus], 10, 64) // absent or odd: 0, as in the lake
	return &record{
		ID: r.ID, Kind: string(r.Kind), Time: r.Time, Seconds: r.Duration.Seconds(),
		Account: r.Account, Region: r.Region, Service: r.Service, Name: r.Name,
		Resources: r.Resources, Principal: r.Principal, Origin: r.Keys.Origin,
		Error: r.Error, Message: r.Message,
		TraceID: r.Keys.Trace, SpanID: r.Keys.Span, ParentID: r.Keys.Parent,
		RequestID: r.Keys.Request, CorrelationID: r.Keys.Correlation,
		EventSource: a[fleet.AttrEventSource], EventName: a[fleet.AttrEventName],
		SourceIP: a[fleet.AttrSourceIP], UserAgent: a[fleet.AttrUserAgent],
		ReadOnly:   a[fleet.AttrReadOnly] == "true",
		HTTPMethod: a[fleet.AttrHTTPMethod], HTTPStatus: status, LogGroup: a[fleet.AttrLogGroup],
		Attributes: a, src: r,
	}
}

// attr is the attribute of that name, "" when there is none.
func (r *record) attr(name string) string { return r.Attributes[name] }

// maxValues bounds what values finds; the longest request of a security group
// has some hundreds.
const maxValues = 10_000

// values are all texts, numbers and truth values at or below a path in the
// evidence. Paths are as in json.
func (r *record) values(path string) []string {
	var out []string
	var walk func(any)
	walk = func(at any) {
		switch v := at.(type) {
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		default:
			if s := scalar(v); s != "" && len(out) < maxValues {
				out = append(out, s)
			}
		}
	}
	walk(r.at(path))
	slices.Sort(out) // maps have no order
	return out
}

// json is the text, number or truth value at a path of keys and indexes, joined
// by dots, in the evidence; "" when the path leads nowhere or to something that
// is no scalar, or when the evidence is no JSON.
func (r *record) json(path string) string { return scalar(r.at(path)) }

// at is what a path leads to; nil for nothing.
func (r *record) at(path string) any {
	if !r.parsed {
		r.parsed = true
		d := json.NewDecoder(bytes.NewReader(r.src.Raw))
		d.UseNumber()
		if d.Decode(&r.doc) != nil {
			r.doc = nil
		}
	}
	at := r.doc
	for key := range strings.SplitSeq(path, ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(v) {
				return nil
			}
			at = v[i]
		default:
			return nil
		}
	}
	return at
}

// scalar spells a JSON value that is neither object nor array; others, and
// null, are "".
func scalar(at any) string {
	switch v := at.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// fieldNames lists every field that an expression can name.
func fieldNames() []string {
	var out []string
	for _, t := range []reflect.Type{
		reflect.TypeFor[record](), reflect.TypeFor[story](),
		reflect.TypeFor[dependency](), reflect.TypeFor[repeat](),
	} {
		for f := range t.Fields() {
			if name := f.Tag.Get("cel"); name != "" {
				out = append(out, name)
			}
		}
	}
	return out
}
