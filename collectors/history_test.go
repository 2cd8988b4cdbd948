package collectors

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"muster/correlate"
	"muster/fleet"
)

const (
	runARN    = "arn:aws:states:eu-central-1:444455556666:execution:book-courier:3f2b8c1e-1111-4222-8333-0123456789ab-1"
	runHeader = "Root=1-5f187253-000000000000000000000001;Parent=00000000000000aa;Sampled=1"
)

// runStart is when executions of the tests begin.
var runStart = time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)

// historyOf is a history of events, a second apart, in the spelling of AWS's command
// line. An event is "type name|previous|details".
func historyOf(t *testing.T, lines ...string) []historyEvent {
	t.Helper()
	var events []historyEvent
	for i, line := range lines {
		words := strings.Split(line, "|")
		doc := fmt.Sprintf(`{"timestamp":%q,"type":%q,"id":%d,"previousEventId":%s`,
			runStart.Add(time.Duration(i)*time.Second).Format("2006-01-02T15:04:05.000000-07:00"), words[0], i+1, words[1])
		if len(words) > 2 {
			doc += "," + words[2]
		}
		e, err := parseHistoryEvent([]byte(doc + "}"))
		must(t, err)
		events = append(events, e)
	}
	return events
}

func entered(name string) string { return `"stateEnteredEventDetails":{"name":"` + name + `"}` }
func exited(name string) string  { return `"stateExitedEventDetails":{"name":"` + name + `"}` }

// spanLines are what spans say, one a line.
func spanLines(rs []fleet.Record) string {
	names := map[string]string{}
	for i := range rs {
		names[rs[i].Seen.Span] = rs[i].Name
	}
	var b strings.Builder
	for i := range rs {
		r := &rs[i]
		state := fmt.Sprint(r.Duration)
		if r.Attributes.Get(fleet.AttrInProgress) == "true" {
			state = "runs"
		}
		fmt.Fprintf(&b, "%s<%s +%v %s r%d %s\n", r.Name, names[r.Seen.Parent], r.Time.Sub(runStart), state, r.Revision, r.Attributes.Get("exception_type"))
	}
	return b.String()
}

