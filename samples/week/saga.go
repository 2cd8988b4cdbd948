package week

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"muster/samples"
	"muster/samples/faults"
	"muster/samples/orders"
	"muster/samples/payments"
	"muster/samples/shipping"
	"muster/samples/truth"
)

const (
	sagaName = "place-order"
	// lost says that a step of the saga was lost, and the rest with it.
	lost = "lost"
	// reserveTries is how often a reservation is asked for without a pause.
	reserveTries = 6
	// bankDelay is what the fault "slow dependency" adds to a bank transfer.
	bankDelay = 1300 * time.Millisecond
)

// fulfil runs the saga of an order that is placed.
func (w *Week) fulfil(f *flow, o *order) answer {
	f.log("INFO", "saga started", "saga", sagaName, "saga_id", o.ID)
	steps := []struct {
		name string
		do   func() answer
	}{
		{"reserve", func() answer { return w.reserve(f, o) }},
		{"pay", func() answer { return w.pay(f, o) }},
		{"ship", func() answer { return w.ship(f, o) }},
	}
	for n, st := range steps {
		if st.name == "ship" && o.fault == faults.LostSagaStep {
			w.hit(f, o.fault, truth.Label{})
			return answer{status: http.StatusCreated, length: o.bytes(), problem: lost}
		}
		var a answer
		f.step("saga "+st.name, func() (string, string) {
			f.cur.annotate("saga", sagaName)
			f.cur.annotate("saga_id", o.ID)
			f.cur.annotate("saga_step", st.name)
			if a = st.do(); a.refused() {
				return "telemetry.Refusal", fmt.Sprintf("%d: %s", a.status, a.problem)
			}
			return "", ""
		})
		if a.refused() {
			f.log("WARN", "saga failed", "saga", sagaName, "saga_id", o.ID, "saga_step", st.name, "error", fmt.Sprintf("%d: %s", a.status, a.problem))
			w.takeBack(f, o, n)
			return a
		}
		f.log("INFO", "saga step done", "saga", sagaName, "saga_id", o.ID, "saga_step", st.name)
	}
	w.happened(f, o, orders.EventConfirmed)
	f.log("INFO", "saga completed", "saga", sagaName, "saga_id", o.ID)
	return answer{status: http.StatusCreated}
}

// takeBack takes back the first n steps, the last first.
func (w *Week) takeBack(f *flow, o *order, n int) {
	if o.fault == faults.FailedWithoutCompensation {
		w.hit(f, o.fault, truth.Label{})
		return
	}
	done := []string{"reserve", "pay"}[:min(n, 2)]
	if o.fault == faults.CompensatedTwice {
		w.hit(f, o.fault, truth.Label{Services: []string{samples.Inventory}})
		done = append([]string{"reserve"}, done...)
	}
	f.step("compensate", func() (string, string) {
		for _, st := range slices.Backward(done) {
			switch st {
			case "reserve":
				w.release(f, o)
			case "pay":
				w.refund(f, o)
			}
			f.log("INFO", "saga step compensated", "saga", sagaName, "saga_id", o.ID, "saga_step", st)
		}
		w.happened(f, o, orders.EventCancelled)
		f.log("WARN", "order cancelled", "order", o.ID, "compensates", "order placed")
		w.publish(f, o, orders.EventCancelled)
		return "", ""
	})
}

func (w *Week) reserve(f *flow, o *order) answer {
	for try := 1; ; try++ {
		a := f.call(w.tasks[samples.Inventory], "POST /reservations", "/reservations", false, func(f *flow) answer { return w.reserveStock(f, o) })
		if a.status < http.StatusInternalServerError || try == reserveTries {
			if try > 1 {
				w.hit(f, faults.RetryStorm, truth.Label{Services: []string{samples.Inventory}})
			}
			return a
		}
	}
}

// reserveStock is POST /reservations of inventory.
func (w *Week) reserveStock(f *flow, o *order) answer {
	if o.fault == faults.RetryStorm && o.failed < reserveTries-1 {
		o.failed++
		f.log("ERROR", "the warehouse does not answer", "order", o.ID)
		return answer{status: http.StatusServiceUnavailable, length: 41, problem: "the warehouse does not answer"}
	}
	outcome := "hit"
	forgets := w.on(faults.LowCacheHitRatio, f.at)
	if f.at > w.stock.good || forgets {
		outcome = "miss"
		f.aws(&query, on("inventory", `{"keyConditionExpression":"pk = :pk"}`))
		if forgets {
			w.hit(f, faults.LowCacheHitRatio, truth.Label{})
		}
	}
	w.stock.lookUp(f, outcome == "hit")
	f.log("INFO", "stock looked up", "order", o.ID, "cache", outcome)
	f.root.annotate("cache", outcome)
	if o.fault == faults.SharedTable {
		request := f.aws(&getItem, on(orders.Table, `{"key":{"pk":"order#`+o.ID+`","sk":"event#0001"}}`))
		w.hit(f, o.fault, truth.Label{Requests: []string{request}, Resources: []string{"AWS::DynamoDB::Table/" + orders.Table}})
	}
	if o.fault == faults.DependencyCycle {
		f.call(w.tasks[samples.Orders], "GET /orders/{id}/priority", "/orders/"+o.ID+"/priority", false, w.priority)
		w.hit(f, o.fault, truth.Label{Services: []string{samples.Orders}})
	}
	w.keepStock(f, o)
	f.log("INFO", "stock reserved", "order", o.ID, "lines", len(o.Lines))
	return answer{status: http.StatusCreated, length: 40 + 11*len(o.Lines)}
}

