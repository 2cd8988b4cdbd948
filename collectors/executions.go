package collectors

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"muster/fleet"
)

const (
	// executionsOverlap is re-read before each window: ListExecutions is eventually
	// consistent, by seconds.
	executionsOverlap = time.Minute
	// executionsReach is how long Step Functions keeps an execution after its end.
	executionsReach = 90 * 24 * time.Hour
	// executionsPage is ListExecutions' and GetExecutionHistory's most.
	executionsPage = 1000
	// longExecution is how long before a window an execution may have begun that
	// ended in it. ListExecutions knows no times, only newest first: the first page is
	// looked through whole, and further ones for executions of this length.
	longExecution = 24 * time.Hour
	// freshExecution is for how long a running execution is read by each pass; one
	// that began earlier is read once an hour, by the sweep.
	freshExecution = time.Hour
	// executionCalls is how many executions are read at once.
	executionCalls = 4
)

// executions reads the executions of one STANDARD state machine, with their
// history.
type executions struct {
	source
	client  *sfn.Client
	machine string // its ARN
	named   bool   // and not found by listing
}

func newExecutions(o Options, client *sfn.Client, m *stateMachine) *executions {
	return &executions{source: newSource(o, SourceExecutions, m.name), client: client, machine: m.arn, named: m.named}
}

// Collect yields the spans of every execution that ran in the window.
func (x *executions) Collect(ctx context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		read := x.bounds(w, executionsOverlap, executionsReach)
		out := &output{s: &x.source, yield: yield, window: read}
		if err := x.collect(ctx, w, read, out); err != nil {
			out.end(fmt.Errorf("read executions of %s: %w", x.machine, err))
		}
	}
}

func (x *executions) collect(ctx context.Context, asked, read fleet.Window, out *output) error {
	read, lost := x.kept(asked, read, executionsReach)
	out.window = read
	if !lost.End.IsZero() {
		if err := out.send(retentionPassed(lost, "Step Functions keeps executions for 90 days after their end")); err != nil {
			return err
		}
	}
	var ran []types.ExecutionListItem
	err := x.afresh(ctx, func() (err error) {
		ran, err = x.list(ctx, read)
		return err
	})
	_, gone := errors.AsType[*types.StateMachineDoesNotExist](err)
	_, express := errors.AsType[*types.StateMachineTypeNotSupported](err)
	switch {
	case gone && !x.named:
		return nil // deleted between listing and reading
	case express:
		return out.missing(read, "class", "AWS keeps no history of EXPRESS executions: have "+x.machine+" log to a log group at the level ALL, and read that")
	case err != nil:
		return err
	}
	err = fanOut(ctx, executionCalls, ran, out, func(ctx context.Context, e types.ExecutionListItem, send func(fleet.Batch) error) error {
		rs, err := x.read(ctx, aws.ToString(e.ExecutionArn))
		if _, gone := errors.AsType[*types.ExecutionDoesNotExist](err); gone {
			return nil // it was listed at the end of its 90 days
		}
		if err != nil || len(rs) == 0 {
			return err
		}
		return send(fleet.Batch{Records: rs})
	})
	if err != nil {
		return err
	}
	return out.finish()
}

// list finds the executions that ran in a window, newest first.
func (x *executions) list(ctx context.Context, w fleet.Window) ([]types.ExecutionListItem, error) {
	in := &sfn.ListExecutionsInput{StateMachineArn: &x.machine, MaxResults: executionsPage}
	var ran []types.ExecutionListItem
	var p pager
	for {
		page, err := call(ctx, &x.source, "states:ListExecutions", x.client.ListExecutions, in)
		if err != nil {
			return nil, err
		}
		for i := range page.Executions {
			if ranIn(&page.Executions[i], w) {
				ran = append(ran, page.Executions[i])
			}
		}
		if n := len(page.Executions); n > 0 && aws.ToTime(page.Executions[n-1].StartDate).Before(w.Start.Add(-longExecution)) {
			return ran, nil
		}
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			return ran, err
		}
		in.NextToken = page.NextToken
	}
}

// ranIn reports whether an execution is to be read for a window.
func ranIn(e *types.ExecutionListItem, w fleet.Window) bool {
	start := aws.ToTime(e.StartDate)
	if !start.Before(w.End) {
		return false
	}
	if e.StopDate != nil && e.Status != types.ExecutionStatusRunning {
		return !e.StopDate.Before(w.Start)
	}
	return w.End.Sub(w.Start) >= freshExecution || !start.Before(w.Start.Add(-freshExecution))
}

// read is the spans of one execution.
func (x *executions) read(ctx context.Context, arn string) ([]fleet.Record, error) {
	about, err := x.describe(ctx, arn)
	if err != nil {
		return nil, err
	}
	var events []historyEvent
	err = x.afresh(ctx, func() (err error) {
		events, err = x.history(ctx, arn)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", arn, err)
	}
	return about.records(events, x.origin)
}

// describe asks for what the history leaves out: the trace header and the input,
// of which only the ids are kept. An input that is encrypted with a key that the
// caller may not use is done without.
func (x *executions) describe(ctx context.Context, arn string) (*execution, error) {
	in := &sfn.DescribeExecutionInput{ExecutionArn: &arn}
	d, err := call(ctx, &x.source, "states:DescribeExecution", x.client.DescribeExecution, in)
	_, denied := errors.AsType[*types.KmsAccessDeniedException](err)
	_, disabled := errors.AsType[*types.KmsInvalidStateException](err)
	if denied || disabled {
		in.IncludedData = types.IncludedDataMetadataOnly
		d, err = call(ctx, &x.source, "states:DescribeExecution", x.client.DescribeExecution, in)
	}
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", arn, err)
	}
	return &execution{
		ARN: arn, Machine: aws.ToString(d.StateMachineArn), Name: aws.ToString(d.Name),
		Start: historyTime{aws.ToTime(d.StartDate)}, Input: aws.ToString(d.Input), TraceHeader: aws.ToString(d.TraceHeader),
	}, nil
}

func (x *executions) history(ctx context.Context, arn string) ([]historyEvent, error) {
	in := &sfn.GetExecutionHistoryInput{ExecutionArn: &arn, IncludeExecutionData: aws.Bool(x.ExecutionData), MaxResults: executionsPage}
	var events []historyEvent
	var p pager
	for {
		page, err := call(ctx, &x.source, "states:GetExecutionHistory", x.client.GetExecutionHistory, in)
		if err != nil {
			return nil, err
		}
		for i := range page.Events {
			doc, err := wireDocument(&page.Events[i])
			if err != nil {
				return nil, fmt.Errorf("spell event %d: %w", page.Events[i].Id, err)
			}
			e, err := parseHistoryEvent(doc)
			if err != nil {
				return nil, err
			}
			events = append(events, e)
		}
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			return events, err
		}
		in.NextToken = page.NextToken
	}
}
