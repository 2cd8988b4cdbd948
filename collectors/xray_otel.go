package collectors

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/fleet"
)

// otelSpan is a span as Transaction Search keeps it in aws/spans and as
// ListRetrievedTraces hands it over: OpenTelemetry's, with attributes as a map.
type otelSpan struct {
	Resource struct {
		Attributes otelAttributes `json:"attributes"`
	} `json:"resource"`
	TraceID    string          `json:"traceId"`
	SpanID     string          `json:"spanId"`
	ParentID   string          `json:"parentSpanId"`
	Name       string          `json:"name"`
	Kind       string          `json:"kind"`
	Start      json.RawMessage `json:"startTimeUnixNano"` // a number, or one in a string
	End        json.RawMessage `json:"endTimeUnixNano"`
	Attributes otelAttributes  `json:"attributes"`
	Events     []struct {
		Name       string         `json:"name"`
		Attributes otelAttributes `json:"attributes"`
	} `json:"events"`
	Links []struct {
		TraceID string `json:"traceId"`
	} `json:"links"`
	Status struct {
		Code    string `json:"code"` // UNSET, OK or ERROR
		Message string `json:"message"`
	} `json:"status"`
}

type otelAttributes map[string]json.RawMessage

// text is the first of several attributes that is there: two generations of
// OpenTelemetry's names, and X-Ray's own.
func (a otelAttributes) text(names ...string) string {
	for _, n := range names {
		if v, ok := a[n]; ok {
			if s := scalarText(v); s != "" {
				return s
			}
		}
	}
	return ""
}

// list is an attribute that holds several texts, or one.
func (a otelAttributes) list(name string) []string {
	var many []string
	if json.Unmarshal(a[name], &many) == nil {
		return many
	}
	if one := a.text(name); one != "" {
		return []string{one}
	}
	return nil
}

// scalarText is a JSON scalar as text; "" for anything else.
func scalarText(v json.RawMessage) string {
	var s string
	switch {
	case len(v) == 0 || v[0] == '{' || v[0] == '[' || string(v) == "null":
		return ""
	case v[0] != '"':
		return string(v)
	case json.Unmarshal(v, &s) != nil:
		return ""
	}
	return s
}

// parseOTelSpan turns a span of Transaction Search into the record that the same
// span is where X-Ray keeps segments itself. One that cannot be understood is
// kept raw.
func parseOTelSpan(doc []byte, o origin) []fleet.Record {
	doc = compact(doc)
	var s otelSpan
	err := json.Unmarshal(doc, &s)
	var r fleet.Record
	if err == nil {
		r, err = s.record(o)
	}
	if err == nil {
		r.Raw = doc
		return []fleet.Record{r}
	}
	trace, ok := fleet.ParseTraceID(s.TraceID)
	if !ok {
		trace = s.TraceID
	}
	at, _, _ := timeOfNanos(s.Start) // zero where it says none
	return []fleet.Record{unreadable(fleet.KindSpan, clip(clean(fleet.SpanID(trace, s.SpanID)), maxIDBytes), at, doc, o, err)}
}

func (s *otelSpan) record(o origin) (fleet.Record, error) {
	trace, ok := fleet.ParseTraceID(s.TraceID)
	if !ok {
		return fleet.Record{}, fmt.Errorf("traceId %q is no trace id", clip(s.TraceID, maxIDBytes))
	}
	d, err := s.segment()
	if err != nil {
		return fleet.Record{}, err
	}
	scan := segmentScan{origin: o, trace: trace, service: s.Resource.Attributes.text("service.name"), room: new(fleet.Attributes)}
	if d.Type == "subsegment" && scan.service == d.Name {
		// X-Ray makes a service of a subsegment that was sent alone; whose it is
		// its parent knows.
		scan.service = ""
	}
	return scan.span(d, s.ParentID, 0)
}

