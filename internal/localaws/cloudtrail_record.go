package localaws

import (
	"encoding/json"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// event is a CloudTrail record, its fields in the order in which AWS writes them.
type event struct {
	EventVersion        string          `json:"eventVersion"`
	UserIdentity        userIdentity    `json:"userIdentity"`
	EventTime           string          `json:"eventTime"` // whole seconds, as AWS has it
	EventSource         string          `json:"eventSource"`
	EventName           string          `json:"eventName"`
	Region              string          `json:"awsRegion"`
	SourceIPAddress     string          `json:"sourceIPAddress"`
	UserAgent           string          `json:"userAgent"`
	ErrorCode           string          `json:"errorCode,omitempty"`
	ErrorMessage        string          `json:"errorMessage,omitempty"`
	RequestParameters   any             `json:"requestParameters"`
	ResponseElements    any             `json:"responseElements"`
	AdditionalEventData map[string]any  `json:"additionalEventData,omitempty"`
	RequestID           string          `json:"requestID,omitempty"`
	EventID             string          `json:"eventID"`
	ReadOnly            bool            `json:"readOnly"`
	Resources           []eventResource `json:"resources,omitempty"`
	EventType           string          `json:"eventType"`
	ManagementEvent     bool            `json:"managementEvent"`
	RecipientAccountID  string          `json:"recipientAccountId"`
	SharedEventID       string          `json:"sharedEventID,omitempty"`
	Addendum            *eventAddendum  `json:"addendum,omitempty"`
	EventCategory       string          `json:"eventCategory"`
}

type eventResource struct {
	AccountID string `json:"accountId,omitempty"`
	Type      string `json:"type,omitempty"`
	ARN       string `json:"ARN"`
}

type userIdentity struct {
	Type           string          `json:"type"`
	PrincipalID    string          `json:"principalId"`
	ARN            string          `json:"arn"`
	AccountID      string          `json:"accountId"`
	AccessKeyID    string          `json:"accessKeyId,omitempty"`
	UserName       string          `json:"userName,omitempty"`
	SessionContext *sessionContext `json:"sessionContext,omitempty"`
}

type sessionContext struct {
	SessionIssuer sessionIssuer     `json:"sessionIssuer"`
	Attributes    map[string]string `json:"attributes"`
}

type sessionIssuer struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId"`
	ARN         string `json:"arn"`
	AccountID   string `json:"accountId"`
	UserName    string `json:"userName"`
}

const (
	eventVersion = "1.11"
	// eventTimeFormat has no fraction: CloudTrail cuts times to seconds.
	eventTimeFormat = "2006-01-02T15:04:05Z"
)

// dataOperations are what CloudTrail calls data events: operations on what a
// resource holds. They appear in trail files only, and only because this trail
// selects them; CloudTrail's own default selects none. Data events of CloudWatch
// Logs and X-Ray are not selected, and so are not recorded at all, as in most
// accounts: the fleet's own telemetry would drown the rest.
var dataOperations = map[string]bool{
	"dynamodb:PutItem": true, "dynamodb:GetItem": true, "dynamodb:UpdateItem": true,
	"dynamodb:Query": true, "dynamodb:Scan": true,
	"sqs:SendMessage": true, "sqs:SendMessageBatch": true, "sqs:ReceiveMessage": true, "sqs:DeleteMessage": true,
	"sqs:DeleteMessageBatch": true, "sqs:GetQueueUrl": true, "sqs:GetQueueAttributes": true,
	"sns:Publish": true, "kinesis:GetRecords": true, "kinesis:PutRecord": true, "firehose:PutRecord": true,
	"s3:PutObject": true, "s3:GetObject": true, "s3:HeadObject": true, "s3:DeleteObject": true,
	"s3:DeleteObjects": true, "s3:ListObjects": true,
}

