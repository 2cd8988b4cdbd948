package explore

import (
	"cmp"
	"slices"
	"strings"
)

// arrange gives the nodes their layers and cycles, and puts nodes and edges in
// order: layers by all edges, cycles by calls alone. The result depends on names and edges only.
func (m *ServiceMap) arrange() {
	slices.SortFunc(m.Nodes, func(a, b ServiceNode) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(m.Edges, func(a, b ServiceEdge) int {
		return cmp.Or(strings.Compare(a.From, b.From), strings.Compare(a.To, b.To), cmp.Compare(len(a.Name()), len(b.Name())))
	})
	at := map[string]int{}
	for i := range m.Nodes {
		at[m.Nodes[i].Name] = i
	}
	all, calls := layering{at: at, out: make([][]int, len(m.Nodes))}, layering{at: at, out: make([][]int, len(m.Nodes))}
	for _, e := range m.Edges {
		from, to := at[e.From], at[e.To]
		all.out[from] = append(all.out[from], to)
		if !e.Message { // nobody waits for an answer to a message
			calls.out[from] = append(calls.out[from], to)
		}
	}
	all.knots()
	all.layers()
	for i, layer := range all.layer {
		m.Nodes[i].Layer = layer + 1
	}
	calls.knots()
	m.number(&calls)
	m.order(at)
}

// Name is the edge in words.
func (e *ServiceEdge) Name() string {
	if e.Message {
		return e.From + " ⇢ " + e.To
	}
	return e.From + " → " + e.To
}

// layering finds cycles and layers of a graph of numbered nodes.
type layering struct {
	at  map[string]int
	out [][]int

	knot  []int // the strongly connected component of each node
	count int   // of components
	layer []int
}

// knots are the strongly connected components, found by Tarjan's algorithm: they
// are numbered so that an edge leads to a lower number or stays in one.
func (l *layering) knots() {
	n := len(l.out)
	index, low, on := make([]int, n), make([]int, n), make([]bool, n)
	l.knot = make([]int, n)
	var stack []int
	visited := 0
	var visit func(v int)
	visit = func(v int) {
		visited++
		index[v], low[v], on[v] = visited, visited, true
		stack = append(stack, v)
		for _, w := range l.out[v] {
			if index[w] == 0 {
				visit(w)
				low[v] = min(low[v], low[w])
			} else if on[w] {
				low[v] = min(low[v], index[w])
			}
		}
		if low[v] != index[v] {
			return
		}
		for {
			w := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			on[w], l.knot[w] = false, l.count
			if w == v {
				break
			}
		}
		l.count++
	}
	for v := range n {
		if index[v] == 0 {
			visit(v)
		}
	}
}

// layers puts each node one below the lowest of those that call it from outside
// of its cycle.
func (l *layering) layers() {
	of := make([]int, l.count)
	members := make([][]int, l.count)
	for v, k := range l.knot {
		members[k] = append(members[k], v)
	}
	for k := l.count - 1; k >= 0; k-- {
		for _, v := range members[k] {
			for _, w := range l.out[v] {
				if l.knot[w] != k {
					of[l.knot[w]] = max(of[l.knot[w]], of[k]+1)
				}
			}
		}
	}
	l.layer = make([]int, len(l.knot))
	for v, k := range l.knot {
		l.layer[v] = of[k]
	}
}

// number writes the numbers of the cycles of calls into the map.
func (m *ServiceMap) number(l *layering) {
	size := make([]int, l.count)
	for _, k := range l.knot {
		size[k]++
	}
	for _, e := range m.Edges {
		if e.From == e.To && !e.Message {
			size[l.knot[l.at[e.From]]] += 2 // a call to itself is a cycle too
		}
	}
	cycle := make([]int, l.count)
	next := 1
	for i := range m.Nodes {
		k := l.knot[i]
		if size[k] < 2 {
			continue
		}
		if cycle[k] == 0 {
			cycle[k] = next
			next++
		}
		m.Nodes[i].Cycle = cycle[k]
	}
	for i := range m.Edges {
		if k := l.knot[l.at[m.Edges[i].From]]; !m.Edges[i].Message && k == l.knot[l.at[m.Edges[i].To]] {
			m.Edges[i].Cycle = cycle[k]
		}
	}
}

// order sorts nodes by layer, within one by the mean place of their callers, so
// that lines are short, then by name; and edges by the places of their nodes.
func (m *ServiceMap) order(at map[string]int) {
	callers := map[string][]string{}
	for _, e := range m.Edges {
		callers[e.To] = append(callers[e.To], e.From)
	}
	sorted := slices.Clone(m.Nodes)
	slices.SortStableFunc(sorted, func(a, b ServiceNode) int { return cmp.Compare(a.Layer, b.Layer) })
	place := map[string]int{}
	for from := 0; from < len(sorted); {
		to := from
		mean := map[string]float64{}
		for to < len(sorted) && sorted[to].Layer == sorted[from].Layer {
			sum, n := 0, 0
			for _, c := range callers[sorted[to].Name] {
				if p, placed := place[c]; placed {
					sum, n = sum+p, n+1
				}
			}
			mean[sorted[to].Name] = float64(sum) / float64(max(n, 1))
			to++
		}
		slices.SortStableFunc(sorted[from:to], func(a, b ServiceNode) int {
			return cmp.Or(cmp.Compare(mean[a.Name], mean[b.Name]), cmp.Compare(at[a.Name], at[b.Name]))
		})
		for i := from; i < to; i++ {
			place[sorted[i].Name] = i
		}
		from = to
	}
	m.Nodes = sorted
	slices.SortStableFunc(m.Edges, func(a, b ServiceEdge) int {
		return cmp.Or(cmp.Compare(place[a.From], place[b.From]), cmp.Compare(place[a.To], place[b.To]))
	})
}
