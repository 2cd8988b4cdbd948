package collectors

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"muster/fleet"
)

// trailEvent is a CloudTrail record. Requests and responses differ by API and
// stay raw.
type trailEvent struct {
	EventID         string          `json:"eventID"`
	EventVersion    string          `json:"eventVersion"`
	EventTime       time.Time       `json:"eventTime"`
	EventSource     string          `json:"eventSource"`
	EventName       string          `json:"eventName"`
	EventType       string          `json:"eventType"`
	EventCategory   string          `json:"eventCategory"`
	Region          string          `json:"awsRegion"`
	SourceIP        string          `json:"sourceIPAddress"`
	UserAgent       string          `json:"userAgent"`
	ErrorCode       string          `json:"errorCode"`
	ErrorMessage    string          `json:"errorMessage"`
	RequestID       string          `json:"requestID"`
	ReadOnly        *trailBool      `json:"readOnly"`
	ManagementEvent *bool           `json:"managementEvent"`
	Recipient       string          `json:"recipientAccountId"`
	SharedEventID   string          `json:"sharedEventID"`
	VPCEndpoint     string          `json:"vpcEndpointId"`
	Identity        trailIdentity   `json:"userIdentity"`
	Resources       []trailResource `json:"resources"`
	Request         json.RawMessage `json:"requestParameters"`
	Response        json.RawMessage `json:"responseElements"`
	Additional      json.RawMessage `json:"additionalEventData"`
	ServiceDetails  json.RawMessage `json:"serviceEventDetails"`
	TLS             struct {
		Version string `json:"tlsVersion"`
	} `json:"tlsDetails"`
	FromConsole json.RawMessage `json:"sessionCredentialFromConsole"`
	Addendum    *trailAddendum  `json:"addendum"`
	Insight     json.RawMessage `json:"insightDetails"`
}

// trailAddendum says why a record came late (DELIVERY_DELAY, SERVICE_OUTAGE), or
// which record it corrects (UPDATED_DATA).
type trailAddendum struct {
	Reason            string          `json:"reason"`
	UpdatedFields     json.RawMessage `json:"updatedFields"` // names, in a string or a list
	OriginalEventID   string          `json:"originalEventID"`
	OriginalRequestID string          `json:"originalRequestID"`
}

// trailBool is a boolean. In a record it is one; LookupEvents' own member beside
// the record is text, and others who write records copy that.
type trailBool bool

// UnmarshalJSON reads a boolean, or one in quotes.
func (b *trailBool) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case "true", `"true"`:
		*b = true
	case "false", `"false"`:
		*b = false
	default:
		return fmt.Errorf("%s is neither true nor false", clip(string(text), maxIDBytes))
	}
	return nil
}

type trailIdentity struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId"`
	ARN         string `json:"arn"`
	AccountID   string `json:"accountId"`
	AccessKeyID string `json:"accessKeyId"`
	UserName    string `json:"userName"`
	InvokedBy   string `json:"invokedBy"`
	Session     struct {
		Attributes struct {
			MFA string `json:"mfaAuthenticated"`
		} `json:"attributes"`
		Issuer struct {
			ARN      string `json:"arn"`
			UserName string `json:"userName"`
		} `json:"sessionIssuer"`
	} `json:"sessionContext"`
}

type trailResource struct {
	Type string `json:"type"`
	ARN  string `json:"ARN"`
	Name string `json:"resourceName"`
}

// eventVersionKnown is the newest version of CloudTrail's records that this
// package was written against. Later ones are read all the same, and marked.
const eventVersionKnown = "1.11"

// parseTrailEventCarefully is parseTrailEvent by encoding/json.
func parseTrailEventCarefully(doc []byte, o origin) fleet.Record {
	doc = compact(doc)
	var e trailEvent
	err := json.Unmarshal(doc, &e)
	switch {
	case err == nil && e.EventID == "":
		err = errors.New("no eventID")
	case err == nil && e.EventTime.IsZero():
		err = errors.New("no eventTime")
	case err == nil && e.isInsight():
		var r fleet.Record
		if r, err = e.insightRecord(doc, o); err == nil {
			return r
		}
	case err == nil && (e.EventSource == "" || e.EventName == ""):
		err = errors.New("no eventSource or no eventName")
	}
	if err != nil {
		return unreadable(fleet.KindAPICall, clip(e.EventID, maxIDBytes), e.EventTime.UTC(), doc, o, err)
	}
	return e.record(doc, o, new(fleet.Attributes))
}

