package audit

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// The bounds of what a run keeps of the whole fleet. What is beyond them is
// counted where it is known already, and otherwise left out; the survey is then
// cut, and a policy of absence on it is not judged.
const (
	maxSamples  = 10     // ids kept for each thing that is counted
	maxNames    = 10_000 // services, edges, uses, sessions, operations
	maxChanges  = 10_000
	maxKeys     = 100_000 // temporary credentials; a role of a service takes new ones every hour
	maxPerThing = 100     // changes of one resource; a routine makes ten a second
)

// changeReach is how long before and after a change its effect is looked for:
// a rollout takes minutes, and what happens an hour later has other reasons. It
// must not be above quiet: a story is told when the changes around it are known.
const changeReach = 15 * time.Minute

// survey gathers what policies on the fleet look at. Stories and records come in
// any order to each other, records among themselves in the order of time.
type survey struct {
	view    fleetView
	end     time.Time
	samples map[string]*fleet.Record // the records that the view names
	cut     bool

	services map[string]*service
	edges    map[[2]string]*edge
	uses     map[[2]string]*use // by resource and service
	changes  map[string][]*change
	managers map[string]string // the last role that wrote a resource, by resource
	sessions map[string]*session
	keys     map[string]issue // by temporary key
	second   []*fleet.Record  // the calls of the second at hand
	firsts   map[[2]string]*firstCall
	roles    map[string]*roleSeen
	registry map[string]string   // the name of a service of Cloud Map, by id
	entries  map[string]*service // what is registered of it, by id
	routes   map[[2]string]*route
	channels map[[2]string]*channel
	claims   map[[2]string]*claim // by role and resource
	touched  map[[2]string]int64  // calls, by role and resource
	kinds    map[string]int64     // calls, by the type of what they are on
	lastCall map[string]*fleet.Record
	related  map[string][]string // by resource, as its newest configuration has it
	blind    bool                // touched has no room for all
}

// roleSeen is when a role called first, and how often since.
type roleSeen struct {
	since time.Time
	calls int64
}

func newSurvey() *survey {
	return &survey{
		samples: map[string]*fleet.Record{}, services: map[string]*service{}, edges: map[[2]string]*edge{},
		uses: map[[2]string]*use{}, changes: map[string][]*change{}, managers: map[string]string{},
		sessions: map[string]*session{}, keys: map[string]issue{}, firsts: map[[2]string]*firstCall{},
		roles: map[string]*roleSeen{}, registry: map[string]string{}, entries: map[string]*service{},
		routes: map[[2]string]*route{}, channels: map[[2]string]*channel{}, claims: map[[2]string]*claim{},
		touched: map[[2]string]int64{}, kinds: map[string]int64{}, lastCall: map[string]*fleet.Record{}, related: map[string][]string{},
	}
}

// bounded is an entry of a map that does not grow beyond maxNames; nil beyond.
func bounded[K comparable, V any](s *survey, m map[K]*V, key K, fresh func() *V) *V {
	v := kept(m, key, fresh)
	if v == nil {
		s.cut = true
	}
	return v
}

// kept is the same of what no policy of absence asks for.
func kept[K comparable, V any](m map[K]*V, key K, fresh func() *V) *V {
	if v := m[key]; v != nil {
		return v
	}
	if len(m) >= maxNames {
		return nil
	}
	v := fresh()
	m[key] = v
	return v
}

// first keeps the first ids, and their records.
func (s *survey) first(ids *[]string, r *fleet.Record) {
	if len(*ids) < maxSamples {
		*ids = append(*ids, r.ID)
		s.keep(r)
	}
}

// latest keeps the latest ids, and their records.
func (s *survey) latest(ids *[]string, r *fleet.Record) {
	if len(*ids) >= maxSamples {
		*ids = slices.Delete(*ids, 0, 1)
	}
	*ids = append(*ids, r.ID)
	s.keep(r)
}

func (s *survey) keep(r *fleet.Record) {
	if s.samples[r.ID] == nil {
		s.samples[r.ID] = light(r)
	}
}

func (s *survey) service(name string, at time.Time) *service {
	v := bounded(s, s.services, name, func() *service { return &service{Name: name, First: at} })
	if v != nil && at.Before(v.First) {
		v.First = at
	}
	return v
}

// hour is the hour of a time. They are few: a window is a day, or a week.
func (v *service) hour(t time.Time) *hour {
	start := t.Truncate(time.Hour)
	i, found := slices.BinarySearchFunc(v.Hours, start, func(h *hour, t time.Time) int { return h.Start.Compare(t) })
	if !found {
		v.Hours = slices.Insert(v.Hours, i, &hour{Service: v.Name, Start: start})
	}
	return v.Hours[i]
}

// record takes a record of the window.
func (s *survey) record(r *fleet.Record) {
	if s.view.Start.IsZero() || r.Time.Before(s.view.Start) {
		s.view.Start = r.Time
	}
	s.end = later(s.end, r.Time)
	switch r.Kind {
	case fleet.KindAPICall:
		s.call(r)
	case fleet.KindLog:
		if v := s.service(r.Service, r.Time); r.Service != "" && v != nil {
			v.Lines++
			v.hour(r.Time).Lines++
			s.first(&v.LineIDs, r)
		}
		s.payload(r.Service, cmp.Or(r.Attributes.Get("queue"), r.Attributes.Get("topic")), r)
	case fleet.KindChange:
		s.configured(r)
	case fleet.KindSpan, fleet.KindVerdict: // stories have the spans
	}
}

