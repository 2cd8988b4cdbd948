package truth

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"muster/fleet"
)

// Recorder collects the truth of one run, all of it in memory: about 100 MB for
// each hour of the samples' load. The services call it where things happen,
// from many goroutines. A nil Recorder records nothing, so that a
// service can run without one.
type Recorder struct {
	now func() time.Time

	mu       sync.Mutex
	trail    Trail
	head     File
	requests []Request
	journeys map[string]string // by trace
	also     map[string][]string
	dark     map[string]bool // traces that are not sampled
	spans    map[[2]string]Span
	lines    []Line
	calls    []Call
	messages map[string]Message
	changes  []Change
	sessions []Session
	expected map[string]*Expected
	labels   []Label
	gaps     []gap
	allowed  map[string][]string // traces, by policy
}

// NewRecorder starts the truth of a run that starts now.
func NewRecorder(seed uint64, now func() time.Time) *Recorder {
	return &Recorder{
		now:      now,
		trail:    Trail{Without: []string{"PutLogEvents", "DiscoverInstances"}},
		head:     File{Version: version, Seed: seed, Started: now().UTC()},
		journeys: make(map[string]string),
		also:     make(map[string][]string),
		dark:     make(map[string]bool),
		spans:    make(map[[2]string]Span),
		messages: make(map[string]Message),
		expected: make(map[string]*Expected),
		allowed:  make(map[string][]string),
	}
}

// TraceID spells a trace id as truth does; anything that is no trace id is "".
func TraceID(s string) string {
	id, _ := fleet.ParseTraceID(s)
	return id
}

// Switched notes the faults and incidents that are on.
func (r *Recorder) Switched(faults, incidents []string) {
	r.do(func() { r.head.Faults, r.head.Incidents = faults, incidents })
}

// Trail is what the fleet's AWS records of calls. Of what it does not record the
// truth keeps nothing, since no evidence could be held to it.
type Trail struct {
	// Without are the operations that it keeps no events of.
	Without []string
	// Anonymous says that its events do not tell to whom a temporary key was given.
	Anonymous bool
	// Unseen are the policies that ask for what its events do not show.
	Unseen []string
}

// Trail says what is recorded, where it is not what a trail of AWS with the
// data events of the fleet records. It is for before the first call.
func (r *Recorder) Trail(t Trail) { r.do(func() { r.trail = t }) }

// Request notes an answered request of a client.
func (r *Recorder) Request(q Request) { r.do(func() { r.requests = append(r.requests, q) }) }

// Journey notes which journey a trace is a part of; the first that is not
// empty stands.
func (r *Recorder) Journey(trace, journey string) {
	r.do(func() {
		if r.journeys[trace] == "" {
			r.journeys[trace] = journey
		}
	})
}

// Unsampled notes that no span of a trace is sent.
func (r *Recorder) Unsampled(trace string) { r.do(func() { r.dark[trace] = true }) }

// Span notes a span that was sent; noting it again changes nothing.
func (r *Recorder) Span(s Span) {
	r.do(func() {
		r.spans[[2]string{s.Trace, s.ID}] = s
		if _, known := r.journeys[s.Trace]; !known {
			r.journeys[s.Trace] = ""
		}
	})
}

// Line notes a log line.
func (r *Recorder) Line(l Line) { r.do(func() { r.lines = append(r.lines, l) }) }

// gap is a time in which the trail was stopped; end is zero while it is.
type gap struct{ start, end time.Time }

// TrailStops notes that from now on the trail may keep nothing.
func (r *Recorder) TrailStops() {
	r.do(func() { r.gaps = append(r.gaps, gap{start: r.now()}) })
}

// TrailStarts notes that from now on it does again.
func (r *Recorder) TrailStarts() {
	r.do(func() { r.gaps[len(r.gaps)-1].end = r.now() })
}

// Call notes an attempt of an AWS call that has just been answered.
func (r *Recorder) Call(c Call) {
	r.do(func() {
		if slices.Contains(r.trail.Without, c.Operation) {
			return
		}
		began := c.Began
		c.Began = time.Time{}
		if began.IsZero() {
			began = r.now().Add(-callTakes)
		}
		for _, g := range r.gaps {
			c.Unsure = c.Unsure || r.now().After(g.start) && (g.end.IsZero() || began.Before(g.end))
		}
		r.calls = append(r.calls, c)
	})
}

// callTakes is far above what a call takes, for those whose beginning nobody noted.
const callTakes = time.Second

// Published notes the trace that published a message.
func (r *Recorder) Published(message, trace string) {
	r.do(func() {
		m := r.messages[message]
		m.ID, m.Producer = message, trace
		r.messages[message] = m
		r.inherit(m)
	})
}

// Consumed notes the trace that handled a message, the last of several that
// tried. It is a part of the producer's journey, whether it knows that or not.
func (r *Recorder) Consumed(message, trace string) {
	r.do(func() {
		m := r.messages[message]
		if m.Consumer != "" && m.Consumer != trace {
			m.Attempts = append(m.Attempts, m.Consumer)
		}
		m.ID, m.Consumer = message, trace
		r.messages[message] = m
		r.inherit(m)
	})
}

