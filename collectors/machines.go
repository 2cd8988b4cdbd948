package collectors

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"muster/fleet"
)

// MachineChoice says which state machines of Step Functions are read: those that
// are named, and of the listed ones those that a pattern finds, without those that
// are excluded. With neither names nor patterns all are.
type MachineChoice struct {
	Names    []string // exact, or ARNs
	Patterns []string // with * for any characters and ? for one
	Exclude  []string // patterns, too
}

// stateMachine is one that is read.
type stateMachine struct {
	name, arn string
	express   bool
	named     bool
}

func (m *MachineChoice) check() error {
	if slices.Contains(m.Names, "") || slices.Contains(m.Patterns, "") || slices.Contains(m.Exclude, "") {
		return errors.New("an empty name or pattern of state machines: leave it out to read all")
	}
	return nil
}

// lists reports whether AWS has to be asked which state machines there are.
func (m *MachineChoice) lists() bool { return len(m.Names) == 0 || len(m.Patterns) > 0 }

// machineARN is the ARN of a state machine by its name.
func (o *Options) machineARN(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return fmt.Sprintf("arn:%s:states:%s:%s:stateMachine:%s", o.partition(), o.anyRegion(), orAny(o.Account), name)
}

// machines lists the state machines that are chosen, by name.
func machines(ctx context.Context, s *source, client *sfn.Client) ([]stateMachine, error) {
	var all []stateMachine
	for _, name := range s.Machines.Names {
		arn := s.machineARN(name)
		all = append(all, stateMachine{name: arn[strings.LastIndexByte(arn, ':')+1:], arn: arn, named: true})
	}
	if s.Machines.lists() {
		err := s.afresh(ctx, func() error {
			return s.listMachines(ctx, client, func(m *types.StateMachineListItem) {
				name := aws.ToString(m.Name)
				if len(s.Machines.Patterns) == 0 || matchesAny(s.Machines.Patterns, name) {
					all = append(all, stateMachine{name: name, arn: aws.ToString(m.StateMachineArn), express: m.Type == types.StateMachineTypeExpress})
				}
			})
		})
		if err != nil {
			return nil, err
		}
	}
	all = slices.DeleteFunc(all, func(m stateMachine) bool { return matchesAny(s.Machines.Exclude, m.name) })
	slices.SortStableFunc(all, func(a, b stateMachine) int { return cmp.Compare(a.arn, b.arn) })
	return slices.CompactFunc(all, func(a, b stateMachine) bool { return a.arn == b.arn }), nil
}

func (s *source) listMachines(ctx context.Context, client *sfn.Client, each func(*types.StateMachineListItem)) error {
	in := &sfn.ListStateMachinesInput{MaxResults: executionsPage}
	var p pager
	for {
		page, err := call(ctx, s, "states:ListStateMachines", client.ListStateMachines, in)
		if err != nil {
			return fmt.Errorf("list state machines: %w", err)
		}
		for i := range page.StateMachines {
			each(&page.StateMachines[i])
		}
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			return err
		}
		in.NextToken = page.NextToken
	}
}

// discoverExecutions finds the STANDARD machines. AWS keeps nothing of EXPRESS
// ones: they are in their log groups.
func discoverExecutions(ctx context.Context, o Options) ([]fleet.Collector, error) {
	client := sfn.NewFromConfig(o.AWS)
	s := newSource(o, SourceExecutions, "")
	all, err := machines(ctx, &s, client)
	if err != nil {
		return nil, err
	}
	var cs []fleet.Collector
	for i := range all {
		if !all[i].express {
			cs = append(cs, newExecutions(o, client, &all[i]))
		}
	}
	return cs, nil
}

const forExecutions = "the steps of sagas that Step Functions runs, and whether they were taken back"

