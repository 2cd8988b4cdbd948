package localaws

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxMachines and maxMachineRuns are the stand-in's own: the oldest execution goes
// first.
const (
	maxMachines    = 100
	maxMachineRuns = 10_000
	maxStatesPage  = 1000
)

// stateMachines is Step Functions of one place. An execution is played when it is
// started; what it waits for lies in the future, and is seen when it is due. Safe
// for concurrent use.
type stateMachines struct {
	s *Server

	mu    sync.Mutex
	all   map[string]*stateMachine // by ARN
	runs  map[string]*machineRun   // by ARN
	order []*machineRun            // oldest first
}

type stateMachine struct {
	name, arn, kind, role string
	definition            machineDefinition
	created               time.Time
}

// machineRun is an execution of a state machine; its events may lie in the future.
type machineRun struct {
	arn, name, machine string
	input, trace       string
	events             []answer
	times              []time.Time // of the events
}

func newStateMachines(s *Server) *stateMachines {
	return &stateMachines{s: s, all: map[string]*stateMachine{}, runs: map[string]*machineRun{}}
}

func (m *stateMachines) operations() map[string]operation {
	return map[string]operation{
		"CreateStateMachine":  typed(locked(&m.mu, m.create)),
		"ListStateMachines":   typed(locked(&m.mu, m.list)),
		"StartExecution":      m.startExecution,
		"StopExecution":       typed(locked(&m.mu, m.stop)),
		"ListExecutions":      typed(locked(&m.mu, m.executions)),
		"DescribeExecution":   typed(locked(&m.mu, m.describe)),
		"GetExecutionHistory": typed(locked(&m.mu, m.history)),
	}
}

type createMachineInput struct {
	Name       string `json:"name"`
	Definition string `json:"definition"`
	Role       string `json:"roleArn"`
	Type       string `json:"type"`
}

func (m *stateMachines) create(c *call, in createMachineInput) (answer, error) {
	if !statesName.allows(in.Name) {
		return nil, failf("InvalidName", "Invalid Name: '%s'", in.Name)
	}
	st := &stateMachine{name: in.Name, arn: c.arn("stateMachine:" + in.Name), kind: cmp.Or(in.Type, "STANDARD"), role: in.Role, created: c.Time}
	if err := json.Unmarshal([]byte(in.Definition), &st.definition); err != nil {
		return nil, failf("InvalidDefinition", "Invalid State Machine Definition: 'INVALID_JSON_DESCRIPTION: %v'", err)
	}
	if err := st.definition.check(); err != nil {
		return nil, err
	}
	if old := m.all[st.arn]; old != nil {
		st = old // it may be created again, as it is
	} else if len(m.all) >= maxMachines {
		return nil, failf("StateMachineLimitExceeded", "You have reached the maximum number of state machines.")
	}
	m.all[st.arn] = st
	out := answer{"stateMachineArn": st.arn, "creationDate": timestamp{st.created}}
	c.record(nil, out)
	m.s.config.changed(c, resource{"AWS::StepFunctions::StateMachine", st.arn, st.name, st.arn}, answer{"name": st.name, "roleArn": st.role, "type": st.kind})
	return out, nil
}

type statesPage struct {
	Max   int    `json:"maxResults"`
	Token string `json:"nextToken"`
}

// cut is the page of all that a request asks for.
func (in *statesPage) cut(m *stateMachines, c *call, all []answer, member string, of ...any) (answer, error) {
	p, err := m.s.newPager(c, in.Token, of...)
	if err != nil {
		return nil, failf("InvalidToken", "Invalid Token: 'Invalid token'")
	}
	items, next := page(p, all, min(cmp.Or(in.Max, 100), maxStatesPage))
	out := answer{member: items}
	if next != "" {
		out["nextToken"] = next
	}
	return out, nil
}

func (m *stateMachines) list(c *call, in statesPage) (answer, error) {
	found := []answer{}
	for _, st := range m.all {
		found = append(found, answer{"stateMachineArn": st.arn, "name": st.name, "type": st.kind, "creationDate": timestamp{st.created}})
	}
	slices.SortFunc(found, func(a, b answer) int { return cmp.Compare(a["name"].(string), b["name"].(string)) })
	return in.cut(m, c, found, "stateMachines")
}

type startExecutionInput struct {
	Machine string `json:"stateMachineArn"`
	Name    string `json:"name"`
	Input   string `json:"input"`
	Trace   string `json:"traceHeader"`
}