// story takes a journey that is over.
func (s *survey) story(t *story) {
	caller := map[string]*record{} // by request id
	parents := map[string]*record{}
	for _, v := range t.Spans {
		parents[fleet.SpanID(v.TraceID, v.SpanID)] = v
		if v.RequestID != "" {
			caller[v.RequestID] = v
		}
	}
	explained := map[*record]bool{}
	for _, b := range t.Breaks {
		explained[b.root] = true
	}
	for _, v := range t.Spans {
		s.span(v, parents[fleet.SpanID(v.TraceID, v.ParentID)], explained[v])
	}
	for _, d := range t.Dependencies {
		s.dependency(d)
	}
	for _, c := range t.Calls {
		if by := caller[c.RequestID]; by != nil && c.RequestID != "" && by.Service != "" {
			s.use(c, by)
		}
	}
}

func (s *survey) span(v, parent *record, explained bool) {
	w := s.service(v.Service, v.Time)
	if v.Service == "" || w == nil {
		return
	}
	w.Spans++
	s.first(&w.IDs, v.src)
	h := w.hour(v.Time)
	h.Spans++
	s.first(&h.IDs, v.src)
	switch v.attr("annotation.cache") {
	case "hit":
		w.CacheHits++
		h.CacheHits++
	case "miss":
		w.CacheMisses++
		s.latest(&w.MissIDs, v.src)
		h.CacheMisses++
		s.latest(&h.MissIDs, v.src)
	}
	if parent != nil && parent.Service == v.Service || parent == nil && v.ParentID != "" && v.attr(fleet.AttrSpanType) != "segment" {
		return // a part of a request
	}
	w.Requests++
	h.Requests++
	w.durations.add(v.Seconds)
	switch v.Error {
	case "fault":
		w.Faults++
		h.Faults++
		s.latest(&w.FaultIDs, v.src)
	case "throttle":
		w.Throttles++
	}
	if v.ParentID == "" && v.HTTPMethod != "" && !explained {
		w.Entries++
		s.latest(&w.EntryIDs, v.src)
	}
	s.asked(v)
	s.weigh(runs(v.Service), v, v.Seconds)
}

func (s *survey) dependency(d *dependency) {
	e := bounded(s, s.edges, [2]string{d.Service, d.Target}, func() *edge {
		return &edge{Service: d.Service, Target: d.Target, Remote: d.Remote}
	})
	if e == nil {
		return
	}
	e.Calls++
	if d.Answered {
		e.Answered++
	}
	if d.Error != "" {
		e.Errors++
	}
	e.MaxSeconds = max(e.MaxSeconds, d.Seconds)
	s.latest(&e.IDs, d.span.src)
	if !d.Remote {
		return
	}
	if v := s.service(d.Target, d.span.Time); v != nil {
		v.Called++
		s.latest(&v.CallIDs, d.span.src)
	}
}

// use takes an API call that a service made while it handled a request.
func (s *survey) use(c, by *record) {
	resource := firstResource(c.src)
	if resource == "" {
		return
	}
	u := bounded(s, s.uses, [2]string{resource, by.Service}, func() *use { return &use{Resource: resource, Service: by.Service} })
	if u == nil {
		return
	}
	u.Calls++
	if !c.ReadOnly {
		u.Writes++
	}
	s.latest(&u.IDs, c.src)
	s.weigh(resource, c, by.Seconds) // a call itself shows no end
}

// result is the view, complete.
func (s *survey) result() *fleetView {
	f := &s.view
	s.registered()
	s.chains()
	f.Seconds = s.end.Sub(f.Start).Seconds()
	for _, name := range slices.Sorted(maps.Keys(s.services)) {
		v := s.services[name]
		v.P95 = v.durations.quantile(0.95)
		f.Services = append(f.Services, v)
	}
	f.Edges = slices.SortedFunc(maps.Values(s.edges), func(a, b *edge) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Target, b.Target))
	})
	f.Uses = slices.SortedFunc(maps.Values(s.uses), func(a, b *use) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource),
			cmp.Compare(b.Writes, a.Writes), cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Service, b.Service))
	})
	for i, u := range f.Uses { // the owner is the first of a resource
		if u.Owner = u.Service; i > 0 && f.Uses[i-1].Resource == u.Resource {
			u.Owner = f.Uses[i-1].Owner
		}
	}
	f.Changes = s.sortedChanges()
	s.spread()
	f.Routes, f.Channels, f.Claims = s.sortedRoutes(), s.sortedChannels(), s.sortedClaims()
	f.Sessions = slices.SortedFunc(maps.Values(s.sessions), func(a, b *session) int {
		return cmp.Or(cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.IDs[0], b.IDs[0]))
	})
	f.Firsts = slices.SortedFunc(maps.Values(s.firsts), func(a, b *firstCall) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Name, b.Name))
	})
	return f
}

// runs is the key of the changes of what runs a service.
func runs(service string) string { return "service " + strings.ToLower(service) }
