// Package compare aligns the spans of one trace with those of another, or with
// the median of several, and says what got slower, what is new and what is gone.
// It is pure: spans in, an aligned tree out.
package compare

import (
	"cmp"
	"slices"
	"time"

	"muster/fleet"
)

// Label names what a span did, so that two traces can be laid over each other.
type Label struct {
	Service string
	Name    string // as Route gives it
}

// Side is what one trace, or the median of several, has of a node.
type Side struct {
	Count   int           // spans
	Took    time.Duration // of all of them together, as Self and Waited
	Longest time.Duration // the longest of them
	Self    time.Duration // while no child ran
	Waited  time.Duration // of the critical path
	Errors  int
	Error   string        // the first
	Start   time.Duration // of the first, after the start of its trace
	Record  string        // id of the longest; "" of a median
	Trace   string        // "" of a median
}

// Verdict says how a node differs. The zero value: not worth mentioning.
type Verdict string

// The verdicts.
const (
	Same   Verdict = "same"
	Slower Verdict = "slower"
	Faster Verdict = "faster"
	New    Verdict = "new"
	Gone   Verdict = "gone"
)

// Node is the spans that did the same below the same parent.
type Node struct {
	Label
	Before, After Side
	Verdict       Verdict
	// Fails reports that it went wrong after, and did not before.
	Fails bool
	// Moved reports that it stands at another depth than before: what it was
	// called by lies between, or lay.
	Moved bool
	// Seen is in how many traces of before it is.
	Seen int
	// Low and High are the 10th and the 90th percentile of Self over the traces
	// of before: what is usual. Of a single trace both are its own.
	Low, High time.Duration
	Kids      []*Node // in the order of their starts
}

// Longer is how much longer the end waited for the node.
func (n *Node) Longer() time.Duration { return n.After.Waited - n.Before.Waited }

// Slower is how much longer the node was busy with itself.
func (n *Node) Slower() time.Duration { return n.After.Self - n.Before.Self }

// Total is a trace as a whole, or the median of several.
type Total struct {
	Took   time.Duration // from the start of the entry to its end
	Spans  int
	Errors int
}

// Comparison is what Of found.
type Comparison struct {
	Of            int // traces of before
	Before, After Total
	Roots         []*Node
	// Least is the difference that counts.
	Least time.Duration
}

// leastShare is the part of the longer request from which a difference counts:
// less than a hundredth nobody sees on a screen, nor in an answer.
const leastShare = 100

// Of aligns a trace with those before it. One trace before is compared as it
// is; of several the medians are. Each element is the records of one trace;
// what is no span is not looked at.
//
// Spans with the same service and route below the same parent are one node. A
// node whose parent is only on one side, since a step was put in between or
// taken out, is aligned with the first node of its label below or above.
func Of(before [][]fleet.Record, after []fleet.Record) Comparison {
	base := &branch{}
	c := Comparison{Of: len(before)}
	totals := make([]Total, len(before))
	for i, rs := range before {
		totals[i] = base.add(rs, i, len(before))
	}
	other := &branch{}
	c.After = other.add(after, 0, 1)
	c.Before = Total{
		Took:   median(totals, func(t Total) time.Duration { return t.Took }),
		Spans:  median(totals, func(t Total) int { return t.Spans }),
		Errors: median(totals, func(t Total) int { return t.Errors }),
	}
	c.Least = max(c.Before.Took, c.After.Took) / leastShare
	a := aligner{of: len(before), least: c.Least}
	c.Roots = a.kids(base.kids, other.kids)
	return c
}

// All are the nodes of a comparison, parents before their kids.
func (c *Comparison) All() []*Node {
	var out []*Node
	var walk func(ns []*Node)
	walk = func(ns []*Node) {
		for _, n := range ns {
			out = append(out, n)
			walk(n.Kids)
		}
	}
	walk(c.Roots)
	return out
}

// Longer are the nodes that the end waited longer for, by at least c.Least, the
// longest first.
func (c *Comparison) Longer() []*Node { return c.changed(1) }

// Shorter are those that it waited less for.
func (c *Comparison) Shorter() []*Node { return c.changed(-1) }

func (c *Comparison) changed(sign time.Duration) []*Node {
	out := slices.DeleteFunc(c.All(), func(n *Node) bool {
		d := sign * n.Longer()
		return d <= 0 || d < c.Least
	})
	slices.SortStableFunc(out, func(a, b *Node) int { return cmp.Compare(sign*b.Longer(), sign*a.Longer()) })
	return out
}

// Count is how many nodes have a verdict.
func (c *Comparison) Count(v Verdict) int {
	n := 0
	for _, x := range c.All() {
		if x.Verdict == v {
			n++
		}
	}
	return n
}

// median is the middle of a value over a list, the greater one of two in the
// middle; zero of none.
func median[T any, N cmp.Ordered](xs []T, of func(T) N) N { return percentile(xs, 50, of) }

// percentile is the value below which p percent of a list lie: of n sorted
// values the one nearest to p percent of the way from the first to the last.
func percentile[T any, N cmp.Ordered](xs []T, p int, of func(T) N) N {
	var zero N
	if len(xs) == 0 {
		return zero
	}
	vs := make([]N, len(xs))
	for i, x := range xs {
		vs[i] = of(x)
	}
	slices.Sort(vs)
	return vs[((len(vs)-1)*p+50)/100]
}
