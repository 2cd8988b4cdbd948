package explore

import (
	"fmt"
	"io"
	"slices"
	"time"

	"muster/compare"
	"muster/fleet"
)

// compareHeadLines is the height of what stands above the aligned spans.
const compareHeadLines = 5

// compareRow is an aligned node in its place in the tree.
type compareRow struct {
	node  *compare.Node
	guide string
	depth int
}

func (r compareRow) differs() bool { return differs(r.node) }

func differs(n *compare.Node) bool { return n.Verdict != compare.Same || n.Fails || n.Moved }

// compareRows are the nodes as a tree; with only, those that differ, and what
// leads to them.
func compareRows(c *compare.Comparison, only bool) []compareRow {
	var out []compareRow
	keep := map[*compare.Node]bool{}
	if only {
		all := c.All()
		for _, n := range slices.Backward(all) { // kids come after their parents
			keep[n] = differs(n)
			for _, k := range n.Kids {
				keep[n] = keep[n] || keep[k]
			}
		}
	}
	var add func(ns []*compare.Node, below string, depth int)
	add = func(ns []*compare.Node, below string, depth int) {
		var shown []*compare.Node
		for _, n := range ns {
			if !only || keep[n] {
				shown = append(shown, n)
			}
		}
		for i, n := range shown {
			branch, cont := "├─", "│ "
			if i == len(shown)-1 {
				branch, cont = "└─", "  "
			}
			switch {
			case depth == 0:
				branch, cont = "", ""
			case depth > deepest:
				branch, cont = "", ""
			}
			out = append(out, compareRow{n, below + branch, depth})
			add(n.Kids, below+cont, depth+1)
		}
	}
	add(c.Roots, "", 0)
	return out
}

// compareHead says which traces these are, and what the difference comes from.
func compareHead(c *Comparison, w int) []line {
	before := line{own(faint, " before  ")}
	if c.Route != "" {
		before = append(before, own(plain, "median of "+plural(c.Of, "trace", "traces")+" of "), foreign(service, c.Route),
			own(faint, c.Window.Start.UTC().Format("  Jan 02 15:04")+c.Window.End.UTC().Format(" to Jan 02 15:04")))
	} else {
		before = append(before, foreign(plain, fleet.FormatTraceID(c.Before)))
	}
	after := line{own(faint, " after   "), foreign(plain, fleet.FormatTraceID(c.After))}
	out := []line{
		before.spread(totalNote(c.Comparison.Before), w),
		after.spread(totalNote(c.Comparison.After), w),
		compareSum(c, w),
		namedNodes(" longer  ", c.Longer(), bad, w),
		namedNodes(" shorter ", c.Shorter(), good, w),
	}
	return out
}

func totalNote(t compare.Total) line {
	l := line{own(plain, "  "), own(strong, took(t.Took)), own(faint, "  "+plural(t.Spans, "span", "spans"))}
	if t.Errors > 0 {
		l = append(l, own(bad, "  ✗ "+plural(t.Errors, "error", "errors")))
	}
	return append(l, own(plain, " "))
}

// compareSum is the difference in a sentence.
func compareSum(c *Comparison, w int) line {
	d := c.Comparison.After.Took - c.Comparison.Before.Took
	l := line{own(faint, " differs ")}
	switch {
	case d >= c.Least && d > 0:
		l = append(l, own(bad, "▲ "+took(d)+" slower"))
	case -d >= c.Least && d < 0:
		l = append(l, own(good, "▼ "+took(-d)+" faster"))
	default:
		l = append(l, own(plain, "= as fast"))
	}
	if c.Comparison.Before.Took > 0 {
		l = append(l, own(faint, fmt.Sprintf(" (%+.0f%%)", 100*float64(d)/float64(c.Comparison.Before.Took))))
	}
	for _, x := range []struct {
		v    compare.Verdict
		sign string
		how  role
	}{{compare.Slower, "▲", bad}, {compare.Faster, "▼", good}, {compare.New, "+", caution}, {compare.Gone, "-", caution}} {
		if n := c.Count(x.v); n > 0 {
			l = append(l, own(plain, "   "), own(x.how, x.sign), own(plain, fmt.Sprintf(" %d %s", n, x.v)))
		}
	}
	return l.fit(w)
}

