package audit

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// dependency is a span that calls another service or an AWS API.
type dependency struct {
	ID          string   `cel:"id" doc:"of the record"`
	TraceID     string   `cel:"trace_id" doc:"of the record"`
	Service     string   `cel:"service" doc:"the caller"`
	Target      string   `cel:"target" doc:"the callee"`
	Name        string   `cel:"name" doc:"the operation"`
	Error       string   `cel:"error" doc:"empty when it went well"`
	Remote      bool     `cel:"remote" doc:"it calls another service, not an AWS API"`
	Answered    bool     `cel:"answered" doc:"a span of the callee lies below it"`
	Path        []string `cel:"path" doc:"the services that wait for it, the outermost first; the caller is the last"`
	Seconds     float64  `cel:"seconds" doc:"how long the call took"`
	SelfSeconds float64  `cel:"self_seconds" doc:"the part of it during which no call below it was running: of a slow chain only the call that made it slow has a large one"`

	span  *record
	entry *record // the span by which the request came to the caller
}

// repeat is a group of dependency calls of one operation on one target under
// one parent span. Groups of one are left out.
type repeat struct {
	IDs     []string `cel:"ids" doc:"of the records"`
	TraceID string   `cel:"trace_id" doc:"of the records"`
	Service string   `cel:"service" doc:"the caller"`
	Target  string   `cel:"target" doc:"the callee"`
	Name    string   `cel:"name" doc:"the operation"`
	Parent  string   `cel:"parent" doc:"the name of the span that makes the calls"`
	Count   int64    `cel:"count" doc:"the number of calls"`
	Errors  int64    `cel:"errors" doc:"those that failed"`
	Seconds float64  `cel:"seconds" doc:"of all of them together"`
}

// fan is one request that a service was asked, with what it called for it.
type fan struct {
	ID      string   `cel:"id" doc:"of the request's span"`
	TraceID string   `cel:"trace_id" doc:"of the request's span"`
	Service string   `cel:"service" doc:"the one that was asked"`
	Name    string   `cel:"name" doc:"the operation that it was asked for"`
	Targets []string `cel:"targets" doc:"the services that it called itself, each once"`
	IDs     []string `cel:"ids" doc:"of those calls"`
}

// gap is a call whose other end began a trace of its own: the trace header was
// lost between the two.
type gap struct {
	ID      string `cel:"id" doc:"of the call"`
	TraceID string `cel:"trace_id" doc:"of the call"`
	Service string `cel:"service" doc:"the caller"`
	Target  string `cel:"target" doc:"the callee"`
	RootID  string `cel:"root_id" doc:"of the span with which the callee began its trace"`

	root *record
}

// tree finds the spans below a span. The keys hold trace and span id, since a
// journey has several traces.
type tree struct {
	spans    []*record
	byID     map[string]*record
	children map[string][]*record
}

func newTree(spans []*record) *tree {
	t := &tree{spans: spans, byID: map[string]*record{}, children: map[string][]*record{}}
	for _, s := range spans {
		t.byID[fleet.SpanID(s.TraceID, s.SpanID)] = s
		if s.ParentID != "" {
			key := fleet.SpanID(s.TraceID, s.ParentID)
			t.children[key] = append(t.children[key], s)
		}
	}
	return t
}

func (t *tree) below(s *record) []*record { return t.children[fleet.SpanID(s.TraceID, s.SpanID)] }

// depends reports whether a span is a call to something outside its own
// service: X-Ray gives such subsegments a namespace, "aws" or "remote".
func depends(s *record) bool { return s.attr(fleet.AttrNamespace) != "" }

func (t *tree) dependencies() []*dependency {
	var out []*dependency
	for _, s := range t.spans {
		if !depends(s) {
			continue
		}
		target, answered := t.target(s)
		d := &dependency{
			ID: s.ID, TraceID: s.TraceID, Service: s.Service, Target: target, Name: s.Name,
			Error: s.Error, Seconds: s.Seconds, SelfSeconds: t.self(s).Seconds(),
			Remote: s.attr(fleet.AttrNamespace) == "remote", Answered: answered, span: s,
		}
		d.Path, d.entry = t.path(s)
		out = append(out, d)
	}
	return out
}

// path are the services that wait for a call, the outermost first, and the span
// by which the request came to the caller.
func (t *tree) path(s *record) (services []string, entry *record) {
	seen := map[*record]bool{}
	entry = s
	for at := s; at != nil && !seen[at]; at = t.byID[fleet.SpanID(at.TraceID, at.ParentID)] {
		seen[at] = true // two spans with one id can make a circle
		if len(services) == 0 || at.Service == services[len(services)-1] && len(services) == 1 {
			entry = at
		}
		if at.Service != "" && (len(services) == 0 || services[len(services)-1] != at.Service) {
			services = append(services, at.Service)
		}
	}
	slices.Reverse(services)
	return services, entry
}

// clockSkew is how far the clocks of two services may be apart.
const clockSkew = 50 * time.Millisecond

