package storetest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"muster/fleet"
)

const (
	// fleetTraces is enough for every kind of question to find some traces and
	// leave some out, and few enough for a store to be filled in seconds.
	fleetTraces = 150
	// fleetSpan is over how long they are spread: days differ in every store.
	fleetSpan = 30 * time.Hour
)

// fleetOfTests is evidence like the demo's: requests over services, with calls
// to AWS, log lines, journeys, faults, spans in progress, and text that is
// hostile to query languages.
type fleetOfTests struct {
	r       *rand.Rand
	records []fleet.Record // as they are in the end, in the order of fleet.Compare
	byTrace map[string][]fleet.Record
	ids     int // handed out
}

// The words of the fleet. Some are hostile to a query language.
var (
	fleetServices = []string{"web", "orders", "payments", "stock", "worker"}
	fleetUsers    = []string{"alice", "bob", "al%ce", "o'hara", `back\slash`, "naïve 🐙", "' or true --", "*", "a_b", `"quoted"`}
	fleetTiers    = []string{"gold", "silver", "g_ld", "10", "9.5", "-3", "true", "false", "", "1e2", "1e999", "12 ", "gold\n"}
	fleetOrigins  = []string{"AWS::ECS::Container", "AWS::Lambda::Function", ""}
	fleetStatus   = []string{"200", "200", "200", "201", "302", "404", "409", "429", "500", "503", ""}
	fleetPaths    = []string{"/orders", "/orders/7", "/pay", "/stock?q=100%25", "/a_b"}
	fleetAWS      = []string{"DynamoDB", "SQS", "S3"}
)

func newFleet() *fleetOfTests {
	w := &fleetOfTests{r: rand.New(rand.NewPCG(20260314, 4)), byTrace: map[string][]fleet.Record{}}
	for i := range fleetTraces {
		w.addTrace(i)
	}
	for i := range 20 { // what belongs to no trace
		at := noon.Add(time.Duration(w.r.Int64N(int64(fleetSpan)))).Truncate(time.Microsecond)
		w.add(logLine(fmt.Sprintf("alone-%d", i), at, fleet.Keys{}))
		w.add(change(fmt.Sprintf("sg-%d@1", i), at.Add(time.Second)))
	}
	fleet.Sort(w.records)
	for _, r := range w.records {
		if t := r.Keys.Trace; t != "" {
			w.byTrace[t] = append(w.byTrace[t], r)
		}
	}
	return w
}

func (w *fleetOfTests) add(r fleet.Record) { w.records = append(w.records, r) }

func (w *fleetOfTests) chance(percent int) bool { return w.r.IntN(100) < percent }

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

func (w *fleetOfTests) length(most time.Duration) time.Duration {
	return time.Duration(w.r.Int64N(int64(most))).Truncate(time.Microsecond) + time.Microsecond
}

// addTrace adds one request, from its segment down, and what else it left.
func (w *fleetOfTests) addTrace(i int) {
	start := noon.Add(time.Duration(w.r.Int64N(int64(fleetSpan)))).Truncate(time.Microsecond)
	trace, correlation := traceAt(start, i+1), ""
	if w.chance(40) {
		correlation = fmt.Sprintf("order-%d", w.r.IntN(fleetTraces/3))
	}
	parent := ""
	if w.chance(10) {
		parent = "00000000000000ff" // a balancer that sent no segment
	}
	if !w.chance(8) { // else the segments were not sampled
		w.addSegment(trace, parent, "", start, 0)
	}
	for n := range 1 + w.r.IntN(3) {
		line := logLine(fmt.Sprintf("line-%d-%d", i, n), start.Add(w.length(time.Second)), fleet.Keys{Trace: trace, Correlation: correlation})
		line.Service, line.Message = pick(w.r, fleetServices), "user "+pick(w.r, fleetUsers)
		if w.chance(20) {
			line.Name, line.Error = "ERROR", "error"
		}
		w.add(line)
	}
}

// addSegment adds a service's segment and its calls.
func (w *fleetOfTests) addSegment(trace, parent, service string, at time.Time, depth int) {
	s := w.span(trace, parent, at)
	s.Service = service
	if service == "" {
		s.Service = pick(w.r, fleetServices)
	}
	path := pick(w.r, fleetPaths)
	s.Name = "POST " + path
	s.Attributes = fleet.AttributesOf(
		fleet.AttrSpanType, "segment", fleet.AttrHTTPMethod, "POST", fleet.AttrHTTPURL, "http://"+s.Service+".example"+path,
		fleet.AttrUserAgent, "agent/"+strconv.Itoa(w.r.IntN(3)), fleet.AttrSourceIP, "198.51.100."+strconv.Itoa(w.r.IntN(4)),
	)
	w.set(&s, fleet.AttrOrigin, pick(w.r, fleetOrigins))
	w.outcome(&s)
	if w.chance(30) {
		w.set(&s, fleet.AttrUser, pick(w.r, fleetUsers))
	}
	if w.chance(6) {
		s.Attributes.Set(fleet.AttrInferred, "true")
	}
	w.add(resolved(s))
	for n := range w.r.IntN(4) {
		w.addCall(&s, at.Add(time.Duration(n+1)*3*time.Millisecond), depth)
	}
}

