package collectors

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// logEvent is one line as FilterLogEvents answers it, with the group's name.
type logEvent struct {
	EventID   string `json:"eventId"`
	Group     string `json:"logGroupName"`
	Stream    string `json:"logStreamName"`
	Timestamp int64  `json:"timestamp"` // milliseconds since 1970
	Message   string `json:"message"`
}

// lambdaGroups is where Lambda functions log, each in a group of its own name.
const lambdaGroups = "/aws/lambda/"

// lineScan turns a log line into a record.
type lineScan struct {
	keyScan
	level, message, service, when string
	fault                         string // of a request or an invocation that went wrong
	attributes                    fleet.Attributes
	texts                         []string // strings in which ids may hide
	sent                          []string // those of them that a client sent
	inner                         string   // of an envelope
	hasInner                      bool
	depth                         int // in envelopes
	names                         attributeNames
}

// record turns a line into a record. Its evidence is the message itself.
func (e *logEvent) record(o origin) fleet.Record {
	var s lineScan
	var q scanner
	return e.recordOf([]byte(e.Message), o, &s, &q)
}

// recordOf is record for a message, which is never written to again. s and q are
// room.
func (e *logEvent) recordOf(message []byte, o origin, s *lineScan, q *scanner) fleet.Record {
	s.keyScan = keyScan{lambda: strings.HasPrefix(e.Group, lambdaGroups)}
	raw, ok := s.quick(message, q)
	if !ok {
		raw = s.careful(message)
	}
	return e.recordWith(s, raw, o)
}

// careful reads a message by encoding/json and the walker, and returns it as it
// is kept.
func (s *lineScan) careful(message []byte) []byte {
	s.reset()
	raw := mask(message)
	if !s.json(raw) {
		s.plain(raw)
	}
	return raw
}

// recordWith is the record of a line that was read.
func (e *logEvent) recordWith(s *lineScan, raw []byte, o origin) fleet.Record {
	at, ok := timeOfMillis(e.Timestamp)
	set(&s.attributes, fleet.AttrLogGroup, e.Group)
	set(&s.attributes, "log_stream", e.Stream)
	s.streamPlace(e.Stream)
	if !ok {
		s.attributes.Set(fleet.AttrUnreadable, "timestamp is no time")
		at = unknownTime()
	}
	r := fleet.Record{
		ID: clean(e.EventID), Kind: fleet.KindLog, Time: finer(at, s.when),
		Account: o.account, Region: o.region,
		Service: clean(firstOf(s.service, lastElement(e.Group))), Name: s.level,
		Message: oneLine(s.message), Raw: raw,
		Seen: s.keys, Attributes: s.attributes.Clone(),
	}
	if r.ID == "" { // of the line as it was: what is masked may change, ids may not
		r.ID = hashID("log-", e.Group, e.Stream, at.Format(time.RFC3339Nano), e.Message)
	}
	if r.Error = s.fault; r.Error == "" && slices.Contains([]string{"ERROR", "FATAL"}, s.level) {
		r.Error = "error"
	}
	return r
}

func lastElement(group string) string { return group[strings.LastIndexByte(group, '/')+1:] }

// finer is the time that the line itself gives where it agrees with
// CloudWatch's to the millisecond and says more.
func finer(at time.Time, own string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, own)
	if err != nil || t.UnixMilli() != at.UnixMilli() {
		return at
	}
	return t.UTC().Truncate(time.Microsecond)
}

// json reads a line that is one JSON object, and reports whether it was.
func (s *lineScan) json(raw []byte) bool {
	if line := bytes.TrimSpace(raw); len(line) == 0 || line[0] != '{' || !json.Valid(line) {
		return false
	}
	eachScalar(raw, s.scalar)
	s.rest(raw, nil)
	return true
}

// rest reads what can be told once a line's fields are known. q is room for a
// quick reading, nil where there is none.
func (s *lineScan) rest(raw []byte, q *scanner) {
	if s.unwrap(q) {
		return
	}
	if s.hasInner { // no envelope: a field like any other
		s.texts = append(s.texts, s.inner)
		if s.message != "" {
			s.set("log", s.inner)
		} else {
			s.message = s.inner
		}
	}
	for _, t := range s.texts {
		s.text([]byte(t))
	}
	if s.accessJSON() || s.reportJSON() || s.executionJSON() {
		return
	}
	for _, t := range s.sent {
		s.text([]byte(t))
	}
	if s.message == "" {
		s.message = string(raw)
	}
	if s.level == "" {
		s.level = levelIn(s.message)
	}
}

