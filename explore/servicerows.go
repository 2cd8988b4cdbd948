package explore

import (
	"fmt"
	"slices"
	"strings"
)

// mapRow is a line of the service map: a layer's title, a node, or one of the
// edges that begin at the node above it.
type mapRow struct {
	layer  int
	node   *ServiceNode
	edge   *ServiceEdge
	gutter string
}

// key names a row over readings.
func (r *mapRow) key() string {
	switch {
	case r.node != nil:
		return "node/" + r.node.Name
	case r.edge != nil:
		return "edge/" + r.edge.Name()
	}
	return fmt.Sprint("layer/", r.layer)
}

// says is what a row is searched by.
func (r *mapRow) says() string {
	switch {
	case r.node != nil:
		return r.node.Name
	case r.edge != nil:
		return r.edge.To
	}
	return ""
}

// mapRows lays a map out in lines: layer by layer, each node with the edges that
// begin at it.
func mapRows(m *ServiceMap, w int) []mapRow {
	var rows []mapRow
	e := 0
	for i := range m.Nodes {
		n := &m.Nodes[i]
		if i == 0 || n.Layer != m.Nodes[i-1].Layer {
			rows = append(rows, mapRow{layer: n.Layer})
		}
		rows = append(rows, mapRow{node: n})
		for ; e < len(m.Edges) && m.Edges[e].From == n.Name; e++ {
			rows = append(rows, mapRow{edge: &m.Edges[e]})
		}
	}
	drawLanes(rows, m, w/5)
	return rows
}

// lane is the line that leads from one node to all that it calls.
type lane struct {
	source   int
	ends     []int // the rows that it touches, the source's among them
	from, to int
	column   int
}

// drawLanes draws the graph left of the rows: a lane for each node that calls
// others. Where they would take more than most cells, there are none: the rows
// of edges say the same.
func drawLanes(rows []mapRow, m *ServiceMap, most int) {
	at := map[string]int{}
	for i := range rows {
		if rows[i].node != nil {
			at[rows[i].node.Name] = i
		}
	}
	var lanes []*lane
	for i := range m.Edges {
		e := &m.Edges[i]
		if e.From == e.To {
			continue
		}
		src := at[e.From]
		if k := len(lanes) - 1; k < 0 || lanes[k].source != src {
			lanes = append(lanes, &lane{source: src, ends: []int{src}, from: src, to: src})
		}
		l := lanes[len(lanes)-1]
		dst := at[e.To]
		l.ends, l.from, l.to = append(l.ends, dst), min(l.from, dst), max(l.to, dst)
	}
	n, ok := columnsOf(lanes, most)
	if !ok || n == 0 {
		return
	}
	for i := range rows {
		rows[i].gutter = gutter(rows, lanes, i, n)
	}
}

// columnsOf gives each lane a column, short ones nearest to the rows, and tells
// how many that are; false when there are more than most.
func columnsOf(lanes []*lane, most int) (int, bool) {
	short := slices.Clone(lanes)
	slices.SortStableFunc(short, func(a, b *lane) int { return (a.to - a.from) - (b.to - b.from) })
	var taken [][]*lane
	for _, l := range short {
		c := slices.IndexFunc(taken, func(col []*lane) bool {
			return !slices.ContainsFunc(col, func(o *lane) bool { return l.from <= o.to && o.from <= l.to })
		})
		if c < 0 {
			if len(taken) == most {
				return 0, false
			}
			c = len(taken)
			taken = append(taken, nil)
		}
		taken[c], l.column = append(taken[c], l), c
	}
	return len(taken), true
}

// gutter is the n columns of lanes left of one row, and the arrow to it.
func gutter(rows []mapRow, lanes []*lane, row, n int) string {
	cells := []rune(strings.Repeat(" ", n+1))
	left, arrow := n, ' '
	for _, l := range lanes {
		if row < l.from || row > l.to {
			continue
		}
		at := n - 1 - l.column // column 0 is nearest to the rows
		if !slices.Contains(l.ends, row) {
			cells[at] = '│'
			continue
		}
		switch row {
		case l.from:
			cells[at] = '╭'
		case l.to:
			cells[at] = '╰'
		default:
			cells[at] = '├'
		}
		left = min(left, at)
		if row != l.source {
			arrow = '▸'
		}
	}
	for i := left; i < n; i++ {
		if cells[i] == ' ' {
			cells[i] = '─'
		}
	}
	if left < n {
		cells[n] = '─'
	}
	if arrow != ' ' && rows[row].node != nil {
		cells[n] = arrow
	}
	return string(cells)
}

// statWidth is that of the columns of figures: a rate, errors, three times.
const statWidth = 9 + 7 + 3*8

