package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"muster/fleet"
)

// waterfall is the trace of a finding, its evidence marked.
type waterfall struct {
	Trace, Total string
	Left         int // records that are not shown
	Rows         []chartRow
}

// waterfallRows bounds a waterfall; what else a trace has is left out, but never
// the evidence.
const waterfallRows = 60

// deepest is how far names are moved in.
const deepest = 6

// newWaterfall draws the records of a trace; nil for none.
func newWaterfall(f *fleet.Finding, trace []fleet.Record) *waterfall {
	if len(trace) == 0 {
		return nil
	}
	rows := inOrder(trace)
	evidence := map[string]bool{}
	for _, id := range f.Evidence {
		evidence[id] = true
	}
	from, to := trace[0].Time, trace[0].End()
	for i := range trace {
		if trace[i].Time.Before(from) {
			from = trace[i].Time
		}
		to = latest(to, trace[i].End())
	}
	w := &waterfall{Trace: fleet.FormatTraceID(fleet.Printable(f.Trace)), Total: spellDuration(to.Sub(from))}
	room := waterfallRows
	for _, n := range rows {
		if evidence[n.rec.ID] {
			room--
		}
	}
	share := shares(from, to)
	for _, n := range rows {
		if !evidence[n.rec.ID] {
			if room--; room < 0 {
				w.Left++
				continue
			}
		}
		w.Rows = append(w.Rows, n.row(evidence[n.rec.ID], share, from))
	}
	return w
}

// node is a record in the tree of its trace.
type node struct {
	rec   *fleet.Record
	depth int
}

// inOrder puts spans below those that called them, the earlier first, and other
// records below the span that they name or else at the top.
func inOrder(trace []fleet.Record) []node {
	spans := map[string]bool{}
	for i := range trace {
		if r := &trace[i]; r.Kind == fleet.KindSpan {
			spans[r.Keys.Span] = true
		}
	}
	children := map[string][]*fleet.Record{}
	var top []*fleet.Record
	for i := range trace {
		r := &trace[i]
		parent := r.Keys.Parent
		if r.Kind != fleet.KindSpan {
			parent = r.Keys.Span
		}
		if !spans[parent] || parent == r.Keys.Span && r.Kind == fleet.KindSpan {
			top = append(top, r)
		} else {
			children[parent] = append(children[parent], r)
		}
	}
	seen := map[*fleet.Record]bool{}
	var out []node
	var walk func(rs []*fleet.Record, depth int)
	walk = func(rs []*fleet.Record, depth int) {
		slices.SortStableFunc(rs, fleet.Compare)
		for _, r := range rs {
			if seen[r] {
				continue // spans with one id can make a circle
			}
			seen[r] = true
			out = append(out, node{r, min(depth, deepest)})
			if r.Kind == fleet.KindSpan {
				walk(children[r.Keys.Span], depth+1)
			}
		}
	}
	walk(top, 0)
	for i := range trace {
		if !seen[&trace[i]] { // of a circle that hangs nowhere
			walk([]*fleet.Record{&trace[i]}, 0)
		}
	}
	return out
}

func (n node) row(marked bool, share func(time.Time) float64, from time.Time) chartRow {
	r := n.rec
	class := string(r.Kind)
	if r.Error != "" {
		class = "fault"
	}
	label := cmp.Or(r.Name, r.Message)
	if r.Service != "" {
		label = r.Service + ": " + label
	}
	if r.Kind == fleet.KindLog && r.Message != "" {
		label = r.Service + ": " + r.Message
	}
	label = fleet.Printable(label)
	value := "+" + spellDuration(r.Time.Sub(from))
	if r.Kind == fleet.KindSpan {
		value = spellDuration(r.Duration)
	}
	title := fmt.Sprintf("%s, %s after the start", label, spellDuration(r.Time.Sub(from)))
	if r.Error != "" {
		title += ", " + fleet.Printable(r.Error)
	}
	return chartRow{
		Label: label, Value: value, Indent: "d" + strconv.Itoa(n.depth), Marked: marked,
		Bars: []bar{barOf(class, title, share(r.Time), share(r.End()))},
	}
}

// spellDuration is as exact as people compare by.
func spellDuration(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 10:
		return strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
	case ms < 1000:
		return strconv.FormatFloat(ms, 'f', 0, 64) + " ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
	}
	return d.Round(time.Second).String()
}
