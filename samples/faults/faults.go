// Package faults declares what can be wrong with the sample fleet, all in one
// place: the services only ask whether a fault hits the order at hand.
package faults

// Fault is something that is wrong with the fleet.
type Fault string

// The faults.
const (
	SlowDependency            Fault = "slow-dependency"
	NPlusOne                  Fault = "n-plus-one"
	PaymentRefused            Fault = "payment-refused"
	LostSagaStep              Fault = "lost-saga-step"
	FailedWithoutCompensation Fault = "failed-without-compensation"
	CompensatedTwice          Fault = "compensated-twice"
	RetryStorm                Fault = "retry-storm"
	DependencyCycle           Fault = "dependency-cycle"
	SharedTable               Fault = "shared-table"
	GatewayBypass             Fault = "gateway-bypass"
	DroppedTraceHeader        Fault = "dropped-trace-header"
	ServiceWithoutLogs        Fault = "service-without-logs"
	LowCacheHitRatio          Fault = "low-cache-hit-ratio"
	StaleRead                 Fault = "stale-read"
	PoisonMessage             Fault = "poison-message"
	EventGap                  Fault = "event-gap"
	OversizedPayload          Fault = "oversized-payload"
	ErrorInside200            Fault = "error-inside-200"
	MissingTimeout            Fault = "missing-timeout"
	RegisteredWithoutTraffic  Fault = "registered-without-traffic"
	BadDeployment             Fault = "bad-deployment"
)

// The faults of simulated days alone: they want hours, or services that the
// running fleet has not.
const (
	DeepChain           Fault = "deep-chain"
	UntracedService     Fault = "untraced-service"
	EventConsumedTwice  Fault = "event-consumed-twice"
	EventNeverConsumed  Fault = "event-never-consumed"
	TrafficWithoutEntry Fault = "traffic-without-entry"
	CapacityTaken       Fault = "capacity-taken"
)

// Info is what there is to know about a fault.
type Info struct {
	Fault Fault
	// Does is what goes wrong, and Evidence what it leaves behind.
	Does, Evidence string
	// First is the number of the first order that it hits. Of the later ones it
	// hits as many as chance says, about one in Every. A fault with Every 0 hits
	// no orders: it is there all the time, or follows what the orders are.
	First, Every int
	// Policies are the shipped policies that find it.
	Policies []Policy
}

// Policy is a shipped policy that finds a fault.
type Policy struct {
	ID string
	// Journey says that it judges whole journeys: its finding may lie on any
	// trace of one.
	Journey bool
}

