package explore

import (
	"slices"
	"time"

	"muster/fleet"
)

// place says by what a record got its place in the tree. Only places by an id
// are joins; a place by time is context.
type place string

const (
	byParent  place = "parent span"
	bySpan    place = "span id"
	byRequest place = "request id"
	byTime    place = "time"
	outside   place = "outside every span"
)

// node is a record in its place, or a heading over others.
type node struct {
	rec     *fleet.Record // nil for a heading
	heading string
	trace   string // the trace that a heading stands for, if any
	key     string // stable over readings: what is folded is remembered by it
	placed  place
	host    *node   // what it hangs under by an id
	kids    []*node // in time order
	// ends[i] is the latest end of kids[:i+1], so that the search for the span
	// that holds a moment can stop early.
	ends []time.Time
	// Of spans: how long it ran while no child did, and what of that the end of
	// the request waited for, in parts that are in the order of time.
	self, waited time.Duration
	parts        []stretch
	// before is the item before that of a change, where it is known.
	before *fleet.Record
}

// forest is a dossier laid out: spans as trees, and everything else under the
// span it belongs to.
type forest struct {
	roots []*node
	// From and to are the time that the bars show: that of all spans, or of all
	// records when there is no span.
	from, to time.Time
	traces   int
	path     []stretch     // what the end of each request waited for, from its start
	longest  []*node       // the spans that were waited for longest, that first
	waited   time.Duration // all of the path
	apart    int           // spans of which nobody knows whether they were waited for
}

// compare gives changes the items before them.
func (f *forest) compare(prior map[string]*fleet.Record) {
	if len(prior) == 0 {
		return
	}
	var walk func(ns []*node)
	walk = func(ns []*node) {
		for _, n := range ns {
			if n.rec != nil && n.rec.Kind == fleet.KindChange {
				n.before = prior[n.rec.ID]
			}
			walk(n.kids)
		}
	}
	walk(f.roots)
}

type spanKey struct{ trace, span string }

type requestKey struct {
	scope fleet.Scope
	id    string
}

// plant lays out a dossier. Every record is in the forest exactly once.
func plant(t *fleet.Trace) *forest {
	p := planter{
		spans:    map[spanKey]*node{},
		requests: map[requestKey]*node{},
		calls:    map[requestKey]*node{},
		roots:    map[string][]*node{},
	}
	nodes := make([]node, len(t.Records))
	for i := range t.Records {
		nodes[i] = node{rec: &t.Records[i], key: t.Records[i].ID}
	}
	p.growSpans(nodes)
	p.hangByID(nodes)
	p.sort()
	p.hangByTime(nodes)
	f := &forest{roots: p.headings(t)}
	f.from, f.to = extent(t.Records)
	f.traces = len(p.order)
	f.follow(t.Records, nodes)
	return f
}

type planter struct {
	spans    map[spanKey]*node
	requests map[requestKey]*node // the deepest span that shows a request
	calls    map[requestKey]*node // the API call that a request was
	roots    map[string][]*node   // by trace
	loose    map[string][]*node   // outside every span, by trace
	order    []string             // the traces, earliest first
}

// growSpans makes trees of the spans. A span whose parent is not here, or that
// would be its own ancestor, is a root.
func (p *planter) growSpans(nodes []node) {
	for i := range nodes {
		r := nodes[i].rec
		if r.Kind != fleet.KindSpan || r.Keys.Span == "" {
			continue
		}
		k := spanKey{r.Keys.Trace, r.Keys.Span}
		if p.spans[k] == nil {
			p.spans[k] = &nodes[i]
		}
	}
	up := map[*node]*node{}
	for i := range nodes {
		n := &nodes[i]
		if n.rec.Kind != fleet.KindSpan {
			continue
		}
		parent := p.spans[spanKey{n.rec.Keys.Trace, n.rec.Keys.Parent}]
		if parent == nil || n.rec.Keys.Parent == "" || descends(parent, n, up) {
			p.roots[n.rec.Keys.Trace] = append(p.roots[n.rec.Keys.Trace], n)
			continue
		}
		n.placed, up[n] = byParent, parent
		parent.kids = append(parent.kids, n)
	}
	for i := range nodes {
		p.offer(&nodes[i])
	}
}

