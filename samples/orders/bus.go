package orders

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"muster/fleet"
	"muster/samples/telemetry"
)

// Topic is where events are published.
const Topic = "orders-events"

// TopicARN is the topic's name in full.
func TopicARN(region, account string) string {
	return fmt.Sprintf("arn:aws:sns:%s:%s:%s", region, account, Topic)
}

// AttributeCorrelation is the message attribute with the journey's id. Older
// publishers leave it out, and so does every other order here: a consumer's
// trace must then be tied to the producer's by the message.
const AttributeCorrelation = "correlation_id"

// Event is what happened to an order.
type Event struct {
	Type     string `json:"type"`
	Order    string `json:"order"`
	Sequence int    `json:"sequence"` // of the order's own event
	Customer string `json:"customer"`
	Cents    int    `json:"cents"`
}

type bus struct {
	announcer *announcer // nil without EventBridge
	client    *sns.Client
	topic     string
	published atomic.Int64
}

// openBus makes the topic. CreateTopic answers with the topic that exists.
func openBus(ctx context.Context, t *telemetry.Telemetry) (*bus, error) {
	made, err := sns.NewFromConfig(t.Plain).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String(Topic)})
	if err != nil {
		return nil, fmt.Errorf("create topic %s: %w", Topic, err)
	}
	telemetry.Wrote(t.Truth, fleet.ResourceName("AWS::SNS::Topic", Topic), made.ResultMetadata)
	return &bus{client: sns.NewFromConfig(t.Traced), topic: *made.TopicArn}, nil
}

// publish tells the world. One of its two lines shows the message and the
// trace, the other the message only, as an outbox relay's would.
func (b *bus) publish(ctx context.Context, t *telemetry.Telemetry, o Order, event string) error {
	e := Event{Type: event, Order: o.ID, Sequence: o.Sequence, Customer: o.Customer, Cents: o.Cents}
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("publish %s of %s: %w", e.Type, e.Order, err)
	}
	in := &sns.PublishInput{TopicArn: &b.topic, Message: aws.String(string(body))}
	if c := telemetry.Correlation(ctx); c != "" && carriesCorrelation(e.Order) {
		in.MessageAttributes = map[string]types.MessageAttributeValue{
			AttributeCorrelation: {DataType: aws.String("String"), StringValue: &c},
		}
	}
	out, err := b.client.Publish(ctx, in)
	if err != nil {
		return fmt.Errorf("publish %s of %s: %w", e.Type, e.Order, err)
	}
	b.published.Add(1)
	if err := t.Published(ctx, *out.MessageId); err != nil {
		return err
	}
	t.Log.InfoContext(ctx, "event published", "type", e.Type, "aggregate_id", e.Order, "sequence", e.Sequence, telemetry.FieldMessage, *out.MessageId)
	t.Log.InfoContext(telemetry.Unlinked(ctx), "event relayed", "type", e.Type, telemetry.FieldMessage, *out.MessageId)
	if b.announcer == nil {
		return nil
	}
	return b.announcer.put(ctx, t, e)
}

// carriesCorrelation is true for every other order of a run, the same ones
// always, since the last byte of an id counts on.
func carriesCorrelation(order string) bool { return order[len(order)-1]%2 == 0 }
