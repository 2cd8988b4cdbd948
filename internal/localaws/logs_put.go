package localaws

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Limits of PutLogEvents.
const (
	maxLogBatchBytes  = 1 << 20 // messages in UTF-8 plus 26 bytes an event
	maxLogBatchEvents = 10_000
	maxLogBatchSpan   = 24 * time.Hour
	maxLogEventAge    = 14 * 24 * time.Hour // older events are rejected one by one
	maxLogEventAhead  = 2 * time.Hour       // so are those further in the future
)

// maxLogName is the most characters that a group's or stream's name has.
const maxLogName = 512

var (
	logGroupName  = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]+$`)
	logStreamName = regexp.MustCompile(`^[^:*]+$`)
)

type createLogGroupInput struct {
	LogGroupName  string            `json:"logGroupName"`
	LogGroupClass string            `json:"logGroupClass"`
	Tags          map[string]string `json:"tags"`
}

// Classes of log groups.
const classStandard = "STANDARD"

var logGroupClasses = []string{classStandard, "INFREQUENT_ACCESS", "DELIVERY"}

// createGroup is CreateLogGroup.
func (s *logStore) createGroup(c *call, in createLogGroupInput) (any, error) {
	c.touch("AWS::Logs::LogGroup", c.arn("log-group:"+in.LogGroupName))
	if err := checkLogName("logGroupName", in.LogGroupName, logGroupName); err != nil {
		return nil, err
	}
	if in.LogGroupClass == "" {
		in.LogGroupClass = classStandard
	}
	if !slices.Contains(logGroupClasses, in.LogGroupClass) {
		return nil, logsInvalid("Value '%s' at 'logGroupClass' failed to satisfy constraint: Member must satisfy enum value set: %v", in.LogGroupClass, logGroupClasses)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups[in.LogGroupName] != nil {
		return nil, failf("ResourceAlreadyExistsException", "The specified log group already exists")
	}
	g := &logGroup{name: in.LogGroupName, class: in.LogGroupClass, created: c.Time.UnixMilli(), streams: map[string]*logStream{}}
	if err := g.tag(in.Tags); err != nil {
		return nil, err
	}
	s.groups[g.name] = g
	return nil, nil
}

type createLogStreamInput struct {
	LogGroupName  string `json:"logGroupName"`
	LogStreamName string `json:"logStreamName"`
}

// createStream is CreateLogStream.
func (s *logStore) createStream(c *call, in createLogStreamInput) (any, error) {
	c.touch("AWS::Logs::LogGroup", c.arn("log-group:"+in.LogGroupName))
	if err := checkLogName("logStreamName", in.LogStreamName, logStreamName); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(in.LogGroupName, "")
	if err != nil {
		return nil, err
	}
	if g.streams[in.LogStreamName] != nil {
		return nil, failf("ResourceAlreadyExistsException", "The specified log stream already exists")
	}
	g.streams[in.LogStreamName] = &logStream{name: in.LogStreamName, created: c.Time.UnixMilli()}
	return nil, nil
}

func checkLogName(member, name string, allowed *regexp.Regexp) error {
	if len(name) > maxLogName {
		return failf("InvalidParameterException",
			"Invalid LogGroup or LogStream, both must have length less than or equal to 512.")
	}
	if !allowed.MatchString(name) {
		return logsInvalid("Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: %s",
			name, member, allowed)
	}
	return nil
}

type putLogEventsInput struct {
	LogGroupName  string          `json:"logGroupName"`
	LogStreamName string          `json:"logStreamName"`
	LogEvents     []inputLogEvent `json:"logEvents"`
}

type inputLogEvent struct {
	Timestamp *int64 `json:"timestamp"` // Unix milliseconds
	Message   string `json:"message"`
}

type putLogEventsOutput struct {
	// NextSequenceToken is still answered by AWS and needed by nobody.
	NextSequenceToken string             `json:"nextSequenceToken"`
	Rejected          *rejectedLogEvents `json:"rejectedLogEventsInfo,omitempty"`
}

// rejectedLogEvents says which events of a batch were left out; nil is none.
type rejectedLogEvents struct {
	TooNewStart *int `json:"tooNewLogEventStartIndex,omitempty"` // inclusive
	TooOldEnd   *int `json:"tooOldLogEventEndIndex,omitempty"`   // exclusive
}

// put is PutLogEvents. A batch is accepted without those events that are too
// old or too new, or refused as a whole.
func (s *logStore) put(c *call, in putLogEventsInput) (putLogEventsOutput, error) {
	size, err := checkLogBatch(in.LogEvents)
	if err != nil {
		return putLogEventsOutput{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(in.LogGroupName, "")
	if err != nil {
		return putLogEventsOutput{}, err
	}
	st := g.streams[in.LogStreamName]
	if st == nil {
		return putLogEventsOutput{}, noLogStream()
	}
	first, end := acceptable(in.LogEvents, c.Time)
	if first < end && span(in.LogEvents[first:end]) > maxLogBatchSpan {
		return putLogEventsOutput{}, failf("InvalidParameterException",
			"The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	if held := s.held.Load(); held+size > s.maxSize {
		return putLogEventsOutput{}, failf("ServiceUnavailableException", "The stand-in holds %d bytes of log events and keeps at most %d.", held, s.maxSize)
	}
	accepted := make([]logEvent, 0, end-first)
	for i := first + 1; i < end; i++ {
		if s.trouble.sameMillisecond() {
			in.LogEvents[i].Timestamp = in.LogEvents[i-1].Timestamp
		}
	}
	for _, e := range in.LogEvents[first:end] {
		accepted = append(accepted, s.accept(c.Time, g, st, *e.Timestamp, e.Message))
	}
	s.subscribed(c.Account, g, st, accepted)
	out := putLogEventsOutput{NextSequenceToken: fmt.Sprintf("%056d", s.sequence)}
	if first > 0 || end < len(in.LogEvents) {
		out.Rejected = &rejectedLogEvents{}
		if first > 0 {
			out.Rejected.TooOldEnd = &first
		}
		if end < len(in.LogEvents) {
			out.Rejected.TooNewStart = &end
		}
	}
	return out, nil
}

// checkLogBatch refuses what no batch may hold and returns its size in bytes.
func checkLogBatch(events []inputLogEvent) (int64, error) {
	if len(events) == 0 {
		return 0, logsInvalid("Value '[]' at 'logEvents' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	if len(events) > maxLogBatchEvents {
		return 0, logsInvalid("Value at 'logEvents' failed to satisfy constraint: Member must have length less than or equal to %d", maxLogBatchEvents)
	}
	var size int64
	for i, e := range events {
		if e.Timestamp == nil {
			return 0, logsInvalid("Value null at 'logEvents.%d.member.timestamp' failed to satisfy constraint: Member must not be null", i+1)
		}
		if *e.Timestamp < 0 {
			return 0, logsInvalid("Value '%d' at 'logEvents.%d.member.timestamp' failed to satisfy constraint: Member must have value greater than or equal to 0", *e.Timestamp, i+1)
		}
		if e.Message == "" {
			return 0, logsInvalid("Value '' at 'logEvents.%d.member.message' failed to satisfy constraint: Member must have length greater than or equal to 1", i+1)
		}
		if i > 0 && *e.Timestamp < *events[i-1].Timestamp {
			return 0, failf("InvalidParameterException",
				"Log events in a single PutLogEvents request must be in chronological order.")
		}
		size += int64(len(e.Message) + eventOverheadBytes)
	}
	if size > maxLogBatchBytes {
		return 0, failf("InvalidParameterException", "Upload too large: %d bytes exceeds limit of %d", size, maxLogBatchBytes)
	}
	return size, nil
}

// acceptable returns the half-open range of events, which are in order, that
// are neither too old nor too new.
func acceptable(events []inputLogEvent, now time.Time) (first, end int) {
	oldest, newest := now.Add(-maxLogEventAge).UnixMilli(), now.Add(maxLogEventAhead).UnixMilli()
	for first < len(events) && *events[first].Timestamp < oldest {
		first++
	}
	end = len(events)
	for end > first && *events[end-1].Timestamp > newest {
		end--
	}
	return first, end
}

func span(events []inputLogEvent) time.Duration {
	return time.Duration(*events[len(events)-1].Timestamp-*events[0].Timestamp) * time.Millisecond
}

// deliver is how an AWS service writes into a log group, which it makes if need
// be. Unlike PutLogEvents it takes events of any time. They arrive after a delay.
func (s *logStore) deliver(account string, now time.Time, delay time.Duration, group, stream string, events []inputLogEvent) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[group]
	if g == nil {
		g = &logGroup{name: group, class: classStandard, created: now.UnixMilli(), streams: map[string]*logStream{}}
		s.groups[group] = g
	}
	st := g.streams[stream]
	if st == nil {
		st = &logStream{name: stream, created: now.UnixMilli()}
		g.streams[stream] = st
	}
	var size int64
	for _, e := range events {
		size += int64(len(e.Message) + eventOverheadBytes)
	}
	if held := s.held.Load(); held+size > s.maxSize {
		return failf("ServiceUnavailableException", "The stand-in holds %d bytes of log events and keeps at most %d.", held, s.maxSize)
	}
	accepted := make([]logEvent, 0, len(events))
	for _, e := range events {
		accepted = append(accepted, s.accept(now.Add(delay), g, st, *e.Timestamp, e.Message))
	}
	s.subscribed(account, g, st, accepted)
	return nil
}
