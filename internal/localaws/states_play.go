package localaws

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// machineDefinition is as much of the States Language as a saga over DynamoDB
// needs.
type machineDefinition struct {
	StartAt string
	States  map[string]*machineState
}

type machineState struct {
	Type       string
	Next       string
	End        bool
	Seconds    int             // Wait
	Resource   string          // Task: arn:aws:states:::dynamodb:…
	Parameters json.RawMessage // Task, with paths such as $.order
	ResultPath json.RawMessage // Task: null, so that the input stays as it is
	Choices    []machineChoice
	Default    string
	Error      string // Fail
	Cause      string
	Catch      []struct{ Next string } // the first one catches all
}

type machineChoice struct {
	Variable           string
	NumericGreaterThan *float64
	StringEquals       *string
	Next               string
}

// maxTransitions ends a machine that goes round in circles, as its history would.
const maxTransitions = 1000

const taskPrefix = "arn:aws:states:::dynamodb:"

// check refuses what is not played here.
func (d *machineDefinition) check() error {
	bad := func(why string) error {
		return failf("InvalidDefinition", "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: %s'", why)
	}
	if d.States[d.StartAt] == nil {
		return bad("StartAt names no state")
	}
	for name, st := range d.States {
		switch {
		case st == nil:
			return bad("no state " + name)
		case st.Type == "Task" && !strings.HasPrefix(st.Resource, taskPrefix):
			return bad("the stand-in has tasks of DynamoDB only, not " + st.Resource)
		case st.Type == "Task" && string(st.ResultPath) != "null":
			return bad("the stand-in leaves out what tasks answer: give " + name + " a ResultPath of null")
		case st.Type != "Task" && st.Type != "Pass" && st.Type != "Wait" && st.Type != "Choice" && st.Type != "Succeed" && st.Type != "Fail":
			return bad("the stand-in has no states of type " + st.Type)
		}
	}
	return nil
}

// add appends an event, whose number is its place.
func (e *machineRun) add(at time.Time, kind, member string, details answer) {
	event := answer{"id": len(e.events) + 1, "previousEventId": len(e.events), "type": kind, "timestamp": timestamp{at}}
	if member != "" {
		event[member] = details
	}
	e.events, e.times = append(e.events, event), append(e.times, at)
}

// machinePlayer plays one execution from its start to its end.
type machinePlayer struct {
	s         *Server
	c         *call
	execution *machineRun
	machine   *stateMachine
	now       time.Time
}

func (p *machinePlayer) play(ctx context.Context) {
	e := p.execution
	e.add(p.now, "ExecutionStarted", "executionStartedEventDetails", answer{"input": e.input, "roleArn": p.machine.role})
	name := p.machine.definition.StartAt
	for range maxTransitions {
		st := p.machine.definition.States[name]
		if st == nil {
			p.fail("States.Runtime", "there is no state "+name)
			return
		}
		e.add(p.now, st.Type+"StateEntered", "stateEnteredEventDetails", answer{"name": name, "input": e.input})
		if st.Type == "Fail" {
			p.fail(st.Error, st.Cause)
			return
		}
		next, failed := p.state(ctx, st)
		if failed != nil && len(st.Catch) == 0 {
			p.fail(failed.Code, failed.Message)
			return
		}
		if failed != nil {
			next = st.Catch[0].Next
		}
		e.add(p.now, st.Type+"StateExited", "stateExitedEventDetails", answer{"name": name, "output": e.input})
		if failed == nil && (st.End || st.Type == "Succeed") {
			e.add(p.now, "ExecutionSucceeded", "executionSucceededEventDetails", answer{"output": e.input})
			return
		}
		name = next
	}
	p.fail("States.Runtime", "the history is too long")
}

func (p *machinePlayer) fail(code, cause string) {
	p.execution.add(p.now, "ExecutionFailed", "executionFailedEventDetails", answer{"error": code, "cause": cause})
}

// state does what a state does, and says which is next.
func (p *machinePlayer) state(ctx context.Context, st *machineState) (next string, failed *apiError) {
	switch st.Type {
	case "Wait":
		p.now = p.now.Add(time.Duration(st.Seconds) * time.Second)
	case "Choice":
		for _, c := range st.Choices {
			if c.holds(p.execution.input) {
				return c.Next, nil
			}
		}
		return st.Default, nil
	case "Task":
		return st.Next, p.task(ctx, st)
	}
	return st.Next, nil
}

func (c *machineChoice) holds(input string) bool {
	switch v := pathIn(input, c.Variable).(type) {
	case float64:
		return c.NumericGreaterThan != nil && v > *c.NumericGreaterThan
	case string:
		return c.StringEquals != nil && v == *c.StringEquals
	}
	return false
}

// pathIn is what a path such as $.order.id finds.
func pathIn(input, path string) any {
	var v any
	if json.Unmarshal([]byte(input), &v) != nil {
		return nil
	}
	for name := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(path, "$"), "."), ".") {
		if members, ok := v.(map[string]any); ok && name != "" {
			v = members[name]
		}
	}
	return v
}

// task makes a call of DynamoDB, as the machine's role.
func (p *machinePlayer) task(ctx context.Context, st *machineState) *apiError {
	name := strings.TrimPrefix(st.Resource, taskPrefix)
	details := answer{"resourceType": "dynamodb", "resource": name}
	scheduled := answer{"resourceType": "dynamodb", "resource": name, "region": p.c.Region, "parameters": string(st.Parameters)}
	p.execution.add(p.now, "TaskScheduled", "taskScheduledEventDetails", scheduled)
	p.execution.add(p.now, "TaskStarted", "taskStartedEventDetails", details)
	_, role, _ := strings.Cut(p.machine.role, ":role/")
	inner := &call{
		Service: "dynamodb", Operation: strings.ToUpper(name[:1]) + name[1:], Account: p.c.Account, Region: p.c.Region,
		SourceIP: "states.amazonaws.com", UserAgent: "states.amazonaws.com", Trace: p.execution.trace, Time: p.now,
		Identity: p.s.identities.assume(p.c.Account, role, "states", p.now, p.now.Add(time.Hour)), body: p.parameters(st.Parameters),
	}
	inner.RequestID = newRequestID(inner.Service)
	inner.classify()
	_, err := p.s.run(ctx, inner)
	if err != nil {
		failed := asAPIError(err)
		p.s.trail.call(inner, failed)
		failed = &apiError{Code: "DynamoDB." + failed.Code, Message: failed.Message}
		p.execution.add(p.now, "TaskFailed", "taskFailedEventDetails",
			answer{"resourceType": "dynamodb", "resource": name, "error": failed.Code, "cause": failed.Message})
		return failed
	}
	p.s.trail.call(inner, nil)
	p.execution.add(p.now, "TaskSucceeded", "taskSucceededEventDetails", details)
	return nil
}

// parameters are a task's, with the values that its paths find.
func (p *machinePlayer) parameters(template json.RawMessage) []byte {
	var v any
	if json.Unmarshal(template, &v) != nil {
		return nil
	}
	out, err := json.Marshal(p.filled(v))
	if err != nil {
		panic(errors.Join(errors.New("what was read from JSON does not marshal"), err))
	}
	return out
}

func (p *machinePlayer) filled(v any) any {
	members, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for name, v := range members {
		bare, isPath := strings.CutSuffix(name, ".$")
		path, isText := v.(string)
		if isPath && isText {
			out[bare] = pathIn(p.execution.input, path)
		} else {
			out[name] = p.filled(v)
		}
	}
	return out
}
