// Package payments takes the money for an order, or refuses to.
package payments

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"muster/samples/faults"
	"muster/samples/fraud"
	"muster/samples/telemetry"
	"muster/samples/truth"
)

const (
	table = "payments"
	// transferDelay is what the fault "slow dependency" adds to a bank transfer:
	// clearly beyond the second from which on the policy calls an answer slow.
	transferDelay = 1300 * time.Millisecond
	// checkWithin is how long the check of a payment may take: below the second
	// from which on the policy calls an answer slow.
	checkWithin = 800 * time.Millisecond
	// Limit is the amount beyond which the fault "payment refused" refuses.
	Limit = 50_000
)

// MethodTransfer is the way of paying that the fault "slow dependency" slows.
const MethodTransfer = "transfer"

// Options are the service's neighbour and faults.
type Options struct {
	Fraud  telemetry.Peer
	Faults faults.Set
}

// Payment is what the orders service asks for.
type Payment struct {
	Order    string `json:"order"`
	Customer string `json:"customer"`
	Cents    int    `json:"cents"`
	Method   string `json:"method"`
}

// Payments is the service.
type Payments struct {
	t  *telemetry.Telemetry
	db *dynamodb.Client
	o  Options
}

// New makes the service's table.
func New(ctx context.Context, t *telemetry.Telemetry, o Options) (*Payments, error) {
	if err := t.Table(ctx, table, "order", ""); err != nil {
		return nil, err
	}
	return &Payments{t: t, db: dynamodb.NewFromConfig(t.Traced), o: o}, nil
}

// Routes adds what other services may ask for.
func (p *Payments) Routes(mux *http.ServeMux) {
	p.t.Handle(mux, "POST /payments", p.pay)
	p.t.Handle(mux, "POST /refunds", p.refund)
}

func (p *Payments) pay(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var in Payment
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Order == "" || in.Cents <= 0 {
		return &telemetry.Refusal{Status: http.StatusBadRequest, Reason: "no payment in the body"}
	}
	if err := p.check(ctx, in); err != nil {
		return err
	}
	if err := p.reachBank(ctx, in); err != nil {
		return err
	}
	status := "paid"
	if p.refuses(ctx, in) {
		status = "refused"
	}
	if err := p.keep(ctx, in, status); err != nil {
		return err
	}
	if status == "refused" {
		p.t.Log.WarnContext(ctx, "payment refused", "order", in.Order, "cents", in.Cents, "limit", Limit)
		return &telemetry.Refusal{Status: http.StatusPaymentRequired, Reason: "beyond the customer's limit"}
	}
	p.t.Log.InfoContext(ctx, "payment taken", "order", in.Order, "cents", in.Cents)
	return telemetry.Answer(w, http.StatusCreated, map[string]string{"order": in.Order, "status": status})
}

// check asks fraud, and goes on without an answer that takes too long. The
// fault "missing timeout" waits for it, however long.
func (p *Payments) check(ctx context.Context, in Payment) error {
	asked, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	if p.o.Faults.Hits(faults.MissingTimeout, in.Order) {
		p.t.Label(ctx, faults.MissingTimeout, in.Order, truth.Label{Services: []string{p.o.Fraud.Name}})
		asked = ctx
	}
	var got fraud.Check
	err := p.t.Call(asked, p.o.Fraud, http.MethodPost, "/checks", fraud.Check{Order: in.Order, Cents: in.Cents}, &got)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		p.t.Log.WarnContext(ctx, "payment taken unchecked", "order", in.Order, "waited", checkWithin.String())
		return nil
	}
	return err
}

// refuses is where orders fail. The saga takes them back, unless another fault
// keeps it from doing so.
func (p *Payments) refuses(ctx context.Context, in Payment) bool {
	f := p.o.Faults
	switch {
	case f.Hits(faults.FailedWithoutCompensation, in.Order), f.Hits(faults.CompensatedTwice, in.Order):
		return true
	case f.On(faults.PaymentRefused) && in.Cents > Limit:
		p.t.Label(ctx, faults.PaymentRefused, in.Order, truth.Label{})
		return true
	}
	return false
}

// refund gives the money for an order back.
func (p *Payments) refund(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var in Payment
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Order == "" {
		return &telemetry.Refusal{Status: http.StatusBadRequest, Reason: "no refund in the body"}
	}
	_, err := p.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String(table), Key: map[string]types.AttributeValue{"order": &types.AttributeValueMemberS{Value: in.Order}},
		UpdateExpression: aws.String("SET #s = :s"), ExpressionAttributeNames: map[string]string{"#s": "status"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":s": &types.AttributeValueMemberS{Value: "refunded"}},
	})
	if err != nil {
		return fmt.Errorf("keep the refund of %s: %w", in.Order, err)
	}
	p.t.Log.InfoContext(ctx, "payment given back", "order", in.Order)
	return telemetry.Answer(w, http.StatusCreated, map[string]string{"order": in.Order, "status": "refunded"})
}

// reachBank is where a slow dependency shows.
func (p *Payments) reachBank(ctx context.Context, in Payment) error {
	if !p.o.Faults.On(faults.SlowDependency) || in.Method != MethodTransfer {
		return nil
	}
	p.t.Label(ctx, faults.SlowDependency, in.Order, truth.Label{})
	return p.t.Step(ctx, "bank", func(ctx context.Context) error {
		p.t.Log.WarnContext(ctx, "the bank is slow", "order", in.Order)
		late := time.NewTimer(transferDelay)
		defer late.Stop()
		select {
		case <-late.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

func (p *Payments) keep(ctx context.Context, in Payment, status string) error {
	_, err := p.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String(table),
		Item: map[string]types.AttributeValue{
			"order":    &types.AttributeValueMemberS{Value: in.Order},
			"customer": &types.AttributeValueMemberS{Value: in.Customer},
			"cents":    &types.AttributeValueMemberN{Value: strconv.Itoa(in.Cents)},
			"method":   &types.AttributeValueMemberS{Value: in.Method},
			"status":   &types.AttributeValueMemberS{Value: status},
		},
		ConditionExpression:      aws.String("attribute_not_exists(#o)"),
		ExpressionAttributeNames: map[string]string{"#o": "order"}, // a reserved word
	})
	if err != nil {
		return fmt.Errorf("keep the payment of %s: %w", in.Order, err)
	}
	return nil
}
