package week

import (
	"strings"

	"muster/samples/truth"
)

// entry is one CloudTrail event. JSON members that are "" are null.
type entry struct {
	service, name           string
	at                      int64
	by                      origin
	read, management        bool
	params, response, extra string
	resources               string // JSON objects
	request                 string // drawn unless given
	errorCode, errorMessage string
	eventType               string // "AwsApiCall" unless given
	trace, span             string // of the truth
	retried                 bool
	hidden                  bool // the truth knows nothing of it
}

// record writes an event and the truth about it, under the name that the SDK
// has for the service. It returns the request id.
func (w *Week) record(e *entry, sdk string) string {
	if e.request == "" && e.eventType == "" {
		e.request = w.random.request(e.service)
	}
	b := w.trail
	if len(b) > 0 {
		b = append(b, ",\n"...)
	}
	b = append(append(b, `{"eventVersion":"1.11","userIdentity":`...), e.by.identity...)
	b = append(append(b, `,"eventTime":"`...), seconds3339(e.at)...)
	b = append(append(b, `","eventSource":"`...), e.service...)
	b = append(append(b, `.amazonaws.com","eventName":"`...), e.name...)
	b = append(append(b, `","awsRegion":"`+region+`","sourceIPAddress":"`...), e.by.address...)
	b = appendString(append(b, `","userAgent":`...), e.by.agent)
	if e.errorCode != "" {
		b = append(append(b, `,"errorCode":"`...), e.errorCode...)
		b = appendString(append(b, `","errorMessage":`...), e.errorMessage)
	}
	b = append(append(b, `,"requestParameters":`...), orNull(e.params)...)
	b = append(append(b, `,"responseElements":`...), orNull(e.response)...)
	if e.extra != "" {
		b = append(append(b, `,"additionalEventData":`...), e.extra...)
	}
	if e.request != "" {
		b = append(append(append(b, `,"requestID":"`...), e.request...), '"')
	}
	b = append(append(b, `,"eventID":"`...), w.random.uuid()...)
	b = append(b, `","readOnly":`...)
	b = appendBool(b, e.read)
	if e.resources != "" {
		b = append(append(append(b, `,"resources":[`...), e.resources...), ']')
	}
	kind := "AwsApiCall"
	if e.eventType != "" {
		kind = e.eventType
	}
	b = append(append(b, `,"eventType":"`...), kind...)
	b = appendBool(append(b, `","managementEvent":`...), e.management)
	b = append(b, `,"recipientAccountId":"`+account+`","eventCategory":"`...)
	if e.management {
		b = append(b, `Management"}`...)
	} else {
		b = append(b, `Data"}`...)
	}
	w.trail = b
	w.truth.records++
	if e.request != "" && !e.hidden {
		w.truth.call(truth.Call{
			Request: e.request, Service: sdk, Operation: e.name, Trace: e.trace, Span: e.span,
			Failed: e.errorCode != "" || e.retried, Retried: e.retried,
		})
	}
	return e.request
}

func orNull(s string) string {
	if s == "" {
		return "null"
	}
	return s
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, "true"...)
	}
	return append(b, "false"...)
}

// resource is a resource as an event names it.
func resource(kind, arn string) string {
	return `{"accountId":"` + account + `","type":"` + kind + `","ARN":"` + arn + `"}`
}

// arn is the name in full of what has a region.
func arn(service, name string) string {
	return "arn:aws:" + service + ":" + region + ":" + account + ":" + name
}

// apis are the SDK's clients with their versions.
var apis = map[string]string{
	"dynamodb": "dynamodb#1.74.0", "sns": "sns#1.47.10", "sts": "sts#1.51.1", "sqs": "sqs#1.52.11", "s3": "s3#1.109.1",
	"logs": "cloudwatchlogs#1.92.1", "servicediscovery": "servicediscovery#1.40.2",
}

func agent(service string) string {
	return "aws-sdk-go-v2/1.48.0 ua/2.1 os/linux lang/go#1.26.8 md/GOOS#linux md/GOARCH#amd64 api/" + apis[service] + " m/E"
}

// writes reports whether the services leave a line about a call.
func writes(operation string) bool {
	return strings.HasPrefix(operation, "Put") || strings.HasPrefix(operation, "Create")
}