func (s *lineScan) scalar(path, key []byte, v scalar) {
	if v.kind == '0' {
		return
	}
	value := v.String()
	if s.known(path, v, value) || s.field(path, key, value) {
		return
	}
	if v.kind == 's' && strings.ContainsAny(value, ":=") {
		if isClientField(key) {
			s.sent = append(s.sent, value)
		} else {
			s.texts = append(s.texts, value)
		}
	}
	if len(s.attributes) < maxAttributes {
		s.attributes.Set(s.names.of(path, value), clip(value, maxAttributeBytes))
	}
}

// known takes the fields that a record has a place for.
func (s *lineScan) known(path []byte, v scalar, value string) bool {
	var into *string
	switch string(path) {
	case "level", "severity", "lvl", "levelname", "log.level", "log_level", "loglevel":
		value, into = normalLevel(value), &s.level
	case "log":
		if v.kind != 's' || s.hasInner {
			return false
		}
		s.inner, s.hasInner = value, true
		return true
	case "msg", "message":
		into = &s.message
		s.texts = append(s.texts, value)
	case "service", "service.name", "service_name", "serviceName":
		into = &s.service
	case "time", "timestamp", "@timestamp", "ts":
		into = &s.when
	}
	if into == nil || *into != "" || v.kind != 's' && into != &s.level {
		return false
	}
	*into = value
	return true
}

// plain reads a line of text.
func (s *lineScan) plain(raw []byte) {
	if s.access(raw) {
		return
	}
	s.text(raw)
	s.report(raw)
	if s.lambda {
		s.invocation(raw)
	}
	s.message = string(raw)
	s.level = levelIn(s.message)
}

// invocation takes the request id that Lambda's runtimes put between tabs
// before a function's own text.
func (s *lineScan) invocation(raw []byte) {
	const columns, uuidLength = 4, 36
	for _, column := range bytes.SplitN(raw, []byte("\t"), columns) {
		if len(column) == uuidLength && bytes.Count(column, []byte("-")) == 4 {
			s.takeRequest(string(column), fleet.ScopeLambda)
			return
		}
	}
}

// levels are the names of levels, and those that mean the same.
var levels = map[string]string{
	"TRACE": "TRACE", "DEBUG": "DEBUG", "INFO": "INFO", "NOTICE": "INFO", "INFORMATION": "INFO",
	"WARN": "WARN", "WARNING": "WARN", "ERROR": "ERROR", "ERR": "ERROR", "SEVERE": "ERROR",
	"FATAL": "FATAL", "CRITICAL": "FATAL", "PANIC": "FATAL", "EMERGENCY": "FATAL",
	// pino and bunyan count.
	"10": "TRACE", "20": "DEBUG", "30": "INFO", "40": "WARN", "50": "ERROR", "60": "FATAL",
}

func normalLevel(s string) string {
	upper := strings.ToUpper(strings.TrimSpace(s))
	return clip(firstOf(levels[upper], upper), maxIDBytes)
}

// levelIn finds a level that a line of text states near its beginning.
func levelIn(line string) string {
	const near = 96 // a time, a thread and brackets come before it
	for word := range strings.FieldsFuncSeq(line[:min(near, len(line))], isNoLetter) {
		if len(word) > 2 && strings.ToUpper(word) == word {
			if level, ok := levels[word]; ok {
				return level
			}
		}
	}
	return ""
}

func isNoLetter(r rune) bool { return r < 'A' || r > 'Z' && r < 'a' || r > 'z' }

// subscriptionDoc is what CloudWatch Logs sends to a subscription.
type subscriptionDoc struct {
	MessageType string `json:"messageType"`
	Owner       string `json:"owner"`
	Group       string `json:"logGroup"`
	Stream      string `json:"logStream"`
	Events      []struct {
		ID        string            `json:"id"`
		Timestamp int64             `json:"timestamp"`
		Message   string            `json:"message"`
		Extracted map[string]string `json:"extractedFields"`
	} `json:"logEvents"`
}

// parseSubscription turns a subscription payload into its lines; a control
// message has none.
func parseSubscription(doc []byte, o origin) ([]fleet.Record, error) {
	var d subscriptionDoc
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, err
	}
	if d.MessageType != "DATA_MESSAGE" {
		return nil, nil
	}
	rs := make([]fleet.Record, 0, len(d.Events))
	for _, l := range d.Events {
		e := logEvent{EventID: l.ID, Group: d.Group, Stream: d.Stream, Timestamp: l.Timestamp, Message: l.Message}
		// Centralised groups name the account and region that a line came from.
		from := origin{
			account: firstOf(l.Extracted["@aws.account"], d.Owner, o.account),
			region:  firstOf(l.Extracted["@aws.region"], o.region),
		}
		rs = append(rs, e.records(from)...)
	}
	return rs, nil
}