// startExecution plays the execution. It is not locked while it calls others.
func (m *stateMachines) startExecution(ctx context.Context, c *call) (any, error) {
	var in startExecutionInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	m.mu.Lock()
	st := m.all[in.Machine]
	m.mu.Unlock()
	if st == nil {
		return nil, failf("StateMachineDoesNotExist", "State Machine Does Not Exist: '%s'", in.Machine)
	}
	c.touch("AWS::StepFunctions::StateMachine", st.arn)
	in.Name, in.Input = cmp.Or(in.Name, newUUID()), cmp.Or(in.Input, "{}")
	if !statesName.allows(in.Name) {
		return nil, failf("InvalidName", "Invalid Name: '%s'", in.Name)
	}
	if !json.Valid([]byte(in.Input)) {
		return nil, failf("InvalidExecutionInput", "Invalid State Machine Execution Input: 'it is no JSON'")
	}
	kind := "execution"
	if st.kind == "EXPRESS" {
		kind, in.Name = "express", in.Name+":"+newUUID()
	}
	e := &machineRun{
		arn: c.arn(kind + ":" + st.name + ":" + in.Name), name: in.Name, machine: st.arn, input: in.Input, trace: cmp.Or(in.Trace, c.Trace),
	}
	m.mu.Lock()
	known := m.runs[e.arn]
	m.mu.Unlock()
	if known != nil {
		return nil, failf("ExecutionAlreadyExists", "Execution Already Exists: '%s'", e.arn)
	}
	player := machinePlayer{s: m.s, c: c, execution: e, machine: st, now: c.Time}
	player.play(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.order) >= maxMachineRuns {
		delete(m.runs, m.order[0].arn)
		m.order = m.order[1:]
	}
	m.runs[e.arn], m.order = e, append(m.order, e)
	out := answer{"executionArn": e.arn, "startDate": timestamp{c.Time}}
	c.record(nil, out)
	return out, nil
}

type executionInput struct {
	statesPage
	ARN         string `json:"executionArn"`
	Machine     string `json:"stateMachineArn"`
	Status      string `json:"statusFilter"`
	Reverse     bool   `json:"reverseOrder"`
	IncludeData *bool  `json:"includeExecutionData"`
	Error       string `json:"error"`
	Cause       string `json:"cause"`
}

// find is an execution that has a history. The caller holds mu.
func (m *stateMachines) find(arn string) (*machineRun, error) {
	e := m.runs[arn]
	if e == nil || strings.Contains(arn, ":express:") {
		return nil, failf("ExecutionDoesNotExist", "Execution Does Not Exist: '%s'", arn)
	}
	return e, nil
}

// seen is how many of an execution's events have happened, and its status.
func (e *machineRun) seen(now time.Time) (n int, status string) {
	n, _ = slices.BinarySearchFunc(e.times, now, func(at, now time.Time) int {
		if at.After(now) {
			return 1
		}
		return -1
	})
	status = "RUNNING"
	if kind, ended := strings.CutPrefix(e.events[n-1]["type"].(string), "Execution"); ended && kind != "Started" {
		status = strings.ToUpper(kind)
	}
	return n, status
}

func (m *stateMachines) stop(c *call, in executionInput) (answer, error) {
	e, err := m.find(in.ARN)
	if err != nil {
		return nil, err
	}
	n, status := e.seen(c.Time)
	if status != "RUNNING" {
		return nil, failf("ValidationException", "The execution is not running.")
	}
	e.events, e.times = e.events[:n], e.times[:n]
	e.add(c.Time, "ExecutionAborted", "executionAbortedEventDetails", answer{"error": in.Error, "cause": in.Cause})
	return answer{"stopDate": timestamp{c.Time}}, nil
}

func (e *machineRun) about(now time.Time) answer {
	n, status := e.seen(now)
	out := answer{"executionArn": e.arn, "stateMachineArn": e.machine, "name": e.name, "status": status, "startDate": timestamp{e.times[0]}}
	if status != "RUNNING" {
		out["stopDate"] = timestamp{e.times[n-1]}
	}
	return out
}

func (m *stateMachines) executions(c *call, in executionInput) (answer, error) {
	st := m.all[in.Machine]
	switch {
	case st == nil:
		return nil, failf("StateMachineDoesNotExist", "State Machine Does Not Exist: '%s'", in.Machine)
	case st.kind == "EXPRESS":
		return nil, failf("StateMachineTypeNotSupported", "This operation is not supported by this type of state machine")
	}
	found := []answer{}
	for _, e := range slices.Backward(m.order) {
		if about := e.about(c.Time); e.machine == st.arn && (in.Status == "" || in.Status == about["status"]) {
			found = append(found, about)
		}
	}
	return in.cut(m, c, found, "executions", in.Machine, in.Status)
}

func (m *stateMachines) describe(c *call, in executionInput) (answer, error) {
	e, err := m.find(in.ARN)
	if err != nil {
		return nil, err
	}
	out := e.about(c.Time)
	out["input"], out["inputDetails"] = e.input, answer{"included": true}
	if e.trace != "" {
		out["traceHeader"] = e.trace
	}
	return out, nil
}

func (m *stateMachines) history(c *call, in executionInput) (answer, error) {
	e, err := m.find(in.ARN)
	if err != nil {
		return nil, err
	}
	n, _ := e.seen(c.Time)
	events := slices.Clone(e.events[:n])
	if in.IncludeData != nil && !*in.IncludeData {
		for i := range events {
			events[i] = withoutData(events[i])
		}
	}
	if in.Reverse {
		slices.Reverse(events)
	}
	return in.cut(m, c, events, "events", in.ARN, in.Reverse)
}

// withoutData is an event without inputs, outputs and parameters.
func withoutData(event answer) answer {
	out := answer{}
	for name, v := range event {
		if details, ok := v.(answer); ok {
			bare := answer{}
			for k, d := range details {
				switch k {
				case "input", "output":
				case "parameters": // which AWS's model requires
					bare[k] = "{}"
				default:
					bare[k] = d
				}
			}
			v = bare
		}
		out[name] = v
	}
	return out
}
