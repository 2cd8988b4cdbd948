package collectors

import (
	"bytes"
	"fmt"
	"strings"

	"muster/fleet"
)

// Lambda says of each invocation what it took: in text between tabs, or in JSON
// where the function logs JSON.
const (
	reportStart  = "REPORT RequestId: "
	reportInJSON = "platform.report"
)

// reportNames are the attributes of what a report says, in text and in JSON. The
// ones in milliseconds end in "_ms", those of memory in "_mb".
var reportNames = map[string]string{
	"Duration": "duration_ms", "Billed Duration": "lambda.billed_ms", "Init Duration": "lambda.init_ms",
	"Restore Duration": "lambda.restore_ms", "Billed Restore Duration": "lambda.billed_restore_ms",
	"Memory Size": "lambda.memory_mb", "Max Memory Used": "lambda.max_memory_mb",
	"Status": "lambda.status", "Error Type": "lambda.error_type",

	"record.metrics.durationMs": "duration_ms", "record.metrics.billedDurationMs": "lambda.billed_ms",
	"record.metrics.initDurationMs": "lambda.init_ms", "record.metrics.restoreDurationMs": "lambda.restore_ms",
	"record.metrics.billedRestoreDurationMs": "lambda.billed_restore_ms",
	"record.metrics.memorySizeMB":            "lambda.memory_mb", "record.metrics.maxMemoryUsedMB": "lambda.max_memory_mb",
	"record.status": "lambda.status", "record.errorType": "lambda.error_type",
}

// report reads a REPORT line. Its ids are read with all others.
func (s *lineScan) report(raw []byte) {
	if !bytes.HasPrefix(raw, []byte(reportStart)) {
		return
	}
	const most = 32 // columns; Lambda writes some twelve
	for _, part := range bytes.SplitN(raw, []byte("\t"), most) {
		name, value, _ := bytes.Cut(bytes.TrimSpace(part), []byte(": "))
		if known := reportNames[string(name)]; known != "" {
			value, _, _ = bytes.Cut(value, []byte(" ")) // its unit
			s.set(known, string(value))
		}
	}
	s.reported()
}

// reportJSON reads a report in JSON, and reports whether the line is one.
func (s *lineScan) reportJSON() bool {
	if s.attributes.Get("type") != reportInJSON || s.attributes.Get("record.metrics.durationMs") == "" {
		return false
	}
	for path, name := range reportNames {
		if v, ok := s.attributes.Lookup(path); ok {
			s.set(name, v)
		}
	}
	if s.keys.Scope == fleet.ScopeApp { // of a group that is not named as Lambda's are
		s.keys.Scope = fleet.ScopeLambda
	}
	s.message = fmt.Sprintf("REPORT Duration: %s ms Billed Duration: %s ms Memory Size: %s MB Max Memory Used: %s MB",
		s.attributes.Get("duration_ms"), s.attributes.Get("lambda.billed_ms"), s.attributes.Get("lambda.memory_mb"), s.attributes.Get("lambda.max_memory_mb"))
	if init := s.attributes.Get("lambda.init_ms"); init != "" {
		s.message += " Init Duration: " + init + " ms"
	}
	s.reported()
	return true
}

// reported says what follows from what was reported.
func (s *lineScan) reported() {
	s.attributes.Set(attrLogFormat, formatLambdaStats)
	if s.attributes.Get("lambda.init_ms") != "" || s.attributes.Get("lambda.restore_ms") != "" {
		s.attributes.Set("lambda.cold_start", "true")
	}
	switch status := strings.ToLower(s.attributes.Get("lambda.status")); status {
	case "", "success":
	case "timeout":
		s.fault = status
	default:
		s.fault = "fault"
	}
}
