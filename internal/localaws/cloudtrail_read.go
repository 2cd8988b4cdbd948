package localaws

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (t *trail) operations() map[string]operation {
	return map[string]operation{
		"LookupEvents":      t.lookupEvents,
		"DescribeTrails":    t.describeTrails,
		"GetTrailStatus":    t.status,
		"GetEventSelectors": t.eventSelectors,

		"UpdateTrail":         t.update,
		"StartLogging":        t.startLogging,
		"StopLogging":         t.stopLogging,
		"PutInsightSelectors": t.putInsightSelectors,
		"GetInsightSelectors": t.getInsightSelectors,
	}
}

const (
	// maxLookupPage is LookupEvents' greatest and usual page.
	maxLookupPage = 50
	trailName     = "muster"
)

type lookupInput struct {
	Attributes []struct {
		Key   string `json:"AttributeKey"`
		Value string `json:"AttributeValue"`
	} `json:"LookupAttributes"`
	StartTime  timestamp
	EndTime    timestamp
	Category   string `json:"EventCategory"`
	MaxResults *int
	NextToken  string
}

type lookupEvent struct {
	EventID     string `json:"EventId"`
	EventName   string
	ReadOnly    string
	AccessKeyID string `json:"AccessKeyId,omitempty"`
	EventTime   timestamp
	EventSource string
	Username    string `json:",omitempty"`
	Resources   []lookupResource
	Event       string `json:"CloudTrailEvent"`
}

type lookupResource struct {
	ResourceType string `json:",omitempty"`
	ResourceName string
}

// lookupEvents finds the region's management events, newest first.
func (t *trail) lookupEvents(_ context.Context, c *call) (any, error) {
	var in lookupInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	limit, err := in.check()
	if err != nil {
		return nil, err
	}
	p, err := t.s.newPager(c, in.NextToken, in.Attributes, in.StartTime, in.EndTime, in.Category)
	if err != nil {
		return nil, failf("InvalidNextTokenException", "The next token is not valid.")
	}
	if in.NextToken == "" {
		p.cur.Upto = t.known()
	}
	found := t.visible(p.cur, func(r *recorded) bool {
		return (r.EventCategory == "Insight") == (in.Category == "insight") && r.Region == c.Region && r.RecipientAccountID == c.Account && in.covers(r)
	})
	found, next := page(p, found, limit)
	events := make([]lookupEvent, len(found))
	for i, r := range found {
		events[i] = r.forLookup()
	}
	return map[string]any{"Events": events, "NextToken": orNil(next)}, nil
}

// check refuses what AWS refuses and returns the page size.
func (in *lookupInput) check() (int, error) {
	if len(in.Attributes) > 1 {
		return 0, failf("InvalidLookupAttributesException", "Only one lookup attribute can be specified.")
	}
	if !in.StartTime.IsZero() && !in.EndTime.IsZero() && in.StartTime.After(in.EndTime.Time) {
		return 0, failf("InvalidTimeRangeException", "The start time must not be after the end time.")
	}
	if in.Category != "" && in.Category != "insight" {
		return 0, failf("InvalidEventCategoryException", "The event category %s is not valid.", in.Category)
	}
	if in.MaxResults == nil {
		return maxLookupPage, nil
	}
	if *in.MaxResults < 1 || *in.MaxResults > maxLookupPage {
		return 0, failf("InvalidMaxResultsException", "MaxResults must be from 1 to %d.", maxLookupPage)
	}
	return *in.MaxResults, nil
}

// known is the number of the newest event.
func (t *trail) known() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.remembered
}

// visible returns what could be looked up when the first page was, of the
// events to keep, newest first.
func (t *trail) visible(cur cursor, keep func(*recorded) bool) []*recorded {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []*recorded
	for _, r := range t.lookup {
		if r.number <= cur.Upto && !r.visible.After(cur.AsOf) && keep(r) {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b *recorded) int { return b.at.Compare(a.at) })
	return out
}

// covers reports whether an event is asked for. Times have whole seconds, and
// both ends are inclusive.
func (in *lookupInput) covers(r *recorded) bool {
	at := r.at.Truncate(time.Second)
	if !in.StartTime.IsZero() && at.Before(in.StartTime.Truncate(time.Second)) ||
		!in.EndTime.IsZero() && at.After(in.EndTime.Time) {
		return false
	}
	for _, a := range in.Attributes {
		if !r.has(a.Key, a.Value) {
			return false
		}
	}
	return true
}

func (r *recorded) has(attribute, value string) bool {
	switch attribute {
	case "EventId":
		return r.EventID == value
	case "EventName":
		return r.EventName == value
	case "EventSource":
		return r.EventSource == value
	case "ReadOnly":
		return strconv.FormatBool(r.ReadOnly) == value
	case "Username":
		return r.username() == value
	case "AccessKeyId":
		return r.UserIdentity.AccessKeyID == value
	case "ResourceType":
		return slices.ContainsFunc(r.Resources, func(res eventResource) bool { return res.Type == value })
	case "ResourceName":
		return slices.ContainsFunc(r.Resources, func(res eventResource) bool { return res.ARN == value })
	}
	return false
}

// username is the user's name, or the name of the session of a role; the account's
// owner is "root".
func (r *recorded) username() string {
	if r.UserIdentity.Type == "Root" {
		return "root"
	}
	if r.UserIdentity.Type != "AssumedRole" {
		return r.UserIdentity.UserName
	}
	session := r.UserIdentity.ARN[strings.LastIndexByte(r.UserIdentity.ARN, '/')+1:]
	return session
}

func (r *recorded) forLookup() lookupEvent {
	ev := lookupEvent{
		EventID: r.EventID, EventName: r.EventName, ReadOnly: strconv.FormatBool(r.ReadOnly),
		AccessKeyID: r.UserIdentity.AccessKeyID, EventTime: timestamp{r.at.Truncate(time.Second)},
		EventSource: r.EventSource, Username: r.username(), Resources: []lookupResource{}, Event: string(r.raw),
	}
	for _, res := range r.Resources {
		ev.Resources = append(ev.Resources, lookupResource{res.Type, res.ARN})
	}
	return ev
}