// record is the API call. Its attributes are gathered in room.
func (e *trailEvent) record(doc []byte, o origin, room *fleet.Attributes) fleet.Record {
	service, _, _ := strings.Cut(e.EventSource, ".")
	r := fleet.Record{
		ID: clean(e.EventID), Kind: fleet.KindAPICall, Time: e.EventTime.UTC().Truncate(time.Microsecond),
		Account: firstOf(e.Recipient, e.Identity.AccountID, o.account), Region: firstOf(e.Region, o.region),
		Service: clean(service), Name: clean(service + ":" + e.EventName),
		Principal: clean(e.Identity.principal()), Error: clean(e.failure()), Raw: doc,
		Resources: e.resources(service),
	}
	*room = (*room)[:0]
	e.describe(room)
	e.amend(&r, room)
	r.Attributes = room.Clone()
	var keys keyScan
	keys.takeRequest(e.request(), fleet.ScopeAWS)
	r.Seen = keys.keys
	r.Seen.Messages = e.started()
	r.Seen.AccessKey = clean(clip(e.Identity.AccessKeyID, maxIDBytes))
	r.Seen.IssuedKey = e.issuedKey()
	r.Message = e.message(&r)
	return r
}

// amend makes a record that corrects another a newer revision of that one. One
// that only came late is a record of its own.
func (e *trailEvent) amend(r *fleet.Record, a *fleet.Attributes) {
	if e.Addendum == nil {
		return
	}
	set(a, "addendum_reason", e.Addendum.Reason)
	if e.Addendum.OriginalEventID == "" {
		return
	}
	r.ID, r.Revision = clean(e.Addendum.OriginalEventID), 1
	set(a, "addendum_event_id", e.EventID)
	var names []string
	eachScalar(e.Addendum.UpdatedFields, func(_, _ []byte, v scalar) {
		if v.kind == 's' {
			names = append(names, v.String())
		}
	})
	set(a, "addendum_fields", strings.Join(names, ", "))
}

// request is the id of the request. An addendum may name that of its original
// only.
func (e *trailEvent) request() string {
	if e.RequestID == "" && e.Addendum != nil {
		return e.Addendum.OriginalRequestID
	}
	return e.RequestID
}

// principal is who made the call, as an ARN where AWS gives one.
func (id *trailIdentity) principal() string {
	if id.Type == "Root" && id.ARN == "" && id.AccountID != "" {
		return "arn:aws:iam::" + id.AccountID + ":root"
	}
	return firstOf(id.ARN, id.InvokedBy, id.UserName, id.PrincipalID, id.AccountID)
}

// failure is the error code. A console sign-in that was refused has none, but
// says so in its answer.
func (e *trailEvent) failure() string {
	if e.ErrorCode != "" {
		return e.ErrorCode
	}
	if e.EventName == "ConsoleLogin" && e.consoleLogin() == "Failure" {
		return "Failure"
	}
	return ""
}

func (e *trailEvent) consoleLogin() string {
	var answer struct {
		ConsoleLogin string `json:"ConsoleLogin"`
	}
	if json.Unmarshal(e.Response, &answer) != nil {
		return ""
	}
	return answer.ConsoleLogin
}

// issuedKey is the temporary access key that AssumeRole and its like hand out.
func (e *trailEvent) issuedKey() string {
	if len(e.Response) < len(`{"credentials":{}}`) {
		return "" // as most answers are null
	}
	var answer struct {
		Credentials struct {
			AccessKeyID string `json:"accessKeyId"`
		} `json:"credentials"`
	}
	if json.Unmarshal(e.Response, &answer) != nil || !isID(answer.Credentials.AccessKeyID) {
		return ""
	}
	return answer.Credentials.AccessKeyID
}

// started is the execution that a call of Step Functions started, whose ARN is a
// message from the one to the other.
func (e *trailEvent) started() []string {
	if e.EventName != "StartExecution" && e.EventName != "RedriveExecution" {
		return nil
	}
	var answer, request struct {
		Execution string `json:"executionArn"`
	}
	_ = errors.Join(json.Unmarshal(e.Response, &answer), json.Unmarshal(e.Request, &request)) // either may be missing
	arn := firstOf(answer.Execution, request.Execution)
	if _, _, _, ok := executionARN(arn); !ok {
		return nil
	}
	return []string{arn}
}

