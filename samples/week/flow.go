package week

import (
	"strconv"
	"strings"
	"time"

	"muster/samples"
	"muster/samples/truth"
)

// flow is the part of one service in a trace: its segment, and its clock.
type flow struct {
	w       *Week
	t       *task
	trace   string // "" for what is not sampled, or belongs to no trace
	journey string
	parent  string
	at      int64 // now
	root    *span
	cur     *span
}

// outside is what a task does outside of any trace.
func (w *Week) outside(t *task, at int64) *flow { return &flow{w: w, t: t, at: at} }

// newTrace is an id that X-Ray's SDK would draw at a time.
func (w *Week) newTrace(at int64) string {
	id := strconv.FormatInt(at/second, 16)
	return "00000000"[:8-len(id)] + id + w.random.hex(24)
}

// open begins a segment.
func (w *Week) open(t *task, trace, parent, journey string, at int64) *flow {
	f := &flow{w: w, t: t, trace: trace, journey: journey, parent: parent, at: at}
	f.root = w.newSpan(t.service, at)
	f.cur = f.root
	return f
}

// The members that an instrumentation adds to its segments.
const (
	otelSDK     = `"xray":{"auto_instrumentation":false,"sdk":"opentelemetry for go","sdk_version":""}`
	otelMembers = `,"aws":{` + otelSDK + `},"service":{"version":"` + firstVersion + `"},"metadata":{"default":{"otel.resource.service.name":"payments"}}`
)

const sdkMembers = `,"aws":{"xray":{"sdk_version":"2.0.1","sdk":"X-Ray for Go"}},"service":{"runtime_version":"go1.26.8","runtime":"gc"}`

// close ends the segment and sends it.
func (f *flow) close() {
	f.at += 40
	f.root.end = f.at
	if f.trace == "" {
		return
	}
	if f.t.otel {
		f.w.sendEach(f.root, f.t.service, f.trace, f.parent)
		return
	}
	f.w.send(f.root, f.t.service, f.trace, f.parent)
}

// spend lets time pass.
func (f *flow) spend(median time.Duration) { f.at += f.w.random.around(median, 0.4) }

// step runs a part of the request in a subsegment of its own. run returns what
// went wrong, "" for nothing.
func (f *flow) step(name string, run func() (kind, problem string)) (kind, problem string) {
	s, outer := f.w.newSpan(name, f.at), f.cur
	outer.subs = append(outer.subs, s)
	f.cur = s
	f.at += 30
	kind, problem = run()
	f.at += 15
	s.end, f.cur = f.at, outer
	if problem != "" {
		s.outcome, s.cause = "fault", &cause{f.w.random.hex(16), kind, problem}
	}
	return kind, problem
}

// aws makes a call in the flow's trace and returns its request id.
func (f *flow) aws(o *operation, a asked) string {
	f.spend(90 * time.Microsecond)
	var s *span
	id := ""
	if f.cur != nil {
		s = f.w.newSpan(o.sdk, f.at)
		id = s.id
	}
	retries := 0
	if !o.management && f.w.random.one(throttledOne) {
		retries = 1
		f.record(o, a, id, &refusal{"ThrottlingException", "Rate exceeded", true})
		f.at += 50 * second / 1000
	}
	request := f.record(o, a, id, nil)
	f.at += f.w.random.around(o.median, 0.35)
	if s != nil {
		s.end = f.at
		s.members = `,"namespace":"aws","http":{"response":{"status":200` + contentLength(o.length) + `}},"aws":{"operation":"` + o.name +
			`","region":"` + region + `","request_id":"` + request + `"` + s3ID(o) + retried(retries) + `}`
		if f.t.otel {
			s.members = `,"namespace":"aws","http":{"request":{},"response":{"status":200}},"aws":{"operation":"` + o.name + `","region":"` + region +
				`","request_id":"` + request + `",` + otelSDK + `},"metadata":{"default":{"rpc.service":"` + o.sdk + `","rpc.system":"aws-api"}}`
		}
		f.cur.subs = append(f.cur.subs, s)
	}
	if writes(o.name) {
		f.unlinked("INFO", "aws call", "call", o.service+":"+o.name, "aws_request_id", request)
	}
	return request
}

// throttledOne is how many calls there are to one that AWS throttles, and the
// SDK tries again.
const throttledOne = 4000

// refusal is AWS's word on a call that it does not do. retried says that the SDK
// tries again.
type refusal struct {
	code, message string
	retried       bool
}

// record is one try of a call, as CloudTrail has it; why is nil where it is done.
func (f *flow) record(o *operation, a asked, span string, why *refusal) string {
	if o.unrecorded {
		return f.w.random.request(o.service)
	}
	trace := f.trace
	if f.cur == nil || trace == "" {
		trace, span = "", ""
	}
	e := entry{
		service: o.service, name: o.name, at: f.at, by: f.w.of(f.t, o.service, f.at), read: o.read, management: o.management,
		params: a.params, response: a.response, resources: a.resources, trace: trace, span: span,
	}
	if why != nil {
		e.response, e.retried = "", why.retried
		e.errorCode, e.errorMessage = why.code, why.message
	}
	return f.w.record(&e, o.sdk)
}

func contentLength(n int) string {
	if n == 0 {
		return ""
	}
	return `,"content_length":` + strconv.Itoa(n)
}

func s3ID(o *operation) string {
	if o.service != "s3" {
		return ""
	}
	return `,"id_2":"MDAwMDAwMDAwMDAwMDAwOTAwMDAwMDAwMDAwMDAwMDkwMDAwMDAwMDAwMDAwMDA5MDAwMDAwMDAwMDAwMDAwOQ=="`
}

