package collectors

import (
	"net/url"
	"strconv"
	"strings"

	"muster/fleet"
)

// segmentAWS is the "aws" block: where the code ran, or which call it made.
// Which of these are there depends on the SDK; Go's second records no names of
// resources.
type segmentAWS struct {
	AccountID string            `json:"account_id"`
	Region    string            `json:"region"`
	Operation string            `json:"operation"`
	RequestID string            `json:"request_id"`
	TableName string            `json:"table_name"`
	Tables    []string          `json:"resource_names"`
	QueueURL  string            `json:"queue_url"`
	TopicARN  string            `json:"topic_arn"`
	Bucket    string            `json:"bucket_name"`
	Function  string            `json:"function_name"`
	MessageID string            `json:"message_id"`
	LogGroups []segmentLogGroup `json:"cloudwatch_logs"`
}

type segmentLogGroup struct {
	Name string `json:"log_group"`
}

// operation is what the span did, as people call it.
func (d *segmentDoc) operation() string {
	method, address := d.HTTP.Request.Method, d.HTTP.Request.URL
	switch {
	case d.AWS.Operation != "":
		return canonicalService(d.Name) + ":" + d.AWS.Operation
	case method == "":
		return d.Name
	case d.Namespace == "remote":
		return method + " " + hostOf(address, d.Name)
	case d.Type == "subsegment" || d.Namespace != "":
		return d.Name
	}
	return method + " " + pathOf(address)
}

func hostOf(address, otherwise string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return otherwise
}

func pathOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Path != "" {
		return u.Path
	}
	return "/"
}

// resources are what the span touched.
func (d *segmentDoc) resources() []string {
	var set resourceSet
	a := &d.AWS
	set.add("AWS::DynamoDB::Table", a.TableName)
	if strings.EqualFold(canonicalService(d.Name), "dynamodb") {
		for _, t := range a.Tables {
			set.add("AWS::DynamoDB::Table", t)
		}
	}
	set.add("AWS::SQS::Queue", a.QueueURL)
	set.add("AWS::SNS::Topic", a.TopicARN)
	set.add("AWS::S3::Bucket", a.Bucket)
	set.add("AWS::Lambda::Function", a.Function)
	set.addARN("", d.ResourceARN)
	return set.list()
}

// keys are the ids on the span, but for its own.
func (d *segmentDoc) keys() fleet.Keys {
	var s keyScan
	if len(d.Annotations) > 0 {
		s.keys = annotatedKeys(d.Annotations)
	}
	scope := awsRequestKey
	if d.isInvocation() {
		scope = lambdaRequestKey
	}
	s.take(scope, d.AWS.RequestID)
	s.take(messageKey, d.AWS.MessageID)
	return s.keys
}

// annotatedKeys are the ids in annotations.
func annotatedKeys(annotations []byte) fleet.Keys {
	var s keyScan
	eachScalar(annotations, func(path, key []byte, v scalar) {
		s.field(path, key, v.String())
	})
	s.keys.Trace, s.keys.Span = "", "" // the document's own are the ones that count
	return s.keys
}

// isInvocation reports whether this is the segment of a Lambda function, whose
// request id is the invocation's and not an API call's.
func (d *segmentDoc) isInvocation() bool {
	return strings.HasPrefix(d.Origin, "AWS::Lambda") && d.Namespace == ""
}

// describe adds what is worth asking for, beside the operation, in the order in
// which attributes are kept.
func (d *segmentDoc) describe(a *fleet.Attributes, operation string, depth int) {
	flatten(a, "annotation.", d.Annotations)
	set(a, "aws_operation", d.AWS.Operation)
	set(a, fleet.AttrHTTPMethod, d.HTTP.Request.Method)
	if status := string(d.HTTP.Response.Status); isDigits(status) {
		set(a, fleet.AttrHTTPStatus, status)
	}
	set(a, fleet.AttrHTTPURL, d.HTTP.Request.URL)
	if d.Inferred {
		a.Set(fleet.AttrInferred, "true")
	}
	set(a, "links", d.linked())
	if len(d.AWS.LogGroups) > 0 {
		set(a, fleet.AttrLogGroup, d.AWS.LogGroups[0].Name)
	}
	set(a, fleet.AttrNamespace, d.Namespace)
	set(a, fleet.AttrOrigin, d.Origin)
	if d.Name != operation {
		set(a, fleet.AttrSegmentName, d.Name)
	}
	set(a, fleet.AttrSourceIP, d.HTTP.Request.ClientIP)
	kind := "segment"
	if depth > 0 || d.Type == "subsegment" {
		kind = "subsegment"
	}
	a.Set(fleet.AttrSpanType, kind)
	set(a, "sql_query", d.SQL.Query)
	set(a, "sql_url", d.SQL.URL)
	set(a, fleet.AttrUser, d.User)
	set(a, fleet.AttrUserAgent, d.HTTP.Request.UserAgent)
}

// linked are the traces that the span names, in one text.
func (d *segmentDoc) linked() string {
	var links []string
	for _, l := range d.Links {
		if id, ok := fleet.ParseTraceID(l.TraceID); ok {
			links = append(links, id)
		}
	}
	return strings.Join(links, " ")
}

func isDigits(s string) bool {
	_, err := strconv.ParseUint(s, 10, 31)
	return err == nil
}

// canonicalService is a service as IAM and CloudTrail spell it: "dynamodb".
func canonicalService(name string) string {
	s := strings.ToLower(strings.ReplaceAll(name, " ", ""))
	s = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(s, "amazon"), "aws"), "v2")
	switch s {
	case "cloudwatchlogs":
		return "logs"
	case "cloudwatch":
		return "monitoring"
	case "stepfunctions", "sfn":
		return "states"
	case "eventbridge":
		return "events"
	case "simplequeueservice":
		return "sqs"
	case "simplenotificationservice":
		return "sns"
	}
	return s
}
