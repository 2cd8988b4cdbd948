package explore

import (
	"errors"
	"fmt"
	"time"

	"muster/fleet"
)

// noon is when the tests happen.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

var errDown = errors.New(`query the lake: open "data/evidence/kind=span/0001.parquet": permission denied`)

// seen is a link that a record shows itself; the others are made by rungs.
var (
	seen      = fleet.Link{Via: fleet.RungSeen, Sure: fleet.Exact}
	byRung    = fleet.Link{Via: fleet.RungRequest, Sure: fleet.Exact}
	fromTouch = fleet.Link{Via: fleet.RungRequest, Sure: fleet.Inferred}
)

// story builds the records of one trace.
type story struct {
	trace, journey string
	start          time.Time
	n              int
	records        []fleet.Record
}

func (s *story) add(r fleet.Record, at time.Duration) *fleet.Record {
	s.n++
	r.Time = s.start.Add(at)
	r.Account, r.Region = "111122223333", "us-east-1"
	r.Keys.Trace, r.Keys.Correlation = s.trace, s.journey
	if r.Keys.TraceLink == (fleet.Link{}) {
		r.Keys.TraceLink = seen
	}
	if s.journey != "" {
		r.Keys.CorrelationLink = fleet.Link{Via: fleet.RungTrace, Sure: r.Keys.TraceLink.Sure}
	}
	if r.ID == "" {
		r.ID = fmt.Sprintf("%s-%s-%04d", r.Kind, s.trace[:8], s.n)
	}
	s.records = append(s.records, r)
	return &s.records[len(s.records)-1]
}

// span adds a span; its span id is its name in the tests.
func (s *story) span(id, parent, service, name string, at, took time.Duration, fault string) *fleet.Record {
	r := s.add(fleet.Record{
		Kind: fleet.KindSpan, ID: fleet.SpanID(s.trace, id), Service: service, Name: name, Duration: took, Error: fault,
		Revision: 1,
		Attributes: fleet.AttributesOf(
			fleet.AttrSpanType, "segment", fleet.AttrHTTPMethod, "POST", fleet.AttrHTTPStatus, "201",
		),
		Raw: fmt.Appendf(nil, `{"trace_id":%q,"id":%q,"name":%q,"start_time":%d.25,"annotations":{"correlation_id":%q}}`,
			fleet.FormatTraceID(s.trace), id, service, s.start.Unix(), s.journey),
	}, at)
	r.Keys.Span, r.Keys.Parent = id, parent
	return r
}

// aws adds a subsegment of an AWS call and its API call, which CloudTrail tells
// to the second only.
func (s *story) aws(id, parent, caller, service, op, resource, request string, at, took time.Duration) {
	r := s.span(id, parent, caller, service+":"+op, at, took, "")
	r.Attributes = fleet.AttributesOf(fleet.AttrNamespace, "aws", fleet.AttrSpanType, "subsegment")
	r.Keys.Request, r.Keys.Scope, r.Keys.RequestLink = request, fleet.ScopeAWS, seen
	c := s.add(fleet.Record{
		Kind: fleet.KindAPICall, Service: service, Name: service + ":" + op, Resources: []string{resource},
		Principal: "arn:aws:sts::111122223333:assumed-role/muster-" + caller + "/task",
		Attributes: fleet.AttributesOf(
			fleet.AttrEventSource, service+".amazonaws.com", fleet.AttrEventName, op,
			fleet.AttrSourceIP, "10.0.1.17", fleet.AttrUserAgent, "aws-sdk-go-v2/1.48.0 ua/2.1 os/linux lang/go#1.26",
			fleet.AttrEventCategory, "Data",
		),
		Raw: fmt.Appendf(nil, `{"eventVersion":"1.11","eventSource":"%s.amazonaws.com","eventName":%q,"requestID":%q}`,
			service, op, request),
	}, at)
	c.Time = c.Time.Truncate(time.Second)
	c.Keys.Request, c.Keys.Scope, c.Keys.RequestLink = request, fleet.ScopeAWS, seen
	c.Keys.TraceLink = byRung
	c.Keys.AccessKey = "ASIAEXAMPLEKEY000001"
	c.Keys.Origin = "arn:aws:iam::111122223333:user/deployer"
	c.Keys.OriginLink = fleet.Link{Via: fleet.RungSession, Sure: fleet.Exact}
}

