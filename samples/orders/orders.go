// Package orders keeps orders as events: it runs the saga that has an order
// reserved, paid and shipped, tells the world by events, and takes everything
// back when a step fails. What clients read comes from a view beside it.
package orders

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"muster/samples/faults"
	"muster/samples/telemetry"
	"muster/samples/truth"
)

// Options are the service's neighbours and faults.
type Options struct {
	Payments, Inventory, Shipping telemetry.Peer
	Faults                        faults.Set
	// Announce puts events on EventBridge's default bus too.
	Announce bool
}

// Order is an order as clients place and read it. Clients choose the id, so
// that placing an order twice is seen.
type Order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Cents    int    `json:"cents"`
	Method   string `json:"method"`
	Lines    []Line `json:"lines"`
	Note     string `json:"note,omitempty"`
	Status   string `json:"status,omitempty"`
	// Sequence is the number of the last event of the order.
	Sequence int `json:"sequence,omitempty"`
}

// Line is one product of an order.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
	Title    string `json:"title,omitempty"`
}

// oversized is what no note of an order needs, in bytes.
const oversized = 64 << 10

// Orders is the service.
type Orders struct {
	t       *telemetry.Telemetry
	journal *journal
	view    *view
	bus     *bus
	papers  *papers
	o       Options
}

// New makes the service's tables and topic.
func New(ctx context.Context, t *telemetry.Telemetry, o Options) (*Orders, error) {
	j, err := openJournal(ctx, t, o.Faults)
	if err != nil {
		return nil, err
	}
	v, err := openView(ctx, t, o.Faults)
	if err != nil {
		return nil, err
	}
	b, err := openBus(ctx, t)
	if err != nil {
		return nil, err
	}
	if o.Announce {
		b.announcer = newAnnouncer(t)
	}
	p, err := openPapers(ctx, t, o.Faults)
	if err != nil {
		return nil, err
	}
	return &Orders{t: t, journal: j, view: v, bus: b, papers: p, o: o}, nil
}

// Documents is how many documents have been asked for.
func (s *Orders) Documents() int64 { return s.papers.sent.Load() }

// Published is how many events have been published.
func (s *Orders) Published() int64 { return s.bus.published.Load() }

// Announced is how many placed orders have been put on EventBridge's bus.
func (s *Orders) Announced() int64 {
	if s.bus.announcer == nil {
		return 0
	}
	return s.bus.announcer.placed.Load()
}

// Routes adds what other services may ask for.
func (s *Orders) Routes(mux *http.ServeMux) {
	s.t.Handle(mux, "POST /orders", s.place)
	s.t.Handle(mux, "GET /orders/{id}", s.read)
	s.t.Handle(mux, "GET /orders/{id}/priority", s.priority)
}

func (s *Orders) place(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var o Order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil || o.ID == "" || len(o.Lines) == 0 {
		return &telemetry.Refusal{Status: http.StatusBadRequest, Reason: "no order in the body"}
	}
	o.Sequence = 0
	o, err := s.happened(ctx, o, EventPlaced)
	if errors.Is(err, errExists) {
		s.t.Log.WarnContext(ctx, "order refused", "order", o.ID, "reason", "it exists")
		return &telemetry.Refusal{Status: http.StatusConflict, Reason: "the order exists"}
	}
	if err != nil {
		return err
	}
	s.t.Log.InfoContext(ctx, "order stored", "order", o.ID, "bytes", r.ContentLength)
	if len(o.Note) > oversized {
		s.t.Label(ctx, faults.OversizedPayload, o.ID, truth.Label{})
	}
	err = s.fulfil(ctx, &o)
	if errors.Is(err, errLost) {
		return telemetry.Answer(w, http.StatusCreated, o)
	}
	if refused, ok := errors.AsType[*telemetry.Refusal](err); ok && refused.Status >= http.StatusInternalServerError {
		return &telemetry.Refusal{Status: http.StatusUnprocessableEntity, Reason: "the order cannot be fulfilled"}
	}
	if err != nil {
		return err
	}
	if err := s.bus.publish(ctx, s.t, o, EventPlaced); err != nil {
		return err
	}
	if err := s.papers.ask(ctx, o); err != nil {
		return err
	}
	return telemetry.Answer(w, http.StatusCreated, o)
}

// happened appends an event to an order and lets the view follow.
func (s *Orders) happened(ctx context.Context, o Order, event string) (Order, error) {
	err := s.t.Step(ctx, event, func(ctx context.Context) (err error) {
		if o, err = s.journal.add(ctx, o, event); err != nil {
			return err
		}
		return s.view.show(ctx, o)
	})
	return o, err
}

func (s *Orders) read(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	o, err := s.view.order(ctx, r.PathValue("id"))
	if errors.Is(err, errAbsent) {
		return &telemetry.Refusal{Status: http.StatusNotFound, Reason: "no such order"}
	}
	if err != nil {
		return err
	}
	if s.o.Faults.Hits(faults.ErrorInside200, o.ID) {
		s.t.Log.ErrorContext(ctx, "catalogue cannot be read", "order", o.ID, "error", "connection reset by peer")
		s.t.Label(ctx, faults.ErrorInside200, o.ID, truth.Label{})
		return telemetry.Answer(w, http.StatusOK, map[string]string{"status": "error", "error": "catalogue cannot be read"})
	}
	titles, err := s.titles(ctx, o)
	if err != nil {
		return err
	}
	for i, l := range o.Lines {
		o.Lines[i].Title = titles[l.SKU]
	}
	if o.Sequence == 1 && s.o.Faults.Hits(faults.StaleRead, o.ID) {
		s.t.Label(ctx, faults.StaleRead, o.ID, truth.Label{})
	}
	s.t.Log.InfoContext(ctx, "order found", "order", o.ID, "lines", len(o.Lines), "status", o.Status, "sequence", o.Sequence)
	return telemetry.Answer(w, http.StatusOK, o)
}

func (s *Orders) titles(ctx context.Context, o Order) (map[string]string, error) {
	if !s.o.Faults.On(faults.NPlusOne) {
		return s.view.titles(ctx)
	}
	if len(o.Lines) >= manyItems {
		s.t.Label(ctx, faults.NPlusOne, o.ID, truth.Label{})
	}
	return s.view.titlesOneByOne(ctx, o.Lines)
}

// priority is for who handles an order before it is done, and so comes from
// its events.
func (s *Orders) priority(w http.ResponseWriter, r *http.Request) error {
	o, err := s.journal.replay(r.Context(), r.PathValue("id"))
	if errors.Is(err, errAbsent) {
		return &telemetry.Refusal{Status: http.StatusNotFound, Reason: "no such order"}
	}
	if err != nil {
		return err
	}
	priority := "normal"
	if o.Cents > largeOrder {
		priority = "high"
	}
	return telemetry.Answer(w, http.StatusOK, map[string]string{"order": o.ID, "priority": priority})
}

// largeOrder is the amount from which on an order is handled first, in cents.
const largeOrder = 20_000
