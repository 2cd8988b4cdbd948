// Package orders keeps orders: it has them paid, tells the world by events, and
// takes them back when the payment is refused.
package orders

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"muster/samples/payments"
	"muster/samples/telemetry"
)

// Options are the service's neighbours and faults.
type Options struct {
	Payments telemetry.Peer
	// OneByOne reads the products of an order each by its own call.
	OneByOne bool
}

// Order is an order as clients place and read it. Clients choose the id, so
// that placing an order twice is seen.
type Order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Cents    int    `json:"cents"`
	Method   string `json:"method"`
	Lines    []Line `json:"lines"`
	Status   string `json:"status,omitempty"`
}

// Line is one product of an order.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
	Title    string `json:"title,omitempty"`
}

// Orders is the service.
type Orders struct {
	t     *telemetry.Telemetry
	store *store
	bus   *bus
	o     Options
}

// New makes the service's table and topic.
func New(ctx context.Context, t *telemetry.Telemetry, o Options) (*Orders, error) {
	st, err := openStore(ctx, t)
	if err != nil {
		return nil, err
	}
	b, err := openBus(ctx, t)
	if err != nil {
		return nil, err
	}
	return &Orders{t: t, store: st, bus: b, o: o}, nil
}

// Published is how many events have been published.
func (s *Orders) Published() int64 { return s.bus.published.Load() }

// Routes adds what other services may ask for.
func (s *Orders) Routes(mux *http.ServeMux) {
	s.t.Handle(mux, "POST /orders", s.place)
	s.t.Handle(mux, "GET /orders/{id}", s.read)
}

func (s *Orders) place(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var o Order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil || o.ID == "" || len(o.Lines) == 0 {
		return &telemetry.Refusal{Status: http.StatusBadRequest, Reason: "no order in the body"}
	}
	o.Status = "placed"
	err := s.store.put(ctx, o, true)
	if errors.Is(err, errExists) {
		s.t.Log.WarnContext(ctx, "order refused", "order", o.ID, "reason", "it exists")
		return &telemetry.Refusal{Status: http.StatusConflict, Reason: "the order exists"}
	}
	if err != nil {
		return err
	}
	err = s.pay(ctx, o)
	var refused *telemetry.Refusal
	if errors.As(err, &refused) && refused.Status == http.StatusPaymentRequired {
		if err := s.compensate(ctx, o); err != nil {
			return err
		}
		return refused
	}
	if err != nil {
		return err
	}
	o.Status = "paid"
	if err := s.store.put(ctx, o, false); err != nil {
		return err
	}
	if err := s.bus.publish(ctx, s.t, Event{Type: EventPlaced, Order: o.ID, Customer: o.Customer, Cents: o.Cents}); err != nil {
		return err
	}
	return telemetry.Answer(w, http.StatusCreated, o)
}

func (s *Orders) pay(ctx context.Context, o Order) error {
	var paid struct{ Status string }
	return s.t.Call(ctx, s.o.Payments, http.MethodPost, "/payments",
		payments.Payment{Order: o.ID, Customer: o.Customer, Cents: o.Cents, Method: o.Method}, &paid)
}

// compensate takes an unpaid order back and says so to the world.
func (s *Orders) compensate(ctx context.Context, o Order) error {
	s.t.ExpectInJourney(ctx, "payment-compensated")
	return telemetry.Step(ctx, "compensate", func(ctx context.Context) error {
		o.Status = "cancelled"
		if err := s.store.put(ctx, o, false); err != nil {
			return err
		}
		s.t.Log.WarnContext(ctx, "order cancelled", "order", o.ID, "reason", "payment refused", "compensates", "order placed")
		return s.bus.publish(ctx, s.t, Event{Type: EventCancelled, Order: o.ID, Customer: o.Customer, Cents: o.Cents})
	})
}

func (s *Orders) read(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	o, err := s.store.order(ctx, r.PathValue("id"))
	if errors.Is(err, errAbsent) {
		return &telemetry.Refusal{Status: http.StatusNotFound, Reason: "no such order"}
	}
	if err != nil {
		return err
	}
	titles, err := s.titles(ctx, o)
	if err != nil {
		return err
	}
	for i, l := range o.Lines {
		o.Lines[i].Title = titles[l.SKU]
	}
	s.t.Log.InfoContext(ctx, "order found", "order", o.ID, "lines", len(o.Lines), "status", o.Status)
	return telemetry.Answer(w, http.StatusOK, o)
}

func (s *Orders) titles(ctx context.Context, o Order) (map[string]string, error) {
	if !s.o.OneByOne {
		return s.store.titles(ctx)
	}
	if len(o.Lines) >= manyItems {
		s.t.Expect(ctx, "n-plus-one")
	}
	return s.store.titlesOneByOne(ctx, o.Lines)
}
