package audit

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// story is a trace, a journey, a request or a message as expressions see it. All
// lists are in the order of time.
type story struct {
	// ID is the trace id, or the id of the journey, the request or the message.
	ID       string   `cel:"id"`
	TraceIDs []string `cel:"trace_ids"`
	// CorrelationIDs are all there are: in a trace more than one only when its
	// records show more than one.
	CorrelationIDs []string  `cel:"correlation_ids"`
	Start          time.Time `cel:"start"`
	// Seconds is from the start of the first span to the end of the last, or of
	// the first record to the last where there are no spans.
	Seconds float64 `cel:"seconds"`
	// Rooted says that a finished span without a parent is there. A story
	// without one was seen in part only.
	Rooted bool `cel:"rooted"`
	// Service and Name are those of the first such span, else of the first record.
	Service  string   `cel:"service"`
	Name     string   `cel:"name"`
	Services []string `cel:"services"`

	Records []*record `cel:"records"`
	Spans   []*record `cel:"spans"`
	Logs    []*record `cel:"logs"`
	Calls   []*record `cel:"calls"`
	Changes []*record `cel:"changes"`
	Errors  []*record `cel:"errors"` // the records with an error

	Dependencies []*dependency `cel:"dependencies"`
	Repeated     []*repeat     `cel:"repeated"`
}

// dependency is a span that calls another service or an AWS API.
type dependency struct {
	ID      string `cel:"id"` // of the record
	TraceID string `cel:"trace_id"`
	Service string `cel:"service"` // the caller
	Target  string `cel:"target"`  // the callee
	Name    string `cel:"name"`    // the operation
	Error   string `cel:"error"`
	// Seconds is how long the call took, SelfSeconds the part of it during which
	// no dependency call below it was running: where a chain of calls is slow,
	// only the call that made it so has a large one.
	Seconds     float64 `cel:"seconds"`
	SelfSeconds float64 `cel:"self_seconds"`
}

// repeat is a group of dependency calls of one operation on one target under
// one parent span. Groups of one are left out.
type repeat struct {
	IDs     []string `cel:"ids"` // of the records
	TraceID string   `cel:"trace_id"`
	Service string   `cel:"service"` // the caller
	Target  string   `cel:"target"`
	Name    string   `cel:"name"`
	Parent  string   `cel:"parent"` // the name of the span that makes the calls
	Count   int64    `cel:"count"`
	Seconds float64  `cel:"seconds"` // of all of them together
}

// newStory builds the view of records that are in the order of fleet.Compare.
func newStory(id string, rs []*fleet.Record) *story {
	s := &story{ID: id, Start: rs[0].Time, Service: rs[0].Service, Name: rs[0].Name}
	for _, r := range rs {
		s.add(view(r))
	}
	slices.Sort(s.TraceIDs)
	s.TraceIDs = slices.Compact(s.TraceIDs)
	slices.Sort(s.CorrelationIDs)
	s.CorrelationIDs = slices.Compact(s.CorrelationIDs)
	slices.Sort(s.Services)
	s.Services = slices.Compact(s.Services)
	s.extent(rs)
	tree := newTree(s.Spans)
	s.Dependencies = tree.dependencies()
	s.Repeated = tree.repeated(s.Dependencies)
	return s
}

func (s *story) add(v *record) {
	s.Records = append(s.Records, v)
	switch v.src.Kind {
	case fleet.KindSpan:
		s.Spans = append(s.Spans, v)
		if !s.Rooted && v.ParentID == "" && v.attr(fleet.AttrInProgress) != "true" {
			s.Rooted, s.Service, s.Name = true, v.Service, v.Name
		}
	case fleet.KindLog:
		s.Logs = append(s.Logs, v)
	case fleet.KindAPICall:
		s.Calls = append(s.Calls, v)
	case fleet.KindChange:
		s.Changes = append(s.Changes, v)
	}
	if v.Error != "" {
		s.Errors = append(s.Errors, v)
	}
	if v.TraceID != "" {
		s.TraceIDs = append(s.TraceIDs, v.TraceID)
	}
	if v.CorrelationID != "" {
		s.CorrelationIDs = append(s.CorrelationIDs, v.CorrelationID)
	}
	if v.Service != "" {
		s.Services = append(s.Services, v.Service)
	}
}

func (s *story) extent(rs []*fleet.Record) {
	end := rs[len(rs)-1].End()
	if len(s.Spans) > 0 {
		s.Start = s.Spans[0].Time
		end = s.Start
		for _, v := range s.Spans {
			if e := v.src.End(); e.After(end) {
				end = e
			}
		}
	}
	s.Seconds = end.Sub(s.Start).Seconds()
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
		out = append(out, &dependency{
			ID: s.ID, TraceID: s.TraceID, Service: s.Service, Target: t.target(s), Name: s.Name,
			Error: s.Error, Seconds: s.Seconds, SelfSeconds: t.self(s).Seconds(),
		})
	}
	return out
}

// target is the callee of a dependency call: the service whose span lies below
// it, the AWS service of its operation ("dynamodb:GetItem"), or its own name.
func (t *tree) target(s *record) string {
	for _, c := range t.below(s) {
		if c.Service != "" && c.Service != s.Service {
			return c.Service
		}
	}
	service, _, _ := strings.Cut(s.Name, ":")
	return service
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
	byRecord := make(map[string]*record, len(t.spans))
	for _, s := range t.spans {
		byRecord[s.ID] = s
	}
	for _, d := range calls {
		s := byRecord[d.ID]
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
		g.Seconds += d.Seconds
	}
	return slices.DeleteFunc(order, func(g *repeat) bool { return g.Count < 2 })
}
