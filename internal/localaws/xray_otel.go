package localaws

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// An otelSpan is a span as Transaction Search writes it into aws/spans:
// OpenTelemetry's fields, attributes as a map, times in nanoseconds since 1970.
type otelSpan struct {
	Resource     otelAttributes `json:"resource"`
	Scope        struct{}       `json:"scope"`
	TraceID      string         `json:"traceId"` // 32 hex digits
	SpanID       string         `json:"spanId"`
	ParentSpanID string         `json:"parentSpanId,omitempty"`
	Flags        int            `json:"flags"`
	Name         string         `json:"name"`
	Kind         string         `json:"kind"`
	Start        int64          `json:"startTimeUnixNano"`
	End          int64          `json:"endTimeUnixNano,omitempty"`
	Duration     int64          `json:"durationNano,omitempty"`
	Attributes   map[string]any `json:"attributes"`
	Events       []otelEvent    `json:"events,omitempty"`
	Links        []otelLink     `json:"links,omitempty"`
	Status       otelStatus     `json:"status"`
}

type otelAttributes struct {
	Attributes map[string]any `json:"attributes"`
}

type otelEvent struct {
	Time       int64          `json:"timeUnixNano"`
	Name       string         `json:"name"`
	Attributes map[string]any `json:"attributes"`
}

type otelLink struct {
	TraceID    string         `json:"traceId"`
	SpanID     string         `json:"spanId"`
	Attributes map[string]any `json:"attributes,omitempty"`
}

type otelStatus struct {
	Code string `json:"code"` // UNSET, OK or ERROR
}

// A fullSegment is all of a segment or subsegment that has a place in a span.
type fullSegment struct {
	TraceID     string                    `json:"trace_id"`
	ID          string                    `json:"id"`
	ParentID    string                    `json:"parent_id"`
	Type        string                    `json:"type"`
	Namespace   string                    `json:"namespace"`
	Name        string                    `json:"name"`
	User        string                    `json:"user"`
	Origin      string                    `json:"origin"`
	ResourceARN string                    `json:"resource_arn"`
	Start       float64                   `json:"start_time"`
	End         float64                   `json:"end_time"`
	InProgress  bool                      `json:"in_progress"`
	Fault       bool                      `json:"fault"`
	Traced      *bool                     `json:"traced"`
	HTTP        segmentParts              `json:"http"`
	AWS         map[string]any            `json:"aws"`
	SQL         map[string]any            `json:"sql"`
	Annotations map[string]any            `json:"annotations"`
	Metadata    map[string]map[string]any `json:"metadata"`
	Cause       json.RawMessage           `json:"cause"`
	Links       []struct {
		TraceID    string         `json:"trace_id"`
		ID         string         `json:"id"`
		Attributes map[string]any `json:"attributes"`
	} `json:"links"`
	Subsegments []fullSegment `json:"subsegments"`
}

// segmentParts are the halves of a segment's "http" block, names as sent.
type segmentParts struct {
	Request  map[string]any `json:"request"`
	Response map[string]any `json:"response"`
}

// otelSpans turns a segment document into the spans of it and of all that is
// nested in it, parents first. The names of attributes are those that AWS's own
// receiver of segments (awsxrayreceiver of the OpenTelemetry Collector) gives.
func otelSpans(document string) ([]otelSpan, error) {
	var g fullSegment
	if err := json.Unmarshal([]byte(document), &g); err != nil {
		return nil, fmt.Errorf("read segment: %w", err)
	}
	resource := g.resource()
	var spans []otelSpan
	g.appendTo(&spans, strings.ReplaceAll(strings.TrimPrefix(g.TraceID, "1-"), "-", ""), g.ParentID, resource)
	return spans, nil
}

func (g *fullSegment) appendTo(spans *[]otelSpan, trace, parent string, resource map[string]any) {
	s := otelSpan{
		Resource: otelAttributes{resource}, TraceID: trace, SpanID: g.ID, ParentSpanID: parent, Flags: 1, Name: g.Name,
		Kind: g.kind(), Start: nanoseconds(g.Start), Attributes: g.attributes(), Events: g.exceptions(), Status: otelStatus{"UNSET"},
	}
	if g.Fault {
		s.Status.Code = "ERROR"
	}
	if !g.InProgress {
		s.End = nanoseconds(g.End)
		s.Duration = s.End - s.Start
	}
	for _, l := range g.Links {
		s.Links = append(s.Links, otelLink{strings.ReplaceAll(strings.TrimPrefix(l.TraceID, "1-"), "-", ""), l.ID, l.Attributes})
	}
	*spans = append(*spans, s)
	for i := range g.Subsegments {
		g.Subsegments[i].appendTo(spans, trace, g.ID, resource)
	}
}

// nanoseconds keeps the microseconds that a float of seconds still holds.
func nanoseconds(seconds float64) int64 { return int64(math.Round(seconds*1e6)) * 1000 }

// kind: a subsegment that leaves the service is a client's, a segment a server's.
// What AWS inferred from a client's view of a service has a parent and no
// namespace; it is nobody's own report.
func (g *fullSegment) kind() string {
	switch {
	case g.Namespace == "aws" || g.Namespace == "remote":
		return "CLIENT"
	case g.Namespace == "" && g.Type == "" && g.ParentID == "" && g.TraceID != "":
		return "SERVER"
	case g.TraceID != "" && g.Type == "" && g.HTTP.Request != nil:
		return "SERVER" // called by another service
	}
	return "INTERNAL"
}