// breaks are the requests that began a trace while a service of the same story
// waited for them: during a call without an answer, or, where the client that
// makes the call is not traced either, during a span with nothing else in it.
func (t *tree) breaks(calls []*dependency) []*gap {
	var roots []*record
	begins := map[string]string{} // the service with which a trace begins
	for _, s := range t.spans {
		if s.ParentID != "" {
			continue
		}
		if _, known := begins[s.TraceID]; !known {
			begins[s.TraceID] = s.Service
		}
		if s.HTTPMethod != "" {
			roots = append(roots, s)
		}
	}
	if len(begins) < 2 {
		return nil // a story that is one trace has nothing beside it
	}
	var out []*gap
	for _, r := range roots {
		from := t.unanswered(r, calls)
		if from == nil && r.Service != roots[0].Service { // that is where clients ask
			from = t.waits(r, begins)
		}
		if from != nil {
			out = append(out, &gap{ID: from.ID, TraceID: from.TraceID, Service: from.Service, Target: r.Service, RootID: r.ID, root: r})
		}
	}
	return out
}

// unanswered is the call of another trace during which a request began, to the
// service that was asked, and without an answer of its own; nil for none.
func (t *tree) unanswered(r *record, calls []*dependency) *record {
	for _, d := range calls {
		if d.Remote && !d.Answered && d.Target == r.Service && d.TraceID != r.TraceID &&
			!r.Time.Before(d.span.Time.Add(-clockSkew)) && !r.Time.After(d.span.src.End().Add(clockSkew)) {
			return d.span
		}
	}
	return nil
}

// waits is the shortest span of another trace and service that lasted for as
// long as a request, and that did nothing else meanwhile; nil for none. A call of
// an AWS API asks no service, and a client that sends two requests at once begins
// both at one service.
func (t *tree) waits(r *record, begins map[string]string) *record {
	var best *record
	for _, s := range t.spans {
		if s.TraceID == r.TraceID || s.Service == r.Service || depends(s) || begins[s.TraceID] == r.Service ||
			s.Time.After(r.Time) || s.src.End().Before(r.src.End()) {
			continue
		}
		if best != nil && best.Seconds <= s.Seconds {
			continue
		}
		if !slices.ContainsFunc(t.below(s), func(c *record) bool {
			return c.Time.Before(r.src.End()) && c.src.End().After(r.Time)
		}) {
			best = s
		}
	}
	return best
}

// fans gathers the calls to services by the request that they were made for.
func (t *tree) fans(calls []*dependency) []*fan {
	byEntry := map[*record]*fan{}
	var out []*fan
	for _, d := range calls {
		if !d.Remote {
			continue
		}
		f := byEntry[d.entry]
		if f == nil {
			f = &fan{ID: d.entry.ID, TraceID: d.TraceID, Service: d.Service, Name: d.entry.Name}
			byEntry[d.entry] = f
			out = append(out, f)
		}
		f.IDs = append(f.IDs, d.ID)
		if !slices.Contains(f.Targets, d.Target) {
			f.Targets = append(f.Targets, d.Target)
		}
	}
	return out
}

// target is the callee of a dependency call, and whether it answered in the
// trace: the service whose span lies below it, the AWS service of its operation
// ("dynamodb:GetItem"), the name that the caller gives it, or its own name.
func (t *tree) target(s *record) (name string, answered bool) {
	for _, c := range t.below(s) {
		if c.Service != "" && c.Service != s.Service {
			return c.Service, true
		}
	}
	if s.attr(fleet.AttrNamespace) == "remote" && s.attr(fleet.AttrSegmentName) != "" {
		return s.attr(fleet.AttrSegmentName), false
	}
	service, _, _ := strings.Cut(s.Name, ":")
	return service, false
}

// self is the time of a dependency call during which none of the dependency
// calls below it was running.
func (t *tree) self(s *record) time.Duration {
	type stretch struct{ start, end time.Time }
	var inner []stretch
	seen := map[*record]bool{s: true}
	todo := slices.Clone(t.below(s))
	for len(todo) > 0 {
		c := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		switch {
		case seen[c]:
			// Two spans with one id can make a circle.
		case depends(c):
			inner = append(inner, stretch{c.Time, c.src.End()})
		default:
			todo = append(todo, t.below(c)...)
		}
		seen[c] = true
	}
	slices.SortFunc(inner, func(a, b stretch) int { return a.start.Compare(b.start) })
	left, at, end := s.src.Duration, s.Time, s.src.End()
	for _, i := range inner {
		from, to := later(i.start, at), i.end
		if to.After(end) {
			to = end
		}
		if to.After(from) {
			left -= to.Sub(from)
			at = to
		}
	}
	return left
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (t *tree) repeated(calls []*dependency) []*repeat {
	type group struct{ parent, target, name string }
	groups := map[group]*repeat{}
	var order []*repeat
	for _, d := range calls {
		s := d.span
		key := group{fleet.SpanID(s.TraceID, s.ParentID), d.Target, d.Name}
		g := groups[key]
		if g == nil {
			g = &repeat{TraceID: d.TraceID, Service: d.Service, Target: d.Target, Name: d.Name}
			if p := t.byID[key.parent]; p != nil {
				g.Parent = cmp.Or(p.Name, p.Service)
			}
			groups[key] = g
			order = append(order, g)
		}
		g.IDs = append(g.IDs, d.ID)
		g.Count++
		if d.Error != "" {
			g.Errors++
		}
		g.Seconds += d.Seconds
	}
	return slices.DeleteFunc(order, func(g *repeat) bool { return g.Count < 2 })
}
