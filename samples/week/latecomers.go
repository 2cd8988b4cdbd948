package week

import (
	"net/http"
	"time"

	"muster/samples"
	"muster/samples/faults"
	"muster/samples/truth"
)

// The services that come in the course of the days, each with a fault of its own,
// and the carrier, who is none of the fleet's.
const (
	tax     = "tax"
	loyalty = "loyalty"
	carrier = "carrier.example"
)

// latecomer is one of them, which starts when it is first asked.
func (w *Week) latecomer(service string) *task {
	t := w.late[service]
	if t == nil {
		t = w.build(service)
		t.run, t.unlisted = w.random.hex(8), service == loyalty
		w.late[service] = t
	}
	return t
}

// askLatecomers asks those that are there for what an order wants of them.
func (w *Week) askLatecomers(f *flow, o *order) {
	if w.on(faults.UntracedService, f.at) {
		t := w.latecomer(tax)
		f.lookUp(t)
		w.outside(t, f.at).log("INFO", "tax calculated", "order", o.ID)
		f.outbound(tax, http.MethodPost, t.url()+"/taxes", 6*time.Millisecond, answer{status: http.StatusOK, length: 44})
		w.hit(f, faults.UntracedService, truth.Label{Services: []string{tax}})
	}
	if w.on(faults.TrafficWithoutEntry, f.at) {
		f.call(w.latecomer(loyalty), "POST /points", "/points", false, func(f *flow) answer {
			f.log("INFO", "points given", "order", o.ID)
			return answer{status: http.StatusCreated, length: 31}
		})
		w.hit(f, faults.TrafficWithoutEntry, truth.Label{Services: []string{loyalty}})
	}
}

// weighParcel is how fraud comes to know what an order weighs and what a carrier
// takes for it, while everybody above waits.
func (w *Week) weighParcel(f *flow, o *order) {
	f.call(w.tasks[samples.Inventory], "GET /weights/{order}", "/weights/"+o.ID, false, func(f *flow) answer {
		f.call(w.tasks[samples.Shipping], "GET /quotes/{order}", "/quotes/"+o.ID, false, func(f *flow) answer {
			f.outbound(carrier, http.MethodGet, "https://"+carrier+"/quotes", 30*time.Millisecond, answer{status: http.StatusOK, length: 58})
			return answer{status: http.StatusOK, length: 40}
		})
		return answer{status: http.StatusOK, length: 36}
	})
	w.hit(f, faults.DeepChain, truth.Label{Services: []string{samples.Inventory, samples.Shipping}})
}
