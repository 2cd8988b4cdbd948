package collectors

import (
	"bytes"

	"muster/fleet"
)

var (
	trailNames      = namesOf[trailEvent]()
	identityNames   = namesOf[trailIdentity]()
	resourceNames   = namesOf[trailResource]()
	issuerNames     = &fieldNames{[]string{"arn", "userName"}, 1<<len("arn") | 1<<len("userName")}
	sessionNames    = &fieldNames{[]string{"attributes", "sessionIssuer"}, 1<<len("attributes") | 1<<len("sessionIssuer")}
	attributesNames = &fieldNames{[]string{"mfaAuthenticated"}, 1 << len("mfaAuthenticated")}
	tlsNames        = &fieldNames{[]string{"tlsVersion"}, 1 << len("tlsVersion")}
)

// trailScan reads CloudTrail records by a scanner. It keeps its room.
type trailScan struct {
	scanner
	event      trailEvent
	readOnly   trailBool
	management bool
	resources  []trailResource
	room       fleet.Attributes
}

// read reads the record that doc begins with, and returns its canonical
// spelling. What is refused is for the careful way.
func (t *trailScan) read(doc []byte) (length int, canonical []byte, ok bool) {
	if !t.scan(doc) {
		return 0, nil, false
	}
	length = t.pos
	doc = doc[:length:length]
	if t.spaced || t.secret {
		doc = compact(doc)
		if !t.scan(doc) || t.spaced || t.secret || t.pos != len(doc) {
			return 0, nil, false
		}
	}
	e := &t.event
	if e.EventID == "" || e.EventTime.IsZero() || e.EventSource == "" || e.EventName == "" {
		return 0, nil, false
	}
	return length, doc, true
}

func (t *trailScan) scan(doc []byte) bool {
	t.begin(doc)
	t.event = trailEvent{}
	return t.object(t.member)
}

func (t *trailScan) member(key []byte) bool {
	e := &t.event
	if p := e.stringField(key); p != nil {
		return t.stringInto(p)
	}
	switch string(key) {
	case "eventTime":
		return t.time()
	case "readOnly":
		e.ReadOnly = nil
		if t.peek() != 'n' {
			e.ReadOnly = &t.readOnly
		}
		return t.boolInto((*bool)(&t.readOnly))
	case "managementEvent":
		e.ManagementEvent = nil
		if t.peek() != 'n' {
			e.ManagementEvent = &t.management
		}
		return t.boolInto(&t.management)
	case "userIdentity":
		return t.objectInto(t.identity)
	case "resources":
		return t.resourceList()
	case "requestParameters":
		return t.rawInto(key, &e.Request)
	case "responseElements":
		return t.rawInto(key, &e.Response)
	case "additionalEventData":
		return t.rawInto(key, &e.Additional)
	case "serviceEventDetails":
		return t.rawInto(key, &e.ServiceDetails)
	case "sessionCredentialFromConsole":
		return t.rawInto(key, &e.FromConsole)
	case "tlsDetails":
		return t.objectInto(t.tls)
	}
	return !telling(key) && t.other(key, trailNames) // an addendum, too, is for the careful way
}

// stringField is the field for a member that is a string.
func (e *trailEvent) stringField(key []byte) *string {
	switch string(key) {
	case "eventID":
		return &e.EventID
	case "eventVersion":
		return &e.EventVersion
	case "eventSource":
		return &e.EventSource
	case "eventName":
		return &e.EventName
	case "eventType":
		return &e.EventType
	case "eventCategory":
		return &e.EventCategory
	case "awsRegion":
		return &e.Region
	case "sourceIPAddress":
		return &e.SourceIP
	case "userAgent":
		return &e.UserAgent
	case "errorCode":
		return &e.ErrorCode
	case "errorMessage":
		return &e.ErrorMessage
	case "requestID":
		return &e.RequestID
	case "recipientAccountId":
		return &e.Recipient
	case "sharedEventID":
		return &e.SharedEventID
	case "vpcEndpointId":
		return &e.VPCEndpoint
	}
	return nil
}

// time reads a time in RFC 3339.
func (t *trailScan) time() bool {
	if !t.take('"') {
		return false
	}
	text, seen, ok := t.str()
	return ok && seen&marksEscape == 0 && t.event.EventTime.UnmarshalText(text) == nil
}

func (t *trailScan) identity(key []byte) bool {
	id := &t.event.Identity
	switch string(key) {
	case "type":
		return t.stringInto(&id.Type)
	case "principalId":
		return t.stringInto(&id.PrincipalID)
	case "arn":
		return t.stringInto(&id.ARN)
	case "accountId":
		return t.stringInto(&id.AccountID)
	case "accessKeyId":
		return t.stringInto(&id.AccessKeyID)
	case "userName":
		return t.stringInto(&id.UserName)
	case "invokedBy":
		return t.stringInto(&id.InvokedBy)
	case "sessionContext":
		return t.objectInto(t.session)
	}
	return t.other(key, identityNames)
}

func (t *trailScan) session(key []byte) bool {
	switch string(key) {
	case "attributes":
		return t.objectInto(t.attributes)
	case "sessionIssuer":
		return t.objectInto(t.issuer)
	}
	return t.other(key, sessionNames)
}

func (t *trailScan) attributes(key []byte) bool {
	if string(key) == "mfaAuthenticated" {
		return t.stringInto(&t.event.Identity.Session.Attributes.MFA)
	}
	return t.other(key, attributesNames)
}

func (t *trailScan) issuer(key []byte) bool {
	switch string(key) {
	case "arn":
		return t.stringInto(&t.event.Identity.Session.Issuer.ARN)
	case "userName":
		return t.stringInto(&t.event.Identity.Session.Issuer.UserName)
	}
	return t.other(key, issuerNames)
}

func (t *trailScan) tls(key []byte) bool {
	if string(key) == "tlsVersion" {
		return t.stringInto(&t.event.TLS.Version)
	}
	return t.other(key, tlsNames)
}

// resourceList reads the resources. A second list in one record, and elements
// that are no objects, are for the careful way.
func (t *trailScan) resourceList() bool {
	if t.event.Resources != nil {
		return false
	}
	if t.peek() == 'n' {
		return t.literal(nil)
	}
	t.resources = t.resources[:0]
	ok := t.array(func() bool {
		t.resources = append(t.resources, trailResource{})
		return t.object(t.resource)
	})
	t.event.Resources = t.resources
	return ok
}

func (t *trailScan) resource(key []byte) bool {
	r := &t.resources[len(t.resources)-1]
	switch string(key) {
	case "type":
		return t.stringInto(&r.Type)
	case "ARN":
		return t.stringInto(&r.ARN)
	case "resourceName":
		return t.stringInto(&r.Name)
	}
	return t.other(key, resourceNames)
}

// parseTrailEvent turns a CloudTrail record into an API call. One that cannot
// be understood is kept raw, with the reason in fleet.AttrUnreadable.
func parseTrailEvent(doc []byte, o origin) fleet.Record {
	var t trailScan
	if length, canonical, ok := t.read(bytes.Clone(doc)); ok && length == len(doc) {
		return t.event.record(canonical, o, &t.room)
	}
	return parseTrailEventCarefully(doc, o)
}
