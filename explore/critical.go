package explore

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"muster/criticalpath"
	"muster/fleet"
)

// stretch is a part of a span that the end of its request waited for.
type stretch struct {
	node     *node
	from, to time.Time
}

// mostWaited is how many spans the head names; more fit on no line.
const mostWaited = 8

// follow finds what the end of each request waited for, and lays it to the
// spans: nodes are those of the records, in their order.
func (f *forest) follow(records []fleet.Record, nodes []node) {
	p := criticalpath.Of(records)
	for i := range nodes {
		nodes[i].self = p.Self[i]
	}
	for _, x := range p.Parts {
		s := stretch{&nodes[x.Span], x.Start, x.End}
		f.path = append(f.path, s)
		s.node.waited += s.to.Sub(s.from)
		s.node.parts = append(s.node.parts, s)
		if len(s.node.parts) == 1 {
			f.longest = append(f.longest, s.node)
		}
		f.waited += s.to.Sub(s.from)
	}
	slices.SortStableFunc(f.longest, func(a, b *node) int { return cmp.Compare(b.waited, a.waited) })
	f.longest = slices.Clip(f.longest[:min(len(f.longest), mostWaited)])
	f.apart = p.Apart
}

// waitedIn reports whether the end waited for the span at some time from a to b.
func (n *node) waitedIn(a, b time.Time) bool {
	i := sort.Search(len(n.parts), func(i int) bool { return n.parts[i].to.After(a) })
	return i < len(n.parts) && n.parts[i].from.Before(b)
}

// The halves of a cell of a bar. What the end waited for is a block, other time
// a thin line, so that they differ without colours.
const (
	halfEmpty = iota
	halfSpan
	halfWaited
)

// halfGlyphs are the cell of a left and a right half. Where one half is waited
// for, the other shows only if it is empty.
var halfGlyphs = [3][3]string{
	{" ", "╶", "▗"},
	{"╴", "─", "▄"},
	{"▖", "▄", "▄"},
}

// spanBar draws a span on w cells that stand for from to to, with an end to half
// a cell, never shorter than that.
func spanBar(n *node, from, to time.Time, w int) line {
	r := n.rec
	a, b := halves(r.Time, from, to, w), halves(r.End(), from, to, w)
	running := r.Attributes.Get(fleet.AttrInProgress) == "true"
	if running {
		b = 2 * w
	}
	a = min(a, 2*w-1)
	b = max(b, a+1)
	half := func(i int) int {
		switch {
		case i < a || i >= b:
			return halfEmpty
		case n.waitedIn(momentAt(i, from, to, w), momentAt(i+1, from, to, w)):
			return halfWaited
		}
		return halfSpan
	}
	idle, hot := service, critical
	if r.Error != "" {
		idle, hot = bad, bad
	}
	var l line
	for c := range w {
		left, right := half(2*c), half(2*c+1)
		glyph, how := halfGlyphs[left][right], idle
		switch {
		case left == halfEmpty && right == halfEmpty:
			how = plain
		case left == halfWaited || right == halfWaited:
			how = hot
		case running:
			glyph = "┅"
		}
		if k := len(l) - 1; k >= 0 && l[k].role == how {
			l[k].text, l[k].cells = l[k].text+glyph, l[k].cells+1
		} else {
			l = append(l, own(how, glyph))
		}
	}
	return l
}

// momentAt is the time at a number of half cells from the left edge.
func momentAt(half int, from, to time.Time, w int) time.Time {
	return from.Add(time.Duration(float64(to.Sub(from)) * float64(half) / float64(2*w)))
}

// selfNote is the column of how long a span was busy with itself.
func selfNote(n *node, w int) piece {
	if n.rec.Kind != fleet.KindSpan {
		return own(plain, blanks(w))
	}
	how := faint
	if n.waited > 0 {
		how = plain
	}
	return own(how, fitRight(took(n.self), w))
}

// headPath says where the time went that the end waited for, the longest first.
func headPath(f *forest, w int) line {
	l := line{own(faint, " waited   ")}
	if f.waited <= 0 {
		return append(l, own(faint, "no span took any time"))
	}
	if f.apart > 0 {
		w -= len("  + 1 apart ") + len(fmt.Sprint(f.apart))
	}
	for i, n := range f.longest {
		var p line
		if i > 0 {
			p = append(p, own(faint, " · "))
		}
		p = append(p, what(n.rec, w)...)
		p = append(p, own(strong, " "+took(n.waited)), own(plain, " "+percent(n.waited, f.waited)))
		if i > 0 && l.width()+p.width() > w {
			break
		}
		l = append(l, p...)
	}
	if f.apart > 0 {
		l = append(l.fit(max(min(l.width(), w), 0)), own(caution, fmt.Sprintf("  + %d apart", f.apart)))
	}
	return l
}

// percent is a part of a whole.
func percent(part, whole time.Duration) string {
	return fmt.Sprintf("%.0f%%", 100*float64(part)/float64(whole))
}

// along goes to the next or previous part of the path: from the row under the
// cursor, or from the path's end where that is on none.
func (d *dossier) along(step int) tea.Cmd {
	path := d.trees.path
	if len(path) == 0 {
		return say(flashMsg{"no span took any time: nothing was waited for"})
	}
	at := d.step
	here := d.current()
	if here == nil || at >= len(path) || path[at].node != here.node {
		at = slices.IndexFunc(path, func(s stretch) bool { return here != nil && s.node == here.node })
		if at < 0 && step < 0 {
			at = 0
		}
	}
	at = (at + step + len(path)) % len(path)
	s := path[at]
	if !d.selectKey(s.node.key) && !d.reveal(s.node.rec.ID) {
		return nil
	}
	d.step = at
	return say(flashMsg{fmt.Sprintf("critical path, part %s: %s from %s on, %s of what was waited for",
		ordinal(at+1, len(path)), took(s.to.Sub(s.from)), took(s.from.Sub(d.trees.from)), percent(s.to.Sub(s.from), d.trees.waited))})
}

// pathField says in the details how a span stands to the path.
func (s *sheet) pathField(n *node) {
	if n.rec.Kind != fleet.KindSpan {
		return
	}
	s.field("self", plain, took(n.self))
	if n.waited <= 0 {
		s.field("critical", faint, "no: the end did not wait for it")
		return
	}
	parts := ""
	if len(n.parts) > 1 {
		parts = ", in " + plural(len(n.parts), "part", "parts")
	}
	s.field("critical", critical, strings.TrimSpace("the end waited "+took(n.waited)+" for it"+parts))
}
