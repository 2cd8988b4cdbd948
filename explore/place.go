package explore

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"muster/fleet"
)

// settle orders a node's kids in time.
func (n *node) settle() {
	slices.SortFunc(n.kids, compareNodes)
	n.ends = n.ends[:0]
	for _, k := range n.kids {
		end := k.rec.End()
		if l := len(n.ends); l > 0 && n.ends[l-1].After(end) {
			end = n.ends[l-1]
		}
		n.ends = append(n.ends, end)
	}
}

// moment is when a record is drawn: its time, but for an API call of which
// CloudTrail tells the second only and whose span is known. That is drawn where
// its span began, when that is in the same second, rather than before it.
func (n *node) moment() time.Time {
	t := n.rec.Time
	if n.host == nil || n.rec.Kind != fleet.KindAPICall || !t.Equal(t.Truncate(time.Second)) {
		return t
	}
	if began := n.host.rec.Time; began.Truncate(time.Second).Equal(t) {
		return began
	}
	return t
}

func compareNodes(a, b *node) int {
	// At one moment spans come first, so that a tree reads from cause to effect.
	if c := a.rec.Time.Compare(b.rec.Time); c != 0 {
		return c
	}
	if c := cmp.Compare(rank(a.rec.Kind), rank(b.rec.Kind)); c != 0 {
		return c
	}
	return cmp.Compare(a.rec.ID, b.rec.ID)
}

func rank(k fleet.Kind) int { return slices.Index(fleet.Kinds(), k) }

// hangByTime hangs what shares no id with any span under the innermost span of
// its own service that held the moment, or leaves it outside.
func (p *planter) hangByTime(nodes []node) {
	p.loose = map[string][]*node{}
	touched := map[*node]bool{}
	trees := map[string]*node{}
	for t := range p.roots {
		trees[t] = &node{kids: p.roots[t]}
		trees[t].settle()
	}
	for i := range nodes {
		n := &nodes[i]
		if n.rec.Kind == fleet.KindSpan || n.placed != "" {
			continue
		}
		if s := trees[n.rec.Keys.Trace].holder(n.rec); n.rec.Keys.Trace != "" && s != nil {
			n.placed, touched[s] = byTime, true
			s.kids = append(s.kids, n)
			continue
		}
		n.placed = outside
		p.loose[n.rec.Keys.Trace] = append(p.loose[n.rec.Keys.Trace], n)
	}
	for s := range touched {
		s.settle()
	}
}

// holder is the innermost span below n of the record's service that holds its
// time. A nil node holds nothing.
func (n *node) holder(r *fleet.Record) *node {
	var found *node
	for at := n; at != nil; {
		at = at.holding(r.Time)
		if at != nil && at.rec.Service == r.Service {
			found = at
		}
	}
	return found
}

// holding is the latest span among the kids that holds a moment.
func (n *node) holding(t time.Time) *node {
	for i := sort.Search(len(n.ends), func(i int) bool { return n.kids[i].rec.Time.After(t) }) - 1; i >= 0; i-- {
		if n.ends[i].Before(t) {
			return nil
		}
		if k := n.kids[i]; k.rec.Kind == fleet.KindSpan && !k.rec.End().Before(t) {
			return k
		}
	}
	return nil
}
