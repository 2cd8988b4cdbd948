package insights

import (
	"math"
	"slices"
	"strings"
)

// aggregate gathers a group's values into one.
type aggregate struct {
	name   string
	kind   string
	value  expression // nil: count(*)
	weight float64    // of pct: 0 to 100
}

// tally is what an aggregate knows of a group so far.
type tally struct {
	n        int
	sum      float64
	min, max float64
	distinct map[string]bool
	values   []float64 // pct and stddev only
	first    any       // by time
	last     any
	firstAt  float64
	lastAt   float64
}

// readStats reads count(*) as n, avg(x) by bin(5m), service.
func readStats(p *parser, q *Query) error {
	var aggregates []aggregate
	for {
		a, err := p.aggregate()
		if err != nil {
			return err
		}
		aggregates = append(aggregates, a)
		if !p.symbol(",") {
			break
		}
	}
	var by []column
	if p.word("by") {
		var err error
		if by, err = p.columns(); err != nil {
			return err
		}
	}
	q.grouped, q.sorted, q.shown = true, false, nil
	for _, c := range by {
		q.shown = append(q.shown, column{c.name, func(r *row) (any, bool) { return r.get(c.name) }})
	}
	for _, a := range aggregates {
		q.shown = append(q.shown, column{a.name, func(r *row) (any, bool) { return r.get(a.name) }})
	}
	q.steps = append(q.steps, func(rows []*row) []*row { return group(rows, aggregates, by) })
	return nil
}

// aggregateKinds have one argument, but pct, which has two, and count, which may
// have a star.
var aggregateKinds = []string{"count", "count_distinct", "sum", "avg", "min", "max", "pct", "stddev", "earliest", "latest"}

func (p *parser) aggregate() (aggregate, error) {
	from := p.tokens
	t := p.take()
	a := aggregate{kind: strings.ToLower(t.text)}
	if t.kind != name || !slices.Contains(aggregateKinds, a.kind) || !p.symbol("(") {
		return a, errorf("stats needs a function such as count(*), not %q", t.text)
	}
	var err error
	switch {
	case a.kind == "count" && (p.symbol("*") || p.peek() == token{symbol, ")"}):
	default:
		if a.value, err = p.sum(); err != nil {
			return a, err
		}
	}
	if a.kind == "pct" {
		if !p.symbol(",") {
			return a, p.unexpected()
		}
		weight, err := p.operand()
		if err != nil {
			return a, err
		}
		v, _ := weight(&row{})
		n, ok := number(v)
		if !ok || n < 0 || n > 100 {
			return a, errorf("pct needs a percentage from 0 to 100")
		}
		a.weight = n
	}
	if !p.symbol(")") {
		return a, p.unexpected()
	}
	a.name = written(from[:len(from)-len(p.tokens)])
	if p.word("as") {
		t := p.take()
		if t.kind != name {
			return a, errorf("as needs a name, not %q", t.text)
		}
		a.name = t.text
	}
	return a, nil
}

// group makes one row of all with the same values in by, in order of appearance;
// with no by it is one row of them all.
func group(rows []*row, aggregates []aggregate, by []column) []*row {
	type bucket struct {
		row     *row
		tallies []tally
	}
	buckets := make(map[string]*bucket)
	var order []*bucket
	for _, r := range rows {
		key := keyOf(by, r)
		b := buckets[key]
		if b == nil {
			b = &bucket{&row{values: map[string]any{}}, make([]tally, len(aggregates))}
			for _, c := range by {
				if v, ok := c.value(r); ok {
					b.row.values[c.name] = v
				}
			}
			buckets[key], order = b, append(order, b)
		}
		for i, a := range aggregates {
			b.tallies[i].add(a, r)
		}
	}
	if len(by) == 0 && len(order) == 0 {
		order = append(order, &bucket{&row{values: map[string]any{}}, make([]tally, len(aggregates))})
	}
	out := make([]*row, len(order))
	for i, b := range order {
		for j, a := range aggregates {
			if v, ok := b.tallies[j].result(a); ok {
				b.row.values[a.name] = v
			}
		}
		out[i] = b.row
	}
	return out
}

func (t *tally) add(a aggregate, r *row) {
	if a.value == nil {
		t.n++
		return
	}
	v, ok := a.value(r)
	if !ok || v == nil {
		return
	}
	switch a.kind {
	case "count":
		t.n++
		return
	case "count_distinct":
		if t.distinct == nil {
			t.distinct = make(map[string]bool)
		}
		t.distinct[show("", v)] = true
		return
	case "earliest", "latest":
		at, _ := r.get("@timestamp")
		when, _ := number(at)
		if t.n == 0 || when < t.firstAt {
			t.first, t.firstAt = v, when
		}
		if t.n == 0 || when >= t.lastAt {
			t.last, t.lastAt = v, when
		}
		t.n++
		return
	}
	n, ok := number(v)
	if !ok {
		return
	}
	if t.n == 0 || n < t.min {
		t.min = n
	}
	if t.n == 0 || n > t.max {
		t.max = n
	}
	t.n++
	t.sum += n
	if a.kind == "pct" || a.kind == "stddev" {
		t.values = append(t.values, n)
	}
}

func (t *tally) result(a aggregate) (any, bool) {
	switch a.kind {
	case "count":
		return float64(t.n), true
	case "count_distinct":
		return float64(len(t.distinct)), true
	}
	if t.n == 0 {
		return nil, false
	}
	switch a.kind {
	case "sum":
		return t.sum, true
	case "avg":
		return t.sum / float64(t.n), true
	case "min":
		return t.min, true
	case "max":
		return t.max, true
	case "earliest":
		return t.first, true
	case "latest":
		return t.last, true
	case "pct":
		slices.Sort(t.values)
		rank := int(math.Ceil(a.weight/100*float64(t.n))) - 1
		return t.values[max(rank, 0)], true
	}
	mean, squares := t.sum/float64(t.n), 0.0
	for _, v := range t.values {
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares / float64(t.n)), true
}
