// Package notifications tells customers what became of their orders: it takes
// events from its queue, notes each once, and files a receipt.
package notifications

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"muster/samples/orders"
	"muster/samples/queue"
	"muster/samples/telemetry"
)

const table = "notifications"

// Notifications is the service.
type Notifications struct {
	t        *telemetry.Telemetry
	db       *dynamodb.Client
	consumer *queue.Consumer
	receipts *receipts
}

// New makes the service's table and queue, and subscribes the queue to the
// topic of the orders service, which must exist.
func New(ctx context.Context, t *telemetry.Telemetry) (*Notifications, error) {
	if err := t.Table(ctx, table, "message", ""); err != nil {
		return nil, err
	}
	url, err := openQueue(ctx, t)
	if err != nil {
		return nil, err
	}
	return &Notifications{
		t: t, db: dynamodb.NewFromConfig(t.Traced), receipts: newReceipts(t), consumer: queue.NewConsumer(t, url),
	}, nil
}

// Handled is how many different messages have been handled.
func (n *Notifications) Handled() int64 { return n.consumer.Done() }

// Routes adds nothing: nobody asks this service, it only listens to its queue.
func (n *Notifications) Routes(*http.ServeMux) {}

// handle tells the customer of one message, in a trace of its own. Each step
// can be done again, so a message that comes twice does no harm.
func (n *Notifications) handle(ctx context.Context, got queue.Message) error {
	m, err := parse(got.Body)
	if err != nil {
		return err
	}
	return n.t.Do(ctx, telemetry.Work{Message: m.id, Correlation: m.correlation}, func(ctx context.Context) error {
		n.t.Log.InfoContext(ctx, "event received", "type", m.event.Type, "order", m.event.Order, telemetry.FieldMessage, m.id)
		if err := n.receipts.file(ctx, m); err != nil {
			return err
		}
		isNew, err := n.keep(ctx, m)
		if err != nil {
			return err
		}
		if isNew {
			n.consumer.Finish()
			n.t.Log.InfoContext(ctx, "customer told", "order", m.event.Order, "customer", m.event.Customer)
		}
		return n.consumer.Delete(ctx, got)
	})
}

// keep notes a message, and reports whether it is the first time.
func (n *Notifications) keep(ctx context.Context, m message) (bool, error) {
	body, err := json.Marshal(m.event)
	if err != nil {
		return false, fmt.Errorf("keep message %s: %w", m.id, err)
	}
	_, err = n.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String(table),
		Item: map[string]types.AttributeValue{
			"message": &types.AttributeValueMemberS{Value: m.id},
			"event":   &types.AttributeValueMemberS{Value: string(body)},
		},
		ConditionExpression: aws.String("attribute_not_exists(message)"),
	})
	if _, again := errors.AsType[*types.ConditionalCheckFailedException](err); again {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("keep message %s: %w", m.id, err)
	}
	return true, nil
}

// message is one event as the queue hands it out.
type message struct {
	id          string // the topic's, which the producer knows too
	correlation string
	event       orders.Event
}

// parse reads a message of the queue: SNS wraps what was published.
func parse(body string) (message, error) {
	var wrap struct {
		MessageID         string `json:"MessageId"`
		Message           string
		MessageAttributes map[string]struct{ Value string }
	}
	if err := json.Unmarshal([]byte(body), &wrap); err != nil {
		return message{}, fmt.Errorf("read the message: %w", err)
	}
	if wrap.MessageID == "" {
		return message{}, errors.New("read the message: it has no MessageId")
	}
	m := message{
		id:          wrap.MessageID,
		correlation: wrap.MessageAttributes[orders.AttributeCorrelation].Value,
	}
	if err := json.Unmarshal([]byte(wrap.Message), &m.event); err != nil {
		return message{}, fmt.Errorf("read the event in message %s: %w", m.id, err)
	}
	return m, nil
}
