package localaws

import "time"

// What makes a minute unusual for Insights. AWS learns a week and tells nobody
// how; these find a burst in a run of minutes.
const (
	insightWindow     = time.Minute
	insightLeastCalls = 20
	insightFactor     = 5 // times the average of the minutes before
)

// maxInsightKeys bounds the calls whose rates are watched; more are not.
const maxInsightKeys = 2000

// insightKey is a call whose rate is watched: how often a place makes it, or how
// often it fails there with one error.
type insightKey struct {
	place
	source, name, errorCode string
}

// A callRate counts one kind of call by minutes.
type callRate struct {
	window  time.Time
	calls   int    // in this window
	minutes int    // before it
	total   int    // in them
	open    string // shared id of an insight that has started
	who     string // ARN of the caller of the window's first call
}

type insightEvent struct {
	EventVersion       string         `json:"eventVersion"`
	EventTime          string         `json:"eventTime"`
	Region             string         `json:"awsRegion"`
	EventID            string         `json:"eventID"`
	EventType          string         `json:"eventType"`
	RecipientAccountID string         `json:"recipientAccountId"`
	SharedEventID      string         `json:"sharedEventID"`
	InsightDetails     insightDetails `json:"insightDetails"`
	EventCategory      string         `json:"eventCategory"`
}

type insightDetails struct {
	State          string         `json:"state"` // Start or End
	EventSource    string         `json:"eventSource"`
	EventName      string         `json:"eventName"`
	InsightType    string         `json:"insightType"`
	ErrorCode      string         `json:"errorCode,omitempty"`
	InsightContext map[string]any `json:"insightContext"`
}

// watch counts an event for Insights and returns the insight events that it
// brings. The caller holds the lock.
func (t *trail) watch(r recorded) []recorded {
	if len(t.set.insights) == 0 || !r.ManagementEvent || r.EventCategory != "Management" {
		return nil
	}
	var out []recorded
	for _, kind := range t.set.insights {
		key := insightKey{place: place{r.RecipientAccountID, r.Region}, source: r.EventSource, name: r.EventName}
		switch {
		case kind == "ApiErrorRateInsight" && r.ErrorCode == "", kind == "ApiCallRateInsight" && r.ReadOnly:
			continue // call rates are watched of what changes something
		case kind == "ApiErrorRateInsight":
			key.errorCode = r.ErrorCode
		}
		rate := t.rates[key]
		if rate == nil {
			if len(t.rates) >= maxInsightKeys {
				continue
			}
			rate = &callRate{window: r.at.Truncate(insightWindow)}
			t.rates[key] = rate
		}
		out = append(out, rate.count(key, kind, r)...)
	}
	return out
}

// count adds a call. A burst starts an insight; the first call of a quieter
// minute ends it.
func (c *callRate) count(key insightKey, kind string, r recorded) []recorded {
	var out []recorded
	if window := r.at.Truncate(insightWindow); window.After(c.window) {
		if c.open != "" {
			out = append(out, c.event("End", key, kind, c.window.Add(insightWindow)))
			c.open = ""
		} else { // a burst does not become what is usual
			c.minutes += max(int(window.Sub(c.window)/insightWindow), 1)
			c.total += c.calls
		}
		c.window, c.calls = window, 0
	}
	if c.calls++; c.calls == 1 {
		c.who = r.UserIdentity.ARN
	}
	if c.open == "" && c.calls >= insightLeastCalls && float64(c.calls) > insightFactor*c.baseline() {
		c.open = newUUID()
		out = append(out, c.event("Start", key, kind, r.at))
	}
	return out
}

// baseline is how many calls a usual minute has.
func (c *callRate) baseline() float64 {
	if c.minutes == 0 {
		return 0
	}
	return float64(c.total) / float64(c.minutes)
}

func (c *callRate) event(state string, key insightKey, kind string, at time.Time) recorded {
	average := func(value string, n float64) []map[string]any {
		return []map[string]any{{"value": value, "average": n}}
	}
	statistics := map[string]any{
		"baseline": map[string]any{"average": c.baseline()}, "insight": map[string]any{"average": float64(c.calls)},
		"insightDuration": 1, "baselineDuration": c.minutes,
	}
	ev := insightEvent{
		EventVersion: "1.09", EventTime: at.Format(eventTimeFormat), Region: key.region, EventID: newUUID(),
		EventType: "AwsCloudTrailInsight", RecipientAccountID: key.account, SharedEventID: c.open, EventCategory: "Insight",
		InsightDetails: insightDetails{
			State: state, EventSource: key.source, EventName: key.name, InsightType: kind, ErrorCode: key.errorCode,
			InsightContext: map[string]any{"statistics": statistics, "attributions": []any{map[string]any{
				"attribute": "userIdentityArn", "insight": average(c.who, float64(c.calls)), "baseline": []any{},
			}}},
		},
	}
	raw, _ := encodeJSON(ev) // of texts and numbers: it never fails
	return recorded{
		event: event{
			EventID: ev.EventID, EventName: key.name, EventSource: key.source, Region: key.region,
			RecipientAccountID: key.account, EventCategory: "Insight",
		},
		raw: raw, at: at,
	}
}
