package week

import (
	"fmt"
	"net/http"

	"muster/samples/faults"
	"muster/samples/orders"
	"muster/samples/truth"
)

// viewTable is the read side of the orders service.
const viewTable = "orders-view"

// placeOrder is POST /orders of the orders service.
func (w *Week) placeOrder(f *flow, o *order) answer {
	w.happened(f, o, orders.EventPlaced)
	f.log("INFO", "order stored", "order", o.ID, "bytes", o.bytes())
	if o.fault == faults.OversizedPayload {
		w.hit(f, o.fault, truth.Label{})
	}
	w.askLatecomers(f, o)
	switch a := w.fulfil(f, o); {
	case a.status >= http.StatusInternalServerError:
		return answer{status: http.StatusUnprocessableEntity, length: 41}
	case a.refused() || a.problem == lost:
		return a
	}
	w.publish(f, o, orders.EventPlaced)
	w.askForPapers(f, o)
	return answer{status: http.StatusCreated, length: o.bytes()}
}

// happened appends an event to an order and lets the view follow.
func (w *Week) happened(f *flow, o *order, event string) {
	f.step(event, func() (string, string) {
		o.Sequence++
		if event == orders.EventPaid && o.fault == faults.EventGap {
			w.hit(f, o.fault, truth.Label{}) // numbered, and lost
		} else {
			f.aws(&putItem, put(orders.Table, fmt.Sprintf(`"pk":"order#%s","sk":"event#%04d"`, o.ID, o.Sequence),
				"at", "cents", "customer", "event", "lines", "method", "pk", "sk"))
			f.log("INFO", "event appended", "aggregate_id", o.ID, "sequence", o.Sequence, "type", event)
		}
		o.Status = map[string]string{
			orders.EventPlaced: "placed", orders.EventPaid: "paid", orders.EventConfirmed: "confirmed", orders.EventCancelled: "cancelled",
		}[event]
		if o.Sequence == 1 || o.fault != faults.StaleRead {
			w.view.called(f)
			f.aws(&putItem, put(viewTable, `"order":`+quoted(o.ID), "document", "order", "sequence"))
			o.shown, o.exists = o.Sequence, true
		}
		return "", ""
	})
}

// readOrder is GET /orders/{id} of the orders service.
func (w *Week) readOrder(f *flow, o *order) answer {
	if !w.readView(f, o) {
		return tooMany
	}
	if !o.exists {
		return answer{status: http.StatusNotFound, length: 25}
	}
	if o.fault == faults.ErrorInside200 {
		f.log("ERROR", "catalogue cannot be read", "order", o.ID, "error", "connection reset by peer")
		w.hit(f, o.fault, truth.Label{})
		return answer{status: http.StatusOK, length: 55}
	}
	if w.on(faults.NPlusOne, f.at) {
		for _, l := range o.Lines {
			f.aws(&getItem, on(orders.Table, `{"key":{"pk":"catalog","sk":"`+l.SKU+`"}}`))
		}
		switch n := len(o.Lines); {
		case n >= 10:
			w.hit(f, faults.NPlusOne, truth.Label{})
		case n >= 8:
			w.truth.small.Allow("n-plus-one", f.trace)
		}
	} else {
		f.aws(&query, on(orders.Table, `{"keyConditionExpression":"pk = :pk"}`))
	}
	status := o.Status
	if o.fault == faults.StaleRead {
		status = "placed"
		w.hit(f, o.fault, truth.Label{})
	}
	f.log("INFO", "order found", "order", o.ID, "lines", len(o.Lines), "status", status, "sequence", o.shown)
	if o.fault == faults.OversizedPayload { // for whoever reads it, too
		w.hit(f, o.fault, truth.Label{})
	}
	return answer{status: http.StatusOK, length: o.bytes() + 14*len(o.Lines)}
}

// priority is GET /orders/{id}/priority, for who handles an order before it is
// done.
func (w *Week) priority(f *flow) answer {
	f.aws(&query, on(orders.Table, `{"keyConditionExpression":"pk = :pk"}`))
	return answer{status: http.StatusOK, length: 52}
}

// publish tells the world, and has the message handled.
func (w *Week) publish(f *flow, o *order, event string) {
	id, topic := w.random.uuid(), arn("sns", orders.Topic)
	f.aws(&publish, asked{
		params: `{"message":"HIDDEN_DUE_TO_SECURITY_REASONS","topicArn":"` + topic + `"}`, response: `{"messageId":"` + id + `"}`,
		resources: resource("AWS::SNS::Topic", topic),
	})
	f.cur.annotate("message_id", id)
	f.log("INFO", "event published", "type", event, "aggregate_id", o.ID, "sequence", o.Sequence, "message_id", id)
	f.unlinked("INFO", "event relayed", "type", event, "message_id", id)
	if o.fault == faults.EventNeverConsumed { // the subscription's filter lets it not through
		w.hit(f, o.fault, truth.Label{Messages: []string{id}})
		return
	}
	m := sent{id: id, order: o, event: event, trace: f.trace, journey: f.journey}
	w.agenda.at(f.at+5000+w.random.around(delivery, 0.8), func(at int64) { w.notify(m, at) })
}

// papers are those of an order.
var papers = []string{"invoice", "packing-slip", "warranty"}

// askForPapers sends the messages of every other order in one batch.
func (w *Week) askForPapers(f *flow, o *order) {
	if !o.carriesCorrelation() {
		return
	}
	f.aws(&sendBatch, about("documents", `"entries":3`))
	var ids []string
	for n, kind := range papers {
		id := w.random.uuid()
		ids = append(ids, id)
		f.step("document asked for", func() (string, string) {
			f.cur.annotate("message_id", id)
			return "", ""
		})
		w.print(sent{
			id: id, order: o, kind: kind, trace: f.trace, journey: f.journey,
			poison: o.fault == faults.PoisonMessage && n == len(papers)-1,
		}, f.at)
	}
	f.log("INFO", "documents asked for", "order", o.ID, "message_ids", ids)
}

// hit notes that a fault hit a flow.
func (w *Week) hit(f *flow, fault faults.Fault, more truth.Label) {
	more.Services = append(more.Services, f.t.service)
	more.Traces, more.Journeys = []string{f.trace}, []string{f.journey}
	w.struck(fault, f.at, more)
}
