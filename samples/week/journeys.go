package week

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"muster/samples"
	"muster/samples/catalog"
	"muster/samples/faults"
	"muster/samples/gateway"
	"muster/samples/orders"
	"muster/samples/payments"
	"muster/samples/truth"
)

// order is an order with what the week remembers of it.
type order struct {
	orders.Order
	journey string
	api     gateway.API
	fault   faults.Fault // that hits it; "" for none
	// shown is the sequence that the view has, and exists says that it has one.
	shown  int
	exists bool
	failed int // tries of its reservation, under the fault "retry storm"
}

// ring is the last orders that were placed.
type ring struct {
	orders [64]*order
	next   int
}

func (r *ring) add(o *order) {
	r.orders[r.next%len(r.orders)] = o
	r.next++
}

// busy is the load at a time against the average of a week: nights are quiet,
// noon and evening busy, weekends slower.
func busy(at int64) float64 {
	t := clock(at)
	h := float64(t.Hour()) + float64(t.Minute())/60
	bump := func(middle, width float64) float64 {
		return math.Exp(-(h - middle) * (h - middle) / (2 * width * width))
	}
	load := 0.18 + 1.65*bump(12, 2.6) + 1.75*bump(19.5, 2.2)
	if day := t.Weekday(); day == 0 || day == 6 {
		load *= 0.65
	}
	return load
}

// arrive is one client, and plans the next.
func (w *Week) arrive(at int64) {
	perMicrosecond := journeysPerMinute * w.o.Rate * busy(at) / float64(minute)
	if next := at + 1 + int64(w.random.ExpFloat64()/perMicrosecond); next < w.to-minute {
		w.agenda.at(next, w.arrive)
	}
	n := w.journeys
	w.journeys++
	journey := fmt.Sprintf("journey-%s-%04d", w.run, n)
	if w.random.one(readOnlyOne) && w.placed.next > settled {
		known := min(w.placed.next, len(w.placed.orders)) - settled
		o := w.placed.orders[(w.placed.next-settled-1-w.random.IntN(known))%len(w.placed.orders)]
		w.read(o, journey, at)
		return
	}
	if w.random.one(strayOne) {
		w.read(&order{Order: orders.Order{ID: fmt.Sprintf("order-%s-x%d", w.run, n)}, api: gateway.APIs()[0]}, journey, at)
		return
	}
	o := w.draw(n, at)
	o.journey = journey
	w.placed.add(o)
	w.place(o, at)
}

const (
	// Of the journeys, one in readOnlyOne only reads, and of the others one in
	// strayOne asks for an order that never was; one order in manyLinesOne has
	// many products, one in transferOne is paid by transfer and one in largeOne
	// is beyond the limit while the fault of that is on.
	readOnlyOne, strayOne, manyLinesOne, transferOne, largeOne = 4, 200, 3, 5, 6
	customers                                                  = 400
	// settled is how many orders ago one must have been placed to be read by
	// another client.
	settled = 6
	// noteBytes is what the fault "oversized payload" puts into an order.
	noteBytes = 100 << 10
)

// draw makes an order, and decides what hits it.
func (w *Week) draw(n int, at int64) *order {
	r := w.random
	o := &order{Order: orders.Order{
		ID: fmt.Sprintf("order-%s-%04d", w.run, n), Customer: fmt.Sprintf("customer-%03d", r.IntN(customers)),
		Method: "card", Cents: 500 + r.IntN(payments.Limit-500),
	}}
	lines := 1 + r.IntN(4)
	o.fault, o.api = w.strike(at), gateway.APIs()[r.IntN(len(gateway.APIs()))]
	if r.one(manyLinesOne) || w.due(faults.NPlusOne, at) {
		lines = 10 + r.IntN(catalog.Products-10+1)
	}
	if w.on(faults.SlowDependency, at) && r.one(transferOne) || w.due(faults.SlowDependency, at) {
		o.Method = payments.MethodTransfer
	}
	if w.on(faults.PaymentRefused, at) && o.fault == "" && (r.one(largeOne) || w.due(faults.PaymentRefused, at)) {
		o.Cents += payments.Limit
	}
	for _, sku := range r.Perm(catalog.Products)[:lines] {
		o.Lines = append(o.Lines, orders.Line{SKU: catalog.SKU(sku), Quantity: 1 + r.IntN(3)})
	}
	return o
}

