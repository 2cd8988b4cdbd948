package opensearch

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"muster/fleet"
)

// row is a record as the object "muster" of every document: what the reader
// asks for and what it needs to give the record back as it was. Absent text is
// absent, so that "exists" tells it from an empty one.
type row struct {
	ID          string     `json:"id"`
	Revision    int        `json:"revision"`
	Kind        fleet.Kind `json:"kind"`
	TimeUS      int64      `json:"time_us"`
	DurationUS  int64      `json:"duration_us,omitempty"`
	Account     string     `json:"account,omitempty"`
	Region      string     `json:"region,omitempty"`
	Service     string     `json:"service,omitempty"`
	Name        string     `json:"name,omitempty"`
	Resources   []string   `json:"resources,omitempty"`
	Principal   string     `json:"principal,omitempty"`
	Error       string     `json:"error,omitempty"`
	Failed      bool       `json:"failed"`          // whether there is an Error
	Write       bool       `json:"write,omitempty"` // a management call that changed something
	Message     string     `json:"message,omitempty"`
	Trace       string     `json:"trace_id,omitempty"`
	Span        string     `json:"span_id,omitempty"`
	Parent      string     `json:"parent_id,omitempty"`
	Request     string     `json:"request_id,omitempty"`
	Messages    []string   `json:"message_ids,omitempty"`
	Correlation string     `json:"correlation_id,omitempty"`
	Origin      string     `json:"origin,omitempty"`
	AccessKey   string     `json:"access_key_id,omitempty"`
	IssuedKey   string     `json:"issued_key_id,omitempty"`

	RequestScope    fleet.Scope     `json:"request_scope,omitempty"`
	TraceVia        fleet.Rung      `json:"trace_via,omitempty"`
	TraceSure       fleet.Certainty `json:"trace_sure,omitempty"`
	RequestVia      fleet.Rung      `json:"request_via,omitempty"`
	RequestSure     fleet.Certainty `json:"request_sure,omitempty"`
	CorrelationVia  fleet.Rung      `json:"correlation_via,omitempty"`
	CorrelationSure fleet.Certainty `json:"correlation_sure,omitempty"`
	OriginVia       fleet.Rung      `json:"origin_via,omitempty"`
	OriginSure      fleet.Certainty `json:"origin_sure,omitempty"`
	SeenTrace       string          `json:"seen_trace_id,omitempty"`
	SeenRequest     string          `json:"seen_request_id,omitempty"`
	SeenCorrelation string          `json:"seen_correlation_id,omitempty"`

	// Annotations are those among the attributes for searches: each key, and each
	// as key=value.
	Annotations []string `json:"annotations,omitempty"`

	Attributes fleet.Attributes `json:"attributes,omitempty"` // as they are, not indexed
	Raw        string           `json:"raw,omitempty"`        // the evidence, not indexed
}

func newRow(r *fleet.Record) row {
	k := &r.Keys
	return row{
		ID: r.ID, Revision: r.Revision, Kind: r.Kind, TimeUS: r.TimeUS(), DurationUS: r.Duration.Microseconds(),
		Account: r.Account, Region: r.Region, Service: r.Service, Name: r.Name, Resources: r.Resources,
		Principal: r.Principal, Error: r.Error, Failed: r.Error != "", Write: r.Write(), Message: r.Message,
		Trace: k.Trace, Span: r.Seen.Span, Parent: r.Seen.Parent, Request: k.Request, RequestScope: k.Scope,
		Messages: r.Seen.Messages, Correlation: k.Correlation, Origin: k.Origin,
		AccessKey: r.Seen.AccessKey, IssuedKey: r.Seen.IssuedKey,
		TraceVia: k.TraceLink.Via, TraceSure: k.TraceLink.Sure,
		RequestVia: k.RequestLink.Via, RequestSure: k.RequestLink.Sure,
		CorrelationVia: k.CorrelationLink.Via, CorrelationSure: k.CorrelationLink.Sure,
		OriginVia: k.OriginLink.Via, OriginSure: k.OriginLink.Sure,
		SeenTrace: r.Seen.Trace, SeenRequest: r.Seen.Request, SeenCorrelation: r.Seen.Correlation,
		Annotations: annotations(r.Attributes), Attributes: r.Attributes, Raw: rawText(r.Raw),
	}
}

// annotations are the terms by which annotations are found.
func annotations(attributes fleet.Attributes) []string {
	var terms []string
	for name, value := range attributes.All() {
		if key, ok := strings.CutPrefix(name, fleet.AttrAnnotationPrefix); ok {
			terms = append(terms, key, annotationTerm(key, value))
		}
	}
	slices.Sort(terms)
	return terms
}

func annotationTerm(key, value string) string { return key + "=" + value }

// rawText is fleet.EncodeRaw, and shares the bytes of evidence that is text.
func rawText(raw []byte) string {
	if !utf8.Valid(raw) || bytes.HasPrefix(raw, []byte("base64:")) {
		return fleet.EncodeRaw(raw)
	}
	return unsafe.String(unsafe.SliceData(raw), len(raw))
}

// record translates back. What resolving never changes lies in one field for
// both Seen and Keys.
func (w *row) record() fleet.Record {
	r := fleet.Record{
		ID: w.ID, Revision: w.Revision, Kind: w.Kind,
		Time: time.UnixMicro(w.TimeUS).UTC(), Duration: time.Duration(w.DurationUS) * time.Microsecond,
		Account: w.Account, Region: w.Region, Service: w.Service, Name: w.Name, Resources: w.Resources,
		Principal: w.Principal, Error: w.Error, Message: w.Message,
		Seen: fleet.Keys{
			Trace: w.SeenTrace, Span: w.Span, Parent: w.Parent, Request: w.SeenRequest,
			Messages: w.Messages, Correlation: w.SeenCorrelation, AccessKey: w.AccessKey, IssuedKey: w.IssuedKey,
		},
		Keys: fleet.Keys{
			Trace: w.Trace, Span: w.Span, Parent: w.Parent, Request: w.Request, Scope: w.RequestScope,
			Messages: w.Messages, Correlation: w.Correlation, AccessKey: w.AccessKey, IssuedKey: w.IssuedKey,
			Origin:          w.Origin,
			TraceLink:       fleet.Link{Via: w.TraceVia, Sure: w.TraceSure},
			RequestLink:     fleet.Link{Via: w.RequestVia, Sure: w.RequestSure},
			CorrelationLink: fleet.Link{Via: w.CorrelationVia, Sure: w.CorrelationSure},
			OriginLink:      fleet.Link{Via: w.OriginVia, Sure: w.OriginSure},
		},
		Attributes: w.Attributes, Raw: fleet.DecodeRaw(w.Raw),
	}
	if w.SeenRequest != "" {
		r.Seen.Scope = w.RequestScope // a seen request is never replaced, so both are of one scope
	}
	return r
}