func (w *fleetOfTests) set(s *fleet.Record, name, value string) {
	if value != "" {
		s.Attributes.Set(name, value)
	}
}

func (w *fleetOfTests) span(trace, parent string, at time.Time) fleet.Record {
	w.ids++
	id := fmt.Sprintf("%016x", w.ids)
	s := fleet.Record{
		ID: fleet.SpanID(trace, id), Revision: 1, Kind: fleet.KindSpan, Time: at, Duration: w.length(3 * time.Second),
		Account: "11112222333" + strconv.Itoa(w.r.IntN(2)), Region: "us-east-1", Raw: []byte(`{"id":"` + id + `"}`),
		Seen: fleet.Keys{Trace: trace, Span: id, Parent: parent},
	}
	return s
}

// outcome gives a segment a status and what follows from it, or no end.
func (w *fleetOfTests) outcome(s *fleet.Record) {
	if w.chance(8) {
		s.Revision, s.Duration = 0, 0
		s.Attributes.Set(fleet.AttrInProgress, "true")
		return
	}
	status := pick(w.r, fleetStatus)
	w.set(s, fleet.AttrHTTPStatus, status)
	switch {
	case status == "429":
		s.Error = "throttle"
	case status >= "500":
		s.Error, s.Message = "fault", "boom: "+pick(w.r, fleetUsers)
	case status >= "400" && w.chance(80):
		s.Error = "error"
	}
}

// addCall adds something that a segment did: a step of its own, a call to AWS,
// or one to another service, which may have answered with a segment.
func (w *fleetOfTests) addCall(s *fleet.Record, at time.Time, depth int) {
	c := w.span(s.Seen.Trace, s.Seen.Span, at)
	c.Service, c.Account = s.Service, s.Account
	c.Attributes = fleet.AttributesOf(fleet.AttrSpanType, "subsegment")
	switch w.r.IntN(3) {
	case 0:
		c.Name = "check"
		c.Attributes.Set("annotation.tier", pick(w.r, fleetTiers))
		c.Attributes.Set("annotation.the items", strconv.Itoa(w.r.IntN(20)))
	case 1:
		w.addAWSCall(&c)
	default:
		to := pick(w.r, fleetServices)
		c.Name = "POST " + to + ":8080"
		c.Attributes.Set(fleet.AttrNamespace, "remote")
		c.Attributes.Set(fleet.AttrSegmentName, to)
		if w.chance(20) {
			c.Error, c.Message = "fault", "connection reset"
		}
		if depth < 2 && w.chance(60) {
			w.addSegment(c.Seen.Trace, c.Seen.Span, to, at.Add(time.Millisecond), depth+1)
		}
	}
	w.add(resolved(c))
}

// addAWSCall makes a call one to AWS, with the API call that CloudTrail saw.
func (w *fleetOfTests) addAWSCall(c *fleet.Record) {
	to := pick(w.r, fleetAWS)
	c.Name = to + ":Put"
	c.Attributes.Set(fleet.AttrNamespace, "aws")
	c.Attributes.Set(fleet.AttrSegmentName, to)
	c.Resources = []string{"AWS::" + to + "::Thing/orders", "arn:aws:" + to + ":us-east-1:111122223333:thing/" + pick(w.r, fleetServices)}
	c.Seen.Request, c.Seen.Scope = fmt.Sprintf("REQ-%d", w.ids), fleet.ScopeAWS
	if w.chance(25) {
		c.Error = "throttle"
		c.Attributes.Set(fleet.AttrHTTPStatus, "400")
	}
	call := apiCall(fmt.Sprintf("event-%d", w.ids), c.Time.Truncate(time.Second).Add(time.Second), fleet.Keys{Request: c.Seen.Request, Scope: fleet.ScopeAWS})
	call.Keys.Trace, call.Keys.TraceLink = c.Seen.Trace, fleet.Link{Via: fleet.RungRequest, Sure: fleet.Exact}
	call.Error = map[bool]string{true: "ThrottlingException"}[c.Error != ""]
	w.add(call)
}

// commit writes the records the way they come: some spans in progress first,
// and half of the API calls before the spans that give them their trace.
func (w *fleetOfTests) commit(t *testing.T, s Store) {
	t.Helper()
	var first, second []fleet.Record
	var amended []fleet.Amendment
	for i, r := range w.records {
		switch {
		case r.Kind == fleet.KindAPICall && i%2 == 0:
			early := r
			early.Keys.Trace, early.Keys.TraceLink = "", fleet.Link{}
			first = append(first, early)
			amended = append(amended, fleet.Amendment{Ref: ref(r), Keys: r.Keys})
		case r.Kind == fleet.KindSpan && r.Revision == 1 && i%5 == 0:
			open := r
			open.Revision, open.Duration, open.Error = 0, 0, ""
			open.Attributes = fleet.AttributesOf(fleet.AttrInProgress, "true", fleet.AttrSpanType, r.Attributes.Get(fleet.AttrSpanType))
			first, second = append(first, open), append(second, r)
		case i%3 == 0:
			second = append(second, r)
		default:
			first = append(first, r)
		}
	}
	commit(t, s, first, fleet.Commit{})
	commit(t, s, second, fleet.Commit{})
	commit(t, s, nil, fleet.Commit{Amendments: amended})
}
