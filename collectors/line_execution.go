package collectors

import (
	"encoding/json"
	"strings"
)

// formatExecution is the log_format of a line that Step Functions wrote of an
// execution. EXPRESS machines have no other history.
const formatExecution = "stepfunctions"

// executionJSON reads a line of an execution's events, and reports whether it is
// one. All lines of an execution are in one trace, which the first one ties to the
// call that started it, to the ids of its input, and to its history.
func (s *lineScan) executionJSON() bool {
	arn, event := s.attributes.Get("execution_arn"), s.attributes.Get("type")
	_, machine, name, ok := executionARN(arn)
	if !ok || event == "" || s.attributes.Get("event_timestamp") == "" {
		return false
	}
	s.attributes.Set(attrLogFormat, formatExecution)
	s.set("saga", machine)
	s.set("saga_id", name)
	step := s.attributes.Get("details.name")
	s.set("saga_step", step)
	s.service, s.message, s.level = machine, joined(event, step), "INFO"
	correlation := s.keys.Correlation
	s.keyScan = keyScan{}
	s.keys.Trace = traceOfExecution(arn)
	switch {
	case event == "ExecutionStarted":
		s.keys.Correlation = correlation
		s.started(arn, name)
	case strings.HasSuffix(event, "Failed"), strings.HasSuffix(event, "TimedOut"), strings.HasSuffix(event, "Aborted"):
		s.level, s.fault = "ERROR", "fault"
		s.message = joined(s.message, joined(s.attributes.Get("details.error"), s.attributes.Get("details.cause")))
	}
	return true
}

// started takes what an execution's name and input show.
func (s *lineScan) started(arn, name string) {
	x := replay{execution: execution{ARN: arn, Input: s.attributes.Get("details.input")}, name: name}
	if !json.Valid([]byte(x.Input)) { // it was cut
		x.Input = ""
	}
	x.readKeys()
	s.keys.Messages = x.keys.Messages
	if x.keys.Correlation != "" {
		s.keys.Correlation = x.keys.Correlation
	}
}
