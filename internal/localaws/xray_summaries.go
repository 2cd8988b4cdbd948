package localaws

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// summariesPerPage is how many summaries a page of GetTraceSummaries has. AWS
// states no number; this one makes a minute of the sample fleet page.
const summariesPerPage = 100

type traceSummariesInput struct {
	StartTime        timestamp `json:"StartTime"` // inclusive
	EndTime          timestamp `json:"EndTime"`   // exclusive
	TimeRangeType    string    `json:"TimeRangeType"`
	FilterExpression string    `json:"FilterExpression"`
	NextToken        string    `json:"NextToken"`
	// Sampling allows an answer to be a subset; all traces are one. How to sample
	// cannot be chosen.
	Sampling         bool            `json:"Sampling"`
	SamplingStrategy json.RawMessage `json:"SamplingStrategy"`
}

type traceSummariesOutput struct {
	TraceSummaries       []traceSummary `json:"TraceSummaries"`
	ApproximateTime      timestamp      `json:"ApproximateTime"`
	TracesProcessedCount int            `json:"TracesProcessedCount"`
	NextToken            string         `json:"NextToken,omitempty"`
}

// A summaryPosition is where a page begins: behind the trace it names.
type summaryPosition struct {
	Query string // fingerprint of the request that the token belongs to
	Start int64  // Unix microseconds
	ID    string // "" at the beginning
}

// A foundTrace is a trace in the window, with the time that put it there.
type foundTrace struct {
	*trace
	matched time.Time
}

// summaries is GetTraceSummaries, newest trace first.
func (s *traceStore) summaries(c *call, in traceSummariesInput) (traceSummariesOutput, error) {
	out := traceSummariesOutput{TraceSummaries: []traceSummary{}, ApproximateTime: in.StartTime}
	from, err := s.checkSummaries(c, in)
	if err != nil {
		return out, err
	}
	meets, err := traceFilter(in.FilterExpression, c.Account)
	if err != nil {
		return out, err
	}
	if s.trouble.emptyPage(c) {
		out.NextToken = s.tokens.seal(c.Time, from)
		return out, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.find(in, meets)
	at := 0
	if from.ID != "" {
		at = len(found) - len(behind(found, from))
		if at > 0 && s.trouble.repeat(c.action()) {
			at--
		}
	}
	page := found[at:min(at+summariesPerPage, len(found))]
	for _, t := range page {
		out.TraceSummaries = append(out.TraceSummaries, t.summary(c.Account))
	}
	out.TracesProcessedCount = len(page)
	if len(page) > 0 {
		last := page[len(page)-1]
		out.ApproximateTime = timestamp{last.start()}
		if at+len(page) < len(found) {
			out.NextToken = s.tokens.seal(c.Time, summaryPosition{from.Query, last.start().UnixMicro(), last.id})
		}
	}
	return out, nil
}

// checkSummaries checks what a GetTraceSummaries request asks and returns where
// its page begins.
func (s *traceStore) checkSummaries(c *call, in traceSummariesInput) (summaryPosition, error) {
	from := summaryPosition{Query: fingerprint(in.StartTime, in.EndTime, in.TimeRangeType, in.FilterExpression)}
	switch {
	case in.StartTime.IsZero() || in.EndTime.IsZero():
		return from, xrayInvalid("StartTime and EndTime are required.")
	case in.EndTime.Before(in.StartTime.Time):
		return from, xrayInvalid("EndTime must not be before StartTime.")
	case in.SamplingStrategy != nil:
		return from, xrayInvalid("This stand-in knows no sampling strategies.")
	}
	switch in.TimeRangeType {
	case "", "TraceId", "Event", "Service":
	default:
		return from, xrayInvalid("Unknown TimeRangeType %q.", in.TimeRangeType)
	}
	if in.NextToken == "" {
		return from, nil
	}
	query := from.Query
	if err := s.tokens.open(c.Time, in.NextToken, &from); err != nil || from.Query != query {
		return from, xrayInvalid("The NextToken is invalid.")
	}
	return from, nil
}

// find returns the traces in the window that meet a filter, newest first. The
// caller holds the lock.
func (s *traceStore) find(in traceSummariesInput, meets func(*trace) bool) []foundTrace {
	var found []foundTrace
	for _, t := range s.traces {
		if at, ok := t.within(in.TimeRangeType, in.StartTime.Time, in.EndTime.Time); ok {
			if s.summarised(t) && meets(t) {
				found = append(found, foundTrace{t, at})
			}
		}
	}
	slices.SortFunc(found, func(a, b foundTrace) int {
		return newestFirst(a.start().UnixMicro(), a.id, b.start().UnixMicro(), b.id)
	})
	return found
}

func newestFirst(aStart int64, aID string, bStart int64, bID string) int {
	return cmp.Or(cmp.Compare(bStart, aStart), cmp.Compare(bID, aID))
}

// behind returns the traces that come after a position.
func behind(found []foundTrace, from summaryPosition) []foundTrace {
	for i, t := range found {
		if newestFirst(t.start().UnixMicro(), t.id, from.Start, from.ID) > 0 {
			return found[i:]
		}
	}
	return nil
}

// within tells whether and by which time a trace lies in the window, which is
// of trace starts (TraceId, the default), of updates (Event) or of the ends of
// segments (Service).
func (t *trace) within(rangeType string, start, end time.Time) (time.Time, bool) {
	var latest time.Time
	for _, g := range t.segments {
		at := t.start()
		switch rangeType {
		case "Event":
			at = g.received
		case "Service":
			at = g.end()
		}
		if !at.Before(start) && at.Before(end) && at.After(latest) {
			latest = at
		}
	}
	return latest, !latest.IsZero()
}
