package localaws

import (
	"encoding/json"
	"strconv"
	"strings"

	"muster/fleet"
	"muster/internal/filter"
)

// traceFilter is the condition that a filter expression puts on traces; an empty
// one holds for all. AWS's text for one that it cannot read is not recorded
// anywhere: this one says what is wrong, and where.
func traceFilter(expression, account string) (func(*trace) bool, error) {
	if strings.TrimSpace(expression) == "" {
		return func(*trace) bool { return true }, nil
	}
	f, err := filter.Parse(expression)
	if err != nil {
		return nil, xrayInvalid("Invalid filter expression: %v.", err)
	}
	if err := askable(f, false); err != nil {
		return nil, err
	}
	return func(t *trace) bool { return fleet.MatchTrace(f, t.spans(account)) }, nil
}

// askable refuses what the parser allows and X-Ray does not know. Inside tells
// that f stands in the braces of a service or an edge.
func askable(f fleet.Filter, inside bool) error {
	var parts []fleet.Filter
	switch f := f.(type) {
	case fleet.FilterAll:
		parts = f
	case fleet.FilterAny:
		parts = f
	case fleet.FilterNot:
		parts = []fleet.Filter{f.Of}
	case fleet.FilterService:
		parts, inside = []fleet.Filter{f.Where}, true
	case fleet.FilterEdge:
		parts, inside = []fleet.Filter{f.Where}, true
	case fleet.FilterTest:
		switch {
		case f.Keyword == fleet.KeyOperation:
			return xrayInvalid("Invalid filter expression: there is no keyword %s.", f.Keyword)
		case f.Keyword == fleet.KeyAnnotation && inside:
			return xrayInvalid("Invalid filter expression: annotation.%s cannot be asked of a service or an edge.", f.Key)
		}
	}
	for _, p := range parts {
		if err := askable(p, inside); err != nil {
			return err
		}
	}
	return nil
}

// spans are the segments and subsegments of a trace as the filter's language
// asks for them.
func (t *trace) spans(account string) []fleet.Record {
	var out []fleet.Record
	for _, g := range t.segments {
		out = g.addSpans(out, account, g.Name, g.ParentID, g.Type != "subsegment")
	}
	return out
}

// addSpans appends a document and what is nested in it. The name of a subsegment
// that was sent alone stands for its service's, which it does not tell.
func (d *segmentDocument) addSpans(out []fleet.Record, account, service, parent string, whole bool) []fleet.Record {
	r := fleet.Record{
		Kind: fleet.KindSpan, ID: d.ID, Time: d.start(), Duration: d.took(), Account: account,
		Service: service, Name: d.Name, Message: d.exception(), Error: d.outcome(),
		Seen: fleet.Keys{Span: d.ID, Parent: parent},
		Attributes: fleet.AttributesOf(
			fleet.AttrNamespace, d.Namespace, fleet.AttrOrigin, d.Origin, fleet.AttrUser, d.User,
			fleet.AttrSegmentName, d.Name, fleet.AttrSpanType, "subsegment",
			fleet.AttrHTTPURL, d.HTTP.Request.URL, fleet.AttrHTTPMethod, d.HTTP.Request.Method,
			fleet.AttrUserAgent, d.HTTP.Request.UserAgent, fleet.AttrSourceIP, d.HTTP.Request.ClientIP,
			fleet.AttrInProgress, strconv.FormatBool(d.InProgress),
		),
	}
	if whole {
		r.Attributes.Set(fleet.AttrSpanType, "segment")
	}
	if status := d.HTTP.Response.Status; status != 0 {
		r.Attributes.Set(fleet.AttrHTTPStatus, strconv.Itoa(status))
	}
	if d.AWS.ResourceARN != "" {
		r.Resources = []string{d.AWS.ResourceARN}
	}
	for key, v := range d.Annotations {
		switch v := v.(type) {
		case string:
			r.Attributes.Set(fleet.AttrAnnotationPrefix+key, v)
		case bool:
			r.Attributes.Set(fleet.AttrAnnotationPrefix+key, strconv.FormatBool(v))
		case float64:
			r.Attributes.Set(fleet.AttrAnnotationPrefix+key, strconv.FormatFloat(v, 'f', -1, 64))
		}
	}
	out = append(out, r)
	for i := range d.Subsegments {
		out = d.Subsegments[i].addSpans(out, account, service, d.ID, false)
	}
	return out
}

// outcome is the worst that a document says of itself.
func (d *segmentDocument) outcome() string {
	switch {
	case d.Fault:
		return "fault"
	case d.Throttle:
		return "throttle"
	case d.Error:
		return "error"
	}
	return ""
}

// exception is the message of the first exception that the document holds.
func (d *segmentDocument) exception() string {
	var cause struct {
		Exceptions []struct {
			Message string `json:"message"`
		} `json:"exceptions"`
	}
	if json.Unmarshal(d.Cause, &cause) != nil || len(cause.Exceptions) == 0 {
		return "" // none, or the id of one elsewhere
	}
	return cause.Exceptions[0].Message
}
