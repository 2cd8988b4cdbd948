package collectors

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"muster/fleet"
	"muster/internal/localaws"
)

// bookCourier is a saga: what is dear is released again, what is cheap rests for
// an hour.
const bookCourier = `{"StartAt": "Book", "States": {
	"Book": {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:putItem", "ResultPath": null, "Next": "Insure",
		"Parameters": {"TableName": "couriers", "Item": {"order": {"S.$": "$.order"}}}},
	"Insure": {"Type": "Choice", "Choices": [{"Variable": "$.cents", "NumericGreaterThan": 400, "Next": "Release"}], "Default": "Rest"},
	"Rest": {"Type": "Wait", "Seconds": 3600, "End": true},
	"Release": {"Type": "Pass", "Next": "Uninsured"},
	"Uninsured": {"Type": "Fail", "Error": "Uninsured", "Cause": "worth too much"}}}`

// couriers makes the state machine and starts an execution of each kind.
func couriers(t *testing.T, cfg aws.Config) (client *sfn.Client, machine string) {
	t.Helper()
	_, err := dynamodb.NewFromConfig(cfg).CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String("couriers"), BillingMode: dynamotypes.BillingModePayPerRequest,
		KeySchema:            []dynamotypes.KeySchemaElement{{AttributeName: aws.String("order"), KeyType: dynamotypes.KeyTypeHash}},
		AttributeDefinitions: []dynamotypes.AttributeDefinition{{AttributeName: aws.String("order"), AttributeType: dynamotypes.ScalarAttributeTypeS}},
	})
	must(t, err)
	client = sfn.NewFromConfig(cfg)
	create := func(name string, kind sfntypes.StateMachineType) string {
		made, err := client.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
			Name: &name, Definition: aws.String(bookCourier), Type: kind, RoleArn: aws.String("arn:aws:iam::" + testAccount + ":role/muster-couriers"),
		})
		must(t, err)
		return *made.StateMachineArn
	}
	machine = create("book-courier", sfntypes.StateMachineTypeStandard)
	_ = create("fast", sfntypes.StateMachineTypeExpress)
	_ = create("scratch-1", sfntypes.StateMachineTypeStandard)
	begin(t, client, machine, "dear", 500)
	begin(t, client, machine, "cheap", 5)
	return client, machine
}

func begin(t *testing.T, client *sfn.Client, machine, name string, cents int) {
	t.Helper()
	_, err := client.StartExecution(t.Context(), &sfn.StartExecutionInput{
		StateMachineArn: &machine, Name: &name, Input: aws.String(fmt.Sprintf(`{"order":%q,"cents":%d,"correlation_id":"journey-%s","password":"pw-of-%[1]s"}`, name, cents, name)),
	})
	must(t, err)
}

// onlyExecutions discovers the executions.
func onlyExecutions(t *testing.T, o Options) []fleet.Collector {
	t.Helper()
	o.Sources = []string{SourceExecutions}
	cs, err := Discover(t.Context(), o)
	must(t, err)
	return cs
}

func TestExecutionsAreCollectedAndRevised(t *testing.T) {
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	_, cfg := standIn(t, localaws.Options{Now: now, Seed: 3, Trouble: localaws.Trouble{Throttle: 0.1, EmptyPage: 0.3, ExpiredPage: 0.2, Repeat: 0.2}})
	client, machine := couriers(t, cfg)
	o := Options{AWS: cfg, Now: now, Machines: MachineChoice{Exclude: []string{"scratch-*"}}}
	cs := onlyExecutions(t, o)
	if len(cs) != 1 || cs[0].Stream() != "executions/111122223333/us-east-1/book-courier" {
		t.Fatalf("%d streams", len(cs))
	}
	first := collect(t.Context(), cs[0], fleet.Window{Start: now().Add(-time.Minute)})
	must(t, first.err)
	if got, want := executionNames(first.records), "Book/cheap Book/dear Insure/cheap Insure/dear Release/dear Rest/cheap+ Uninsured/dear! book-courier/cheap+ book-courier/dear!"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if last := first.ledger[len(first.ledger)-1]; last.Coverage != fleet.Complete || last.Records != 9 {
		t.Errorf("ledger %+v", first.ledger)
	}
	for _, r := range first.records {
		if strings.Contains(string(r.Raw), "pw-of") || !strings.HasPrefix(r.Seen.Correlation, "journey-") {
			t.Errorf("%s: %+v %s", r.Name, r.Seen, r.Raw)
		}
	}
	ahead.Add(int64(2 * time.Hour)) // the wait is over, and more was begun meanwhile
	begin(t, client, machine, "dear-2", 500)
	again := collect(t.Context(), cs[0], fleet.Window{Start: now().Add(-90 * time.Minute)})
	must(t, again.err)
	if got, want := executionNames(again.records), "Book/cheap Book/dear-2 Insure/cheap Insure/dear-2 Release/dear-2 Rest/cheap Uninsured/dear-2! book-courier/cheap book-courier/dear-2!"; got != want {
		t.Errorf("later: got  %s\nwant %s", got, want)
	}
	before := map[string]int{}
	for _, r := range first.records {
		before[r.ID] = r.Revision
	}
	for _, r := range again.records {
		running := strings.HasPrefix(r.Name, "Rest") || r.Name == "book-courier"
		if was, known := before[r.ID]; known && (r.Revision > was) != running || !known && r.Attributes.Get("saga_id") == "cheap" {
			t.Errorf("%s of %s: revision %d after %d", r.Name, r.Attributes.Get("saga_id"), r.Revision, was)
		}
	}
	// A short look at an hour later leaves what runs for long to the sweep.
	begin(t, client, machine, "cheap-2", 5)
	ahead.Add(int64(50 * time.Minute))
	if late := collect(t.Context(), cs[0], fleet.Window{Start: now().Add(-30 * time.Second)}); executionNames(late.records) == "" {
		t.Error("what began within the hour is not read")
	}
	withData := o
	withData.ExecutionData = true
	kept := collect(t.Context(), onlyExecutions(t, withData)[0], fleet.Window{Start: now().Add(-3 * time.Hour)})
	if raw := string(kept.records[0].Raw); !strings.Contains(raw, `cents`) || strings.Contains(raw, "pw-of") {
		t.Errorf("with data: %s", raw)
	}
}

