package compare

import (
	"cmp"
	"slices"
	"time"
)

// aligner lays the tree of after over that of before.
type aligner struct {
	of    int // traces of before
	least time.Duration
}

// kids aligns the branches below one aligned parent.
func (a *aligner) kids(before, after []*branch) []*Node {
	byLabel := make(map[Label]*branch, len(before))
	for _, x := range before {
		byLabel[x.label] = x
	}
	var newer []*branch
	matched := map[*branch]*branch{} // of after to before
	for _, y := range after {
		if x := byLabel[y.label]; x != nil && !x.taken && y.partner == nil {
			matched[y], x.taken = x, true
			continue
		}
		newer = append(newer, y)
	}
	var older []*branch
	for _, x := range before {
		if !x.taken {
			older = append(older, x)
		}
	}
	if len(newer) > 0 && len(older) > 0 {
		a.pairAcross(older, newer)
	}
	var out []*Node
	for _, y := range after {
		switch x := matched[y]; {
		case x != nil:
			out = append(out, a.node(x, y, false))
		case y.partner != nil:
			out = append(out, a.node(y.partner, y, true))
		default:
			out = append(out, a.node(nil, y, false))
		}
	}
	for _, x := range older {
		if x.taken {
			continue
		}
		if n := a.node(x, nil, false); n != nil {
			out = append(out, n)
		}
	}
	slices.SortStableFunc(out, func(m, n *Node) int { return cmp.Compare(m.start(), n.start()) })
	return out
}

// pairAcross finds partners at other depths: an older branch below a newer one,
// which then was put in between; a newer one below an older, which was taken out.
func (a *aligner) pairAcross(older, newer []*branch) {
	below := deeper(newer)
	for _, x := range older {
		if y := below[x.label]; y != nil && y.partner == nil {
			y.partner, x.taken = x, true
		}
	}
	below = deeper(slices.DeleteFunc(slices.Clone(older), func(x *branch) bool { return x.taken }))
	for _, y := range newer {
		if x := below[y.label]; x != nil && !x.taken && y.partner == nil {
			y.partner, x.taken = x, true
		}
	}
}

// deeper are the branches below some, by label, the first of each breadth first.
func deeper(of []*branch) map[Label]*branch {
	out := map[Label]*branch{}
	var level []*branch
	for _, b := range of {
		level = append(level, b.kids...)
	}
	for len(level) > 0 {
		var next []*branch
		for _, b := range level {
			if out[b.label] == nil {
				out[b.label] = b
			}
			next = append(next, b.kids...)
		}
		level = next
	}
	return out
}

// node is an aligned pair, of which one may be missing. It is nil when most
// traces of before do not have it and the one after has not, either, and so
// nothing below.
func (a *aligner) node(x, y *branch, moved bool) *Node {
	n := &Node{Moved: moved}
	var before, after []*branch
	if x != nil {
		n.Label, before = x.label, x.kids
		n.Before, n.Seen = x.middle(a.of)
		n.Low, n.High = x.usual()
	}
	if y != nil {
		n.Label, after = y.label, y.kids
		n.After = y.sides[0]
	}
	// What found its partner elsewhere is shown there.
	before = slices.DeleteFunc(slices.Clone(before), func(b *branch) bool { return b.taken })
	n.Kids = a.kids(before, after)
	if y == nil && n.Before.Count == 0 && len(n.Kids) == 0 {
		return nil
	}
	n.judge(a)
	return n
}

// judge gives the verdict. A time is judged by what the node did itself, so that
// a parent is not blamed for its children.
func (n *Node) judge(a *aligner) {
	n.Fails = n.After.Errors > 0 && n.Before.Errors == 0
	d := n.Slower()
	switch {
	case n.Before.Count == 0 && n.After.Count > 0:
		n.Verdict = New
	case n.After.Count == 0 && n.Before.Count > 0:
		n.Verdict = Gone
	case d > 0 && d >= a.least && n.After.Self > n.High:
		n.Verdict = Slower
	case d < 0 && -d >= a.least && n.After.Self < n.Low:
		n.Verdict = Faster
	default:
		n.Verdict = Same
	}
}

// start is where a node stands in the order of time.
func (n *Node) start() time.Duration {
	if n.After.Count > 0 {
		return n.After.Start
	}
	return n.Before.Start
}
