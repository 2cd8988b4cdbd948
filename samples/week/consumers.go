package week

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/samples"
	"muster/samples/faults"
	"muster/samples/orders"
	"muster/samples/queue"
	"muster/samples/truth"
)

// sent is a message under way.
type sent struct {
	id, event, kind string
	order           *order
	trace, journey  string // of who sent it
	span            string // that a consumer goes on from
	poison          bool
	receives        int
	attempts        []string // traces that tried to handle it
}

const (
	// delivery is what a message takes from its sender to its consumer.
	delivery = 90 * time.Millisecond
	// pollEvery is how long a poll waits while its queue is empty, as AWS advises.
	// The live fleet asks every second, so as to stop soon.
	pollEvery = 20 * second
	// gatherFor is how long Lambda gathers messages into a batch of printBatch.
	gatherFor  = 5 * second
	printBatch = 10
	// tryAgainAfter is when a message that failed comes again.
	tryAgainAfter = 30 * second
)

// poll asks an empty queue for messages.
func (w *Week) poll(t *task, at int64) {
	w.receive(t, at)
	if next := at + pollEvery + w.random.upTo(40_000); next < w.to-second {
		w.agenda.at(next, func(at int64) { w.poll(t, at) })
	}
}

func (w *Week) receive(t *task, at int64) {
	w.outside(t, at).aws(&receive, about(t.queue, `"maxNumberOfMessages":10`))
}

// notify is the notifications service with one event, in a trace of its own.
func (w *Week) notify(m sent, at int64) {
	t := w.tasks[samples.Notifications]
	w.receive(t, at-2000)
	m.receives++
	journey := ""
	if m.order.carriesCorrelation() {
		journey = m.journey
	}
	trace := w.newTrace(at)
	w.truth.trace(truth.Trace{ID: trace, Journey: m.journey})
	f := w.open(t, trace, "", journey, at)
	f.root.members = sdkMembers
	f.root.annotate("message_id", m.id)
	if journey != "" {
		f.root.annotate("correlation_id", journey)
	}
	f.log("INFO", "event received", "type", m.event, "order", m.order.ID, "message_id", m.id)
	w.tell(f, m)
	w.told(f, m)
	f.close()
}

// tell files a receipt and tells the customer.
func (w *Week) tell(f *flow, m sent) {
	if !f.t.receipts {
		f.t.receipts = true
		w.changed(f.at, "AWS::S3::Bucket", "receipts", "receipts", "arn:aws:s3:::receipts", f.aws(&createBucket, bucket("", `"bucketName":"receipts"`)),
			`{"creationDate":"`+seconds3339(f.at)+`","name":"receipts"}`, "")
	}
	key := m.event + "/" + m.order.ID + ".json"
	f.aws(&putObject, bucket(key, `"bucketName":"receipts","key":"`+key+`"`))
	f.aws(&putItem, put("notifications", `"message":"`+m.id+`"`, "event", "message"))
	f.log("INFO", "customer told", "order", m.order.ID, "customer", m.order.Customer)
}

// told deletes the message, or forgets to: then it comes again.
func (w *Week) told(f *flow, m sent) {
	if m.order.fault == faults.EventConsumedTwice && m.receives == 1 {
		m.attempts = append(m.attempts, f.trace)
		w.agenda.at(f.at+tryAgainAfter, func(at int64) { w.notify(m, at) })
		return
	}
	w.truth.message(truth.Message{ID: m.id, Producer: m.trace, Consumer: f.trace, Attempts: m.attempts})
	f.aws(&deleteMessage, about(f.t.queue, `"receiptHandle":"`+receipt(m.id, m.receives)+`"`))
	if len(m.attempts) > 0 {
		w.struck(faults.EventConsumedTwice, f.at, truth.Label{
			Services: []string{samples.Notifications}, Traces: append(m.attempts, f.trace), Journeys: []string{m.journey}, Messages: []string{m.id},
		})
	}
}

// bucket is a question about the bucket of receipts, or an object in it.
func bucket(key, params string) asked {
	a := asked{params: `{"Host":"s3.` + region + `.amazonaws.com",` + params + `}`, resources: resource("AWS::S3::Bucket", "arn:aws:s3:::receipts")}
	if key != "" {
		a.resources = `{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::receipts/` + key + `"},` + a.resources
	}
	return a
}

func receipt(id string, receives int) string {
	return base64.StdEncoding.EncodeToString([]byte(id + " " + strconv.Itoa(receives)))
}

