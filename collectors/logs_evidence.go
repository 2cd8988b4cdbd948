package collectors

import (
	"bytes"
	"encoding/json"
	"strings"

	"muster/fleet"
)

// records are what a line is evidence of. Log groups also receive what other
// services record: a trail can deliver to one, and so can a rule of EventBridge;
// Transaction Search keeps spans in one. Those are the API calls, changes and
// spans that they would be from anywhere else, with the same ids; what only looks
// like one stays a line.
func (e *logEvent) records(o origin) []fleet.Record {
	message := []byte(e.Message)
	if !carries(message) || !json.Valid(message) {
		return []fleet.Record{e.record(o)}
	}
	var d struct {
		ID     string          `json:"eventID"`
		Source string          `json:"eventSource"`
		Name   string          `json:"eventName"`
		Type   string          `json:"detail-type"`
		Detail json.RawMessage `json:"detail"`
		Span   string          `json:"spanId"`
		// Insight is that of CloudTrail Insights, which has no source and name.
		Insight json.RawMessage `json:"insightDetails"`
	}
	if json.Unmarshal(message, &d) != nil {
		return []fleet.Record{e.record(o)}
	}
	switch {
	case d.ID != "" && (d.Source != "" && d.Name != "" || len(d.Insight) > 0):
		return []fleet.Record{parseTrailEvent(message, o)}
	case d.Span != "" && spanMember.in(message):
		if rs := parseOTelSpan(message, o); rs[0].Attributes.Get(fleet.AttrUnreadable) == "" {
			return rs
		}
	case d.Type != "" && len(d.Detail) > 0:
		if rs, err := parseEventBridge(message, o); err == nil && rs[0].Attributes.Get(fleet.AttrUnreadable) == "" {
			return rs
		}
	}
	return []fleet.Record{e.record(o)}
}

// Members by which a CloudTrail record, an event of EventBridge and a span are told
// from the fleet's own lines, before anything is parsed.
var (
	trailMember  = newMemberName(`"eventVersion"`, 'V')
	bridgeMember = newMemberName(`"detail-type"`, '-')
	spanMember   = newMemberName(otelMember, 'U')
)

// memberName is a member's name with its quotes, and what is left of it from a
// letter on that is rare in lines: this is found several times as fast as what begins
// with a quote.
type memberName struct{ whole, rest []byte }

func newMemberName(quoted string, rare byte) memberName {
	return memberName{[]byte(quoted), []byte(quoted[strings.IndexByte(quoted, rare):])}
}

func (m memberName) in(message []byte) bool {
	return bytes.Contains(message, m.rest) && bytes.Contains(message, m.whole)
}

// carries reports whether a line may be evidence of another kind.
func carries(message []byte) bool {
	return len(message) > 0 && message[0] == '{' &&
		(trailMember.in(message) || bridgeMember.in(message) || spanMember.in(message))
}