// unselectedOperations are data events that the trail does not select.
var unselectedOperations = map[string]bool{
	"logs:PutLogEvents": true, "logs:FilterLogEvents": true, "logs:GetLogEvents": true,
	"xray:PutTraceSegments": true, "xray:PutTelemetryRecords": true, "xray:BatchGetTraces": true,
	"xray:GetTraceSummaries": true, "xray:GetServiceGraph": true, "xray:GetTraceGraph": true,
	"xray:ListRetrievedTraces": true, "xray:GetRetrievedTracesGraph": true, "xray:GetSamplingRules": true, "xray:GetSamplingTargets": true,
	"servicediscovery:DiscoverInstances": true,
}

// readOperations change nothing, as CloudTrail has it, whatever their names say.
var readOperations = map[string]bool{
	"sts:AssumeRole": true, "sqs:ReceiveMessage": true, "logs:StartQuery": true, "logs:StopQuery": true,
	"logs:StartLiveTail": true, "xray:StartTraceRetrieval": true,
}

// readPrefixes begin the names of operations that change nothing.
var readPrefixes = []string{"Get", "List", "Describe", "Lookup", "BatchGet", "Filter", "Head", "Query", "Scan"}

// classify says what CloudTrail takes the call for: AssumeRole and
// ReceiveMessage count as read-only there.
func (c *call) classify() {
	c.data = dataOperations[c.action()]
	c.readOnly = readOperations[c.action()]
	for _, prefix := range readPrefixes {
		c.readOnly = c.readOnly || strings.HasPrefix(c.Operation, prefix)
	}
}

// call records a call; e is nil when it went well.
func (t *trail) call(c *call, e *apiError) {
	if unselectedOperations[c.action()] || t.s.services[c.Service][c.Operation] == nil && c.Service != "s3" {
		return
	}
	if c.data && c.evidence {
		return // a trail that logged where evidence is kept would feed itself
	}
	ev := t.s.eventOf(c, e)
	if c.sharedWith != "" && e == nil {
		ev.SharedEventID = newUUID()
		theirs := ev
		theirs.EventID, theirs.RecipientAccountID = newUUID(), c.sharedWith
		t.add(theirs, c.Time)
	}
	t.add(ev, c.Time)
}

// eventOf is what CloudTrail writes about a call.
func (s *Server) eventOf(c *call, e *apiError) event {
	ev := event{
		EventVersion: eventVersion, UserIdentity: c.Identity.forEvent(),
		EventTime:   c.Time.Format(eventTimeFormat),
		EventSource: c.Service + ".amazonaws.com", EventName: c.Operation, Region: c.Region,
		SourceIPAddress: c.SourceIP, UserAgent: c.UserAgent,
		RequestParameters: c.requestParameters(), ResponseElements: c.response,
		RequestID: c.RequestID, EventID: newUUID(), ReadOnly: c.readOnly, Resources: c.resources,
		EventType: "AwsApiCall", ManagementEvent: !c.data,
		RecipientAccountID: c.Account, EventCategory: "Management",
	}
	if c.data {
		ev.EventCategory = "Data"
	}
	if e != nil {
		ev.ErrorCode, ev.ErrorMessage, ev.ResponseElements = e.Code, e.Message, nil
		if c.Service == "ec2" { // whose codes CloudTrail marks with the guilty party
			ev.ErrorCode = "Client." + e.Code
		}
	}
	return ev
}

func (id identity) forEvent() userIdentity {
	u := userIdentity{
		Type: id.Type, PrincipalID: id.PrincipalID, ARN: id.ARN, AccountID: id.AccountID,
		AccessKeyID: id.AccessKey, UserName: id.UserName,
	}
	if id.RoleARN != "" {
		u.SessionContext = &sessionContext{
			SessionIssuer: sessionIssuer{
				Type: "Role", PrincipalID: id.RoleID, ARN: id.RoleARN, AccountID: id.AccountID, UserName: id.RoleName,
			},
			Attributes: map[string]string{
				"creationDate": id.Created.Format(eventTimeFormat), "mfaAuthenticated": "false",
			},
		}
	}
	return u
}