// all is in the order of the documentation.
var all = []Info{
	{
		Fault: SlowDependency, Does: "bank transfers make payments wait for more than a second",
		Evidence: "the span of the call to payments, with a subsegment bank of 1.3 s in it",
		Policies: []Policy{{ID: "slow-dependency"}},
	},
	{
		Fault: NPlusOne, Does: "orders reads the products of an order one by one",
		Evidence: "ten and more subsegments GetItem under one request", Policies: []Policy{{ID: "n-plus-one"}},
	},
	{
		Fault: PaymentRefused, Does: "payments refuses large amounts, and the saga takes the order back",
		Evidence: "status 402 of payments, a subsegment compensate, and the event order_cancelled",
		Policies: []Policy{{ID: "payment-compensated", Journey: true}},
	},
	{
		Fault: FailedWithoutCompensation, Does: "payments refuses an order and orders takes nothing back",
		Evidence: "status 402 of payments and the line \"saga failed\", with no subsegment compensate and no event order_cancelled",
		First:    3, Every: 40, Policies: []Policy{{ID: "payment-uncompensated", Journey: true}},
	},
	{
		Fault: CompensatedTwice, Does: "orders gives the stock of a refused order back twice",
		Evidence: "two calls DELETE /reservations of one order, and two lines \"reservation released\"",
		First:    4, Every: 40, Policies: []Policy{{ID: "payment-compensated", Journey: true}, {ID: "compensated-twice", Journey: true}},
	},
	{
		Fault: LostSagaStep, Does: "the step \"ship\" of an order's saga is never run, and nobody notices",
		Evidence: "the line \"saga started\" of an order without \"saga completed\" or \"saga failed\"; payments was called, shipping was not",
		First:    5, Every: 40, Policies: []Policy{{ID: "saga-unfinished", Journey: true}},
	},
	{
		Fault: RetryStorm, Does: "inventory is out of order for a moment, and orders asks again at once, six times",
		Evidence: "six calls POST /reservations under one subsegment, five of them with status 503",
		First:    6, Every: 40, Policies: []Policy{{ID: "retry-storm"}, {ID: "error-budget-spent"}},
	},
	{
		Fault: DependencyCycle, Does: "inventory asks orders back while orders waits for it",
		Evidence: "orders below inventory below orders in one trace",
		First:    7, Every: 20, Policies: []Policy{{ID: "dependency-cycle"}},
	},
	{
		Fault: SharedTable, Does: "inventory reads the table of orders",
		Evidence: "DynamoDB calls on the table orders by the roles of two services",
		First:    8, Every: 20, Policies: []Policy{{ID: "shared-data-store"}},
	},
	{
		Fault: GatewayBypass, Does: "a client reads its order from the orders service itself",
		Evidence: "a trace that begins at orders",
		First:    3, Every: 20, Policies: []Policy{{ID: "gateway-bypass"}},
	},
	{
		Fault: DroppedTraceHeader, Does: "orders calls shipping without the trace header",
		Evidence: "a trace that begins at shipping, in the journey of another one",
		First:    7, Every: 20, Policies: []Policy{{ID: "broken-propagation", Journey: true}},
	},
	{
		Fault: ServiceWithoutLogs, Does: "the service fraud writes no log lines",
		Evidence: "spans of fraud, and neither a log group nor a line of it", Policies: []Policy{{ID: "service-without-logs"}},
	},
	{
		Fault: LowCacheHitRatio, Does: "the cache of inventory forgets everything at once",
		Evidence: "the annotation cache of inventory's spans says miss each time, with a Query to DynamoDB",
		Policies: []Policy{{ID: "cache-hit-ratio-low"}},
	},
	{
		Fault: StaleRead, Does: "the read model of an order stays at its first event",
		Evidence: "the line \"order found\" shows a lower sequence than the order's events have",
		First:    0, Every: 20, Policies: []Policy{{ID: "stale-read"}},
	},
	{
		Fault: PoisonMessage, Does: "a message cannot be read, and is tried until the queue gives it up",
		Evidence: "three lines \"message failed\" with one message id on three traces, and the message in the dead-letter queue",
		First:    0, Every: 40, Policies: []Policy{{ID: "poison-message"}},
	},
	{
		Fault: EventGap, Does: "an event of an order is numbered and then lost",
		Evidence: "lines \"event appended\" of one aggregate whose sequence jumps over a number",
		First:    6, Every: 20, Policies: []Policy{{ID: "event-gap", Journey: true}},
	},
	{
		Fault: OversizedPayload, Does: "an order carries a note of 100 KB from hop to hop",
		Evidence: "http.response.content_length of the spans, and bytes in the line \"order stored\"",
		First:    8, Every: 20, Policies: []Policy{{ID: "oversized-payload", Journey: true}},
	},
	{
		Fault: ErrorInside200, Does: "orders answers a read that failed with status 200",
		Evidence: "a span with status 200 and a line of level ERROR under it",
		First:    6, Every: 20, Policies: []Policy{{ID: "error-inside-200"}},
	},
	{
		Fault: MissingTimeout, Does: "fraud hangs, and payments waits for it without a time-out",
		Evidence: "the span of the call to fraud takes 2 s where others are cut at 800 ms",
		First:    0, Every: 40, Policies: []Policy{{ID: "slow-dependency"}, {ID: "missing-timeout"}},
	},
	{
		Fault: RegisteredWithoutTraffic, Does: "the service pricing is registered in Cloud Map and nobody calls it; orders may still read its table",
		Evidence: "RegisterInstance of it and PutRolePolicy in the trail, and no span",
		Policies: []Policy{{ID: "registered-without-traffic"}, {ID: "unused-dependency"}},
	},
	{
		Fault: BadDeployment, Does: "a deployment of shipping fails every order until it is rolled back",
		Evidence: "UpdateService in the trail, then spans of the new version with status 500, then UpdateService again",
		Policies: []Policy{{ID: "deployment-followed-by-errors"}},
	},
}

// simulated is in the order of the documentation.
var simulated = []Info{
	{
		Fault: DeepChain, Does: "fraud asks inventory, which asks shipping, which asks a carrier, while payments, orders and the gateway wait",
		Evidence: "a call of shipping to carrier.example in a trace with five services above shipping",
		Policies: []Policy{{ID: "sync-chain-too-deep"}},
	},
	{
		Fault: UntracedService, Does: "orders asks the new service tax, which nobody has instrumented",
		Evidence: "calls of orders to tax with no span below them, and tax's log lines, which show no trace",
		Policies: []Policy{{ID: "untraced-service"}},
	},
	{
		Fault: EventConsumedTwice, Does: "notifications tells a customer and does not delete the message, which comes again",
		Evidence: "two traces of notifications without an error that show one message id",
		Policies: []Policy{{ID: "event-consumed-twice"}},
	},
	{
		Fault: EventNeverConsumed, Does: "an event is published that the filter of no subscription lets through",
		Evidence: "Publish, answered with a message id that orders shows and no other trace",
		Policies: []Policy{{ID: "event-never-consumed"}},
	},
	{
		Fault: TrafficWithoutEntry, Does: "orders calls the service loyalty at an address from its configuration",
		Evidence: "spans of loyalty below calls of orders, and no RegisterInstance of it",
		Policies: []Policy{{ID: "traffic-without-entry"}},
	},
	{
		Fault: CapacityTaken, Does: "autoscaling leaves the table orders-view one read unit for three minutes, and reads of orders are throttled",
		Evidence: "UpdateTable by muster-autoscaler, GetItem with ProvisionedThroughputExceededException after half a second of tries, UpdateTable again",
		Policies: []Policy{{ID: "change-followed-by-errors"}, {ID: "change-followed-by-slowness"}},
	},
}

// Simulated are the faults that simulated days have beside All.
func Simulated() []Info { return append([]Info(nil), simulated...) }

// All are the faults with what there is to know about them.
func All() []Info { return append([]Info(nil), all...) }

// Names lists the faults.
func Names() []Fault {
	out := make([]Fault, len(all))
	for i, f := range all {
		out[i] = f.Fault
	}
	return out
}

// Of is what there is to know about a fault; the zero Info for none.
func Of(f Fault) Info {
	for _, list := range [][]Info{all, simulated} {
		for _, i := range list {
			if i.Fault == f {
				return i
			}
		}
	}
	return Info{}
}