// descends reports whether n is below of, or is it.
func descends(n, of *node, up map[*node]*node) bool {
	// In a long chain that is read root first, n is never below of, which then
	// has no kids: no need to climb.
	if n != of && len(of.kids) == 0 {
		return false
	}
	for ; n != nil; n = up[n] {
		if n == of {
			return true
		}
	}
	return false
}

// offer makes a span or API call known under the request that it shows. The
// span without children is the one that made the request.
func (p *planter) offer(n *node) {
	k := requestKey{n.rec.Keys.Scope, n.rec.Keys.Request}
	if k.id == "" {
		return
	}
	switch n.rec.Kind {
	case fleet.KindSpan:
		if had := p.requests[k]; had == nil || len(had.kids) > 0 && len(n.kids) == 0 {
			p.requests[k] = n
		}
	case fleet.KindAPICall:
		if p.calls[k] == nil {
			p.calls[k] = n
		}
	}
}

// hangByID hangs whatever shares an id with a span, or with an API call, there.
func (p *planter) hangByID(nodes []node) {
	for i := range nodes {
		n := &nodes[i]
		if n.rec.Kind == fleet.KindSpan {
			continue
		}
		host, by := p.host(n)
		if host != nil {
			n.placed, n.host = by, host
			host.kids = append(host.kids, n)
		}
	}
}

// host is the node that a record belongs under by an id, or nil.
func (p *planter) host(n *node) (*node, place) {
	k := &n.rec.Keys
	req := requestKey{k.Scope, k.Request}
	if k.Span != "" {
		if s := p.spans[spanKey{k.Trace, k.Span}]; s != nil {
			return s, bySpan
		}
	}
	if k.Request == "" {
		return nil, ""
	}
	if n.rec.Kind == fleet.KindChange || n.rec.Kind == fleet.KindVerdict {
		if c := p.calls[req]; c != nil {
			return c, byRequest
		}
	}
	return p.requests[req], byRequest
}

// sort orders the kids so far and prepares the search by time.
func (p *planter) sort() {
	for _, s := range p.spans {
		s.settle()
	}
	for _, c := range p.calls {
		c.settle()
	}
}

// headings are the roots: the trees of a single trace as they are, those of
// several under a heading each, and what is outside every span under its own.
func (p *planter) headings(t *fleet.Trace) []*node {
	p.order = traceOrder(t.Records)
	var out []*node
	for _, tr := range p.order {
		trees, l := p.roots[tr], p.loose[tr]
		slices.SortFunc(l, compareNodes)
		switch {
		case len(trees) == 0:
			trees = l
		case len(l) > 0:
			trees = append(trees, &node{heading: string(outside), key: "outside/" + tr, kids: l})
		}
		if len(p.order) == 1 {
			return trees
		}
		name := "in no trace"
		if tr != "" {
			name = "trace " + fleet.FormatTraceID(tr)
		}
		if len(trees) > 0 && trees[0].rec != nil && tr != "" {
			name += "  " + trees[0].rec.Service + " " + trees[0].rec.Name
		}
		out = append(out, &node{heading: name, trace: tr, key: "trace/" + tr, kids: trees})
	}
	return out
}

// traceOrder are the traces of records in the order of their first spans, since
// CloudTrail's whole seconds may lie before all of them; those without a span
// come after, in the order of their first records.
func traceOrder(rs []fleet.Record) []string {
	var out []string
	seen := map[string]bool{}
	for _, spans := range []bool{true, false} {
		for i := range rs {
			if spans && rs[i].Kind != fleet.KindSpan {
				continue
			}
			if tr := rs[i].Keys.Trace; !seen[tr] {
				seen[tr] = true
				out = append(out, tr)
			}
		}
	}
	return out
}

// extent is the time from the first start to the last end of the spans, or of
// everything when there are none.
func extent(rs []fleet.Record) (from, to time.Time) {
	for _, spans := range []bool{true, false} {
		for i := range rs {
			r := &rs[i]
			if spans && r.Kind != fleet.KindSpan {
				continue
			}
			if from.IsZero() || r.Time.Before(from) {
				from = r.Time
			}
			if to.IsZero() || r.End().After(to) {
				to = r.End()
			}
		}
		if !from.IsZero() {
			break
		}
	}
	return from, to
}