// executions looks at the state machines, and reads one execution.
func (d *doctor) executions(ctx context.Context) {
	client := sfn.NewFromConfig(d.AWS)
	all, err := machines(ctx, &d.source, client)
	if (err != nil || d.Machines.lists()) && !d.asked("states:ListStateMachines", forExecutions, err) {
		return
	}
	express, standard := 0, 0
	for i := range all {
		if all[i].express {
			express++
			continue
		}
		if standard++; standard == 1 {
			d.execution(ctx, newExecutions(d.Options, client, &all[i]))
		}
	}
	if express > 0 {
		d.ok("executions", "%d of %d state machines are EXPRESS: their executions are in the log groups that they log to, at the level ALL", express, len(all))
	}
	if standard > 0 {
		d.ok("executions", "%d state machines, whose executions are kept for 90 days after their end", standard)
	} else if express == 0 {
		d.ok("executions", "there are no state machines to read")
	}
}

// execution tries what reading one takes. Without any there is nothing to try.
func (d *doctor) execution(ctx context.Context, x *executions) {
	page, err := call(ctx, &d.source, "states:ListExecutions", x.client.ListExecutions, &sfn.ListExecutionsInput{StateMachineArn: &x.machine, MaxResults: 1})
	if !d.asked("states:ListExecutions", forExecutions, err) || len(page.Executions) == 0 {
		return
	}
	arn := aws.ToString(page.Executions[0].ExecutionArn)
	_, err = x.describe(ctx, arn)
	d.asked("states:DescribeExecution", forExecutions, err)
	_, err = call(ctx, &d.source, "states:GetExecutionHistory", x.client.GetExecutionHistory, &sfn.GetExecutionHistoryInput{ExecutionArn: &arn, MaxResults: 1})
	d.asked("states:GetExecutionHistory", forExecutions, err)
}

// executions counts those of the window on the first pages of each machine's.
func (e *estimator) executions(ctx context.Context) (Estimate, error) {
	one := Estimate{}
	client := sfn.NewFromConfig(e.AWS)
	all, err := machines(ctx, &e.source, client)
	if err != nil {
		return one, err
	}
	found, lists := 0, int64(1) // of the machines
	for i := range all {
		if all[i].express {
			continue
		}
		one.Streams++
		x := newExecutions(e.Options, client, &all[i])
		in := &sfn.ListExecutionsInput{StateMachineArn: &x.machine, MaxResults: executionsPage}
		page, err := call(ctx, &e.source, "states:ListExecutions", client.ListExecutions, in)
		if err != nil {
			return one, err
		}
		n, pages := x.count(page, e.window)
		found += n
		lists += pages
	}
	one.Calls = lists + 2*int64(found)
	one.Basis = fmt.Sprintf("%d executions of %d state machines, by the rate of the newest thousand of each; two calls for each", found, one.Streams)
	return e.timed(one, "states:DescribeExecution"), nil
}

// count says how many executions a window has, and on how many pages, by the
// newest page.
func (x *executions) count(page *sfn.ListExecutionsOutput, w fleet.Window) (found int, pages int64) {
	for i := range page.Executions {
		if ranIn(&page.Executions[i], w) {
			found++
		}
	}
	if n := len(page.Executions); page.NextToken != nil && n > 0 {
		took := aws.ToTime(page.Executions[0].StartDate).Sub(aws.ToTime(page.Executions[n-1].StartDate))
		perSecond := float64(n) / max(took, time.Second).Seconds()
		found = max(found, int(perSecond*w.End.Sub(w.Start).Seconds()))
		back := x.Now().Sub(w.Start) + longExecution
		return found, max(1, int64(perSecond*back.Seconds()/executionsPage))
	}
	return found, 1
}

// wireDocument is a structure of the SDK as JSON in the spelling of AWS's own
// answers, in which the names of members begin in lower case. Times are RFC 3339.
func wireDocument(v any) (json.RawMessage, error) { return json.Marshal(wireValue(reflect.ValueOf(v))) }

func wireValue(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if at, ok := reflect.TypeAssert[*time.Time](v); ok {
			return at.UTC()
		}
		return wireValue(v.Elem())
	case reflect.Struct:
		members := map[string]any{}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && !v.Field(i).IsZero() {
				first, size := utf8.DecodeRuneInString(f.Name)
				members[string(unicode.ToLower(first))+f.Name[size:]] = wireValue(v.Field(i))
			}
		}
		return members
	default:
		return v.Interface()
	}
}
