package document

import (
	"strconv"
	"strings"
)

// Step goes to a member, to an element, or with Every to all elements.
type Step struct {
	Member string
	Index  int // of an element; -1: a member
	Every  bool
	hash   uint32
}

// Path leads to values of a document. Field makes one whose steps go through the
// elements of the arrays on the way, as if there were no arrays; To makes one
// that does not. The zero Path leads to the root.
type Path struct {
	steps  []Step
	spread bool
	key    string // tells paths apart
}

// To is the path of these steps.
func To(steps ...Step) Path { return newPath(steps, false) }

func newPath(steps []Step, spread bool) Path {
	p := Path{steps: steps, spread: spread}
	for i := range steps {
		steps[i].hash = hashOf(steps[i].Member)
	}
	p.key = p.spell()
	return p
}

// Field is the path of a name with dots, through arrays.
func Field(name string) Path {
	var steps []Step
	for m := range strings.SplitSeq(name, ".") {
		steps = append(steps, Step{Member: m, Index: -1})
	}
	return newPath(steps, true)
}

// spell writes the path so that two are the same when their texts are.
func (p Path) spell() string {
	var b strings.Builder
	for _, s := range p.steps {
		switch {
		case s.Every:
			b.WriteString("[*]")
		case s.Index >= 0:
			b.WriteString("[" + strconv.Itoa(s.Index) + "]")
		default:
			b.WriteString(strconv.Quote(s.Member))
		}
	}
	if p.spread && len(p.steps) > 1 {
		b.WriteString("~") // one step through nothing is the same with and without
	}
	return b.String()
}

// top is the member that the path names at the top of an event, "" for others.
func (p Path) top() string {
	if len(p.steps) != 1 || p.steps[0].Every || p.steps[0].Index >= 0 {
		return ""
	}
	return p.steps[0].Member
}

// Find appends the values that the path leads to from the root.
func (p Path) Find(d *Document, to []Value) []Value {
	return p.from(d.Root(), p.steps, to)
}

func (p *Path) from(v Value, steps []Step, to []Value) []Value {
	for ; len(steps) > 0; steps = steps[1:] {
		s, ok := &steps[0], false
		switch {
		case s.Every:
			return p.each(v, steps[1:], to)
		case s.Index >= 0:
			v, ok = v.Element(s.Index)
		case p.spread && v.Kind() == Array:
			return p.each(v, steps, to)
		default:
			v, ok = v.member(s.Member, s.hash)
		}
		if !ok {
			return to
		}
	}
	return append(to, v)
}

// each goes on from every element of an array.
func (p *Path) each(v Value, steps []Step, to []Value) []Value {
	if v.Kind() != Array {
		return to
	}
	for i, end := v.i+1, v.d.nodes[v.i].next; i < end; i = v.d.nodes[i].next {
		to = p.from(Value{v.d, i}, steps, to)
	}
	return to
}