// describe adds what is worth asking for, much of it in the order in which
// attributes are kept, so that little has to be moved.
func (e *trailEvent) describe(a *fleet.Attributes) {
	flatten(a, "additional.", e.Additional)
	if e.EventName == "ConsoleLogin" {
		set(a, "console_login", e.consoleLogin())
	}
	set(a, "error_message", e.ErrorMessage)
	set(a, fleet.AttrEventCategory, e.category())
	set(a, fleet.AttrEventName, e.EventName)
	set(a, fleet.AttrEventSource, e.EventSource)
	e.describeVersion(a)
	set(a, "from_console", strings.Trim(string(e.FromConsole), `"`))
	set(a, "identity_account", e.Identity.AccountID)
	set(a, "identity_type", e.Identity.Type)
	set(a, "invoked_by", e.Identity.InvokedBy)
	set(a, "mfa", e.Identity.Session.Attributes.MFA)
	set(a, "mfa_used", a.Get("additional.MFAUsed"))
	if e.readOnly() {
		a.Set(fleet.AttrReadOnly, "true")
	}
	flatten(a, "request.", e.Request)
	flatten(a, "service_event.", e.ServiceDetails)
	set(a, "session_issuer", e.Identity.Session.Issuer.ARN)
	set(a, "shared_event_id", e.SharedEventID)
	set(a, fleet.AttrSourceIP, e.SourceIP)
	set(a, "tls_version", e.TLS.Version)
	set(a, fleet.AttrUserAgent, e.UserAgent)
	set(a, "user_name", firstOf(e.Identity.UserName, e.Identity.Session.Issuer.UserName))
	set(a, "vpc_endpoint", e.VPCEndpoint)
}

// describeVersion says of which form a record is.
func (e *trailEvent) describeVersion(a *fleet.Attributes) {
	set(a, "event_type", e.EventType)
	set(a, "event_version", e.EventVersion)
	if compareVersions(e.EventVersion, eventVersionKnown) > 0 {
		a.Set("newer_than_known", "true")
	}
}

// category is what kind of event this is; records before version 1.07 say it
// with managementEvent, and before 1.05 not at all.
func (e *trailEvent) category() string {
	switch {
	case e.EventCategory != "":
		return e.EventCategory
	case e.ManagementEvent == nil:
		return ""
	case *e.ManagementEvent:
		return "Management"
	}
	return "Data"
}

// readOnly reports whether the call changed nothing. Old records do not say;
// AWS names such calls alike.
func (e *trailEvent) readOnly() bool {
	if e.ReadOnly != nil {
		return bool(*e.ReadOnly)
	}
	for _, verb := range []string{"Describe", "Get", "List", "Head", "Lookup", "Query", "Scan", "Search"} {
		if strings.HasPrefix(e.EventName, verb) {
			return true
		}
	}
	return false
}

// message says in one line who did what to what, and how it went.
func (e *trailEvent) message(r *fleet.Record) string {
	var b strings.Builder
	b.WriteString(firstOf(shortPrincipal(r.Principal), "someone"))
	b.WriteString(e.deed(r))
	if len(r.Resources) > 0 {
		_, name, _ := strings.Cut(r.Resources[0], "/")
		b.WriteString(" on " + name)
	}
	if e.SourceIP != "" {
		b.WriteString(" from " + e.SourceIP)
	}
	if r.Error != "" {
		b.WriteString(": " + r.Error)
		if e.ErrorMessage != "" {
			b.WriteString(": " + e.ErrorMessage)
		}
	}
	return oneLine(b.String())
}

// deed is what was done, in words where it is no call.
func (e *trailEvent) deed(r *fleet.Record) string {
	switch {
	case e.EventName != "ConsoleLogin":
		return " called " + r.Name
	case r.Attributes.Get("mfa_used") == "No":
		return " signed in to the console without MFA"
	}
	return " signed in to the console"
}

// shortPrincipal is the part of an ARN that people say: "user/deployer",
// "muster-orders/orders-task", "root".
func shortPrincipal(arn string) string {
	if !strings.HasPrefix(arn, "arn:") {
		return arn
	}
	return strings.TrimPrefix(arn[strings.LastIndexByte(arn, ':')+1:], "assumed-role/")
}

// compareVersions compares event versions by their numbers: "1.10" is after
// "1.9". Parts that are no numbers count as zero.
func compareVersions(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if c := versionPart(x) - versionPart(y); c != 0 {
			return c
		}
	}
	return 0
}

func versionPart(s string) int {
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' || n > 1e6 {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}