// requestParameters are what the operation recorded, else the request as sent
// with names that begin in lower case; nil when there are none.
func (c *call) requestParameters() any {
	if c.params != nil {
		return c.params
	}
	params := make(map[string]any)
	if c.form != nil {
		for k := range c.form {
			if k != "Action" && k != "Version" {
				params[lowerFirst(k)] = c.form.Get(k)
			}
		}
	} else if len(c.body) > 0 {
		var sent map[string]any
		if json.Unmarshal(c.body, &sent) != nil {
			return nil // the caller was told; AWS records such calls without parameters
		}
		for k, v := range sent {
			params[lowerFirst(k)] = v
		}
	}
	if len(params) == 0 {
		return nil
	}
	return params
}

func lowerFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[n:]
}

// recorded is an event with what the stand-in needs to hand it out.
type recorded struct {
	event
	raw     json.RawMessage
	at      time.Time
	visible time.Time
	number  int // counts the events for LookupEvents from 1
}

func (t *trail) add(ev event, at time.Time) {
	raw, err := encodeJSON(ev)
	if err != nil { // request parameters that cannot be encoded: an operation's mistake
		t.s.log.Error("an event cannot be encoded", "event", ev.EventName, "err", err)
		return
	}
	r := recorded{event: ev, raw: raw, at: at}
	set := t.settings()
	all := t.keep(r)
	if ev.ManagementEvent && ev.EventCategory == "Management" {
		t.mu.Lock()
		insights := t.watch(r)
		t.mu.Unlock()
		for _, insight := range insights {
			all = append(all, t.keep(insight)...)
		}
	}
	if set.stopped && ev.EventName != "StopLogging" {
		return
	}
	for _, r := range all {
		t.toLogs(set, r)
		if !r.data() {
			t.s.bridge(r)
		}
	}
}

func (r *recorded) data() bool { return r.EventCategory == "Data" }

// keep puts an event where it can be looked up and, unless the trail is stopped,
// before the writer of files. Trouble may hold back a part of it, which an
// addendum brings later. It returns what goes on from here.
func (t *trail) keep(r recorded) []recorded {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !r.data() {
		lookup := r
		lookup.visible = r.at.Add(t.s.trouble.delay("lookup", t.s.delay.Lookup))
		t.remember(&lookup)
	}
	r.visible = r.at.Add(t.s.trouble.delay("trail", t.s.delay.Trail))
	if t.set.stopped && r.EventName != "StopLogging" {
		return nil
	}
	all := []recorded{r}
	if len(r.Resources) > 0 && t.s.trouble.addendum() {
		all = t.split(r)
	}
	for _, r := range all {
		t.pend(r)
	}
	return all
}

// An eventAddendum says that a record brings what an earlier one lacked.
type eventAddendum struct {
	Reason            string `json:"reason"`
	UpdatedFields     string `json:"updatedFields"`
	OriginalRequestID string `json:"originalRequestID,omitempty"`
	OriginalEventID   string `json:"originalEventID"`
}

// addendumDelay is by how much later than its original an addendum comes at
// least.
const addendumDelay = time.Minute

// split makes two records of one: without its resources, and later with them.
func (t *trail) split(r recorded) []recorded {
	first, second := r, r
	first.Resources = nil
	second.EventID = newUUID()
	second.Addendum = &eventAddendum{"UPDATED_DATA", "resources", r.RequestID, r.EventID}
	second.visible = r.visible.Add(max(addendumDelay, t.s.delay.Trail))
	var err error
	if first.raw, err = encodeJSON(first.event); err != nil {
		return []recorded{r}
	}
	if second.raw, err = encodeJSON(second.event); err != nil {
		return []recorded{r}
	}
	return []recorded{first, second}
}
