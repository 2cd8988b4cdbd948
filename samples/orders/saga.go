package orders

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"muster/samples/faults"
	"muster/samples/inventory"
	"muster/samples/payments"
	"muster/samples/shipping"
	"muster/samples/telemetry"
	"muster/samples/truth"
)

// sagaName is the saga of placing an order, as its lines and spans name it.
const sagaName = "place-order"

// The steps of the saga.
const (
	stepReserve = "reserve"
	stepPay     = "pay"
	stepShip    = "ship"
)

// step is one step of the saga, and what takes it back; the last has nothing
// to take back.
type step struct {
	name string
	do   func(context.Context) error
	undo func(context.Context) error
}

// steps are those of one order. do may change the order.
func (s *Orders) steps(o *Order) []step {
	return []step{
		{stepReserve, func(ctx context.Context) error { return s.reserve(ctx, *o) }, func(ctx context.Context) error { return s.release(ctx, *o) }},
		{stepPay, func(ctx context.Context) (err error) {
			if err = s.pay(ctx, *o); err != nil {
				return err
			}
			*o, err = s.happened(ctx, *o, EventPaid)
			return err
		}, func(ctx context.Context) error { return s.refund(ctx, *o) }},
		{stepShip, func(ctx context.Context) error { return s.ship(ctx, *o) }, nil},
	}
}

// errLost says that a step of the saga was lost, and the rest with it.
var errLost = errors.New("the saga has lost a step")

// fulfil runs the saga of an order that is placed. When a step fails, those
// before it are taken back, the last first, and the order is cancelled.
func (s *Orders) fulfil(ctx context.Context, o *Order) error {
	log := s.t.Log.With("saga", sagaName, "saga_id", o.ID)
	log.InfoContext(ctx, "saga started")
	steps := s.steps(o)
	for n, st := range steps {
		if st.name == stepShip && s.o.Faults.Hits(faults.LostSagaStep, o.ID) {
			s.t.Label(ctx, faults.LostSagaStep, o.ID, truth.Label{})
			return errLost
		}
		err := s.t.Step(ctx, "saga "+st.name, func(ctx context.Context) error {
			if err := errors.Join(s.t.Annotate(ctx, "saga", sagaName), s.t.Annotate(ctx, "saga_id", o.ID),
				s.t.Annotate(ctx, "saga_step", st.name)); err != nil {
				return err
			}
			return st.do(ctx)
		})
		if err != nil {
			log.WarnContext(ctx, "saga failed", "saga_step", st.name, "error", err.Error())
			return errors.Join(err, s.takeBack(ctx, o, steps[:n]))
		}
		log.InfoContext(ctx, "saga step done", "saga_step", st.name)
	}
	var err error
	if *o, err = s.happened(ctx, *o, EventConfirmed); err != nil {
		return err
	}
	log.InfoContext(ctx, "saga completed")
	return nil
}

// takeBack takes back the steps that were done, and the order with them.
func (s *Orders) takeBack(ctx context.Context, o *Order, done []step) error {
	if s.o.Faults.Hits(faults.FailedWithoutCompensation, o.ID) {
		s.t.Label(ctx, faults.FailedWithoutCompensation, o.ID, truth.Label{})
		return nil
	}
	if s.o.Faults.Hits(faults.CompensatedTwice, o.ID) && len(done) > 0 {
		s.t.Label(ctx, faults.CompensatedTwice, o.ID, truth.Label{Services: []string{"inventory"}})
		done = append([]step{done[0]}, done...)
	}
	return s.t.Step(ctx, "compensate", func(ctx context.Context) error {
		for _, st := range slices.Backward(done) {
			if st.undo == nil {
				continue
			}
			if err := st.undo(ctx); err != nil {
				return fmt.Errorf("take back %s: %w", st.name, err)
			}
			s.t.Log.InfoContext(ctx, "saga step compensated", "saga", sagaName, "saga_id", o.ID, "saga_step", st.name)
		}
		var err error
		if *o, err = s.happened(ctx, *o, EventCancelled); err != nil {
			return err
		}
		s.t.Log.WarnContext(ctx, "order cancelled", "order", o.ID, "compensates", "order placed")
		return s.bus.publish(ctx, s.t, *o, EventCancelled)
	})
}

// reserveTries is how often a reservation is asked for, at once and without a
// pause: what makes a storm of a warehouse that is out of order.
const reserveTries = 6

func (s *Orders) reserve(ctx context.Context, o Order) error {
	lines := make(map[string]int, len(o.Lines))
	for _, l := range o.Lines {
		lines[l.SKU] += l.Quantity
	}
	var got inventory.Reservation
	for try := 1; ; try++ {
		err := s.t.Call(ctx, s.o.Inventory, http.MethodPost, "/reservations", inventory.Reservation{Order: o.ID, Lines: lines}, &got)
		refused, isRefusal := errors.AsType[*telemetry.Refusal](err)
		if !isRefusal || refused.Status < http.StatusInternalServerError || try == reserveTries {
			if try > 1 {
				s.t.Label(ctx, faults.RetryStorm, o.ID, truth.Label{Services: []string{"inventory"}})
			}
			return err
		}
	}
}

func (s *Orders) release(ctx context.Context, o Order) error {
	var got inventory.Reservation
	return s.t.Call(ctx, s.o.Inventory, http.MethodDelete, "/reservations/"+o.ID, nil, &got)
}

func (s *Orders) pay(ctx context.Context, o Order) error {
	var paid struct{ Status string }
	return s.t.Call(ctx, s.o.Payments, http.MethodPost, "/payments",
		payments.Payment{Order: o.ID, Customer: o.Customer, Cents: o.Cents, Method: o.Method}, &paid)
}

func (s *Orders) refund(ctx context.Context, o Order) error {
	var back struct{ Status string }
	return s.t.Call(ctx, s.o.Payments, http.MethodPost, "/refunds", payments.Payment{Order: o.ID, Cents: o.Cents}, &back)
}

func (s *Orders) ship(ctx context.Context, o Order) error {
	peer := s.o.Shipping
	if s.o.Faults.Hits(faults.DroppedTraceHeader, o.ID) {
		s.t.Label(ctx, faults.DroppedTraceHeader, o.ID, truth.Label{Services: []string{peer.Name}})
		peer.Untraced = true
	}
	var got shipping.Shipment
	return s.t.Call(ctx, peer, http.MethodPost, "/shipments", shipping.Shipment{Order: o.ID, Customer: o.Customer, Note: o.Note}, &got)
}