func (w *Week) keepStock(f *flow, o *order) {
	f.aws(&putItem, put("inventory", `"pk":"reservation#`+o.ID+`","sk":"reservation"`, "lines", "pk", "sk", "status"))
}

func (w *Week) release(f *flow, o *order) {
	f.call(w.tasks[samples.Inventory], "DELETE /reservations/{order}", "/reservations/"+o.ID, false, func(f *flow) answer {
		w.keepStock(f, o)
		f.log("INFO", "reservation released", "order", o.ID)
		return answer{status: http.StatusOK, length: 44}
	})
}

func (w *Week) pay(f *flow, o *order) answer {
	a := f.call(w.tasks[samples.Payments], "POST /payments", "/payments", false, func(f *flow) answer { return w.takePayment(f, o) })
	if !a.refused() {
		w.happened(f, o, orders.EventPaid)
	}
	return a
}

// hang is how long a check takes under the fault "missing timeout".
const hang = 2 * time.Second

// check is POST /checks of fraud.
func (w *Week) check(f *flow, o *order) answer {
	if o.fault == faults.MissingTimeout {
		f.at += hang.Microseconds()
	}
	if o.fault == faults.DeepChain {
		w.weighParcel(f, o)
	}
	verdict := "accepted"
	if o.Cents > suspicious {
		verdict = "accepted after a second look"
	}
	if w.on(faults.ServiceWithoutLogs, f.at) {
		w.hit(f, faults.ServiceWithoutLogs, truth.Label{})
	} else {
		f.log("INFO", "payment checked", "order", o.ID, "verdict", verdict)
	}
	return answer{status: http.StatusOK, length: 70}
}

// suspicious is the amount from which on a payment is looked at twice, in cents.
const suspicious = 40_000

// takePayment is POST /payments of payments.
func (w *Week) takePayment(f *flow, o *order) answer {
	if o.fault == faults.MissingTimeout {
		w.hit(f, o.fault, truth.Label{Services: []string{samples.Fraud}})
	}
	f.call(w.tasks[samples.Fraud], "POST /checks", "/checks", false, func(f *flow) answer { return w.check(f, o) })
	if o.Method == payments.MethodTransfer && w.on(faults.SlowDependency, f.at) {
		w.hit(f, faults.SlowDependency, truth.Label{})
		f.step("bank", func() (string, string) {
			f.log("WARN", "the bank is slow", "order", o.ID)
			f.at += bankDelay.Microseconds()
			return "", ""
		})
	}
	refused := o.Cents > payments.Limit || o.fault == faults.FailedWithoutCompensation || o.fault == faults.CompensatedTwice
	f.aws(&putItem, put("payments", `"order":`+quoted(o.ID), "cents", "customer", "method", "order", "status"))
	if !refused {
		f.log("INFO", "payment taken", "order", o.ID, "cents", o.Cents)
		return answer{status: http.StatusCreated, length: 52}
	}
	if o.Cents > payments.Limit {
		w.hit(f, faults.PaymentRefused, truth.Label{})
	}
	f.log("WARN", "payment refused", "order", o.ID, "cents", o.Cents, "limit", payments.Limit)
	return answer{status: http.StatusPaymentRequired, length: 39, problem: "beyond the customer's limit"}
}

func (w *Week) refund(f *flow, o *order) {
	f.call(w.tasks[samples.Payments], "POST /refunds", "/refunds", false, func(f *flow) answer {
		f.aws(&updateItem, on("payments", `{"key":{"order":`+quoted(o.ID)+`},"updateExpression":"SET #s = :s"}`))
		f.log("INFO", "payment given back", "order", o.ID)
		return answer{status: http.StatusCreated, length: 50}
	})
}

func (w *Week) ship(f *flow, o *order) answer {
	untraced := o.fault == faults.DroppedTraceHeader
	if untraced {
		w.hit(f, o.fault, truth.Label{Services: []string{samples.Shipping}})
	}
	return f.call(w.tasks[samples.Shipping], "POST /shipments", "/shipments", untraced, func(f *flow) answer { return w.takeShipment(f, o) })
}

// takeShipment is POST /shipments of shipping.
func (w *Week) takeShipment(f *flow, o *order) answer {
	if f.t.version == shipping.BrokenVersion {
		w.hit(f, faults.BadDeployment, truth.Label{})
		f.log("ERROR", "request failed", "error", "no rate for the parcel: index out of range [0] with length 0")
		return answer{status: http.StatusInternalServerError, length: 26, problem: "internal error"}
	}
	w.keepShipment(f, o)
	id := w.random.uuid()
	f.aws(&sendMessage, asked{
		params:    about("shipments", `"messageBody":"HIDDEN_DUE_TO_SECURITY_REASONS"`).params,
		response:  `{"mD5OfMessageBody":"` + w.random.hex(32) + `","messageId":"` + id + `"}`,
		resources: about("shipments", "").resources,
	})
	f.cur.annotate("message_id", id)
	f.log("INFO", "shipment taken", "order", o.ID)
	m := sent{id: id, order: o, trace: f.trace, journey: f.journey, span: f.root.id}
	w.agenda.at(f.at+3000+w.random.around(delivery, 0.8), func(at int64) { w.dispatch(m, at) })
	return answer{status: http.StatusCreated, length: 60}
}

func (w *Week) keepShipment(f *flow, o *order) {
	f.aws(&putItem, put("shipments", `"order":`+quoted(o.ID), "customer", "order", "status"))
}
