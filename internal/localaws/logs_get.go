package localaws

import (
	"math"
	"slices"
	"strings"
)

type getLogEventsInput struct {
	LogGroupName       string `json:"logGroupName"`
	LogGroupIdentifier string `json:"logGroupIdentifier"`
	LogStreamName      string `json:"logStreamName"`
	StartTime          *int64 `json:"startTime"` // Unix milliseconds, inclusive
	EndTime            *int64 `json:"endTime"`   // Unix milliseconds, exclusive
	NextToken          string `json:"nextToken"`
	Limit              *int   `json:"limit"`
	StartFromHead      bool   `json:"startFromHead"`
}

type getLogEventsOutput struct {
	Events            []gotLogEvent `json:"events"` // oldest first
	NextForwardToken  string        `json:"nextForwardToken"`
	NextBackwardToken string        `json:"nextBackwardToken"`
}

type gotLogEvent struct {
	Timestamp     int64  `json:"timestamp"`
	Message       string `json:"message"`
	IngestionTime int64  `json:"ingestionTime"`
}

// get is GetLogEvents. Both tokens are always there: the end, either way, is
// reached when a call returns the token that it was given.
func (s *logStore) get(c *call, in getLogEventsInput) (getLogEventsOutput, error) {
	out := getLogEventsOutput{Events: []gotLogEvent{}}
	q, err := getQuery(in)
	if err != nil {
		return out, err
	}
	forward := in.StartFromHead
	if in.NextToken != "" {
		forward = strings.HasPrefix(in.NextToken, "f/")
		if !forward && !strings.HasPrefix(in.NextToken, "b/") {
			return out, failf("InvalidParameterException", "The specified nextToken is invalid.")
		}
		if err := s.resume(c, &q.from, in.NextToken[2:]); err != nil {
			return out, err
		}
	} else if !forward {
		q.from.Timestamp, q.from.Sequence = q.end, math.MaxUint64
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return out, err
	}
	if g.streams[in.LogStreamName] == nil {
		return out, noLogStream()
	}
	s.settle(c.Time)
	first, last := q.from, q.from
	if !s.trouble.emptyPage(c) {
		found := g.stretch(q, forward)
		for _, e := range found {
			out.Events = append(out.Events, gotLogEvent{e.timestamp, e.message, e.ingested})
		}
		if n := len(found); n > 0 {
			first.Timestamp, first.Sequence = found[0].timestamp, found[0].sequence-1
			last.Timestamp, last.Sequence = found[n-1].timestamp, found[n-1].sequence
		} else if in.NextToken != "" {
			// Nothing more this way: the same token again.
			out.NextForwardToken, out.NextBackwardToken = in.NextToken, in.NextToken
			if forward {
				out.NextBackwardToken = "b/" + s.tokens.seal(c.Time, first)
			} else {
				out.NextForwardToken = "f/" + s.tokens.seal(c.Time, last)
			}
			return out, nil
		}
	}
	out.NextForwardToken = "f/" + s.tokens.seal(c.Time, last)
	out.NextBackwardToken = "b/" + s.tokens.seal(c.Time, first)
	return out, nil
}

// stretch is a page of a stream's events, oldest first, that begins behind
// (forward) or ends at the query's position. The caller holds the lock.
func (g *logGroup) stretch(q logQuery, forward bool) []logEvent {
	at := g.after(q.from.Timestamp, q.from.Sequence)
	var out []logEvent
	size := 0
	take := func(e logEvent) bool {
		if !slices.Contains(q.streams, e.stream) {
			return true
		}
		bytes := len(e.message) + eventOverheadBytes
		if len(out) >= q.limit || len(out) > 0 && size+bytes > maxLogPageBytes {
			return false
		}
		size += bytes
		out = append(out, e)
		return true
	}
	if forward {
		for at = max(at, g.after(q.start-1, math.MaxUint64)); at < len(g.events) && g.events[at].timestamp <= q.end && take(g.events[at]); at++ {
		}
		return out
	}
	for at = min(at, g.after(q.end, math.MaxUint64)); at > 0 && g.events[at-1].timestamp >= q.start && take(g.events[at-1]); at-- {
	}
	slices.Reverse(out)
	return out
}

// getQuery checks what a GetLogEvents request asks.
func getQuery(in getLogEventsInput) (logQuery, error) {
	q := logQuery{end: math.MaxInt64 - 1, limit: maxLogPageEvents, streams: []string{in.LogStreamName}}
	if in.StartTime != nil {
		q.start = *in.StartTime
	}
	if in.EndTime != nil {
		q.end = *in.EndTime - 1 // exclusive here, inclusive in a query
	}
	if in.Limit != nil {
		q.limit = *in.Limit
	}
	switch {
	case q.limit < 1:
		return q, logsInvalid("Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", q.limit)
	case q.limit > maxLogPageEvents:
		return q, logsInvalid("Value '%d' at 'limit' failed to satisfy constraint: Member must have value less than or equal to %d", q.limit, maxLogPageEvents)
	case q.start < 0 || q.end < q.start-1:
		return q, failf("InvalidParameterException", "startTime must not be after endTime.")
	}
	q.from.Query = fingerprint("get", in.LogGroupName, in.LogGroupIdentifier, in.LogStreamName, q.start, q.end)
	return q, nil
}
