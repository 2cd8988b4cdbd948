package shipping

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"muster/samples/queue"
	"muster/samples/telemetry"
)

const (
	couriersQueue = "couriers"
	couriersTable = "couriers"
	couriersRule  = "orders-placed"
	// eventSource and eventPlaced are how orders announces an order on the bus.
	eventSource, eventPlaced = "muster.orders", "order_placed"
	// machineName is the state machine's, and the saga's as lines name it.
	machineName = "book-courier"
	// bookedWithin is how long an execution may take; it is three writes to a
	// table. A message comes again after more than that.
	bookedWithin  = 10 * time.Second
	couriersAgain = 15 * time.Second
	// lookEvery is the pause between questions about an execution.
	lookEvery = 100 * time.Millisecond
)

//go:embed book-courier.asl.json
var bookCourier string

// couriers has a courier booked for each order that EventBridge tells of. The
// booking is a saga that Step Functions runs, with its compensation.
type couriers struct {
	t        *telemetry.Telemetry
	states   *sfn.Client
	machine  string
	consumer *queue.Consumer
}

// openCouriers makes the table, the queue, the rule that fills it, and the state
// machine.
func openCouriers(ctx context.Context, t *telemetry.Telemetry) (*couriers, error) {
	if err := t.Table(ctx, couriersTable, "order", ""); err != nil {
		return nil, err
	}
	url, err := openEvents(ctx, t)
	if err != nil {
		return nil, err
	}
	made, err := sfn.NewFromConfig(t.Plain).CreateStateMachine(ctx, &sfn.CreateStateMachineInput{
		Name: aws.String(machineName), Definition: &bookCourier,
		RoleArn: aws.String("arn:aws:iam::" + t.Account + ":role/muster-" + machineName),
	})
	if err != nil {
		return nil, fmt.Errorf("create state machine %s: %w", machineName, err)
	}
	return &couriers{
		t: t, states: sfn.NewFromConfig(t.Traced), machine: *made.StateMachineArn, consumer: queue.NewConsumer(t, url),
	}, nil
}

// openEvents makes the queue, and the rule by which EventBridge sends it the
// orders that were placed.
func openEvents(ctx context.Context, t *telemetry.Telemetry) (url string, err error) {
	rule := fmt.Sprintf("arn:aws:events:%s:%s:rule/%s", t.Region, t.Account, couriersRule)
	policy, err := json.Marshal(map[string]any{
		"Version": "2012-10-17",
		"Statement": map[string]any{
			"Effect": "Allow", "Principal": map[string]string{"Service": "events.amazonaws.com"},
			"Action": "sqs:SendMessage", "Resource": queue.ARN(t, couriersQueue),
			"Condition": map[string]any{"ArnEquals": map[string]string{"aws:SourceArn": rule}},
		},
	})
	if err != nil {
		return "", fmt.Errorf("write the policy of queue %s: %w", couriersQueue, err)
	}
	url, err = queue.Open(ctx, t, couriersQueue, map[string]string{
		string(sqstypes.QueueAttributeNamePolicy):            string(policy),
		string(sqstypes.QueueAttributeNameVisibilityTimeout): strconv.Itoa(int(couriersAgain / time.Second)),
	})
	if err != nil {
		return "", err
	}
	pattern, err := json.Marshal(map[string][]string{"source": {eventSource}, "detail-type": {eventPlaced}})
	if err != nil {
		return "", fmt.Errorf("write the pattern of rule %s: %w", couriersRule, err)
	}
	events := eventbridge.NewFromConfig(t.Plain)
	if _, err := events.PutRule(ctx, &eventbridge.PutRuleInput{
		Name: aws.String(couriersRule), EventPattern: aws.String(string(pattern)),
	}); err != nil {
		return "", fmt.Errorf("put rule %s: %w", couriersRule, err)
	}
	put, err := events.PutTargets(ctx, &eventbridge.PutTargetsInput{
		Rule: aws.String(couriersRule), Targets: []eventtypes.Target{{Id: aws.String("1"), Arn: aws.String(queue.ARN(t, couriersQueue))}},
	})
	if err == nil && put.FailedEntryCount > 0 {
		err = fmt.Errorf("%s: %s", aws.ToString(put.FailedEntries[0].ErrorCode), aws.ToString(put.FailedEntries[0].ErrorMessage))
	}
	if err != nil {
		return "", fmt.Errorf("put the target of rule %s: %w", couriersRule, err)
	}
	return url, nil
}

// placed is what the event says of an order, and what the state machine is given.
type placed struct {
	Order string `json:"order"`
	Cents int    `json:"cents"`
}

// take has a courier booked for one order, in a trace of its own: EventBridge
// brings no trace here. A booking can be done again without harm.
func (c *couriers) take(ctx context.Context, got queue.Message) error {
	var e struct {
		ID     string
		Detail placed
	}
	if err := json.Unmarshal([]byte(got.Body), &e); err != nil {
		return fmt.Errorf("read the event in message %s: %w", got.ID, err)
	}
	return c.t.Do(ctx, telemetry.Work{Message: e.ID}, func(ctx context.Context) error {
		log := c.t.Log.With("saga", machineName, "saga_id", e.Detail.Order)
		log.InfoContext(ctx, "saga started", telemetry.FieldMessage, e.ID)
		ended, err := c.book(ctx, e.ID+"-"+strconv.Itoa(got.Receives), e.Detail)
		if err != nil {
			return fmt.Errorf("book a courier for %s: %w", e.Detail.Order, err)
		}
		steps, err := c.steps(ctx, ended.ExecutionArn)
		if err != nil {
			return fmt.Errorf("read how a courier was booked for %s: %w", e.Detail.Order, err)
		}
		for _, step := range steps {
			log.InfoContext(ctx, "saga step done", "saga_step", step)
		}
		if ended.Status == types.ExecutionStatusSucceeded {
			log.InfoContext(ctx, "saga completed")
		} else {
			log.WarnContext(ctx, "saga failed", "status", ended.Status, "error", aws.ToString(ended.Error), "cause", aws.ToString(ended.Cause))
		}
		if err := c.consumer.Delete(ctx, got); err != nil {
			return err
		}
		c.consumer.Finish()
		return nil
	})
}

// book runs the state machine, and returns how it ended.
func (c *couriers) book(ctx context.Context, name string, e placed) (*sfn.DescribeExecutionOutput, error) {
	input, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	begun, err := c.states.StartExecution(ctx, &sfn.StartExecutionInput{
		StateMachineArn: &c.machine, Name: &name, Input: aws.String(string(input)),
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, bookedWithin)
	defer cancel()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		got, err := c.states.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: begun.ExecutionArn})
		if err != nil || got.Status != types.ExecutionStatusRunning {
			return got, err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%s runs on: %w", *begun.ExecutionArn, ctx.Err())
		}
	}
}

// steps are the states of an execution that did something, in their order.
func (c *couriers) steps(ctx context.Context, execution *string) ([]string, error) {
	var steps []string
	pages := sfn.NewGetExecutionHistoryPaginator(c.states, &sfn.GetExecutionHistoryInput{ExecutionArn: execution})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			if e.Type == types.HistoryEventTypeTaskStateExited {
				steps = append(steps, aws.ToString(e.StateExitedEventDetails.Name))
			}
		}
	}
	return steps, nil
}
