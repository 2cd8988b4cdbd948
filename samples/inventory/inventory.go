// Package inventory keeps the stock: it sets products aside for an order, and
// gives them back. What it knows of the products it has in a cache.
package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"muster/fleet"
	"muster/samples/faults"
	"muster/samples/telemetry"
	"muster/samples/truth"
)

const (
	// ordersTable is none of this service's business.
	ordersTable = "orders"
	// stormTries is how often a reservation fails under the fault "retry storm".
	stormTries = 5
)

// Reservation is what is set aside for an order, by product.
type Reservation struct {
	Order string         `json:"order"`
	Lines map[string]int `json:"lines"`
}

// Options are the service's neighbours and faults.
type Options struct {
	// Orders is asked for the priority of an order, by the fault "dependency cycle".
	Orders telemetry.Peer
	Faults faults.Set
}

// Inventory is the service.
type Inventory struct {
	t     *telemetry.Telemetry
	o     Options
	db    *dynamodb.Client
	stock *stock

	mu     sync.Mutex
	failed map[string]int // tries that failed, by order; bounded by the orders that a fault hits
}

// New makes the service's table and fills it.
func New(ctx context.Context, t *telemetry.Telemetry, o Options) (*Inventory, error) {
	s, err := openStock(ctx, t, o.Faults)
	if err != nil {
		return nil, err
	}
	return &Inventory{t: t, o: o, db: dynamodb.NewFromConfig(t.Traced), stock: s, failed: make(map[string]int)}, nil
}

// Routes adds what other services may ask for.
func (i *Inventory) Routes(mux *http.ServeMux) {
	i.t.Handle(mux, "POST /reservations", i.reserve)
	i.t.Handle(mux, "DELETE /reservations/{order}", i.release)
}

func (i *Inventory) reserve(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var in Reservation
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Order == "" || len(in.Lines) == 0 {
		return &telemetry.Refusal{Status: http.StatusBadRequest, Reason: "no reservation in the body"}
	}
	if i.storms(in.Order) {
		i.t.Log.ErrorContext(ctx, "the warehouse does not answer", "order", in.Order)
		return &telemetry.Refusal{Status: http.StatusServiceUnavailable, Reason: "the warehouse does not answer"}
	}
	if err := i.stock.has(ctx, in); err != nil {
		return err
	}
	if err := i.borrow(ctx, in.Order); err != nil {
		return err
	}
	if err := i.askBack(ctx, in.Order); err != nil {
		return err
	}
	if err := i.stock.keep(ctx, in, "reserved"); err != nil {
		return err
	}
	i.t.Log.InfoContext(ctx, "stock reserved", "order", in.Order, "lines", len(in.Lines))
	return telemetry.Answer(w, http.StatusCreated, in)
}

func (i *Inventory) release(w http.ResponseWriter, r *http.Request) error {
	ctx, order := r.Context(), r.PathValue("order")
	if err := i.stock.keep(ctx, Reservation{Order: order}, "released"); err != nil {
		return err
	}
	i.t.Log.InfoContext(ctx, "reservation released", "order", order)
	return telemetry.Answer(w, http.StatusOK, Reservation{Order: order})
}

// storms is where a retry storm begins.
func (i *Inventory) storms(order string) bool {
	if !i.o.Faults.Hits(faults.RetryStorm, order) {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.failed[order]++
	return i.failed[order] <= stormTries
}

// borrow reads another service's table: the fault "shared table".
func (i *Inventory) borrow(ctx context.Context, order string) error {
	if !i.o.Faults.Hits(faults.SharedTable, order) {
		return nil
	}
	got, err := i.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(ordersTable), Key: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "order#" + order}, "sk": &types.AttributeValueMemberS{Value: "event#0001"},
	}})
	if err != nil {
		return fmt.Errorf("read table %s: %w", ordersTable, err)
	}
	request, ok := awsmiddleware.GetRequestIDMetadata(got.ResultMetadata)
	if !ok {
		return errors.New("the answer of DynamoDB has no request id")
	}
	i.t.Label(ctx, faults.SharedTable, order, truth.Label{
		Requests: []string{request}, Resources: []string{fleet.ResourceName("AWS::DynamoDB::Table", ordersTable)},
	})
	return nil
}

// askBack asks the service that is waiting: the fault "dependency cycle".
func (i *Inventory) askBack(ctx context.Context, order string) error {
	if !i.o.Faults.Hits(faults.DependencyCycle, order) {
		return nil
	}
	var answer struct {
		Priority string `json:"priority"`
	}
	if err := i.t.Call(ctx, i.o.Orders, http.MethodGet, "/orders/"+order+"/priority", nil, &answer); err != nil {
		return err
	}
	i.t.Label(ctx, faults.DependencyCycle, order, truth.Label{Services: []string{i.o.Orders.Name}})
	return nil
}