func (s *story) log(span, service, level, message string, at time.Duration) *fleet.Record {
	r := s.add(fleet.Record{
		Kind: fleet.KindLog, Service: service, Name: level, Message: message,
		Attributes: fleet.AttributesOf(fleet.AttrLogGroup, "/muster/"+service),
		Raw:        fmt.Appendf(nil, `{"level":%q,"service":%q,"msg":%q}`, level, service, message),
	}, at)
	r.Keys.Span = span
	if level == "ERROR" {
		r.Error = "error"
	}
	return r
}

const ms = time.Millisecond

// checkout is the order that is refused and compensated, and its notification,
// which is a trace of its own in the same journey.
func checkout() []fleet.Record {
	s := &story{trace: "67432b5e9f3a41d7c05be0a1862f44d1", journey: "ord-7f3a-1042", start: noon.Add(-42*time.Second + 137*ms)}
	const gw, or, pa = "gw00000000000001", "orders0000000001", "paymen0000000001"
	s.span(gw, "", "gateway", "POST /checkout", 0, 812*ms, "fault")
	s.log(gw, "gateway", "INFO", "checkout begins for cart 88", 2*ms)
	s.span(or, gw, "orders", "POST /orders", 9*ms, 788*ms, "fault")
	s.aws("ddb0000000000001", or, "orders", "dynamodb", "PutItem", "AWS::DynamoDB::Table/orders", "REQ-DDB-0001", 14*ms, 21*ms)
	s.log(or, "orders", "INFO", "order 1042 is placed", 37*ms)
	s.span(pa, or, "payments", "POST /payments", 41*ms, 702*ms, "error")
	s.aws("ddb0000000000002", pa, "payments", "dynamodb", "GetItem", "AWS::DynamoDB::Table/accounts", "REQ-DDB-0002", 44*ms, 612*ms)
	s.log(pa, "payments", "WARN", "account lookup took 612 ms", 658*ms)
	s.log(pa, "payments", "ERROR", "card refused: insufficient funds", 701*ms)
	s.aws("ddb0000000000003", or, "orders", "dynamodb", "UpdateItem", "AWS::DynamoDB::Table/orders", "REQ-DDB-0003", 748*ms, 18*ms)
	s.log(or, "orders", "INFO", "order 1042 is cancelled", 768*ms)
	s.aws("sns0000000000001", or, "orders", "sns", "Publish", "AWS::SNS::Topic/order-events", "REQ-SNS-0001", 770*ms, 16*ms)
	s.log("", "gateway", "ERROR", "checkout failed: 402 from orders", 809*ms)
	s.log("", "ledger", "INFO", "nightly sums are not affected", 811*ms)

	n := &story{trace: "67432b5fa10c22e4b7d9013355aa8e02", journey: s.journey, start: s.start.Add(1400 * ms)}
	const no = "notifi0000000001"
	n.span(no, "", "notifications", "receive order-events", 0, 96*ms, "")
	l := n.log(no, "notifications", "INFO", "message 5f1c tells customer 88 that order 1042 was cancelled", 12*ms)
	l.Keys.Messages = []string{"5f1c5e44-0d34-4a5c-9a55-2f0c3f9f6a10"}
	n.aws("s3o0000000000001", no, "notifications", "s3", "PutObject", "AWS::S3::Bucket/receipts", "REQ-S3-0001", 30*ms, 44*ms)
	return append(s.records, n.records...)
}

// opened is the trace in which a security group was opened to the world.
func opened() []fleet.Record {
	s := &story{trace: "67432b1100aa55bb66cc77dd88ee99ff", start: noon.Add(-3 * time.Minute)}
	const gw = "ops0000000000001"
	s.span(gw, "", "gateway", "POST /admin/access", 0, 340*ms, "")
	s.aws("ec20000000000001", gw, "gateway", "ec2", "AuthorizeSecurityGroupIngress",
		"AWS::EC2::SecurityGroup/sg-0a1b2c3d", "REQ-EC2-0001", 20*ms, 300*ms)
	c := s.add(fleet.Record{
		Kind: fleet.KindChange, Service: "ec2", Name: "updated", ID: "AWS::EC2::SecurityGroup/sg-0a1b2c3d@1732449000000",
		Message:    "ipPermissions: 0.0.0.0/0 may reach port 22",
		Resources:  []string{"AWS::EC2::SecurityGroup/sg-0a1b2c3d"},
		Attributes: fleet.AttributesOf("configuration_state_id", "1732449000000"),
		Raw:        []byte(`{"resourceType":"AWS::EC2::SecurityGroup","configurationItemStatus":"OK"}`),
	}, 95*time.Second)
	c.Keys.Request, c.Keys.Scope = "REQ-EC2-0001", fleet.ScopeAWS
	c.Keys.RequestLink, c.Keys.TraceLink = fleet.Link{Via: fleet.RungTouch, Sure: fleet.Inferred}, fromTouch
	return s.records
}

