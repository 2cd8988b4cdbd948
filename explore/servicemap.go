package explore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// ServiceMap is who calls whom, from the spans of a time.
type ServiceMap struct {
	Nodes []ServiceNode // by layer, within one so that lines are short
	Edges []ServiceEdge // by the places of their nodes
	// From and To are the first start of a span and the last; Spans is how many
	// were read, Cut whether that is where the limit was.
	From, To time.Time
	Spans    int
	Cut      bool
}

// ServiceNode is a service, or something that services call and that sends no
// segments.
type ServiceNode struct {
	Name string
	Kind NodeKind
	ServiceStats
	Layer int // from 1; callers stand in an earlier layer than those they call
	Cycle int // the number of the cycle that the node is in, from 1; 0 for none
}

// NodeKind says what a node is known by.
type NodeKind string

// The kinds of nodes.
const (
	NodeService NodeKind = "service" // sends segments
	NodeAWS     NodeKind = "aws"     // calls to AWS name it
	NodeRemote  NodeKind = "remote"  // other calls name it, which nothing answered
)

// ServiceEdge is the calls of one node to another, or the messages that one sent
// and the other received.
type ServiceEdge struct {
	From, To string
	Message  bool
	ServiceStats
	Cycle int // as of its nodes when both are in the same; 0 for none
}

// ServiceStats are about requests: of a node, those that it answered, of an
// edge, the calls as the caller saw them; of messages, the time from sending to
// receiving.
type ServiceStats struct {
	Count, Errors int
	P50, P95, Max time.Duration

	took []time.Duration
}

func (s *ServiceStats) note(took time.Duration, failed bool) {
	s.Count++
	if failed {
		s.Errors++
	}
	s.took = append(s.took, max(took, 0))
}

// settle computes the quantiles, each the least time that so many stayed within.
func (s *ServiceStats) settle() {
	if len(s.took) == 0 {
		return
	}
	slices.Sort(s.took)
	at := func(percent int) time.Duration { return s.took[max((len(s.took)*percent+99)/100, 1)-1] }
	s.P50, s.P95, s.Max, s.took = at(50), at(95), at(100), nil
}

// Services reads the service map of the spans that q asks for. A limit keeps the
// newest spans.
func Services(ctx context.Context, r fleet.Reader, q fleet.Query) (*ServiceMap, error) {
	q.Kinds, q.Lean = []fleet.Kind{fleet.KindSpan}, true
	b := mapBuilder{names: map[string]string{}, at: map[spanKey]int{}}
	for rec, err := range r.Records(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("read the service map: %w", err)
		}
		b.add(&rec)
	}
	m := b.build()
	m.Cut = q.Limit > 0 && m.Spans >= q.Limit
	return m, nil
}

// mapSpan is as much of a span as the map needs.
type mapSpan struct {
	trace, parent string
	service       string
	target        string // of a call: the node that it names
	kind          NodeKind
	start         time.Time
	took          time.Duration
	segment       bool
	failed        bool
	answered      bool // a segment has it as its parent
	messages      []string
}

type edgeKey struct {
	from, to string
	message  bool
}

type mapBuilder struct {
	spans []mapSpan
	at    map[spanKey]int   // by span id
	names map[string]string // one copy of each name and trace

	nodes map[string]*ServiceNode
	edges map[edgeKey]*ServiceEdge
}

// one is the one copy of a text that every span shares.
func (b *mapBuilder) one(s string) string {
	if have, ok := b.names[s]; ok {
		return have
	}
	s = strings.Clone(s)
	b.names[s] = s
	return s
}

func (b *mapBuilder) add(r *fleet.Record) {
	s := mapSpan{
		trace: b.one(r.Keys.Trace), parent: strings.Clone(r.Keys.Parent), service: b.one(r.Service), start: r.Time, took: r.Duration,
		segment: fleet.IsSegment(r) && r.Attributes.Get(fleet.AttrInferred) != "true", failed: r.Error != "", messages: r.Keys.Messages,
	}
	if fleet.IsCall(r) {
		s.kind = NodeRemote
		name := fleet.NodeName(r)
		if r.Attributes.Get(fleet.AttrNamespace) == "aws" {
			s.kind = NodeAWS
			// Where the call's own name is not known there is "dynamodb:PutItem".
			name, _, _ = strings.Cut(name, ":")
		}
		s.target = b.one(name)
	}
	if r.Keys.Span != "" {
		b.at[spanKey{s.trace, strings.Clone(r.Keys.Span)}] = len(b.spans)
	}
	b.spans = append(b.spans, s)
}

