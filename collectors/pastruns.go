package collectors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"muster/fleet"
)

// pastRuns gathers the histories of executions that a file holds: an answer of
// GetExecutionHistory, whose events do not name their execution. What
// DescribeExecution says of it may stand before it; else its ARN has to be given.
type pastRuns struct {
	given  string // ARN
	about  *execution
	events []historyEvent
}

// take takes a document, and returns the spans of the execution that is over with
// it.
func (p *pastRuns) take(d document, o origin) ([]fleet.Record, error) {
	if d.shape == shapeExecution {
		rs, err := p.end(o)
		if err != nil {
			return nil, err
		}
		var about execution
		if err := json.Unmarshal(d.body, &about); err != nil {
			return nil, fmt.Errorf("read what is said of an execution: %w", err)
		}
		p.about = &about
		return rs, nil
	}
	e, err := parseHistoryEvent(bytes.Clone(d.body))
	if err != nil {
		return nil, err
	}
	var rs []fleet.Record
	if e.ID == 1 {
		if rs, err = p.end(o); err != nil {
			return nil, err
		}
	}
	p.events = append(p.events, e)
	return rs, nil
}

// end is the spans of the execution whose history was taken, if there was one.
func (p *pastRuns) end(o origin) ([]fleet.Record, error) {
	if len(p.events) == 0 {
		return nil, nil
	}
	about := p.about
	if about == nil {
		about = &execution{ARN: p.given}
	}
	if about.ARN == "" {
		return nil, errors.New("a history of Step Functions does not name its execution: give --execution ARN, or put the answer of describe-execution in front of it")
	}
	rs, err := about.records(p.events, o)
	p.events, p.about = nil, nil
	return rs, err
}
