package samples

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"muster/samples/catalog"
	"muster/samples/faults"
	"muster/samples/gateway"
	"muster/samples/orders"
	"muster/samples/payments"
)

// journey is what one client does: it places an order and reads it, or only
// reads one that was placed long ago.
type journey struct {
	correlation string
	order       orders.Order
	readOnly    bool
	api         gateway.API
	direct      bool // reads from the orders service itself
	// darkOrder and darkRead say that X-Ray does not sample the request that places
	// the order, and the one that reads it.
	darkOrder, darkRead bool
	think               time.Duration // between placing and reading
}

const (
	// settled is how many journeys ago an order must have been placed to be read
	// by another: at journeyEvery that is longer than the slowest order takes.
	settled = 6
	// Of the journeys, one in readOnlyOne only reads, one in manyLinesOne orders
	// many products, one in transferOne pays by transfer, and one in largeOne is
	// for an amount beyond the limit.
	readOnlyOne, manyLinesOne, transferOne, largeOne = 4, 3, 5, 6
	customers                                        = 40
	// The first of each kind that is not chance.
	manyLinesFirst, transferFirst, largeFirst = 0, 1, 2
	// noteBytes is what the fault "oversized payload" puts into an order: well
	// below what a table's item may have.
	noteBytes = 100 << 10
	// Of the requests that no fault hits, one in darkOne is not sampled: about one
	// in thirty of all while every fault is on. The first are arranged: the first
	// order that no fault hits, and the read of darkReadFirst, whose fault is over
	// by then.
	darkOne       = 8
	darkReadFirst = 4
)

// plan is the sequence of journeys. The same seed gives the same sequence, but
// for the ids, which name the run.
type plan struct {
	random *rand.Rand
	dark   *rand.Rand // what is sampled: of its own, so that the orders are the same
	faults faults.Set
	run    string
	next   int
	placed []string        // order ids, "" for journeys that placed none
	sound  map[string]bool // orders that no fault hits
	// darkened says that the first of those has been placed, and was not sampled.
	darkened bool
}

func newPlan(seed uint64, at time.Time, fs faults.Set) *plan {
	return &plan{
		random: rand.New(rand.NewPCG(seed, 0)), dark: rand.New(rand.NewPCG(seed, 1)), faults: fs,
		run: strconv.FormatInt(at.UnixMilli(), 36), sound: make(map[string]bool),
	}
}

// shown is how many journeys at the beginning are arranged: the faults that
// are on show in them one after the other, and the rest is chance.
const shown = 12

// step makes the next journey.
func (p *plan) step() journey {
	n, r := p.next, p.random
	p.next++
	j := journey{
		correlation: fmt.Sprintf("journey-%s-%04d", p.run, n),
		think:       time.Duration(50+r.IntN(200)) * time.Millisecond,
	}
	j.api = gateway.APIs()[r.IntN(len(gateway.APIs()))]
	if n == 0 { // which every run has
		j.api = gateway.APIs()[1]
	}
	o := orders.Order{
		ID:       fmt.Sprintf("order-%s-%04d", p.run, n),
		Customer: fmt.Sprintf("customer-%02d", r.IntN(customers)),
		Method:   "card", Cents: 500 + r.IntN(payments.Limit-500),
	}
	// Chance is drawn whether it counts or not, so that the rest stays the same.
	is := func(arranged int, chance bool) bool { return n == arranged || n >= shown && chance }
	lines := 1 + r.IntN(4)
	many := is(manyLinesFirst, r.IntN(manyLinesOne) == 0)
	if many {
		lines = 10 + r.IntN(catalog.Products-10+1)
	}
	if is(transferFirst, r.IntN(transferOne) == 0) {
		o.Method = payments.MethodTransfer
	}
	if is(largeFirst, r.IntN(largeOne) == 0) {
		o.Cents += payments.Limit
	}
	if p.faults.Hits(faults.OversizedPayload, o.ID) {
		o.Note = strings.Repeat("Please ring twice. ", noteBytes/len("Please ring twice. "))
	}
	j.direct = p.faults.Hits(faults.GatewayBypass, o.ID)
	for _, sku := range r.Perm(catalog.Products)[:lines] {
		o.Lines = append(o.Lines, orders.Line{SKU: catalog.SKU(sku), Quantity: 1 + r.IntN(3)})
	}
	j.order = o
	// The fault "low cache hit ratio" hits all orders, and none that is not sampled:
	// only spans show it.
	broken := p.faults.On(faults.BadDeployment) && n >= deployAt && n < rollBackAt
	p.sound[o.ID] = !many && o.Method == "card" && o.Cents <= payments.Limit && !broken && !p.faults.HitsAny(o.ID)
	if r.IntN(readOnlyOne) == 0 && n >= shown && p.placed[n-settled] != "" {
		j.readOnly, j.direct, j.order = true, false, orders.Order{ID: p.placed[n-settled]}
		p.placed = append(p.placed, "")
	} else {
		p.placed = append(p.placed, o.ID)
	}
	sound := p.sound[j.order.ID]
	first := sound && !p.darkened
	p.darkened = p.darkened || first
	j.darkOrder = (p.dark.IntN(darkOne) == 0 && sound && n >= shown || first) && !j.readOnly
	j.darkRead = is(darkReadFirst, p.dark.IntN(darkOne) == 0 && sound)
	return j
}