func TestHistoryBecomesSpans(t *testing.T) {
	saga := []string{
		"ExecutionStarted|0|" + `"executionStartedEventDetails":{"roleArn":"arn:aws:iam::444455556666:role/courier"}`,
		"TaskStateEntered|0|" + entered("Book"),
		`TaskScheduled|2|"taskScheduledEventDetails":{"resourceType":"dynamodb","resource":"putItem"}`,
		"TaskSucceeded|3", "TaskStateExited|4|" + exited("Book"),
		"FailStateEntered|5|" + entered("Uninsured"),
		`ExecutionFailed|6|"executionFailedEventDetails":{"error":"Uninsured","cause":"worth too much"}`,
	}
	for name, c := range map[string]struct {
		events []string
		want   string
	}{
		"failed": {saga, "book-courier< +0s 6s r1 Uninsured\nBook<book-courier +1s 3s r1 \nUninsured<book-courier +5s 1s r1 Uninsured\n"},
		"runs":   {saga[:4], "book-courier< +0s runs r0 \nBook<book-courier +1s runs r0 \n"},
		"redriven, and succeeded": {
			append(append([]string{}, saga...), "ExecutionRedriven|7", "FailStateEntered|8|"+entered("Uninsured"), "ExecutionSucceeded|9"),
			"book-courier< +0s 9s r3 \nBook<book-courier +1s 3s r1 \nUninsured<book-courier +5s 4s r3 \nUninsured<book-courier +8s 1s r3 \n",
		},
		"in parallel": {[]string{
			"ExecutionStarted|0", "ParallelStateEntered|1|" + entered("Both"), "ParallelStateStarted|2",
			"TaskStateEntered|3|" + entered("A"), "TaskStateEntered|3|" + entered("B"),
			`LambdaFunctionFailed|5|"lambdaFunctionFailedEventDetails":{"error":"Boom","cause":"b"}`,
			"TaskStateExited|4|" + exited("A"), "TaskStateExited|6|" + exited("B"),
			"ParallelStateSucceeded|8", "ParallelStateExited|9|" + exited("Both"), "ExecutionSucceeded|10",
		}, "book-courier< +0s 10s r1 \nBoth<book-courier +1s 8s r1 \nA<Both +3s 3s r1 \nB<Both +4s 3s r1 Boom\n"},
		"without the numbers of what came before": {[]string{
			"ExecutionStarted|0", "PassStateEntered|0|" + entered("One"), "PassStateExited|0|" + exited("One"),
			"PassStateEntered|0|" + entered("Two"), "PassStateExited|0|" + exited("Two"), "ExecutionSucceeded|0",
		}, "book-courier< +0s 5s r1 \nOne<book-courier +1s 1s r1 \nTwo<book-courier +3s 1s r1 \n"},
	} {
		t.Run(name, func(t *testing.T) {
			x := execution{ARN: runARN, TraceHeader: runHeader, Input: `{"order":"7","correlation_id":"journey-7","token":"x"}`}
			rs, err := x.records(historyOf(t, c.events...), origin{})
			must(t, err)
			if got := spanLines(rs); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

// TestExecutionJoinsItsJourney: by the header it was started with, by its input,
// and by the call that started it; one that was given nothing has a trace of its own.
func TestExecutionJoinsItsJourney(t *testing.T) {
	events := historyOf(t, "ExecutionStarted|0", "ExecutionSucceeded|1")
	records := func(x execution) []fleet.Record {
		rs, err := x.records(events, origin{})
		must(t, err)
		return rs
	}
	traced := records(execution{ARN: runARN, TraceHeader: runHeader, Input: `{"correlationId":"journey-7"}`})[0]
	if k := traced.Seen; k.Trace != "5f187253000000000000000000000001" || k.Parent != "00000000000000aa" || k.Correlation != "journey-7" {
		t.Errorf("of a header: %+v", k)
	}
	if traced.Account != "444455556666" || traced.Region != "eu-central-1" || traced.Resources[0] != "AWS::StepFunctions::StateMachine/book-courier" {
		t.Errorf("got %+v", traced)
	}
	event := records(execution{ARN: runARN, Input: `{"id":"c0ffee00-1111-4222-8333-0123456789ab","detail-type":"order_placed","detail":{}}`})[0]
	if got := strings.Join(event.Seen.Messages, " "); got != runARN+" 3f2b8c1e-1111-4222-8333-0123456789ab c0ffee00-1111-4222-8333-0123456789ab" {
		t.Errorf("messages: %s", got)
	}
	// The call that started it has no trace of its own where nobody traced the caller.
	alone := records(execution{ARN: runARN})
	call := parseTrailEvent([]byte(`{"eventVersion":"1.08","eventID":"e1","eventTime":"2026-11-26T09:59:59Z","eventSource":"states.amazonaws.com","eventName":"StartExecution",
		"requestID":"r-1","requestParameters":{"stateMachineArn":"arn:aws:states:eu-central-1:444455556666:stateMachine:book-courier"},"responseElements":{"executionArn":"`+runARN+`"}}`), origin{})
	all := slices.Concat(alone, []fleet.Record{call})
	correlate.Resolve(all)
	if got := all[1].Keys; got.Trace != traceOfExecution(runARN) || got.TraceLink.Via != fleet.RungMessage {
		t.Errorf("the call that started it: %+v", got)
	}
}

// TestHistoryOfTheAPIIsTheOneInFiles: both give the same spans and evidence.
func TestHistoryOfTheAPIIsTheOneInFiles(t *testing.T) {
	api := []types.HistoryEvent{
		{Id: 1, Type: types.HistoryEventTypeExecutionStarted, Timestamp: &runStart, ExecutionStartedEventDetails: &types.ExecutionStartedEventDetails{RoleArn: aws.String("arn:aws:iam::1:role/r")}},
		{Id: 2, PreviousEventId: 1, Type: types.HistoryEventTypeWaitStateEntered, Timestamp: &runStart, StateEnteredEventDetails: &types.StateEnteredEventDetails{Name: aws.String("Pause"), InputDetails: &types.HistoryEventExecutionDataDetails{}}},
	}
	var events []historyEvent
	for i := range api {
		doc, err := wireDocument(&api[i])
		must(t, err)
		e, err := parseHistoryEvent(doc)
		must(t, err)
		events = append(events, e)
	}
	if s := string(events[1].raw); !json.Valid(events[1].raw) || !strings.Contains(s, `"stateEnteredEventDetails":{"inputDetails":{},"name":"Pause"}`) || !strings.Contains(s, `"previousEventId":1`) {
		t.Errorf("got %s", s)
	}
	x := execution{ARN: runARN}
	rs, err := x.records(events, origin{})
	must(t, err)
	if got := spanLines(rs); got != "book-courier< +0s runs r0 \nPause<book-courier +0s runs r0 \n" || rs[0].Principal != "arn:aws:iam::1:role/r" {
		t.Errorf("got %s by %s", got, rs[0].Principal)
	}
}

func TestSavedHistoryIsImported(t *testing.T) {
	const history = `{"events":[
		{"timestamp":"2026-11-26T10:00:00.000000+00:00","type":"ExecutionStarted","id":1,"previousEventId":0,"executionStartedEventDetails":{"input":"{\"correlation_id\":\"j\"}","roleArn":"r"}},
		{"timestamp":1795687201.5,"type":"ExecutionAborted","id":2,"previousEventId":0,"executionAbortedEventDetails":{}}]}`
	about := `{"executionArn":"` + runARN + `","stateMachineArn":"m","name":"n","status":"ABORTED","startDate":"2026-11-26T10:00:00+00:00","traceHeader":"` + runHeader + `"}`
	read := func(text string, o FileOptions) ([]fleet.Record, error) {
		path := filepath.Join(t.TempDir(), "history.json")
		must(t, os.WriteFile(path, []byte(text), 0o600))
		var rs []fleet.Record
		for b, err := range ReadFile(t.Context(), path, o) {
			if err != nil {
				return rs, err
			}
			rs = append(rs, b.Records...)
		}
		return rs, nil
	}
	given, err := read(history, FileOptions{Execution: runARN})
	must(t, err)
	both, err := read(about+"\n"+history+"\n"+strings.ReplaceAll(about, "-1\"", "-2\"")+history, FileOptions{})
	must(t, err)
	if len(given) != 1 || len(both) != 2 || given[0].Seen.Correlation != "j" || both[0].Seen.Trace == given[0].Seen.Trace || both[0].Seen.Span == both[1].Seen.Span {
		t.Fatalf("got %+v and %+v", given, both)
	}
	if given[0].Error != "fault" || given[0].Attributes.Get("status") != "ABORTED" {
		t.Errorf("got %+v", given[0])
	}
	rs, err := read(history, FileOptions{})
	var at *FileError
	if len(rs) != 0 || !errors.As(err, &at) || !strings.Contains(err.Error(), "--execution ARN") {
		t.Errorf("without its execution: %d records, %v", len(rs), err)
	}
	if rs, err = read(strings.Replace(history, `"id":2`, `"id":0`, 1), FileOptions{Execution: runARN}); len(rs) != 0 || err == nil {
		t.Errorf("with a broken event: %d records, %v", len(rs), err)
	}
}

// TestLinesOfExecutionsAreRecognised: those of an EXPRESS machine are its only
// history.
func TestLinesOfExecutionsAreRecognised(t *testing.T) {
	const arn = "arn:aws:states:us-east-1:111122223333:express:pay:name-1:5e8f0d3c-0000-4000-8000-000000000000"
	line := func(id, kind, details string) fleet.Record {
		e := logEvent{EventID: id, Group: "/aws/vendedlogs/states/pay-Logs", Timestamp: runStart.UnixMilli(), Message: `{"id":"` + id + `","type":"` + kind +
			`","details":` + details + `,"redrive_count":"0","previous_event_id":"0","event_timestamp":"1764151200000","execution_arn":"` + arn + `"}`}
		return e.record(origin{"111122223333", "us-east-1"})
	}
	first := line("1", "ExecutionStarted", `{"input":"{\"correlation_id\":\"journey-1\",\"trace_id\":\"1-5f187253-000000000000000000000001\"}","roleArn":"r"}`)
	step := line("2", "TaskStateEntered", `{"input":"{\"requestId\":\"abc\"}","name":"Charge"}`)
	last := line("3", "ExecutionFailed", `{"error":"Refused","cause":"no money"}`)
	if first.Service != "pay" || first.Attributes.Get("saga") != "pay" || first.Attributes.Get("saga_id") != "name-1:5e8f0d3c-0000-4000-8000-000000000000" || first.Message != "ExecutionStarted" {
		t.Errorf("got %+v", first)
	}
	if first.Seen.Correlation != "journey-1" || first.Seen.Messages[0] != arn || first.Seen.Trace != traceOfExecution(arn) {
		t.Errorf("keys %+v", first.Seen)
	}
	if step.Seen.Trace != first.Seen.Trace || step.Seen.Request != "" || step.Attributes.Get("saga_step") != "Charge" || step.Message != "TaskStateEntered: Charge" {
		t.Errorf("got %+v", step)
	}
	if last.Error != "fault" || last.Name != "ERROR" || last.Message != "ExecutionFailed: Refused: no money" {
		t.Errorf("got %+v", last)
	}
}

func FuzzHistory(f *testing.F) {
	f.Add([]byte(`{"timestamp":1795687201.5,"type":"TaskStateEntered","id":2,"previousEventId":1,"stateEnteredEventDetails":{"name":"a","input":"{}"}}`), `{"id":"x","detail-type":"y"}`)
	f.Fuzz(func(t *testing.T, doc []byte, input string) {
		e, err := parseHistoryEvent(doc)
		if err != nil {
			return
		}
		x := execution{ARN: runARN, Input: input}
		rs, err := x.records([]historyEvent{e, e}, origin{})
		if err != nil || len(rs) == 0 || !json.Valid(rs[0].Raw) {
			t.Errorf("%d spans of %q: %v", len(rs), doc, err)
		}
	})
}