// place is a client that places an order, and reads it a little later.
func (w *Week) place(o *order, at int64) {
	t := w.tasks[samples.Gateway]
	trace := w.newTrace(at)
	w.truth.trace(truth.Trace{ID: trace, Journey: o.journey})
	path := o.api.Path() + "/orders"
	route := "POST " + path
	a, f := w.serve(t, route, path, t.address+":8080", trace, "", o.journey, w.client(), at, func(f *flow) answer {
		f.describe(o.api)
		a := f.call(w.tasks[samples.Orders], "POST /orders", "/orders", false, func(f *flow) answer { return w.placeOrder(f, o) })
		if a.refused() {
			return a
		}
		f.log("INFO", "order accepted", "api_stage", o.api.Stage, "api_version", o.api.Version)
		return answer{status: http.StatusCreated, length: a.length}
	})
	w.truth.requestAnswered(truth.Request{Trace: trace, Span: f.root.id, Journey: o.journey, Name: route, Status: a.status})
	think := f.at + 2*second + w.random.upTo(20*second)
	if !a.refused() {
		w.mayTakeCapacity(f.at)
	}
	if think < w.to-minute {
		w.agenda.at(think, func(at int64) { w.read(o, o.journey, at) })
	}
}

// read is a client that reads an order.
func (w *Week) read(o *order, journey string, at int64) {
	trace, path := w.newTrace(at), "/orders/"+o.ID
	if o.fault == "" && w.random.one(unsampledOne) && !w.on(faults.NPlusOne, at) {
		trace = ""
	} else {
		w.truth.trace(truth.Trace{ID: trace, Journey: journey})
	}
	readOrder := func(f *flow) answer { return w.readOrder(f, o) }
	if o.fault == faults.GatewayBypass && journey == o.journey {
		t := w.tasks[samples.Orders]
		w.serve(t, "GET /orders/{id}", path, t.address+":8080", trace, "", journey, w.client(), at, readOrder)
		w.struck(faults.GatewayBypass, at, truth.Label{
			Services: []string{samples.Orders}, Traces: []string{trace}, Journeys: []string{journey},
		})
		return
	}
	t := w.tasks[samples.Gateway]
	route := "GET " + o.api.Path() + "/orders/{id}"
	a, f := w.serve(t, route, o.api.Path()+path, t.address+":8080", trace, "", journey, w.client(), at, func(f *flow) answer {
		f.describe(o.api)
		a := f.call(w.tasks[samples.Orders], "GET /orders/{id}", path, false, readOrder)
		if a.refused() {
			return a
		}
		f.log("INFO", "order read", "order", o.ID, "api_stage", o.api.Stage, "api_version", o.api.Version)
		return answer{status: http.StatusOK, length: a.length}
	})
	if trace != "" {
		w.truth.requestAnswered(truth.Request{Trace: trace, Span: f.root.id, Journey: journey, Name: route, Status: a.status})
	}
	if a.status == tooMany.status {
		w.readAgain(o, journey, f.at)
	}
}

// unsampledOne is how many reads there are to one that X-Ray does not sample:
// its lines and calls show no trace, and no span accounts for them.
const unsampledOne = 40

func (f *flow) describe(api gateway.API) {
	f.root.annotate("api_stage", api.Stage)
	f.root.annotate("api_version", api.Version)
}

// client is an address of a block that is reserved for documentation.
func (w *Week) client() string { return "192.0.2." + strconv.Itoa(1+w.random.IntN(250)) }

// bytes is about what the order takes as JSON.
func (o *order) bytes() int {
	n := 90 + 33*len(o.Lines)
	if o.fault == faults.OversizedPayload {
		n += noteBytes
	}
	return n
}

// carriesCorrelation is true for every other order, as in the live fleet.
func (o *order) carriesCorrelation() bool { return o.ID[len(o.ID)-1]%2 == 0 }

func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }
