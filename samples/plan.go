package samples

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"muster/samples/orders"
	"muster/samples/payments"
)

// journey is what one client does: it places an order and reads it, or only
// reads one that was placed long ago.
type journey struct {
	correlation string
	order       orders.Order
	readOnly    bool
	think       time.Duration // between placing and reading
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
)

// plan is the sequence of journeys. The same seed gives the same sequence, but
// for the ids, which name the run.
type plan struct {
	random *rand.Rand
	run    string
	next   int
	placed []string // order ids, "" for journeys that placed none
}

func newPlan(seed uint64, at time.Time) *plan {
	return &plan{random: rand.New(rand.NewPCG(seed, 0)), run: strconv.FormatInt(at.UnixMilli(), 36)}
}

// step makes the next journey. The first three are bound to show each of the
// faults, in case they are on; the rest is chance.
func (p *plan) step() journey {
	n, r := p.next, p.random
	p.next++
	j := journey{
		correlation: fmt.Sprintf("journey-%s-%04d", p.run, n),
		think:       time.Duration(50+r.IntN(200)) * time.Millisecond,
	}
	o := orders.Order{
		ID:       fmt.Sprintf("order-%s-%04d", p.run, n),
		Customer: fmt.Sprintf("customer-%02d", r.IntN(customers)),
		Method:   "card", Cents: 500 + r.IntN(payments.Limit-500),
	}
	lines := 1 + r.IntN(4)
	if many := r.IntN(manyLinesOne) == 0; n == 0 || many {
		lines = 10 + r.IntN(orders.Products-10+1)
	}
	if transfer := r.IntN(transferOne) == 0; n == 1 || transfer {
		o.Method = payments.MethodTransfer
	}
	if large := r.IntN(largeOne) == 0; n == 2 || large {
		o.Cents += payments.Limit
	}
	for _, sku := range r.Perm(orders.Products)[:lines] {
		o.Lines = append(o.Lines, orders.Line{SKU: orders.SKU(sku), Quantity: 1 + r.IntN(3)})
	}
	j.order = o
	if r.IntN(readOnlyOne) == 0 && n >= settled && p.placed[n-settled] != "" {
		j.readOnly, j.order = true, orders.Order{ID: p.placed[n-settled]}
		p.placed = append(p.placed, "")
		return j
	}
	p.placed = append(p.placed, o.ID)
	return j
}