// requestAttributes and responseAttributes rename what "http" holds.
var (
	requestAttributes = map[string]string{
		"method": "http.method", "client_ip": "http.client_ip", "user_agent": "http.user_agent",
		"url": "http.url", "x_forwarded_for": "aws.xray.x_forwarded_for",
	}
	responseAttributes = map[string]string{"status": "http.status_code", "content_length": "http.response_content_length"}
	// awsAttributes rename what "aws" holds of a call.
	awsAttributes = map[string]string{
		"account_id": "aws.account_id", "operation": "aws.operation", "region": "aws.region", "request_id": "aws.request_id",
		"queue_url": "aws.queue_url", "table_name": "aws.table_name", "retries": "aws.xray.retries",
		"topic_arn": "aws.topic_arn", "bucket_name": "aws.bucket_name", "function_name": "aws.function_name", "message_id": "aws.message_id",
	}
)

func (g *fullSegment) attributes() map[string]any {
	out := make(map[string]any)
	rename(out, g.HTTP.Request, requestAttributes)
	rename(out, g.HTTP.Response, responseAttributes)
	rename(out, g.AWS, awsAttributes)
	if g.Namespace == "aws" {
		out["aws.service"] = g.Name
	}
	if g.User != "" {
		out["enduser.id"] = g.User
	}
	if g.InProgress {
		out["aws.xray.inprogress"] = true
	}
	if g.Traced != nil {
		out["aws.xray.traced"] = *g.Traced
	}
	if query := g.SQL["sanitized_query"]; query != nil {
		out["db.statement"] = query
	}
	if len(g.Annotations) > 0 {
		names := slices.Sorted(maps.Keys(g.Annotations))
		out["aws.xray.annotations"] = names
		maps.Copy(out, g.Annotations)
	}
	for namespace, values := range g.Metadata {
		if text, err := json.Marshal(values); err == nil {
			out["aws.xray.metadata."+namespace] = string(text)
		}
	}
	return out
}

// rename copies what is there under other names.
func rename(to, from map[string]any, names map[string]string) {
	for old, name := range names {
		if v := from[old]; v != nil {
			to[name] = v
		}
	}
}

// resource says what ran the segment, from its "aws" and "service" blocks.
func (g *fullSegment) resource() map[string]any {
	out := map[string]any{"service.name": g.Name, "cloud.provider": "unknown"}
	if g.AWS != nil {
		out["cloud.provider"] = "aws"
	}
	if g.ResourceARN != "" {
		out["aws.xray.resource_arn"] = g.ResourceARN
	}
	part := func(name string) map[string]any {
		p, _ := g.AWS[name].(map[string]any) // nil has no keys
		return p
	}
	if account := g.AWS["account_id"]; account != nil && g.Type != "subsegment" {
		out["cloud.account.id"] = account
	}
	rename(out, part("ecs"), map[string]string{"availability_zone": "cloud.availability_zone", "container": "container.name", "container_id": "container.id"})
	rename(out, part("ec2"), map[string]string{"availability_zone": "cloud.availability_zone", "instance_id": "host.id", "instance_size": "host.type", "ami_id": "host.image.id"})
	beanstalk := part("elastic_beanstalk")
	rename(out, beanstalk, map[string]string{"environment_name": "service.namespace", "version_label": "service.version"})
	if id, ok := beanstalk["deployment_id"].(float64); ok {
		out["service.instance.id"] = strconv.FormatInt(int64(id), 10)
	}
	xray := part("xray")
	rename(out, xray, map[string]string{"sdk_version": "telemetry.sdk.version", "sdk": "telemetry.sdk.name"})
	if sdk, ok := xray["sdk"].(string); ok {
		out["telemetry.sdk.language"] = strings.TrimPrefix(sdk, "X-Ray for ")
	}
	if groups, ok := g.AWS["cloudwatch_logs"].([]any); ok {
		var names []any
		for _, group := range groups {
			if m, ok := group.(map[string]any); ok && m["log_group"] != nil {
				names = append(names, m["log_group"])
			}
		}
		out["aws.log.group.names"] = names
	}
	return out
}

// exceptions are the cause's, as events at the segment's end. A cause can also
// be the id of an exception that another segment holds.
func (g *fullSegment) exceptions() []otelEvent {
	var cause struct {
		Exceptions []struct {
			ID      string `json:"id"`
			Type    string `json:"type"`
			Message string `json:"message"`
			Remote  bool   `json:"remote"`
			Stack   []struct {
				Path  string `json:"path"`
				Line  int    `json:"line"`
				Label string `json:"label"`
			} `json:"stack"`
		} `json:"exceptions"`
	}
	if len(g.Cause) == 0 || json.Unmarshal(g.Cause, &cause) != nil {
		return nil
	}
	var events []otelEvent
	for _, e := range cause.Exceptions {
		attributes := map[string]any{
			"aws.xray.exception.id": e.ID, "exception.message": e.Message, "exception.type": e.Type,
			"aws.xray.exception.remote": e.Remote,
		}
		if len(e.Stack) > 0 {
			var b strings.Builder
			fmt.Fprintf(&b, "%s: %s", e.Type, e.Message)
			for _, f := range e.Stack {
				fmt.Fprintf(&b, "\n\tat %s(%s: %d)", f.Label, f.Path, f.Line)
			}
			attributes["exception.stacktrace"] = b.String()
		}
		events = append(events, otelEvent{nanoseconds(g.End), "exception", attributes})
	}
	return events
}
