package opensearch

import (
	"strconv"

	"muster/fleet"
)

// spanDocument is a span in the shape that OpenSearch's Trace Analytics reads.
type spanDocument struct {
	Muster     row         `json:"muster"`
	Timestamp  date        `json:"@timestamp,omitzero"`
	Trace      string      `json:"traceId"`
	Span       string      `json:"spanId"`
	Parent     string      `json:"parentSpanId"` // "" tells a root
	Name       string      `json:"name"`
	Kind       string      `json:"kind"`
	Service    string      `json:"serviceName"`
	Start      date        `json:"startTime,omitzero"`
	End        date        `json:"endTime,omitzero"`
	Nanos      int64       `json:"durationInNanos"`
	Status     spanStatus  `json:"status"`
	Group      string      `json:"traceGroup"`
	GroupField groupFields `json:"traceGroupFields"`
	Attributes attributes  `json:"attributes"`
	Resource   resource    `json:"resource"`
}

type spanStatus struct {
	Code    int    `json:"code"`
	Message string `json:"message,omitempty"`
}

// groupFields are what Trace Analytics filters and sums traces by: those of the root.
type groupFields struct {
	End   date  `json:"endTime,omitzero"`
	Nanos int64 `json:"durationInNanos"`
	Code  int   `json:"statusCode"`
}

type attributes struct {
	HTTPMethod string `json:"http.request.method,omitempty"`
	HTTPStatus int    `json:"http.response.status_code,omitempty"`
	LogGroup   string `json:"aws.log.group.name,omitempty"`
}

type resource struct {
	Attributes struct {
		Service string `json:"service.name,omitempty"`
		Account string `json:"cloud.account.id,omitempty"`
		Region  string `json:"cloud.region,omitempty"`
	} `json:"attributes"`
}

// OpenTelemetry's status codes.
const (
	statusUnset = 0
	statusError = 2
)

// logDocument is a log line in the shape of OpenSearch's OpenTelemetry logs.
type logDocument struct {
	Muster     row        `json:"muster"`
	Timestamp  date       `json:"@timestamp,omitzero"`
	Time       date       `json:"time,omitzero"`
	Trace      string     `json:"traceId,omitempty"`
	Span       string     `json:"spanId,omitempty"`
	Service    string     `json:"serviceName,omitempty"`
	Severity   severity   `json:"severity"`
	Body       string     `json:"body"`
	Attributes attributes `json:"attributes"`
	Resource   resource   `json:"resource"`
}

type severity struct {
	Text string `json:"text,omitempty"`
}

// eventDocument is an API call, a change or a verdict, with names of the Elastic
// Common Schema, flat as dashboards read them.
type eventDocument struct {
	Muster    row      `json:"muster"`
	Timestamp date     `json:"@timestamp,omitzero"`
	Action    string   `json:"event.action,omitempty"`
	Provider  string   `json:"event.provider,omitempty"`
	Outcome   string   `json:"event.outcome"`
	Account   string   `json:"cloud.account.id,omitempty"`
	Region    string   `json:"cloud.region,omitempty"`
	Service   string   `json:"service.name,omitempty"`
	User      string   `json:"user.name,omitempty"`
	Source    string   `json:"source.address,omitempty"`
	Agent     string   `json:"user_agent.original,omitempty"`
	Error     string   `json:"error.code,omitempty"`
	Trace     string   `json:"trace.id,omitempty"`
	Message   string   `json:"message,omitempty"`
	Resources []string `json:"resources,omitempty"`
}

// appendDocument appends a record as it is indexed; g is the group of a span's trace.
func appendDocument(b []byte, r *fleet.Record, g group) []byte {
	switch r.Kind {
	case fleet.KindSpan:
		d := newSpanDocument(r, g)
		return d.append(b)
	case fleet.KindLog:
		d := newLogDocument(r)
		return d.append(b)
	default:
		d := newEventDocument(r)
		return d.append(b)
	}
}

func newSpanDocument(r *fleet.Record, g group) spanDocument {
	start := dateOf(r.Time)
	return spanDocument{
		Muster: newRow(r), Timestamp: start,
		Trace: r.Keys.Trace, Span: r.Seen.Span, Parent: r.Seen.Parent, Name: r.Name, Kind: spanKind(r), Service: r.Service,
		Start: start, End: dateOf(r.End()), Nanos: r.Duration.Nanoseconds(),
		Status: spanStatus{spanCode(r.Error), r.Error},
		Group:  g.Name, GroupField: g.fields(),
		Attributes: newAttributes(r), Resource: newResource(r),
	}
}

func newLogDocument(r *fleet.Record) logDocument {
	at := dateOf(r.Time)
	return logDocument{
		Muster: newRow(r), Timestamp: at, Time: at,
		Trace: r.Keys.Trace, Span: r.Seen.Span, Service: r.Service,
		Severity: severity{r.Name}, Body: r.Message, Attributes: newAttributes(r), Resource: newResource(r),
	}
}

func newEventDocument(r *fleet.Record) eventDocument {
	outcome := "success"
	if r.Error != "" {
		outcome = "failure"
	}
	return eventDocument{
		Muster: newRow(r), Timestamp: dateOf(r.Time), Action: r.Name, Provider: r.Attributes.Get(fleet.AttrEventSource),
		Outcome: outcome, Account: r.Account, Region: r.Region, Service: r.Service, User: r.Principal,
		Source: r.Attributes.Get(fleet.AttrSourceIP), Agent: r.Attributes.Get(fleet.AttrUserAgent), Error: r.Error,
		Trace: r.Keys.Trace, Message: r.Message, Resources: r.Resources,
	}
}

func newAttributes(r *fleet.Record) attributes {
	a := attributes{HTTPMethod: r.Attributes.Get(fleet.AttrHTTPMethod), LogGroup: r.Attributes.Get(fleet.AttrLogGroup)}
	if status := r.Attributes.Get(fleet.AttrHTTPStatus); status != "" {
		a.HTTPStatus, _ = strconv.Atoi(status) // what is no number is in "muster" as it is
	}
	return a
}

func newResource(r *fleet.Record) (out resource) {
	out.Attributes.Service, out.Attributes.Account, out.Attributes.Region = r.Service, r.Account, r.Region
	return out
}

func spanCode(err string) int {
	if err != "" {
		return statusError
	}
	return statusUnset
}

func spanKind(r *fleet.Record) string {
	switch {
	case r.Attributes.Get(fleet.AttrSpanType) == "segment":
		return "SPAN_KIND_SERVER"
	case r.Attributes.Get(fleet.AttrNamespace) != "":
		return "SPAN_KIND_CLIENT"
	default:
		return "SPAN_KIND_INTERNAL"
	}
}