// segment is the X-Ray document that says the same.
func (s *otelSpan) segment() (*segmentDoc, error) {
	start, ok, err := timeOfNanos(s.Start)
	if err != nil || !ok {
		return nil, errors.Join(errors.New("no startTimeUnixNano"), err)
	}
	end, ended, err := timeOfNanos(s.End)
	if err != nil {
		return nil, err
	}
	a, from := s.Attributes, s.Resource.Attributes
	d := &segmentDoc{
		TraceID: s.TraceID, ID: s.SpanID, ParentID: s.ParentID, Name: s.Name,
		Start: secondsOf(start), InProgress: !ended || a.text("aws.xray.inprogress") == "true",
		User:        a.text("enduser.id", "user.id"),
		ResourceARN: firstOf(a.text("aws.xray.resource_arn"), from.text("aws.xray.resource_arn", "cloud.resource_id", "faas.id")),
		Origin:      originOf(from),
		SQL:         segmentSQL{Query: a.text("db.query.text", "db.statement"), URL: a.text("db.connection_string")},
	}
	if ended && !d.InProgress {
		d.End = secondsOf(end)
	}
	s.place(d)
	s.http(d)
	s.outcome(d)
	s.aws(d)
	for _, l := range s.Links {
		d.Links = append(d.Links, segmentLink{l.TraceID})
	}
	d.Annotations, err = s.annotations()
	return d, err
}

// kind is the span's, in AWS's spelling or in OTLP's.
func (s *otelSpan) kind() string { return strings.TrimPrefix(s.Kind, "SPAN_KIND_") }

// place tells segments from subsegments: what serves, or was called by nobody,
// is a segment.
func (s *otelSpan) place(d *segmentDoc) {
	if s.ParentID != "" && s.kind() != "SERVER" && s.kind() != "CONSUMER" {
		d.Type = "subsegment"
	}
	switch a := s.Attributes; {
	case a.text("aws.service") != "", a.text("rpc.system", "rpc.system.name") == "aws-api":
		d.Namespace = "aws"
		d.Name = firstOf(a.text("aws.service", "rpc.service"), s.Name)
	case s.kind() == "CLIENT", s.kind() == "PRODUCER":
		d.Namespace = "remote"
	}
}

func (s *otelSpan) http(d *segmentDoc) {
	a := s.Attributes
	request := &d.HTTP.Request
	request.Method = a.text("http.request.method", "http.method")
	request.ClientIP = a.text("client.address", "http.client_ip")
	request.UserAgent = a.text("user_agent.original", "http.user_agent")
	request.URL = a.text("url.full", "http.url")
	if path := a.text("url.path", "http.target"); request.URL == "" && path != "" {
		host := firstOf(a.text("server.address", "http.host", "net.host.name"), "localhost")
		request.URL = firstOf(a.text("url.scheme", "http.scheme"), "http") + "://" + host + path
	}
	d.HTTP.Response.Status = json.Number(a.text("http.response.status_code", "http.status_code"))
}

// outcome: the status of HTTP decides where there is one, as X-Ray has it.
func (s *otelSpan) outcome(d *segmentDoc) {
	status := string(d.HTTP.Response.Status)
	failed := strings.TrimPrefix(s.Status.Code, "STATUS_CODE_") == "ERROR"
	switch {
	case status == "429":
		d.Throttle, d.Error = true, true
	case len(status) == 3 && status[0] == '4':
		d.Error = true
	case len(status) == 3 && status[0] == '5', failed:
		d.Fault = true
	}
	type exception struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	var all []exception
	for _, e := range s.Events {
		if e.Name == "exception" {
			all = append(all, exception{e.Attributes.text("exception.type"), e.Attributes.text("exception.message")})
		}
	}
	if len(all) == 0 && s.Status.Message == "" {
		return
	}
	doc, err := json.Marshal(map[string]any{"exceptions": all, "message": s.Status.Message})
	if err == nil { // texts always marshal
		d.Cause = doc
	}
}