// dispatch is shipping's worker, which goes on with the trace of the message.
func (w *Week) dispatch(m sent, at int64) {
	t := w.tasks[samples.Shipping]
	w.receive(t, at-2000)
	w.truth.message(truth.Message{ID: m.id, Producer: m.trace, Consumer: m.trace})
	f := w.open(t, m.trace, m.span, "", at)
	f.root.members = sdkMembers
	f.root.annotate("message_id", m.id)
	w.keepShipment(f, m.order)
	f.aws(&deleteMessage, about(t.queue, `"receiptHandle":"`+receipt(m.id, 1)+`"`))
	f.log("INFO", "shipment dispatched", "order", m.order.ID, "message_id", m.id)
	f.close()
}

// print gives a message to the function that writes documents, which is invoked
// a little later with whatever has come.
func (w *Week) print(m sent, at int64) {
	w.printing = append(w.printing, m)
	if len(w.printing) == 1 {
		w.agenda.at(at+gatherFor, w.invoke)
	}
}

// invoke is one invocation of the function.
func (w *Week) invoke(at int64) {
	n := min(len(w.printing), printBatch)
	batch := slices.Clone(w.printing[:n])
	w.printing = append(w.printing[:0], w.printing[n:]...)
	if len(w.printing) > 0 {
		w.agenda.at(at+second/10, w.invoke)
	}
	t := w.tasks[samples.Documents]
	w.receive(t, at-2000)
	trace, id := w.newTrace(at), w.random.uuid()
	w.truth.trace(batchTrace(trace, batch))
	f := w.open(t, trace, "", "", at)
	f.root.members = `,"origin":"AWS::Lambda::Function","aws":{"request_id":"` + id + `","xray":{"sdk_version":"2.0.1","sdk":"X-Ray for Go"}},` +
		`"service":{"runtime_version":"go1.26.8","runtime":"gc"}`
	f.text("START RequestId: "+id+" Version: $LATEST", false)
	var done []sent
	for _, m := range batch {
		m.receives++
		if w.document(f, id, &m) {
			done = append(done, m)
		}
		w.printed(m, trace, f.at)
	}
	f.at += 20
	f.text("END RequestId: "+id, false)
	ms := float64(f.at-at) / 1000
	f.text(fmt.Sprintf("REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: 128 MB\tMax Memory Used: 64 MB\t\n"+
		"XRAY TraceId: 1-%s-%s\tSegmentId: %s\tSampled: true\t", id, ms, int(ms)+1, trace[:8], trace[8:], f.root.id), true)
	f.close()
	if len(done) > 0 {
		entries := make([]string, len(done))
		for n, m := range done {
			entries[n] = fmt.Sprintf(`{"Id":"%d","ReceiptHandle":"%s"}`, n, receipt(m.id, m.receives))
		}
		w.outside(t, f.at).aws(&deleteBatch, about(t.queue, `"entries":[`+strings.Join(entries, ",")+`]`))
	}
}

// batchTrace is the truth about a trace that handles messages of several
// journeys: it is a part of each.
func batchTrace(trace string, batch []sent) truth.Trace {
	t := truth.Trace{ID: trace, Journey: batch[0].journey}
	for _, m := range batch[1:] {
		if m.journey != t.Journey && !slices.Contains(t.Also, m.journey) {
			t.Also = append(t.Also, m.journey)
		}
	}
	return t
}

// document writes one document, and reports whether it could.
func (w *Week) document(f *flow, invocation string, m *sent) bool {
	_, problem := f.step("document", func() (string, string) {
		f.cur.annotate("message_id", m.id)
		if m.poison {
			return "fmt.wrapError", "read message " + m.id + ": unexpected end of JSON input"
		}
		f.aws(&putItem, put("documents", `"id":"`+m.order.ID+`/`+m.kind+`"`, "id", "order"))
		f.unlinked("INFO", "document written", "requestId", invocation, "kind", m.kind, "order", m.order.ID,
			"queue", orders.DocumentsQueue, "content_type", "application/json")
		return "", ""
	})
	if problem != "" {
		f.unlinked("ERROR", "message failed", "requestId", invocation, "message_id", m.id, "receives", m.receives,
			"queue", orders.DocumentsQueue, "content_type", "text/plain", "error", problem)
	}
	return problem == ""
}

// printed notes what became of a message, and has a bad one tried again until
// the queue gives it up.
func (w *Week) printed(m sent, trace string, at int64) {
	if m.poison && m.receives < queue.MaxReceives {
		m.attempts = append(m.attempts, trace)
		w.agenda.at(at+tryAgainAfter, func(at int64) { w.print(m, at) })
		return
	}
	w.truth.message(truth.Message{ID: m.id, Producer: m.trace, Consumer: trace, Attempts: m.attempts})
	if m.poison {
		w.struck(faults.PoisonMessage, at, truth.Label{
			Services: []string{samples.Documents}, Traces: append(slices.Clone(m.attempts), trace),
			Journeys: []string{m.journey}, Messages: []string{m.id},
		})
	}
}
