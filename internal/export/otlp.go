package export

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"muster/fleet"
)

// ErrNoSpans is what OTLP says of a dossier that its format has no room for.
var ErrNoSpans = errors.New("there is no span in it, and OTLP's traces are made of spans: export it as JSON")

// The attributes that muster adds to spans, beside those of the record.
const (
	attrID          = "muster.id"
	attrJourney     = "muster.correlation_id"
	attrRequest     = "aws.request_id"
	attrPrincipal   = "muster.principal"
	attrResources   = "muster.resources"
	attrJoined      = "muster.joined" // the rung and certainty by which an event is of this trace
	attrOutside     = "muster.outside_every_span"
	attrServiceName = "service.name"
)

// OTLP writes the spans of a dossier as one ExportTraceServiceRequest in OTLP's
// JSON. What else was recorded under a span is an event of it; what is under
// none is an event of its trace's first span, marked as such. Evidence of traces
// without a span, and raw documents, are left out.
func OTLP(w io.Writer, t fleet.Trace) error {
	request, err := requestOf(t)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(request)
}

// OTLP's messages, as its JSON spells them: 64-bit numbers as text.
type (
	otlpRequest struct {
		ResourceSpans []*otlpResourceSpans `json:"resourceSpans"`
	}
	otlpResourceSpans struct {
		Resource   otlpResource     `json:"resource"`
		ScopeSpans []otlpScopeSpans `json:"scopeSpans"`
	}
	otlpResource struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScopeSpans struct {
		Scope otlpScope   `json:"scope"`
		Spans []*otlpSpan `json:"spans"`
	}
	otlpScope struct {
		Name string `json:"name"`
	}
	otlpSpan struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		ParentID   string          `json:"parentSpanId,omitempty"`
		Name       string          `json:"name"`
		Kind       int             `json:"kind"`
		Start      string          `json:"startTimeUnixNano"`
		End        string          `json:"endTimeUnixNano"`
		Attributes []otlpAttribute `json:"attributes,omitempty"`
		Events     []otlpEvent     `json:"events,omitempty"`
		Status     *otlpStatus     `json:"status,omitempty"`
	}
	otlpEvent struct {
		Time       string          `json:"timeUnixNano"`
		Name       string          `json:"name"`
		Attributes []otlpAttribute `json:"attributes,omitempty"`
	}
	otlpStatus struct {
		Message string `json:"message,omitempty"`
		Code    int    `json:"code"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpValue struct {
		Text string `json:"stringValue"`
	}
)

// OTLP's numbers of a span's kind and status.
const (
	kindInternal = 1
	kindServer   = 2
	kindClient   = 3
	statusError  = 2
)

// place is where a resource's spans go.
type place struct{ service, account, region string }

type spanKey struct{ trace, span string }

func requestOf(t fleet.Trace) (otlpRequest, error) {
	var out otlpRequest
	spans := spansOf(t.Records)
	if len(spans) == 0 {
		return out, ErrNoSpans
	}
	places := map[place]*otlpResourceSpans{}
	byKey, first, byRequest := map[spanKey]*otlpSpan{}, map[string]*otlpSpan{}, map[string]*otlpSpan{}
	for _, r := range spans {
		s := spanOf(r)
		at := place{r.Service, r.Account, r.Region}
		if places[at] == nil {
			places[at] = newResource(at)
			out.ResourceSpans = append(out.ResourceSpans, places[at])
		}
		scope := &places[at].ScopeSpans[0]
		scope.Spans = append(scope.Spans, s)
		byKey[spanKey{r.Keys.Trace, r.Keys.Span}] = s
		if first[r.Keys.Trace] == nil {
			first[r.Keys.Trace] = s
		}
		if q := requestKey(r); q != "" {
			byRequest[q] = s // the later one made the request, the earlier handed it on
		}
	}
	for i := range t.Records {
		r := &t.Records[i]
		if r.Kind == fleet.KindSpan {
			continue
		}
		e := eventOf(r)
		host := byKey[spanKey{r.Keys.Trace, r.Keys.Span}]
		if host == nil || r.Keys.Span == "" {
			host = byRequest[requestKey(r)]
		}
		if host == nil {
			if host = first[r.Keys.Trace]; host == nil {
				continue
			}
			e.Attributes = append(e.Attributes, attribute(attrOutside, "true"))
		}
		host.Events = append(host.Events, e)
	}
	return out, nil
}

// spansOf are the spans, each once: of one told twice the highest revision, then
// the longest.
func spansOf(records []fleet.Record) []*fleet.Record {
	var out []*fleet.Record
	at := map[spanKey]int{}
	for i := range records {
		r := &records[i]
		if r.Kind != fleet.KindSpan {
			continue
		}
		k := spanKey{r.Keys.Trace, spanID(r)}
		had, twice := at[k]
		switch {
		case !twice:
			at[k] = len(out)
			out = append(out, r)
		case r.Revision > out[had].Revision || r.Revision == out[had].Revision && r.Duration > out[had].Duration:
			out[had] = r
		}
	}
	return out
}

// requestKey tells requests apart, which are of one scope each.
func requestKey(r *fleet.Record) string {
	if r.Keys.Request == "" {
		return ""
	}
	return string(r.Keys.Scope) + "/" + r.Keys.Request
}

func newResource(p place) *otlpResourceSpans {
	out := &otlpResourceSpans{ScopeSpans: []otlpScopeSpans{{Scope: otlpScope{Name: "muster"}}}}
	for _, a := range []otlpAttribute{
		attribute(attrServiceName, p.service), attribute("cloud.provider", "aws"),
		attribute("cloud.account.id", p.account), attribute("cloud.region", p.region),
	} {
		if a.Value.Text != "" || a.Key == attrServiceName {
			out.Resource.Attributes = append(out.Resource.Attributes, a)
		}
	}
	return out
}

func spanOf(r *fleet.Record) *otlpSpan {
	s := &otlpSpan{
		TraceID: r.Keys.Trace, SpanID: spanID(r), ParentID: hexID(r.Keys.Trace, r.Keys.Parent), Name: r.Name, Kind: spanKind(r),
		Start: nanoseconds(r.Time), End: nanoseconds(r.End()), Attributes: attributesOf(r),
	}
	if r.Error != "" {
		message := r.Error
		if r.Message != "" {
			message += ": " + r.Message
		}
		s.Status = &otlpStatus{message, statusError}
	}
	return s
}

func spanKind(r *fleet.Record) int {
	switch {
	case r.Attributes.Get(fleet.AttrNamespace) != "":
		return kindClient
	case r.Attributes.Get(fleet.AttrSpanType) == "segment":
		return kindServer
	}
	return kindInternal
}

// spanID is the id of a span, made of the record's where the span shows none.
func spanID(r *fleet.Record) string {
	if r.Keys.Span == "" {
		return hexID(r.Keys.Trace, r.ID)
	}
	return hexID(r.Keys.Trace, r.Keys.Span)
}

// hexID is an id as OTLP has it, 16 hex digits; any other is hashed into one. ""
// is none.
func hexID(trace, id string) string {
	if _, err := hex.DecodeString(id); err == nil && len(id) == 16 || id == "" {
		return id
	}
	sum := sha256.Sum256([]byte(trace + "/" + id))
	return hex.EncodeToString(sum[:8])
}

func eventOf(r *fleet.Record) otlpEvent {
	e := otlpEvent{Time: nanoseconds(r.Time), Name: r.Message, Attributes: attributesOf(r)}
	if e.Name == "" {
		e.Name = r.Name
	}
	for _, a := range []otlpAttribute{
		attribute("muster.kind", string(r.Kind)), attribute("muster.name", r.Name), attribute("muster.service", r.Service),
		attribute("muster.error", r.Error),
		attribute(attrJoined, strings.Trim(string(r.Keys.TraceLink.Via)+", "+string(r.Keys.TraceLink.Sure), ", ")),
	} {
		if a.Value.Text != "" {
			e.Attributes = append(e.Attributes, a)
		}
	}
	return e
}

// attributesOf are those of the record, in the order of their names, then those
// that muster adds.
func attributesOf(r *fleet.Record) []otlpAttribute {
	var out []otlpAttribute
	for k, v := range r.Attributes.All() {
		out = append(out, attribute(k, v))
	}
	for _, a := range []otlpAttribute{
		attribute(attrID, r.ID), attribute(attrJourney, r.Keys.Correlation), attribute(attrRequest, r.Keys.Request),
		attribute(attrPrincipal, r.Principal), attribute(attrResources, strings.Join(r.Resources, "\n")),
	} {
		if a.Value.Text != "" {
			out = append(out, a)
		}
	}
	return out
}

func attribute(key, value string) otlpAttribute { return otlpAttribute{key, otlpValue{value}} }

func nanoseconds(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// Write writes a dossier in the format that a file's name ends in: OTLP for
// ".otlp.json", else JSON.
func Write(w io.Writer, name string, t fleet.Trace) error {
	switch {
	case strings.HasSuffix(name, ".otlp.json"):
		return OTLP(w, t)
	case strings.HasSuffix(name, ".json"):
		return JSON(w, t)
	}
	return fmt.Errorf("export to %s: the name says no format: end it in .otlp.json or .json", name)
}