// namedNodes names the nodes that the end waited longer or shorter for.
func namedNodes(label string, ns []*compare.Node, how role, w int) line {
	l := line{own(faint, label)}
	if len(ns) == 0 {
		return append(l, own(faint, "nothing")).fit(w)
	}
	for i, n := range ns {
		var p line
		if i > 0 {
			p = append(p, own(faint, " · "))
		}
		p = append(p, foreign(service, n.Service), own(plain, " "), foreignTo(plain, n.Name, w), own(how, " "+change(n.Longer())))
		if l.width()+p.width() > w && i > 0 {
			break
		}
		l = append(l, p...)
	}
	return l.fit(w)
}

// change is a difference with its sign.
func change(d time.Duration) string {
	if d > 0 {
		return "+" + took(d)
	}
	return took(d)
}

// Widths of the columns of a comparison; what is left is the tree's.
const (
	countsWidth = 7 // "30→300"
	timeWidth   = 8
)

func compareLabel(w int) int { return max(w-3-countsWidth-4*(timeWidth+1)-1, 1) }

func compareTitles(w int) line {
	return text(faint, fit("   SPANS", 3+compareLabel(w))+fitRight("COUNT", countsWidth+1)+
		fitRight("BEFORE", timeWidth+1)+fitRight("AFTER", timeWidth+1)+fitRight("ΔSELF", timeWidth+1)+fitRight("ΔWAITED", timeWidth+1)).fit(w)
}

// verdictSign is how a node differs, as a sign.
func verdictSign(n *compare.Node) piece {
	switch {
	case n.Verdict == compare.New:
		return own(caution, "+")
	case n.Verdict == compare.Gone:
		return own(caution, "-")
	case n.Verdict == compare.Slower:
		return own(bad, "▲")
	case n.Verdict == compare.Faster:
		return own(good, "▼")
	case n.Moved:
		return own(caution, "~")
	}
	return own(plain, " ")
}

func compareLine(r *compareRow, w int, on bool) line {
	n, lw := r.node, compareLabel(w)
	guide := r.guide
	if over := cellWidth(guide) - lw/2; over > 0 {
		guide = cutLeft(guide, over+1)
	}
	label := line{own(faint, guide)}
	if n.Fails {
		label = append(label, own(bad, "✗ "))
	}
	how := plain
	if n.After.Errors > 0 {
		how = bad
	}
	label = append(label, foreign(service, n.Service), own(plain, " "), foreignTo(how, n.Name, w))
	l := line{mark(on), verdictSign(n), own(plain, " ")}
	l = append(l, label.fit(lw)...)
	l = append(l,
		own(countRole(n), fitRight(counts(n), countsWidth+1)),
		own(faint, fitRight(sideTook(&n.Before), timeWidth+1)),
		own(plain, fitRight(sideTook(&n.After), timeWidth+1)),
		delta(n.Slower(), n.Verdict), delta(n.Longer(), ""))
	if on {
		return l.fit(w).as(chosen)
	}
	return l.fit(w)
}

func countRole(n *compare.Node) role {
	if n.Before.Count != n.After.Count {
		return caution
	}
	return faint
}

func counts(n *compare.Node) string {
	if n.Before.Count == n.After.Count {
		return fmt.Sprint(n.After.Count)
	}
	return fmt.Sprintf("%d→%d", n.Before.Count, n.After.Count)
}

func sideTook(s *compare.Side) string {
	if s.Count == 0 {
		return "·"
	}
	return took(s.Took)
}

// delta is a difference in a column, coloured where it is one.
func delta(d time.Duration, v compare.Verdict) piece {
	how := faint
	switch {
	case v == compare.Slower, v == compare.New && d > 0:
		how = bad
	case v == compare.Faster:
		how = good
	}
	if d == 0 {
		return own(faint, fitRight("·", timeWidth+1))
	}
	return own(how, fitRight(change(d), timeWidth+1))
}

// PrintComparison writes a comparison to a pipe, all of it.
func PrintComparison(w io.Writer, c *Comparison, width int) error {
	out := append(compareHead(c, width), compareTitles(width))
	rows := compareRows(&c.Comparison, false)
	for i := range rows {
		out = append(out, compareLine(&rows[i], width, false))
	}
	return printBlock(w, out, width)
}