func retried(n int) string {
	if n == 0 {
		return ""
	}
	return `,"retries":` + strconv.Itoa(n)
}

// answer is what a service answers.
type answer struct {
	status, length int
	problem        string
}

func (a answer) refused() bool { return a.status >= 400 }

// serve runs a handler in a segment of its own, as the service at a peer, and
// returns its answer and the time of it.
func (w *Week) serve(t *task, route, path, host, trace, parent, journey, client string, at int64, handle func(*flow) answer) (answer, *flow) {
	f := w.open(t, trace, parent, journey, at)
	if journey != "" {
		f.root.annotate("correlation_id", journey)
	}
	f.root.annotate("version", t.version)
	method, _, _ := strings.Cut(route, " ")
	f.spend(60 * time.Microsecond)
	a := handle(f)
	if a.status >= 500 {
		f.root.outcome = "fault"
		if f.trace != "" {
			f.w.truth.small.Allow("error-budget-spent", f.trace) // whatever it fails at, it is of the budget
		}
	} else if a.refused() {
		f.root.outcome = "error"
	}
	length := ""
	if !a.refused() {
		length = contentLength(a.length)
	} else if t.deployed != 0 && at-t.deployed <= afterwards && f.trace != "" {
		f.w.truth.small.Allow("deployment-followed-by-errors", f.trace) // whatever it fails at
	}
	f.root.members = `,"http":{"request":{"method":"` + method + `","url":"http://` + host + path + `","client_ip":"` + client +
		`","user_agent":"Go-http-client/1.1"},"response":{"status":` + strconv.Itoa(a.status) + length + `}}`
	if t.otel {
		f.root.members += otelMembers
	} else {
		f.root.members += sdkMembers
	}
	f.close()
	if t.service == samples.Shipping {
		f.proxied(method, path, parent, client, at, a)
	}
	return a, f
}

// coldOne is how many calls of a peer there are to one that needs a new connection.
const coldOne = 9

// rememberFor is how long the answers of Cloud Map are good for.
const rememberFor = 30 * second

// call asks another service, and waits for the answer. untraced leaves the
// trace header out.
func (f *flow) call(peer *task, route, path string, untraced bool, handle func(*flow) answer) answer {
	f.lookUp(peer)
	began := f.at
	q := f.ask(peer.service)
	trace, parent := f.trace, q.span.id
	if untraced { // so that the callee begins one
		trace, parent = f.w.newTrace(f.at), ""
		f.w.truth.trace(truth.Trace{ID: trace, Journey: f.journey})
	}
	a, callee := f.w.serve(peer, route, path, peer.service, trace, parent, f.journey, f.t.address, f.at, handle)
	f.at = callee.at
	method, _, _ := strings.Cut(route, " ")
	f.answered(q, method, peer.url()+path, a)
	if !untraced {
		f.cur.subs = append(f.cur.subs, q.span)
	}
	if f.at-began >= slow && f.trace != "" {
		f.w.truth.small.Allow("slow-dependency", f.trace)
		f.w.truth.small.Allow("missing-timeout", f.trace)
	}
	return a
}

// outbound asks somebody who sends no spans and answers after a while.
func (f *flow) outbound(peer, method, url string, took time.Duration, a answer) {
	q := f.ask(peer)
	f.spend(took)
	f.answered(q, method, url, a)
	f.cur.subs = append(f.cur.subs, q.span)
}

// lookUp asks Cloud Map for the address of a peer that is listed there.
func (f *flow) lookUp(peer *task) {
	if !peer.unlisted && f.at > f.t.found[peer.service] {
		f.aws(&discover, asked{})
		f.t.found[peer.service] = f.at + rememberFor
	}
}

// question is a call under way, and the parts of it that the SDK shows.
type question struct{ span, request, response *span }

// ask begins a call, up to where the callee has it.
func (f *flow) ask(peer string) question {
	s := f.w.newSpan(peer, f.at)
	if f.w.random.one(coldOne) && !f.t.otel {
		dial, connect := f.w.newSpan("dial", f.at), f.w.newSpan("connect", f.at)
		dial.members = `,"metadata":{"http":{"connect":{"network":"tcp"}}}`
		connect.members = `,"metadata":{"http":{"connection":{"reused":false,"was_idle":false}}}`
		f.spend(400 * time.Microsecond)
		dial.end, connect.end = f.at, f.at
		connect.subs = []*span{dial}
		s.subs = append(s.subs, connect)
	}
	request := f.w.newSpan("request", f.at)
	f.at += 25
	request.end = f.at
	q := question{s, request, f.w.newSpan("response", f.at)}
	f.spend(250 * time.Microsecond)
	return q
}

// answered ends a call.
func (f *flow) answered(q question, method, url string, a answer) {
	f.spend(200 * time.Microsecond)
	s := q.span
	q.response.end, s.end = f.at, f.at+12
	f.at += 20
	switch {
	case a.status >= 500:
		s.outcome = "fault"
	case a.refused():
		s.outcome = "error"
	}
	s.members = `,"namespace":"remote","http":{"request":{"method":"` + method + `","url":"` + url + `"},"response":{"status":` +
		strconv.Itoa(a.status) + contentLength(a.length) + `}}`
	if f.t.otel {
		s.members += `,"aws":{` + otelSDK + `},"metadata":{"default":{"peer.service":"` + s.name + `"}}`
	} else {
		s.subs = append(s.subs, q.request, q.response)
	}
}

// afterwards is how long after a deployment the policy deployment-followed-by-errors
// lays errors to it.
const afterwards = 15 * minute

// slow is a little less than what the policy slow-dependency takes for slow.
const slow = 9 * second / 10
