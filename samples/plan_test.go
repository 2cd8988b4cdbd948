package samples

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"muster/samples/faults"
	"muster/samples/orders"
	"muster/samples/payments"
)

func steps(seed uint64, at time.Time, n int) []journey {
	p := newPlan(seed, at, faults.Set{})
	out := make([]journey, 0, n)
	for range n {
		out = append(out, p.step())
	}
	return out
}

func TestPlanRepeatsItselfButForIDs(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	first, second := steps(7, at, 200), steps(7, at.Add(time.Hour), 200)
	opts := []cmp.Option{
		cmp.AllowUnexported(journey{}), cmpopts.IgnoreFields(journey{}, "correlation"), cmpopts.IgnoreFields(orders.Order{}, "ID"),
	}
	if diff := cmp.Diff(first, second, opts...); diff != "" {
		t.Errorf("one seed gave two plans:\n%s", diff)
	}
	if cmp.Equal(first, steps(8, at, 200), opts...) {
		t.Error("two seeds gave one plan")
	}
	seen := make(map[string]bool)
	for _, j := range append(first, second...) {
		if seen[j.correlation] {
			t.Fatalf("correlation id %s was given twice", j.correlation)
		}
		seen[j.correlation] = true
	}
}

func TestPlanShowsEveryFaultAtOnce(t *testing.T) {
	for seed := range uint64(20) {
		js := steps(seed, time.Now(), 3)
		if n := len(js[0].order.Lines); n < 10 {
			t.Errorf("seed %d: the first order has %d lines, want 10 or more", seed, n)
		}
		if m := js[1].order.Method; m != payments.MethodTransfer {
			t.Errorf("seed %d: the second order is paid by %s, want a transfer", seed, m)
		}
		if c := js[2].order.Cents; c <= payments.Limit {
			t.Errorf("seed %d: the third order is for %d cents, want more than the limit", seed, c)
		}
	}
}

// TestPlanSamplesWhatFaultsHit: a label of a fault names a trace that has spans.
func TestPlanSamplesWhatFaultsHit(t *testing.T) {
	for _, on := range [][]faults.Fault{nil, faults.Names()} {
		for seed := range uint64(5) {
			p := newPlan(seed, time.Now(), faults.NewSet(seed, on))
			dark, all, first := 0, 0, -1
			for n := range 600 {
				j := p.step()
				all++
				if j.darkRead || j.darkOrder {
					dark++
				}
				o := j.order
				hit := len(o.Lines) >= 10 || o.Method == payments.MethodTransfer || o.Cents > payments.Limit || p.faults.HitsAny(o.ID) ||
					len(on) > 0 && n >= deployAt && n < rollBackAt
				if (j.darkOrder || j.darkRead && n != darkReadFirst) && hit && !j.readOnly || j.darkOrder && j.readOnly {
					t.Errorf("seed %d: journey %d is not sampled: %+v", seed, n, j)
				}
				if j.darkRead && (j.direct || p.faults.Hits(faults.StaleRead, o.ID) || p.faults.Hits(faults.ErrorInside200, o.ID)) {
					t.Errorf("seed %d: the read of journey %d is not sampled: %+v", seed, n, j)
				}
				if first < 0 && !hit {
					first = n
				}
				if n < shown && (j.darkRead != (n == darkReadFirst) || j.darkOrder != (n == first)) {
					t.Errorf("seed %d: journey %d is arranged otherwise: %+v", seed, n, j)
				}
			}
			if dark < all/60 || dark > all/8 {
				t.Errorf("seed %d: of %d journeys %d have a request that is not sampled", seed, all, dark)
			}
		}
	}
}

func TestPlanReadsOnlyOrdersPlacedLongAgo(t *testing.T) {
	placed := make(map[string]int)
	reads := 0
	for n, j := range steps(7, time.Now(), 400) {
		if !j.readOnly {
			placed[j.order.ID] = n
			continue
		}
		reads++
		if at, ok := placed[j.order.ID]; !ok || n-at < settled {
			t.Errorf("journey %d reads %s, which was placed by journey %d (%v)", n, j.order.ID, at, ok)
		}
	}
	if reads == 0 {
		t.Error("no journey only reads")
	}
}