// leastNames is how many cells the names of a map have at least, where there is
// room: those of most services.
const leastNames = 40

// namesWidth is how many of w cells the names of a map take: no more than the
// longest one, so that the figures stand beside what they are of.
func namesWidth(rows []mapRow, w int) int {
	most := leastNames
	for i := range rows {
		r := &rows[i]
		const signs = len(" ● ") + len(" ↺99") // in cells as many or fewer
		most = max(most, cellWidth(r.gutter)+len("   → ")+cellWidth(cleaned(r.says(), w))+signs)
	}
	return max(min(most, w-statWidth), 1)
}

// mapHead is the line of titles above the map, whose names take so many cells.
func mapHead(names int) line {
	l := line{own(faint, fit(" SERVICE", names))}
	return append(l, own(faint, fitRight("RATE", 9)+fitRight("ERRORS", 7)+fitRight("P50", 8)+fitRight("P95", 8)+fitRight("MAX", 8)))
}

// mapLine is one row of the map in w cells, of which its name takes names.
func mapLine(m *ServiceMap, r *mapRow, names, w int, on bool) line {
	l := line{mark(on), own(faint, r.gutter)}
	var stats *ServiceStats
	cycle := 0
	switch {
	case r.node != nil:
		l = append(l, nodeSign(r.node.Kind), own(plain, " "), foreignTo(service, r.node.Name, w))
		stats, cycle = &r.node.ServiceStats, r.node.Cycle
	case r.edge != nil:
		arrow := "   → "
		if r.edge.Message {
			arrow = "   ⇢ "
		}
		l = append(l, own(faint, arrow), foreignTo(plain, r.edge.To, w))
		stats, cycle = &r.edge.ServiceStats, r.edge.Cycle
	default:
		l = append(l, own(faint, fmt.Sprintf("layer %d", r.layer)))
	}
	if stats != nil {
		room := names
		var tail line
		if cycle > 0 {
			tail = text(caution, fmt.Sprintf(" ↺%d", cycle))
		}
		room -= tail.width()
		l = append(append(l.fit(min(l.width(), room)), tail...).fit(room+tail.width()), statPieces(m, stats)...)
	}
	if on {
		return l.fit(w).as(chosen)
	}
	return l
}

func nodeSign(k NodeKind) piece {
	switch k {
	case NodeAWS:
		return own(callKind, "→")
	case NodeRemote:
		return own(faint, "○")
	}
	return own(service, "●")
}

func statPieces(m *ServiceMap, s *ServiceStats) line {
	if s.Count == 0 {
		return line{own(faint, blanks(statWidth))}
	}
	errs := own(faint, fitRight("·", 7))
	if s.Errors > 0 {
		p := 100 * float64(s.Errors) / float64(s.Count)
		errs = own(bad, fitRight(fmt.Sprintf("✗%.3g%%", p), 7))
	}
	return line{
		own(plain, fitRight(rate(m.Rate(s.Count)), 9)), errs, own(plain, fitRight(took(s.P50), 8)),
		own(plain, fitRight(took(s.P95), 8)), own(faint, fitRight(took(s.Max), 8)),
	}
}

// rate shows how often something happens, by the second, minute or hour.
func rate(perSecond float64) string {
	switch {
	case perSecond >= 100:
		return fmt.Sprintf("%.0f/s", perSecond)
	case perSecond >= 1:
		return fmt.Sprintf("%.1f/s", perSecond)
	case perSecond*60 >= 1:
		return fmt.Sprintf("%.1f/min", perSecond*60)
	}
	return fmt.Sprintf("%.1f/h", perSecond*3600)
}

// mapTitle says what the map is made from.
func mapTitle(m *ServiceMap, focus string) line {
	l := line{own(plain, " ")}
	if focus != "" {
		l = append(l, own(strong, "around "), foreign(strong, focus), own(plain, "  "))
	}
	cycles := 0
	for i := range m.Nodes {
		cycles = max(cycles, m.Nodes[i].Cycle)
	}
	l = append(l, own(plain, plural(len(m.Nodes), "node", "nodes")+" · "+plural(len(m.Edges), "edge", "edges")))
	if cycles > 0 {
		l = append(l, own(caution, " · ↺ "+plural(cycles, "cycle", "cycles")))
	}
	spans := plural(m.Spans, "span", "spans")
	if m.Cut {
		spans = "the newest " + spans
	}
	l = append(l, own(faint, " · of "+spans))
	if !m.From.IsZero() {
		l = append(l, own(faint, " in "+took(m.To.Sub(m.From))+" from "+m.From.UTC().Format("2006-01-02 15:04:05")))
	}
	return l
}