// rootLogin is an API call in no trace.
func rootLogin() fleet.Record {
	return fleet.Record{
		ID: "c2a6e0f4-6e1d-4f06-9be1-00000000f001", Kind: fleet.KindAPICall, Time: noon.Add(-5 * time.Minute),
		Account: "111122223333", Region: "us-east-1", Service: "signin", Name: "signin:ConsoleLogin",
		Principal:  "arn:aws:iam::111122223333:root",
		Attributes: fleet.AttributesOf(fleet.AttrSourceIP, "198.51.100.7", "mfa", "No"),
		Raw:        []byte(`{"eventName":"ConsoleLogin","userIdentity":{"type":"Root"},"additionalEventData":{"MFAUsed":"No"}}`),
	}
}

// sample is a fleet as the demo leaves it.
func sample() *fake {
	f := &fake{records: append(append(checkout(), opened()...), rootLogin())}
	for i := range 40 {
		s := &story{
			trace: fmt.Sprintf("674329%02x%024x", i, 0xabc0ffee00+i*7919), journey: fmt.Sprintf("ord-%04d", 900+i),
			start: noon.Add(-time.Duration(i*17+4) * time.Second).Add(time.Duration(i*37) * ms),
		}
		ops := []string{"POST /checkout", "GET /orders/{id}", "GET /catalogue", "POST /carts/{id}/items"}
		took := time.Duration(40+i*i%173*3) * ms
		s.span("gw", "", "gateway", ops[i%len(ops)], 0, took, "")
		s.log("gw", "gateway", "INFO", "handled", took/2)
		s.span("or", "gw", "orders", "GET /orders", took/8, took/2, map[bool]string{true: "throttle"}[i%9 == 8])
		if i%3 == 0 {
			s.aws("dd", "orders", "orders", "dynamodb", "GetItem", "AWS::DynamoDB::Table/orders", fmt.Sprintf("R%d", i), took/7, took/4)
		}
		f.records = append(f.records, s.records...)
	}
	f.findings = sampleFindings()
	return f
}

func sampleFindings() []fleet.Finding {
	x := func(sev fleet.Severity, policy, title, message, remedy, service, trace string, n, ago int, evidence ...string) fleet.Finding {
		return fleet.Finding{
			Fingerprint: "fp-" + policy, Policy: policy, Title: title, Severity: sev, Status: fleet.StatusNew,
			FirstSeen: noon.Add(-time.Duration(ago*3) * time.Minute), LastSeen: noon.Add(-time.Duration(ago) * time.Second),
			Count: n, Message: message, Remedy: remedy, Service: service, Trace: trace, Evidence: evidence,
		}
	}
	const bad, sg = "67432b5e9f3a41d7c05be0a1862f44d1", "67432b1100aa55bb66cc77dd88ee99ff"
	return []fleet.Finding{
		x(fleet.Critical, "root-console-login", "The root user signed in", "root signed in from 198.51.100.7 without MFA",
			"Lock the root user's password away, give it MFA, and sign in through a role.", "signin", "", 1, 300, rootLogin().ID),
		x(fleet.Critical, "security-group-open", "A security group was opened to the world",
			"sg-0a1b2c3d lets 0.0.0.0/0 reach port 22", "Take the rule back; reach hosts through Session Manager.",
			"ec2", sg, 1, 85, "AWS::EC2::SecurityGroup/sg-0a1b2c3d@1732449000000", "api_call-67432b11-0003"),
		x(fleet.High, "role-used-outside-fleet", "A service's role was used from outside the fleet",
			"muster-orders scanned table orders from 198.51.100.9", "Revoke the role's sessions and find the key.",
			"dynamodb", "", 4, 120, "e7a1-gone-from-the-store"),
		x(fleet.High, "payment-compensated", "A payment was refused and its order compensated",
			"order 1042 was cancelled after payments refused the card", "", "payments", bad, 3, 42,
			fleet.SpanID(bad, "paymen0000000001"), "log-67432b5e-0011", "api_call-67432b5e-0013"),
		x(fleet.Medium, "slow-dependency", "A service waited long for a dependency",
			"payments waited 612 ms of 702 ms for dynamodb:GetItem", "Look at the table's capacity, or cache accounts.",
			"payments", bad, 12, 42, fleet.SpanID(bad, "ddb0000000000002")),
		x(fleet.Medium, "n-plus-one", "One request made the same call again and again",
			"orders made 24 dynamodb:GetItem calls in one request", "Read them at once with BatchGetItem.", "orders", "", 5, 64),
	}
}