func (b *mapBuilder) node(name string, kind NodeKind) *ServiceNode {
	n := b.nodes[name]
	if n == nil {
		n = &ServiceNode{Name: name, Kind: kind}
		b.nodes[name] = n
	}
	if kind == NodeService {
		n.Kind = kind
	}
	return n
}

func (b *mapBuilder) edge(from, to string, message bool) *ServiceEdge {
	k := edgeKey{from, to, message}
	e := b.edges[k]
	if e == nil {
		e = &ServiceEdge{From: from, To: to, Message: message}
		b.edges[k] = e
	}
	return e
}

// build makes the map of the spans so far.
func (b *mapBuilder) build() *ServiceMap {
	b.nodes, b.edges = map[string]*ServiceNode{}, map[edgeKey]*ServiceEdge{}
	m := &ServiceMap{Spans: len(b.spans)}
	for i := range b.spans {
		s := &b.spans[i]
		if m.From.IsZero() || s.start.Before(m.From) {
			m.From = s.start
		}
		if s.start.After(m.To) {
			m.To = s.start
		}
		if s.segment {
			b.request(s)
		}
	}
	for i := range b.spans {
		if s := &b.spans[i]; s.kind != "" && !s.answered {
			b.node(s.service, NodeService)
			b.node(s.target, s.kind).note(s.took, s.failed)
			b.edge(s.service, s.target, false).note(s.took, s.failed)
		}
	}
	b.deliver()
	for _, n := range b.nodes {
		n.settle()
		m.Nodes = append(m.Nodes, *n)
	}
	for _, e := range b.edges {
		e.settle()
		m.Edges = append(m.Edges, *e)
	}
	m.arrange()
	return m
}

// request notes a segment that answered somebody: the world, another service, or
// a call of its own. A segment below a segment of its own service is a step.
func (b *mapBuilder) request(s *mapSpan) {
	n := b.node(s.service, NodeService)
	i, known := b.at[spanKey{s.trace, s.parent}]
	if s.parent == "" || !known {
		n.note(s.took, s.failed)
		return
	}
	p := &b.spans[i]
	if p == s || p.service == s.service && p.kind == "" {
		return
	}
	n.note(s.took, s.failed)
	e := b.edge(p.service, s.service, false)
	if p.kind == "" {
		e.note(s.took, s.failed)
		return
	}
	p.answered = true
	e.note(p.took, p.failed || s.failed)
}

// deliver adds an edge for the messages that one service sent and another
// received: the earliest span that shows a message sent it.
func (b *mapBuilder) deliver() {
	spans := map[string][]*mapSpan{}
	for i := range b.spans {
		for _, id := range b.spans[i].messages {
			spans[id] = append(spans[id], &b.spans[i])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(spans)) {
		all := spans[id]
		slices.SortStableFunc(all, func(x, y *mapSpan) int { return x.start.Compare(y.start) })
		seen := map[string]bool{all[0].service: true}
		for _, s := range all[1:] {
			if !seen[s.service] {
				seen[s.service] = true
				b.node(all[0].service, NodeService)
				b.node(s.service, NodeService)
				b.edge(all[0].service, s.service, true).note(s.start.Sub(all[0].start), s.failed)
			}
		}
	}
}

// Rate is how many there were in a second of the map's time.
func (m *ServiceMap) Rate(n int) float64 {
	return float64(n) / max(m.To.Sub(m.From).Seconds(), 1)
}

// Around is the part of the map that a node calls or is called by; nil when no
// node has the name.
func (m *ServiceMap) Around(name string) *ServiceMap {
	near := map[string]bool{name: true}
	out := *m
	out.Nodes, out.Edges = nil, nil
	for _, e := range m.Edges {
		if e.From == name || e.To == name {
			near[e.From], near[e.To] = true, true
			out.Edges = append(out.Edges, e)
		}
	}
	found := false
	for _, n := range m.Nodes {
		found = found || n.Name == name
		if near[n.Name] {
			out.Nodes = append(out.Nodes, n)
		}
	}
	if !found {
		return nil
	}
	return &out
}

// Focus is what is around a node, or the whole map for no name. No node of the
// name is an error that tells those there are.
func (m *ServiceMap) Focus(name string) (*ServiceMap, error) {
	if name == "" {
		return m, nil
	}
	if near := m.Around(name); near != nil {
		return near, nil
	}
	return nil, fmt.Errorf("service map: no node is named %q among %d spans; there are: %s", name, m.Spans, strings.Join(m.names(), ", "))
}

// names are those of all nodes, the busiest first.
func (m *ServiceMap) names() []string {
	ns := slices.Clone(m.Nodes)
	slices.SortStableFunc(ns, func(a, b ServiceNode) int { return cmp.Compare(b.Count, a.Count) })
	var out []string
	for _, n := range ns {
		out = append(out, n.Name)
	}
	return out
}
