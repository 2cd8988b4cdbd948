package orders

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"muster/samples/telemetry"
)

// EventSource is the service's name on EventBridge's default bus.
const EventSource = "muster.orders"

// announcer puts events on EventBridge's default bus.
type announcer struct {
	client *eventbridge.Client
	placed atomic.Int64
}

func newAnnouncer(t *telemetry.Telemetry) *announcer {
	return &announcer{client: eventbridge.NewFromConfig(t.Traced)}
}

// put puts an event on the bus. Its id there is the message by which whoever
// takes it is tied to this trace.
func (a *announcer) put(ctx context.Context, t *telemetry.Telemetry, e Event) error {
	detail, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("put %s of %s on the bus: %w", e.Type, e.Order, err)
	}
	return t.Step(ctx, "announce", func(ctx context.Context) error {
		out, err := a.client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
			Source: aws.String(EventSource), DetailType: &e.Type, Detail: aws.String(string(detail)),
		}}})
		if err != nil {
			return fmt.Errorf("put %s of %s on the bus: %w", e.Type, e.Order, err)
		}
		if entry := out.Entries[0]; entry.EventId == nil {
			return fmt.Errorf("put %s of %s on the bus: %s: %s", e.Type, e.Order, aws.ToString(entry.ErrorCode), aws.ToString(entry.ErrorMessage))
		}
		id := *out.Entries[0].EventId
		if e.Type == EventPlaced {
			a.placed.Add(1)
		}
		t.Log.InfoContext(ctx, "event on the bus", "type", e.Type, "order", e.Order, telemetry.FieldMessage, id)
		return t.Published(ctx, id)
	})
}
