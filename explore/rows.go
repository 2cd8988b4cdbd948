package explore

import (
	"slices"
	"strings"

	"muster/fleet"
)

// deepest is how many levels are drawn as a tree. Below that the lines stay
// where they are and show their depth as a number, so that a chain of thousands
// of spans still has room for names.
const deepest = 12

// row is one line of the waterfall: a finding, a heading, or a record.
type row struct {
	finding *fleet.Finding
	node    *node
	guide   string // the branches of the tree before it
	depth   int
	folded  bool
	within  bool // its service is that of the row that it hangs under
	beneath int  // how many records it hides when it is folded
}

// key names a row over readings.
func (r *row) key() string {
	if r.finding != nil {
		return "finding/" + r.finding.Fingerprint
	}
	return r.node.key
}

// record is the row's record, or nil.
func (r *row) record() *fleet.Record {
	if r.node == nil {
		return nil
	}
	return r.node.rec
}

// outline turns a forest into rows: findings first, then the trees without what
// is folded and without the kinds that are hidden.
func outline(f *forest, findings []fleet.Finding, folded map[string]bool, hidden map[fleet.Kind]bool) []row {
	o := outliner{folded: folded, hidden: hidden}
	for i := range findings {
		o.rows = append(o.rows, row{finding: &findings[i]})
	}
	roots := o.visible(f.roots)
	for _, n := range roots {
		o.add(n, nil, "", "", 0)
	}
	return o.rows
}

type outliner struct {
	folded map[string]bool
	hidden map[fleet.Kind]bool
	rows   []row
}

// add appends a node's row and those below it. Guide stands before the row
// itself, below before its kids; above is what it hangs under, if anything.
func (o *outliner) add(n, above *node, guide, below string, depth int) {
	r := row{node: n, guide: guide, depth: depth}
	r.within = above != nil && above.rec != nil && n.rec != nil && n.rec.Service == above.rec.Service
	kids := o.visible(n.kids)
	if o.folded[n.key] && len(kids) > 0 {
		r.folded = true
		for _, k := range kids {
			r.beneath += o.weigh(k)
		}
		kids = nil
	}
	o.rows = append(o.rows, r)
	for i, k := range kids {
		branch, cont := "├─", "│ "
		if i == len(kids)-1 {
			branch, cont = "└─", "  "
		}
		if depth >= deepest {
			o.add(k, n, guide, below, depth+1)
			continue
		}
		o.add(k, n, below+branch, below+cont, depth+1)
	}
}

// weigh counts the records of a tree.
func (o *outliner) weigh(n *node) int {
	total := 0
	if n.rec != nil {
		total = 1
	}
	for _, k := range o.visible(n.kids) {
		total += o.weigh(k)
	}
	return total
}

// visible are the nodes that show: in place of a hidden one those below it.
func (o *outliner) visible(ns []*node) []*node {
	if !slices.ContainsFunc(ns, o.hides) {
		return ns
	}
	var out []*node
	for _, n := range ns {
		if o.hides(n) {
			out = append(out, o.visible(n.kids)...)
			continue
		}
		out = append(out, n)
	}
	slices.SortStableFunc(out, func(a, b *node) int {
		if a.rec == nil || b.rec == nil {
			return strings.Compare(a.heading, b.heading) // headings last, as they were
		}
		return compareNodes(a, b)
	})
	return out
}

func (o *outliner) hides(n *node) bool { return n.rec != nil && o.hidden[n.rec.Kind] }

// foldable are the keys of all nodes with something below them, except the
// headings.
func foldable(ns []*node) []string {
	var out []string
	for _, n := range ns {
		if len(n.kids) > 0 && n.rec != nil {
			out = append(out, n.key)
		}
		out = append(out, foldable(n.kids)...)
	}
	return out
}

// trail is the way from a root down to the node of a record, nil when it is not
// in the forest.
func trail(ns []*node, id string) []*node {
	for _, n := range ns {
		if n.rec != nil && n.rec.ID == id {
			return []*node{n}
		}
		if t := trail(n.kids, id); t != nil {
			return append([]*node{n}, t...)
		}
	}
	return nil
}