// inherit gives those who handled a message the producer's journey once both
// are known. Who handles messages of several journeys is a part of each.
func (r *Recorder) inherit(m Message) {
	journey := r.journeys[m.Producer]
	if m.Producer == "" || m.Consumer == "" || journey == "" {
		return
	}
	for _, consumer := range append([]string{m.Consumer}, m.Attempts...) {
		switch own := r.journeys[consumer]; {
		case own == "":
			r.journeys[consumer] = journey
		case own != journey && !slices.Contains(r.also[consumer], journey):
			r.also[consumer] = append(r.also[consumer], journey)
		}
	}
}

// Change notes a call that wrote the configuration of a resource.
func (r *Recorder) Change(resource, request string) {
	r.do(func() { r.changes = append(r.changes, Change{Resource: resource, Request: request}) })
}

// Session notes who obtained a temporary key.
func (r *Recorder) Session(key, origin string) {
	r.do(func() {
		if !r.trail.Anonymous {
			r.sessions = append(r.sessions, Session{Key: key, Origin: origin})
		}
	})
}

// Expect notes that what a policy looks for has happened once more, and where. In
// a journey that is known for it already it is the same once more: a policy that
// judges journeys counts these.
func (r *Recorder) Expect(policy string, place Expected) {
	r.do(func() {
		if slices.Contains(r.trail.Unseen, policy) {
			return
		}
		e := r.expected[policy]
		if e == nil {
			e = &Expected{Policy: policy, AtLeast: 1}
			r.expected[policy] = e
		}
		fresh := slices.DeleteFunc(slices.Clone(place.Journeys), func(j string) bool { return slices.Contains(e.Journeys, j) })
		if len(place.Journeys) == 0 || len(fresh) > 0 {
			e.Times++
		}
		e.Traces = append(e.Traces, place.Traces...)
		e.Journeys = append(e.Journeys, fresh...)
		e.Resources = append(e.Resources, place.Resources...)
		e.Requests = append(e.Requests, place.Requests...)
		e.Anywhere = e.Anywhere || place.Anywhere
	})
}

// Allow notes that a policy may report a trace, though no fault was at work.
func (r *Recorder) Allow(policy, trace string) {
	r.do(func() {
		if !slices.Contains(r.allowed[policy], trace) {
			r.allowed[policy] = append(r.allowed[policy], trace)
		}
	})
}

// File is the truth so far, in an order that does not depend on timing.
func (r *Recorder) File() *File {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.head
	f.Ended = r.now().UTC()
	f.Faults, f.Incidents = list(r.head.Faults), list(r.head.Incidents)
	f.Requests, f.Lines, f.Calls = list(r.requests), list(r.lines), list(r.calls)
	f.Changes, f.Sessions, f.Labels = list(r.changes), list(r.sessions), sortedLabels(r.labels)
	f.Traces, f.Spans, f.Messages, f.Expected = []Trace{}, []Span{}, []Message{}, []Expected{}
	for id, journey := range r.journeys {
		f.Traces = append(f.Traces, Trace{ID: id, Journey: journey, Also: slices.Sorted(slices.Values(r.also[id])), Unsampled: r.dark[id]})
	}
	for _, s := range r.spans {
		f.Spans = append(f.Spans, s)
	}
	for _, m := range r.messages {
		f.Messages = append(f.Messages, m)
	}
	f.Allowed = make(map[string][]string, len(r.allowed))
	for policy, traces := range r.allowed {
		f.Allowed[policy] = slices.Sorted(slices.Values(traces))
	}
	for _, e := range r.expected {
		f.Expected = append(f.Expected, e.clone())
	}
	slices.SortFunc(f.Requests, func(a, b Request) int { return cmp.Or(cmp.Compare(a.Trace, b.Trace), cmp.Compare(a.Span, b.Span)) })
	slices.SortFunc(f.Traces, func(a, b Trace) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(f.Spans, func(a, b Span) int { return cmp.Or(cmp.Compare(a.Trace, b.Trace), cmp.Compare(a.ID, b.ID)) })
	slices.SortFunc(f.Lines, func(a, b Line) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(f.Calls, func(a, b Call) int { return cmp.Compare(a.Request, b.Request) })
	slices.SortFunc(f.Messages, func(a, b Message) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(f.Expected, func(a, b Expected) int { return cmp.Compare(a.Policy, b.Policy) })
	return &f
}

// do runs change under the lock, or not at all for a nil Recorder.
func (r *Recorder) do(change func()) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func (e *Expected) clone() Expected {
	c := *e
	c.Traces, c.Journeys = list(e.Traces), list(e.Journeys)
	c.Resources, c.Requests = list(e.Resources), list(e.Requests)
	return c
}

// list is a copy that is never nil, so that the file has [] and not null.
func list[T any](s []T) []T { return append([]T{}, s...) }