// aws is the call that the span is, or the place that it ran in.
func (s *otelSpan) aws(d *segmentDoc) {
	a, from := s.Attributes, s.Resource.Attributes
	d.AWS = segmentAWS{
		AccountID: firstOf(a.text("aws.account_id"), from.text("cloud.account.id")),
		Region:    firstOf(a.text("aws.region", "cloud.region"), from.text("cloud.region")),
		RequestID: a.text("aws.request_id", "aws.requestId", "aws.request.id"),
		TableName: a.text("aws.table_name", "aws.table.name"), Tables: a.list("aws.dynamodb.table_names"),
		QueueURL: a.text("aws.queue_url", "aws.queue.url", "aws.sqs.queue.url"),
		TopicARN: a.text("aws.topic_arn", "aws.sns.topic.arn"), Bucket: a.text("aws.bucket_name", "aws.s3.bucket"),
		Function:  a.text("aws.function_name", "faas.invoked_name"),
		MessageID: a.text("aws.message_id", "messaging.message.id", "messaging.message_id"),
	}
	if d.Namespace == "aws" || a.text("aws.operation") != "" {
		d.AWS.Operation = a.text("aws.operation", "rpc.method")
	}
	if id := a.text("faas.invocation_id", "faas.execution"); id != "" && d.Namespace == "" {
		d.AWS.RequestID = id
	}
	for _, group := range from.list("aws.log.group.names") {
		d.AWS.LogGroups = append(d.AWS.LogGroups, segmentLogGroup{group})
	}
}

// originOf names what ran the span as X-Ray does.
func originOf(resource otelAttributes) string {
	if strings.Contains(resource.text("aws.xray.resource_arn", "cloud.resource_id", "faas.id"), ":function:") {
		return lambdaOrigin
	}
	return map[string]string{
		"aws_lambda": lambdaOrigin, "aws_ecs": "AWS::ECS::Container", "aws_ec2": "AWS::EC2::Instance",
		"aws_eks": "AWS::EKS::Container", "aws_elastic_beanstalk": "AWS::ElasticBeanstalk::Environment",
	}[resource.text("cloud.platform")]
}

const lambdaOrigin = "AWS::Lambda::Function"

// conventions begin the attributes that OpenTelemetry and AWS define: what is
// left of a span's attributes is its service's own.
var conventions = []string{
	"aws.", "client.", "cloud.", "code.", "container.", "db.", "enduser.", "error.", "exception.", "faas.", "host.", "http.",
	"messaging.", "net.", "network.", "otel.", "peer.", "process.", "rpc.", "server.", "service.", "span.", "telemetry.",
	"thread.", "url.", "user.", "user_agent.",
}

// annotations are the attributes that the service names as such; where it names
// none, those that are its own.
func (s *otelSpan) annotations() (json.RawMessage, error) {
	named := s.Attributes.list("aws.xray.annotations")
	own := otelAttributes{}
	for name, v := range s.Attributes {
		conventional := slices.ContainsFunc(conventions, func(c string) bool { return strings.HasPrefix(name, c) })
		if slices.Contains(named, name) || len(named) == 0 && !conventional {
			own[name] = v
		}
	}
	if len(own) == 0 {
		return nil, nil
	}
	doc, err := json.Marshal(own)
	if err != nil {
		return nil, fmt.Errorf("spell annotations: %w", err)
	}
	return doc, nil
}

// timeOfNanos reads nanoseconds since 1970, to the microsecond; ok is false where
// there are none, or 0.
func timeOfNanos(doc json.RawMessage) (at time.Time, ok bool, err error) {
	text := scalarText(doc)
	if text == "" || text == "0" {
		return time.Time{}, false, nil
	}
	ns, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ns < 0 {
		return time.Time{}, false, fmt.Errorf("%q is no time in nanoseconds", clip(text, maxIDBytes))
	}
	return time.Unix(0, ns).Round(time.Microsecond).UTC(), true, nil
}

// secondsOf is a time as segments have it; whole microseconds survive.
func secondsOf(at time.Time) *float64 {
	s := float64(at.UnixMicro()) / 1e6
	return &s
}
