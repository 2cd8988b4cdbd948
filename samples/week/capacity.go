package week

import (
	"fmt"
	"net/http"
	"time"

	"muster/fleet"
	"muster/samples/faults"
	"muster/samples/truth"
)

const (
	// scarceFor is how long the view's table has one read unit: shorter than what
	// the policies look at after a change.
	scarceFor = 3 * minute
	// usedBy and usedWithin are the calls that the table must have seen before, a
	// little more than the policies ask for in a little less than their time.
	usedBy, usedWithin = 6, 13 * minute
	// sdkTries is how often the SDK asks DynamoDB before it gives up, and firstPause
	// how long it waits before the second time.
	sdkTries   = 3
	firstPause = 150 * time.Millisecond
	// readAgainAfter is the least that a client waits whose read was throttled.
	readAgainAfter = 12 * second

	scalerRole, scalerRoleID = "muster-autoscaler", "AROASCALERMUSTER00001"
	scalerAddress            = "10.0.1.31"
)

// readModel is what the fault "capacity taken" knows of the view's table.
type readModel struct {
	calls       []int64 // the latest in traces, the earliest first
	from, until int64   // when its reads are throttled
}

func (m *readModel) called(f *flow) {
	if f.trace == "" {
		return
	}
	if m.calls = append(m.calls, f.at); len(m.calls) > usedBy {
		m.calls = m.calls[1:]
	}
}

func (m *readModel) used(at int64) bool {
	return len(m.calls) == usedBy && m.calls[0] > at-usedWithin
}

// readView reads an order from the view, and reports whether DynamoDB let it.
func (w *Week) readView(f *flow, o *order) bool {
	a := on(viewTable, `{"key":{"order":`+quoted(o.ID)+`}}`)
	w.view.called(f)
	if f.at >= w.view.from && f.at < w.view.until {
		f.refused(&getItem, a, refusal{code: "ProvisionedThroughputExceededException", message: "The level of configured provisioned throughput for the table was exceeded"})
		f.log("WARN", "order cannot be read now", "order", o.ID, "error", "ProvisionedThroughputExceededException")
		return false
	}
	f.aws(&getItem, a)
	return true
}

// refused is a call that the SDK tries until it gives up.
func (f *flow) refused(o *operation, a asked, why refusal) {
	f.spend(90 * time.Microsecond)
	s := f.w.newSpan(o.sdk, f.at)
	request := ""
	for try := range sdkTries {
		why.retried = try < sdkTries-1
		request = f.record(o, a, s.id, &why)
		f.at += f.w.random.around(o.median, 0.35)
		if why.retried {
			f.spend(firstPause << try)
		}
	}
	s.end, s.outcome = f.at, "error"
	s.cause = &cause{f.w.random.hex(16), "types." + why.code, why.message}
	s.members = `,"namespace":"aws","http":{"response":{"status":400` + contentLength(len(why.message)) + `}},"aws":{"operation":"` + o.name +
		`","region":"` + region + `","request_id":"` + request + `"` + retried(sdkTries-1) + `}`
	f.cur.subs = append(f.cur.subs, s)
}

// tooMany is the answer to who reads meanwhile.
var tooMany = answer{status: http.StatusTooManyRequests, length: 31, problem: "try again later"}

// readAgain is a client that was told so.
func (w *Week) readAgain(o *order, journey string, at int64) {
	if next := at + readAgainAfter + w.random.upTo(8*second); next < w.to-minute {
		w.agenda.at(next, func(at int64) { w.read(o, journey, at) })
	}
}

// mayTakeCapacity has autoscaling change the table right after an order, before
// its client reads it: so there is something before the change, and after it.
// CloudTrail's times are whole seconds: the change is of the next.
func (w *Week) mayTakeCapacity(at int64) {
	if !w.due(faults.CapacityTaken, at) || !w.view.used(at) || at+scarceFor > w.to-5*minute {
		return
	}
	at += 12 * second / 10
	w.view.from, w.view.until = at, at+scarceFor
	by := w.assume(scalerRole, scalerRoleID, "scaler", at, origin{deployerIdentity, scalerAddress, agent("sts"), deployer})
	set := func(at int64, billing, reads string) string {
		return w.setCapacity(origin{by, scalerAddress, ciAgent, deployer}, at, billing, reads)
	}
	request := set(at, "PROVISIONED", `"provisionedThroughput":{"readCapacityUnits":1,"writeCapacityUnits":40},`)
	w.struck(faults.CapacityTaken, at, truth.Label{
		Services: []string{"dynamodb"}, Requests: []string{request}, Resources: []string{fleet.ResourceName("AWS::DynamoDB::Table", viewTable)},
	})
	w.agenda.at(w.view.until, func(at int64) { set(at, "PAY_PER_REQUEST", "") })
}

// setCapacity says how the view's table is paid for; more are further parameters.
func (w *Week) setCapacity(by origin, at int64, billing, more string) (request string) {
	full := arn("dynamodb", "table/"+viewTable)
	request = w.record(&entry{
		service: "dynamodb", name: "UpdateTable", at: at, by: by, management: true,
		params:    `{"billingMode":"` + billing + `",` + more + `"tableName":"` + viewTable + `"}`,
		response:  `{"tableDescription":{"tableArn":"` + full + `","tableName":"` + viewTable + `","tableStatus":"UPDATING"}}`,
		resources: resource("AWS::DynamoDB::Table", full),
	}, "DynamoDB")
	w.changed(at, "AWS::DynamoDB::Table", viewTable, viewTable, full, request, fmt.Sprintf(
		`{"TableName":%q,"TableArn":%q,"TableStatus":"ACTIVE","BillingModeSummary":{"BillingMode":%q}}`, viewTable, full, billing), "")
	return request
}
