package localaws

import (
	"errors"
	"math"
	"slices"
	"strings"

	"muster/internal/pattern"
)

// Limits of FilterLogEvents.
const (
	maxLogPageEvents   = 10_000  // also the default
	maxLogPageBytes    = 1 << 20 // counted as PutLogEvents counts
	maxFilteredStreams = 100     // names in logStreamNames
	maxFilterPattern   = 1024    // characters
)

type filterLogEventsInput struct {
	LogGroupName        string   `json:"logGroupName"`
	LogGroupIdentifier  string   `json:"logGroupIdentifier"`
	LogStreamNames      []string `json:"logStreamNames"`
	LogStreamNamePrefix string   `json:"logStreamNamePrefix"`
	StartTime           *int64   `json:"startTime"` // Unix milliseconds, inclusive
	EndTime             *int64   `json:"endTime"`   // Unix milliseconds, inclusive
	FilterPattern       string   `json:"filterPattern"`
	NextToken           string   `json:"nextToken"`
	Limit               *int     `json:"limit"`
	StartFromHead       *bool    `json:"startFromHead"`
}

type filterLogEventsOutput struct {
	Events []filteredLogEvent `json:"events"`
	// SearchedLogStreams has been empty on AWS since 2020.
	SearchedLogStreams []struct{} `json:"searchedLogStreams"`
	NextToken          string     `json:"nextToken,omitempty"`
}

type filteredLogEvent struct {
	LogStreamName string `json:"logStreamName"`
	Timestamp     int64  `json:"timestamp"`
	Message       string `json:"message"`
	IngestionTime int64  `json:"ingestionTime"`
	EventID       string `json:"eventId"`
}

// A logQuery is a checked FilterLogEvents request.
type logQuery struct {
	start, end int64 // Unix milliseconds, both inclusive
	limit      int
	pattern    *pattern.Pattern
	streams    []string // nil: all of them
	prefix     string
	from       logPosition
}

// A logPosition is where a page begins: behind the event it names.
type logPosition struct {
	Query     string // fingerprint of the request that the token belongs to
	Timestamp int64
	Sequence  uint64
}

// filter is FilterLogEvents. A page ends at its limits, or early when trouble
// wants it; the token is missing only at the end of the window. An event that
// becomes visible behind a page already read is seen by the next reading.
func (s *logStore) filter(c *call, in filterLogEventsInput) (filterLogEventsOutput, error) {
	if of := s.of(in.LogGroupIdentifier); of != s {
		return of.filter(c, in)
	}
	q, err := s.logQuery(c, in)
	if err != nil {
		return filterLogEventsOutput{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return filterLogEventsOutput{}, err
	}
	if err := g.readable(); err != nil {
		return filterLogEventsOutput{}, err
	}
	for _, name := range q.streams {
		if g.streams[name] == nil {
			return filterLogEventsOutput{}, noLogStream()
		}
	}
	s.settle(c.Time)
	out := filterLogEventsOutput{Events: []filteredLogEvent{}, SearchedLogStreams: []struct{}{}}
	next, more := s.page(c, g, q, &out)
	if more {
		out.NextToken = s.tokens.seal(c.Time, next)
	}
	return out, nil
}

// page fills out from the events of g and returns where the next page begins
// and whether there is one. The caller holds the lock.
func (s *logStore) page(c *call, g *logGroup, q logQuery, out *filterLogEventsOutput) (next logPosition, more bool) {
	next = q.from
	if s.trouble.emptyPage(c) {
		return next, true
	}
	at := max(g.after(next.Timestamp, next.Sequence), g.after(q.start-1, math.MaxUint64))
	if at > 0 && g.events[at-1].timestamp >= q.start && s.trouble.repeat(c.action()) {
		at--
	}
	size := 0
	for _, e := range g.events[at:] {
		if e.timestamp > q.end {
			return next, false
		}
		if q.matches(e) {
			bytes := len(e.message) + eventOverheadBytes
			if len(out.Events) >= q.limit || len(out.Events) > 0 && size+bytes > maxLogPageBytes {
				return next, true
			}
			size += bytes
			out.Events = append(out.Events, filteredLogEvent{
				LogStreamName: e.stream, Timestamp: e.timestamp, Message: e.message,
				IngestionTime: e.ingested, EventID: e.id,
			})
		}
		next.Timestamp, next.Sequence = e.timestamp, e.sequence
	}
	return next, false
}

// logQuery checks what a FilterLogEvents request asks, without the lock.
func (s *logStore) logQuery(c *call, in filterLogEventsInput) (logQuery, error) {
	q := logQuery{end: math.MaxInt64, limit: maxLogPageEvents, streams: in.LogStreamNames, prefix: in.LogStreamNamePrefix}
	if in.StartTime != nil {
		q.start = *in.StartTime
	}
	if in.EndTime != nil {
		q.end = *in.EndTime
	}
	if in.Limit != nil {
		q.limit = *in.Limit
	}
	switch {
	case q.limit < 1:
		return q, logsInvalid("Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", q.limit)
	case q.limit > maxLogPageEvents:
		return q, logsInvalid("Value '%d' at 'limit' failed to satisfy constraint: Member must have value less than or equal to %d", q.limit, maxLogPageEvents)
	case q.start < 0:
		return q, logsInvalid("Value '%d' at 'startTime' failed to satisfy constraint: Member must have value greater than or equal to 0", q.start)
	case q.end < q.start:
		return q, failf("InvalidParameterException", "startTime must not be after endTime.")
	case len(q.streams) > 0 && q.prefix != "":
		return q, failf("InvalidParameterException", "logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")
	case len(q.streams) > maxFilteredStreams:
		return q, logsInvalid("Value at 'logStreamNames' failed to satisfy constraint: Member must have length less than or equal to %d", maxFilteredStreams)
	case in.StartFromHead != nil && !*in.StartFromHead:
		return q, failf("InvalidParameterException", "This stand-in reads oldest first only: startFromHead must be true.")
	}
	var err error
	if q.pattern, err = filterPattern("filterPattern", in.FilterPattern); err != nil {
		return q, err
	}
	q.from.Query = fingerprint(in.LogGroupName, in.LogGroupIdentifier, q.streams, q.prefix, q.start, q.end, in.FilterPattern)
	return q, s.resume(c, &q.from, in.NextToken)
}

// resume moves from to where token ends; an empty token leaves it.
func (s *logStore) resume(c *call, from *logPosition, token string) error {
	if token == "" {
		return nil
	}
	var at logPosition
	if err := s.tokens.open(c.Time, token, &at); err != nil || at.Query != from.Query {
		return failf("InvalidParameterException", "The specified nextToken is invalid.")
	}
	*from = at
	return nil
}

// matches tells whether the query wants e, apart from its time.
func (q *logQuery) matches(e logEvent) bool {
	if q.streams != nil && !slices.Contains(q.streams, e.stream) || !strings.HasPrefix(e.stream, q.prefix) {
		return false
	}
	return q.pattern.Match(e.message)
}

// filterPattern reads a member of a request that is a filter pattern.
func filterPattern(member, text string) (*pattern.Pattern, error) {
	if len([]rune(text)) > maxFilterPattern {
		return nil, logsInvalid("Value '%s' at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", text, member, maxFilterPattern)
	}
	p, err := pattern.Parse(text)
	if syntax, ok := errors.AsType[*pattern.SyntaxError](err); ok {
		reason := syntax.Reason
		if !strings.HasPrefix(reason, "Invalid character(s)") { // which is AWS's own text
			reason = "Invalid filter pattern: " + reason
		}
		return nil, failf("InvalidParameterException", "%s", reason)
	}
	return p, err
}
