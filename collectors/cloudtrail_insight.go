package collectors

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"muster/fleet"
)

// trailInsight is what CloudTrail Insights found unusual: how often an API is
// called, or fails, compared with what is usual. One insight is two events, its
// start and its end, which share an id.
type trailInsight struct {
	State       string `json:"state"` // Start or End
	EventSource string `json:"eventSource"`
	EventName   string `json:"eventName"`
	Type        string `json:"insightType"`
	ErrorCode   string `json:"errorCode"` // of an unusual rate of errors
	Context     struct {
		Statistics struct {
			Baseline insightRate `json:"baseline"`
			Insight  insightRate `json:"insight"`
			Minutes  float64     `json:"insightDuration"`
		} `json:"statistics"`
		Attributions []insightAttribution `json:"attributions"`
	} `json:"insightContext"`
}

// insightRate is in calls, or errors, a minute.
type insightRate struct {
	Average float64 `json:"average"`
}

// insightAttribution is who, or what, the unusual calls came from, most first.
type insightAttribution struct {
	Attribute string `json:"attribute"` // userIdentityArn, userAgent, errorCode
	Insight   []struct {
		Value string `json:"value"`
	} `json:"insight"`
}

// insightEventType is the eventType of the events of CloudTrail Insights.
const insightEventType = "AwsCloudTrailInsight"

// isInsight tells an event of CloudTrail Insights, which has no eventName of its
// own.
func (e *trailEvent) isInsight() bool {
	return len(e.Insight) > 0 && e.Insight[0] == '{' && e.EventName == ""
}

// insightRecord is an insight's event. It is no call: it names neither the event
// source nor the event name of one, so that nothing which counts calls counts it,
// and it changes nothing. Its request id is the id that start and end share.
func (e *trailEvent) insightRecord(doc []byte, o origin) (fleet.Record, error) {
	var i trailInsight
	if err := json.Unmarshal(e.Insight, &i); err != nil {
		return fleet.Record{}, fmt.Errorf("read insightDetails: %w", err)
	}
	if i.EventSource == "" || i.EventName == "" {
		return fleet.Record{}, errors.New("no eventSource or no eventName in insightDetails")
	}
	service, _, _ := strings.Cut(i.EventSource, ".")
	r := fleet.Record{
		ID: clean(e.EventID), Kind: fleet.KindAPICall, Time: e.EventTime.UTC().Truncate(time.Microsecond),
		Account: firstOf(e.Recipient, o.account), Region: firstOf(e.Region, o.region),
		Service: clean(service), Name: clean(firstOf(i.Type, insightEventType) + " " + service + ":" + i.EventName),
		Principal: clean(i.alone("userIdentityArn")), Raw: doc,
	}
	set(&r.Attributes, fleet.AttrEventCategory, firstOf(e.EventCategory, "Insight"))
	r.Attributes.Set(fleet.AttrReadOnly, "true")
	e.describeVersion(&r.Attributes)
	set(&r.Attributes, "shared_event_id", e.SharedEventID)
	flatten(&r.Attributes, "insight.", e.Insight)
	var keys keyScan
	keys.takeRequest(e.SharedEventID, fleet.ScopeAWS)
	r.Seen = keys.keys
	r.Message = i.message(service)
	return r, nil
}

// alone is the value of an attribute that all of the unusual calls have.
func (i *trailInsight) alone(attribute string) string {
	for _, a := range i.Context.Attributions {
		if a.Attribute == attribute && len(a.Insight) == 1 {
			return a.Insight[0].Value
		}
	}
	return ""
}

// most is the value of an attribute that most of the unusual calls have.
func (i *trailInsight) most(attribute string) string {
	for _, a := range i.Context.Attributions {
		if a.Attribute == attribute && len(a.Insight) > 0 {
			return a.Insight[0].Value
		}
	}
	return ""
}

// message says in one line what is unusual, how much, and whose it is.
func (i *trailInsight) message(service string) string {
	var b strings.Builder
	what := service + ":" + i.EventName
	switch i.Type {
	case "ApiCallRateInsight":
		b.WriteString("an unusual rate of calls of " + what)
	case "ApiErrorRateInsight":
		b.WriteString("an unusual rate of errors of " + what)
		if code := firstOf(i.ErrorCode, i.most("errorCode")); code != "" && code != "null" {
			b.WriteString(" (" + code + ")")
		}
	default:
		b.WriteString("unusual activity of " + what + " (" + firstOf(i.Type, "of no type") + ")")
	}
	s := &i.Context.Statistics
	switch i.State {
	case "Start":
		b.WriteString(" began")
	case "End":
		b.WriteString(" ended")
		if s.Minutes > 0 {
			fmt.Fprintf(&b, " after %.0f min", s.Minutes)
		}
	default:
		b.WriteString(", " + firstOf(i.State, "in no state"))
	}
	if s.Insight.Average > 0 {
		fmt.Fprintf(&b, ": %.3g a minute, usually %.2g", s.Insight.Average, s.Baseline.Average)
	}
	if who := i.most("userIdentityArn"); who != "" {
		b.WriteString(", most by " + shortPrincipal(who))
	}
	return oneLine(b.String())
}
