// Package shipping sends orders out. It takes a shipment at once and hands it
// to its own worker by a queue, whose messages carry the trace.
package shipping

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"muster/samples/faults"
	"muster/samples/queue"
	"muster/samples/telemetry"
	"muster/samples/truth"
)

const (
	table     = "shipments"
	queueName = "shipments"
	// BrokenVersion is the one that the fault "bad deployment" deploys.
	BrokenVersion = "1.5.0"
)

// Shipment is what orders asks for.
type Shipment struct {
	Order    string `json:"order"`
	Customer string `json:"customer"`
	Note     string `json:"note,omitempty"`
}

// Shipping is the service.
type Shipping struct {
	t         *telemetry.Telemetry
	db        *dynamodb.Client
	out       *sqs.Client
	consumer  *queue.Consumer
	couriers  *couriers // nil without Step Functions
	published atomic.Int64
}

// Options say what the service does.
type Options struct {
	// Couriers has one booked for each placed order, by a state machine of Step
	// Functions that events of EventBridge start.
	Couriers bool
}

// New makes the service's table and queue.
func New(ctx context.Context, t *telemetry.Telemetry, o Options) (*Shipping, error) {
	if err := t.Table(ctx, table, "order", ""); err != nil {
		return nil, err
	}
	url, err := queue.Open(ctx, t, queueName, nil)
	if err != nil {
		return nil, err
	}
	s := &Shipping{
		t: t, db: dynamodb.NewFromConfig(t.Traced), out: sqs.NewFromConfig(t.Traced), consumer: queue.NewConsumer(t, url),
	}
	if o.Couriers {
		if s.couriers, err = openCouriers(ctx, t); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Published is how many messages the worker was sent.
func (s *Shipping) Published() int64 { return s.published.Load() }

// Handled is how many messages the worker is done with.
func (s *Shipping) Handled() int64 { return s.consumer.Done() }

// Booked is how many events about placed orders have led to a booking, or to none.
func (s *Shipping) Booked() int64 {
	if s.couriers == nil {
		return 0
	}
	return s.couriers.consumer.Done()
}

// Routes adds what other services may ask for.
func (s *Shipping) Routes(mux *http.ServeMux) { s.t.Handle(mux, "POST /shipments", s.take) }

// Run is the worker, until the context ends.
func (s *Shipping) Run(ctx context.Context) {
	var others sync.WaitGroup
	if c := s.couriers; c != nil {
		others.Go(func() { c.consumer.Run(ctx, queue.Each(c.take)) })
	}
	s.consumer.Run(ctx, queue.Each(s.dispatch))
	others.Wait()
}

func (s *Shipping) take(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var in Shipment
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Order == "" {
		return &telemetry.Refusal{Status: http.StatusBadRequest, Reason: "no shipment in the body"}
	}
	if s.t.Version() == BrokenVersion {
		s.t.Label(ctx, faults.BadDeployment, in.Order, truth.Label{})
		return errors.New("no rate for the parcel: index out of range [0] with length 0")
	}
	if err := s.keep(ctx, in, "taken"); err != nil {
		return err
	}
	if err := s.hand(ctx, in); err != nil {
		return err
	}
	s.t.Log.InfoContext(ctx, "shipment taken", "order", in.Order)
	return telemetry.Answer(w, http.StatusCreated, Shipment{Order: in.Order, Customer: in.Customer})
}

// hand gives a shipment to the worker, with the trace that it belongs to.
func (s *Shipping) hand(ctx context.Context, in Shipment) error {
	body, err := json.Marshal(Shipment{Order: in.Order, Customer: in.Customer})
	if err != nil {
		return fmt.Errorf("hand over the shipment of %s: %w", in.Order, err)
	}
	sent, err := s.out.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &s.consumer.URL, MessageBody: aws.String(string(body)),
		MessageSystemAttributes: map[string]sqstypes.MessageSystemAttributeValue{
			string(sqstypes.MessageSystemAttributeNameForSendsAWSTraceHeader): {
				DataType: aws.String("String"), StringValue: aws.String(s.t.Header(ctx)),
			},
		},
	})
	if err != nil {
		return fmt.Errorf("hand over the shipment of %s: %w", in.Order, err)
	}
	s.published.Add(1)
	return s.t.Published(ctx, *sent.MessageId)
}

// dispatch is the worker's part, in the trace that the message carries.
func (s *Shipping) dispatch(ctx context.Context, m queue.Message) error {
	return s.t.Do(ctx, telemetry.Work{Message: m.ID, Header: m.Header}, func(ctx context.Context) error {
		var in Shipment
		if err := json.Unmarshal([]byte(m.Body), &in); err != nil {
			return fmt.Errorf("read message %s: %w", m.ID, err)
		}
		if err := s.keep(ctx, in, "dispatched"); err != nil {
			return err
		}
		if err := s.consumer.Delete(ctx, m); err != nil {
			return err
		}
		s.consumer.Finish()
		s.t.Log.InfoContext(ctx, "shipment dispatched", "order", in.Order, telemetry.FieldMessage, m.ID)
		return nil
	})
}

func (s *Shipping) keep(ctx context.Context, in Shipment, status string) error {
	_, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(table), Item: map[string]types.AttributeValue{
		"order":    &types.AttributeValueMemberS{Value: in.Order},
		"customer": &types.AttributeValueMemberS{Value: in.Customer},
		"status":   &types.AttributeValueMemberS{Value: status},
	}})
	if err != nil {
		return fmt.Errorf("keep the shipment of %s: %w", in.Order, err)
	}
	return nil
}