// executionNames are the spans as state/execution, with ! for an error and + for
// what runs, each once.
func executionNames(rs []fleet.Record) string {
	var names []string
	for _, r := range rs {
		name := r.Name + "/" + r.Attributes.Get("saga_id")
		if r.Error != "" {
			name += "!"
		}
		if r.Attributes.Get(fleet.AttrInProgress) == "true" {
			name += "+"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " ")
}

func TestExecutionsSayWhatCannotBeRead(t *testing.T) {
	_, cfg := standIn(t, localaws.Options{Deny: []string{"states:GetExecutionHistory"}})
	couriers(t, cfg)
	w := fleet.Window{Start: time.Now().Add(-time.Minute)}
	denied := collect(t.Context(), onlyExecutions(t, Options{AWS: cfg, Machines: MachineChoice{Names: []string{"book-courier"}}})[0], w)
	if denied.err != nil || len(denied.ledger) != 1 || denied.ledger[0].Reason != "denied" || !strings.Contains(denied.ledger[0].Detail, "allow states:GetExecutionHistory") {
		t.Errorf("denied: %v %+v", denied.err, denied.ledger)
	}
	express := collect(t.Context(), onlyExecutions(t, Options{AWS: cfg, Machines: MachineChoice{Names: []string{"fast"}}})[0], w)
	if express.err != nil || len(express.ledger) != 1 || express.ledger[0].Reason != "class" {
		t.Errorf("an EXPRESS machine: %v %+v", express.err, express.ledger)
	}
	none := collect(t.Context(), onlyExecutions(t, Options{AWS: cfg, Machines: MachineChoice{Names: []string{"none"}}})[0], w)
	if gone, ok := errors.AsType[*sfntypes.StateMachineDoesNotExist](none.err); !ok || gone == nil {
		t.Errorf("a machine that does not exist: %v", none.err)
	}
	if _, err := Discover(t.Context(), Options{AWS: cfg, Machines: MachineChoice{Patterns: []string{""}}}); err == nil {
		t.Error("an empty pattern is taken")
	}
	old := collect(t.Context(), onlyExecutions(t, Options{AWS: cfg, Machines: MachineChoice{Names: []string{"scratch-1"}}})[0], fleet.Window{Start: time.Now().Add(-100 * 24 * time.Hour)})
	if old.err != nil || len(old.ledger) == 0 || old.ledger[0].Reason != "retention" {
		t.Errorf("a hundred days: %v %+v", old.err, old.ledger)
	}
}

func TestExecutionsArePlannedAndExamined(t *testing.T) {
	_, cfg := standIn(t, localaws.Options{})
	couriers(t, cfg)
	o := Options{AWS: cfg, Sources: []string{SourceExecutions}}
	got, err := Estimates(t.Context(), o, 0.5, fleet.Window{Start: time.Now().Add(-time.Hour)})
	must(t, err)
	if len(got) != 1 || got[0].Streams != 2 || got[0].Calls != 1+2+2*2 || got[0].Quota != "states:DescribeExecution" {
		t.Errorf("got %+v", got)
	}
	checks, err := Examine(t.Context(), o)
	must(t, err)
	var said []string
	for _, c := range checks {
		if strings.Contains(c.Found, "states:") || c.Subject == "executions" {
			said = append(said, string(c.State)+" "+c.Found)
		}
	}
	want := []string{
		"ok states:ListStateMachines is allowed", "ok states:ListExecutions is allowed", "ok states:DescribeExecution is allowed", "ok states:GetExecutionHistory is allowed",
		"ok 1 of 3 state machines are EXPRESS: their executions are in the log groups that they log to, at the level ALL",
		"ok 2 state machines, whose executions are kept for 90 days after their end",
	}
	if !slices.Equal(said, want) {
		t.Errorf("got %q", said)
	}
	doc, err := Policy(Options{AWS: aws.Config{Region: "eu-central-1"}, Account: "1", Sources: []string{SourceExecutions}, Machines: MachineChoice{Names: []string{"book-courier"}}})
	must(t, err)
	for _, part := range []string{`"arn:aws:states:eu-central-1:1:stateMachine:book-courier"`, `"arn:aws:states:eu-central-1:1:execution:book-courier:*"`} {
		if !strings.Contains(string(doc), part) || strings.Contains(string(doc), "ListStateMachines") {
			t.Errorf("no %s in %s", part, doc)
		}
	}
}
