package collectors

import (
	"encoding/json"
	"strings"
	"time"

	"muster/fleet"
)

// replay turns a history into spans: one for the execution and one for each time
// that a state was entered.
type replay struct {
	execution
	origin
	machine, name string
	keys          fleet.Keys // of the execution
	spans         []stateSpan
	at            map[int64]int // by event: the span that the flow is in behind it
	redrives      int
}

// stateSpan is the execution, which comes first, or a state in the making.
type stateSpan struct {
	name, kind   string
	event        int64 // by which it was entered
	parent       int
	start, end   time.Time
	ended, exits bool // exits: by an event of its own, not by the execution's end
	revision     int
	failed       string // the error's name
	cause        string
	task         string
	resources    []string
	events       []json.RawMessage
}

// take goes one event on.
func (r *replay) take(e *historyEvent, i int, events []historyEvent) {
	previous := e.Previous
	if previous == 0 && i > 0 { // emulators do not say
		previous = events[i-1].ID
	}
	in := r.at[previous] // 0, the execution, for the first
	switch {
	case strings.HasSuffix(e.Type, "StateEntered"):
		kind := strings.TrimSuffix(e.Type, "StateEntered")
		r.spans = append(r.spans, stateSpan{name: e.details.Name, kind: kind, event: e.ID, parent: in, start: e.At.Time, revision: 2 * r.redrives})
		r.at[e.ID] = len(r.spans) - 1
		r.note(len(r.spans)-1, e)
		return
	case strings.HasSuffix(e.Type, "StateExited"):
		in = r.leaving(in, e.details.Name)
		s := &r.spans[in]
		if in > 0 {
			s.end, s.ended, s.exits, s.revision = e.At.Time, true, true, 2*r.redrives+1
			r.note(in, e)
			r.at[e.ID] = s.parent
			return
		}
	case e.Type == "ExecutionStarted":
		if r.Input == "" {
			r.Input = e.details.Input
		}
		r.spans[0].resources = append(r.spans[0].resources, e.details.Role)
	case e.Type == "ExecutionRedriven":
		in = 0
		r.redrive()
	case strings.HasPrefix(e.Type, "Execution"):
		in = 0
		r.finish(e)
	case strings.HasSuffix(e.Type, "Failed"), strings.HasSuffix(e.Type, "TimedOut"), strings.HasSuffix(e.Type, "Aborted"):
		r.spans[in].failed, r.spans[in].cause = firstOf(e.details.Error, e.Type), e.details.Cause
	case strings.HasSuffix(e.Type, "Scheduled"):
		r.schedule(in, e)
	case strings.HasSuffix(e.Type, "Succeeded") && in > 0: // after retries
		r.spans[in].failed, r.spans[in].cause = "", ""
	}
	r.at[e.ID] = in
	r.note(in, e)
}

// leaving is the span of a state that is left: the one that the flow is in, or
// else the last one of that name that is open.
func (r *replay) leaving(in int, name string) int {
	if in > 0 && r.spans[in].name == name {
		return in
	}
	for i := len(r.spans) - 1; i > 0; i-- {
		if r.spans[i].name == name && !r.spans[i].ended {
			return i
		}
	}
	return 0
}

// note keeps the event as evidence of a span.
func (r *replay) note(i int, e *historyEvent) { r.spans[i].events = append(r.spans[i].events, e.raw) }

// schedule notes what a task calls.
func (r *replay) schedule(in int, e *historyEvent) {
	s := &r.spans[in]
	if strings.HasPrefix(e.details.Resource, "arn:") {
		s.resources = append(s.resources, e.details.Resource)
	} else if e.details.ResourceType != "" {
		s.task = e.details.ResourceType + ":" + e.details.Resource
	}
}

// finish ends the execution, and the states that it was in.
func (r *replay) finish(e *historyEvent) {
	failed := ""
	switch e.Type {
	case "ExecutionFailed":
		failed = firstOf(e.details.Error, "States.Runtime")
	case "ExecutionTimedOut":
		failed = firstOf(e.details.Error, "States.Timeout")
	case "ExecutionAborted":
		failed = firstOf(e.details.Error, "Aborted")
	}
	for i := range r.spans {
		s := &r.spans[i]
		if s.ended {
			continue
		}
		s.end, s.ended, s.revision = e.At.Time, true, 2*r.redrives+1
		if failed != "" && (i == 0 || s.failed == "") {
			s.failed, s.cause = failed, e.details.Cause
		}
	}
	r.Status = strings.ToUpper(strings.TrimPrefix(e.Type, "Execution"))
	if e.Type == "ExecutionTimedOut" {
		r.Status = "TIMED_OUT"
	}
}

// redrive opens again what the execution's end had ended: it goes on where it
// failed.
func (r *replay) redrive() {
	r.redrives++
	r.Status = statusRunning
	for i := range r.spans {
		if s := &r.spans[i]; !s.exits {
			s.ended, s.failed, s.cause, s.revision = false, "", "", 2*r.redrives
		}
	}
}
