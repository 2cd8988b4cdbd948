package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"
)

// object is a JSON object; encoding/json writes its members in order of name.
type object = map[string]any

// services are the sample fleet's, in the order in which they are called.
var services = [3]string{"gateway", "orders", "payments"}

// seconds is a time as X-Ray's SDKs spell it: a float of microseconds.
func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// segments writes three documents a request, twelve spans in all: the segments,
// a subsegment for each call of another service and of AWS, and three of their own.
func (c *corpus) segments(w io.Writer, requests []request) error {
	for i := range requests {
		r := &requests[i]
		for n := range services {
			doc := c.segment(r, n)
			if err := line(w, doc); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *corpus) segment(r *request, n int) object {
	start := r.start.Add(time.Duration(n) * time.Millisecond)
	status := 201
	doc := object{
		"trace_id": "1-" + r.trace[:8] + "-" + r.trace[8:], "id": r.segments[n], "name": services[n],
		"start_time": seconds(start), "end_time": seconds(start.Add(time.Duration(20-5*n) * time.Millisecond)),
		"http": object{
			"request":  object{"method": "POST", "url": "http://127.0.0.1:8080/" + services[n], "client_ip": "198.51.100.23", "user_agent": "Go-http-client/1.1"},
			"response": object{"status": status},
		},
		"aws":     object{"xray": object{"sdk": "X-Ray for Go", "sdk_version": "2.0.1"}},
		"service": object{"compiler": "gc", "compiler_version": "go1.26.8"},
	}
	if n == 0 {
		doc["annotations"] = object{"correlation_id": r.journey}
	} else {
		doc["parent_id"] = c.parent(r, n)
	}
	var subs []object
	if n+1 < len(services) {
		subs = append(subs, c.subsegment(r, n, c.parent(r, n+1), services[n+1], object{
			"namespace": "remote",
			"http": object{
				"request":  object{"method": "POST", "url": "http://127.0.0.1:8080/" + services[n+1]},
				"response": object{"status": status},
			},
		}))
	}
	for k, call := range r.calls {
		if at := callers[k]; at == n {
			subs = append(subs, c.awsSubsegment(r, call))
		}
	}
	own := c.subsegment(r, n, c.hex(16), "handle "+services[n], object{})
	doc["subsegments"] = append(subs, own)
	return doc
}

// callers says which service makes each of a request's calls.
var callers = [eventsPerTrace]int{1, 1, 1, 2}

// parent is the id of the subsegment in which a service was called: that of its
// own segment with a digit changed, so that it need not be kept.
func (*corpus) parent(r *request, n int) string { return "f" + r.segments[n][1:] }

func (*corpus) subsegment(r *request, n int, id, name string, more object) object {
	start := r.start.Add(time.Duration(n)*time.Millisecond + 300*time.Microsecond)
	more["id"], more["name"] = id, name
	more["start_time"], more["end_time"] = seconds(start), seconds(start.Add(9*time.Millisecond))
	return more
}

func (*corpus) awsSubsegment(r *request, call awsCall) object {
	start := r.start.Add(call.after)
	aws := object{"operation": call.operation, "region": benchRegion, "request_id": call.requestID, "retries": 0}
	if call.service == "dynamodb" {
		aws["table_name"] = "orders"
	} else {
		aws["topic_arn"] = "arn:aws:sns:" + benchRegion + ":" + benchAccount + ":orders-events"
	}
	return object{
		"id": call.span, "name": call.service, "namespace": "aws",
		"start_time": seconds(start), "end_time": seconds(start.Add(1500 * time.Microsecond)),
		"aws":  aws,
		"http": object{"response": object{"status": 200, "content_length": 2}},
	}
}

// logs writes fourteen lines a request: one for each AWS call, which shows only
// that call's request id, and ten that show the trace.
func (c *corpus) logs(w io.Writer, requests []request) error {
	for i := range requests {
		r := &requests[i]
		for n := range logsPerTrace {
			service := services[n%len(services)]
			at := r.start.Add(time.Duration(n)*time.Millisecond + time.Duration(c.random.IntN(999))*time.Microsecond)
			message := object{
				"time": at.Format("2006-01-02T15:04:05.000000Z"), "level": "INFO", "service": service,
				"msg": "order accepted", "order_id": fmt.Sprintf("order-%d", r.start.UnixMicro()%1_000_000),
				"items": 1 + n%4, "total": math.Round(c.random.Float64()*100000) / 100, "customer": "customer-" + r.journey[8:16],
			}
			if n < len(r.calls) {
				message["msg"], message["aws_request_id"] = "aws call", r.calls[n].requestID
				message["operation"] = r.calls[n].service + ":" + r.calls[n].operation
			} else {
				message["trace_id"], message["span_id"] = r.trace, r.segments[n%len(services)]
			}
			text, err := json.Marshal(message)
			if err != nil {
				return err
			}
			err = line(w, object{
				"eventId": "3869" + c.hex(52), "logGroupName": "/muster/" + service, "logStreamName": service + "/" + r.segments[0][:8],
				"timestamp": at.UnixMilli(), "message": string(text),
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// trail writes a CloudTrail file: data events of the fleet's roles, each about
// 1.9 KB as AWS's own are.
func (c *corpus) trail(w io.Writer, requests []request) error {
	events := make([]object, 0, len(requests)*eventsPerTrace)
	for i := range requests {
		r := &requests[i]
		for n, call := range r.calls {
			events = append(events, c.event(r, call, services[callers[n]]))
		}
	}
	return line(w, object{"Records": events})
}

func (c *corpus) event(r *request, call awsCall, service string) object {
	role := "muster-" + service
	session := role + "-task"
	parameters := object{"tableName": "orders", "key": object{"order_id": r.journey}, "returnConsumedCapacity": "TOTAL"}
	resource := object{"accountId": benchAccount, "type": "AWS::DynamoDB::Table", "ARN": "arn:aws:dynamodb:" + benchRegion + ":" + benchAccount + ":table/orders"}
	if call.service == "sns" {
		topic := "arn:aws:sns:" + benchRegion + ":" + benchAccount + ":orders-events"
		parameters = object{"topicArn": topic, "message": "HIDDEN_DUE_TO_SECURITY_REASONS", "messageStructure": "json"}
		resource = object{"accountId": benchAccount, "type": "AWS::SNS::Topic", "ARN": topic}
	}
	return object{
		"eventVersion": "1.11", "eventID": c.uuid(), "requestID": call.requestID, "eventTime": r.start.Add(call.after).Truncate(time.Second).Format(time.RFC3339),
		"eventSource": call.service + ".amazonaws.com", "eventName": call.operation, "eventType": "AwsApiCall", "eventCategory": "Data",
		"awsRegion": benchRegion, "recipientAccountId": benchAccount, "managementEvent": false, "readOnly": call.operation == "GetItem",
		"sourceIPAddress": fmt.Sprintf("10.0.%d.%d", c.random.IntN(8), c.random.IntN(256)),
		"userAgent":       "aws-sdk-go-v2/1.48.0 ua/2.1 os/linux lang/go#1.26.8 md/GOARCH#amd64 md/GOOS#linux api/" + call.service + "#1.74.0 m/E,e,i exec-env/AWS_ECS_FARGATE",
		"userIdentity": object{
			"type": "AssumedRole", "principalId": "AROAEXAMPLEEXAMPLE123:" + session, "accountId": benchAccount,
			"arn":         "arn:aws:sts::" + benchAccount + ":assumed-role/" + role + "/" + session,
			"accessKeyId": "ASIAEXAMPLE" + fmt.Sprintf("%09d", c.random.IntN(64)),
			"sessionContext": object{
				"sessionIssuer": object{"type": "Role", "principalId": "AROAEXAMPLEEXAMPLE123", "arn": "arn:aws:iam::" + benchAccount + ":role/" + role, "accountId": benchAccount, "userName": role},
				"attributes":    object{"creationDate": "2026-11-24T00:00:00Z", "mfaAuthenticated": "false"},
			},
		},
		"requestParameters": parameters, "responseElements": nil,
		"additionalEventData": object{"SignatureVersion": "SigV4", "CipherSuite": "TLS_AES_128_GCM_SHA256", "bytesTransferredIn": 412, "bytesTransferredOut": 118, "AuthenticationMethod": "AuthHeader", "x-amz-id-2": c.requestID() + c.requestID()},
		"resources":           []object{resource},
		"vpcEndpointId":       "vpce-0a1b2c3d4e5f60718", "vpcEndpointAccountId": benchAccount,
		"tlsDetails": object{"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader": call.service + "." + benchRegion + ".amazonaws.com"},
	}
}
