package orders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"muster/samples/faults"
	"muster/samples/telemetry"
	"muster/samples/truth"
)

// Table is the service's own table: the events of each order under
// "order#<id>", numbered from 1, and the catalogue of products under one key,
// so that one Query reads it whole.
const Table = "orders"

// The types of events. An order is what its events say.
const (
	EventPlaced    = "order_placed"
	EventPaid      = "order_paid"
	EventConfirmed = "order_confirmed"
	EventCancelled = "order_cancelled" // compensates order_placed's promise
)

// statusAfter is the status of an order after an event.
var statusAfter = map[string]string{
	EventPlaced: "placed", EventPaid: "paid", EventConfirmed: "confirmed", EventCancelled: "cancelled",
}

var (
	errExists = errors.New("the order exists")
	errAbsent = errors.New("no such order")
)

// journal is the write side: events are added to orders and never changed.
type journal struct {
	t      *telemetry.Telemetry
	db     *dynamodb.Client
	faults faults.Set
}

func openJournal(ctx context.Context, t *telemetry.Telemetry, fs faults.Set) (*journal, error) {
	if err := t.Table(ctx, Table, "pk", "sk"); err != nil {
		return nil, err
	}
	return &journal{t: t, db: dynamodb.NewFromConfig(t.Traced), faults: fs}, nil
}

func eventKey(sequence int) string { return fmt.Sprintf("event#%04d", sequence) }

// add numbers an event, appends it, and returns the order after it. The first
// event of an order that exists is refused: errExists.
func (j *journal) add(ctx context.Context, o Order, event string) (Order, error) {
	o.Sequence++
	o.Status = statusAfter[event]
	if event == EventPaid && j.faults.Hits(faults.EventGap, o.ID) {
		j.t.Label(ctx, faults.EventGap, o.ID, truth.Label{})
		return o, nil // numbered, and lost
	}
	lines, err := json.Marshal(o.Lines)
	if err != nil {
		return o, fmt.Errorf("append %s to %s: %w", event, o.ID, err)
	}
	_, err = j.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String(Table), ConditionExpression: aws.String("attribute_not_exists(pk)"),
		Item: item("order#"+o.ID, eventKey(o.Sequence), map[string]types.AttributeValue{
			"event":    &types.AttributeValueMemberS{Value: event},
			"at":       &types.AttributeValueMemberS{Value: time.Now().UTC().Format(time.RFC3339Nano)},
			"customer": &types.AttributeValueMemberS{Value: o.Customer},
			"cents":    &types.AttributeValueMemberN{Value: strconv.Itoa(o.Cents)},
			"method":   &types.AttributeValueMemberS{Value: o.Method},
			"lines":    &types.AttributeValueMemberS{Value: string(lines)},
		}),
	})
	if _, exists := errors.AsType[*types.ConditionalCheckFailedException](err); exists {
		return o, errExists
	}
	if err != nil {
		return o, fmt.Errorf("append %s to %s: %w", event, o.ID, err)
	}
	j.t.Log.InfoContext(ctx, "event appended", "aggregate_id", o.ID, "sequence", o.Sequence, "type", event)
	return o, nil
}

// replay is an order as its events say; errAbsent where there are none.
func (j *journal) replay(ctx context.Context, id string) (Order, error) {
	o := Order{ID: id}
	pages := dynamodb.NewQueryPaginator(j.db, &dynamodb.QueryInput{
		TableName: aws.String(Table), KeyConditionExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: "order#" + id}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return Order{}, fmt.Errorf("replay order %s: %w", id, err)
		}
		for _, e := range page.Items {
			if o, err = o.after(e); err != nil {
				return Order{}, fmt.Errorf("replay order %s: %w", id, err)
			}
		}
	}
	if o.Sequence == 0 {
		return Order{}, errAbsent
	}
	return o, nil
}

// after is the order after an event of it.
func (o Order) after(event map[string]types.AttributeValue) (Order, error) {
	o.Sequence++
	o.Status = statusAfter[text(event, "event")]
	o.Customer, o.Method = text(event, "customer"), text(event, "method")
	if n, ok := event["cents"].(*types.AttributeValueMemberN); ok {
		cents, err := strconv.Atoi(n.Value)
		if err != nil {
			return o, err
		}
		o.Cents = cents
	}
	o.Lines = nil
	return o, json.Unmarshal([]byte(text(event, "lines")), &o.Lines)
}

// item is a key with further attributes.
func item(pk, sk string, rest map[string]types.AttributeValue) map[string]types.AttributeValue {
	out := map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: pk},
		"sk": &types.AttributeValueMemberS{Value: sk},
	}
	maps.Copy(out, rest)
	return out
}

// text is a string attribute; "" where it is absent.
func text(item map[string]types.AttributeValue, name string) string {
	if s, ok := item[name].(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}
