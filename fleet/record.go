// Package fleet is the vocabulary of muster: what a piece of evidence is, which
// keys join it to others, what a reader can ask and what a finding says. It has
// no I/O and no clock; every other room imports it and it imports none.
package fleet

import (
	"slices"
	"strings"
	"time"
)

// Kind says what a Record is evidence of.
type Kind string

// The kinds of evidence, by source: X-Ray, CloudWatch Logs, CloudTrail and AWS
// Config (items, and the verdicts of its rules).
const (
	KindSpan    Kind = "span"
	KindLog     Kind = "log"
	KindAPICall Kind = "api_call"
	KindChange  Kind = "change"
	KindVerdict Kind = "verdict"
)

// Kinds lists every Kind in the order in which people read them.
func Kinds() []Kind { return []Kind{KindSpan, KindLog, KindAPICall, KindChange, KindVerdict} }

// Record is one piece of evidence, from collector to screen.
type Record struct {
	// ID is stable: the same AWS item always gives the same ID, whatever source
	// it came through. See the ID functions in this package.
	ID string
	// Revision is the source's own: a finished segment (1) outranks its
	// in-progress self (0), an addendum its original. Resolving never raises it.
	Revision int
	Kind     Kind
	// Time is when it happened, in UTC and whole microseconds.
	Time time.Time
	// Duration is zero for everything but spans.
	Duration time.Duration

	Account string
	Region  string
	// Service is the logical service: "orders", or the AWS service of an API
	// call's source: "dynamodb".
	Service string
	// Name is the operation ("POST /orders", "dynamodb:PutItem"), the level of a
	// log line, or what happened to a resource.
	Name string
	// Resources are what the record touched: canonical names such as
	// "AWS::DynamoDB::Table/orders" first (see ResourceName), then ARNs.
	Resources []string
	// Principal is who did it: a role, user or session, as an ARN where AWS gives one.
	Principal string
	// Error is empty when it went well; else "fault", "error", "throttle", an
	// AWS error code, or "NON_COMPLIANT".
	Error string
	// Message is one line for people.
	Message string

	// Seen holds the keys as observed; resolving never writes here.
	Seen Keys
	// Keys holds the resolved keys, each with the link that gave it.
	Keys Keys

	// Attributes holds everything else worth asking for. The Attr constants are
	// the ones that stores lift to columns of their own.
	Attributes Attributes
	// Raw is the evidence: AWS's own document where the API hands one, else its
	// canonical JSON, with secrets masked.
	Raw []byte
}

// Attributes that have a column of their own in every store. All but these live
// in the column "attributes", a map.
const (
	AttrEventSource = "event_source" // "dynamodb.amazonaws.com"
	AttrEventName   = "event_name"   // "PutItem"
	AttrSourceIP    = "source_ip"
	AttrUserAgent   = "user_agent"
	AttrReadOnly    = "read_only" // present, and "true", only for calls that change nothing
	AttrHTTPMethod  = "http_method"
	AttrHTTPStatus  = "http_status" // decimal digits
	AttrLogGroup    = "log_group"
)

// LiftedAttributes lists the attributes with a column of their own, in column order.
func LiftedAttributes() []string {
	return []string{
		AttrEventSource, AttrEventName, AttrSourceIP, AttrUserAgent,
		AttrReadOnly, AttrHTTPMethod, AttrHTTPStatus, AttrLogGroup,
	}
}

// Attributes without a column that more than one room relies on.
const (
	AttrEventCategory = "event_category" // CloudTrail: "Management", "Data", "Insight", "NetworkActivity"
	AttrInProgress    = "in_progress"    // "true" on a span that has not finished
	AttrNamespace     = "namespace"      // X-Ray subsegment namespace: "aws", "remote", or absent
	AttrSpanType      = "span_type"      // "segment" or "subsegment"
	AttrUnreadable    = "unreadable"     // why a document was kept raw only
)

// TimeUS is Time in microseconds since 1970, the number that orders records.
func (r *Record) TimeUS() int64 { return r.Time.UnixMicro() }

// End is when the record ended: Time for everything but spans.
func (r *Record) End() time.Time { return r.Time.Add(r.Duration) }

// Write reports whether the record is an API call that changed, or may have
// changed, the configuration of a resource: a management event, not read-only,
// that went well.
func (r *Record) Write() bool {
	return r.Kind == KindAPICall && r.Error == "" &&
		r.Attributes.Get(AttrReadOnly) != "true" && r.Attributes.Get(AttrEventCategory) != "Data"
}

// CanonicalResources are the entries of Resources that name a type and a name.
func (r *Record) CanonicalResources() []string {
	var out []string
	for _, s := range r.Resources {
		if strings.HasPrefix(s, "AWS::") {
			out = append(out, s)
		}
	}
	return out
}

// ResourceName is the canonical name of a resource: its CloudFormation type and
// the name or id by which API calls and AWS Config both call it.
func ResourceName(resourceType, name string) string { return resourceType + "/" + name }

// SpanID is the Record.ID of a span.
func SpanID(trace, span string) string { return trace + "/" + span }

// Compare orders records by time and then by ID, so that every order is total.
func Compare(a, b *Record) int {
	if c := a.Time.Compare(b.Time); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

// Sort orders records by Compare, in place.
func Sort(rs []Record) {
	slices.SortFunc(rs, func(a, b Record) int { return Compare(&a, &b) })
}
