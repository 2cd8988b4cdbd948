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
}

// Path leads to values of a document. With Spread its steps to members go
// through the elements of the arrays on the way, as if there were no arrays.
type Path struct {
	Steps  []Step
	Spread bool
}

// Field is the path of a name with dots, through arrays.
func Field(name string) Path {
	p := Path{Spread: true}
	for m := range strings.SplitSeq(name, ".") {
		p.Steps = append(p.Steps, Step{Member: m, Index: -1})
	}
	return p
}

// key tells paths apart.
func (p Path) key() string {
	var b strings.Builder
	for _, s := range p.Steps {
		switch {
		case s.Every:
			b.WriteString("[*]")
		case s.Index >= 0:
			b.WriteString("[" + strconv.Itoa(s.Index) + "]")
		default:
			b.WriteString(strconv.Quote(s.Member))
		}
	}
	if p.Spread && len(p.Steps) > 1 {
		b.WriteString("~") // one step through nothing is the same with and without
	}
	return b.String()
}

// top is the member that the path names at the top of an event, "" for others.
func (p Path) top() string {
	if len(p.Steps) != 1 || p.Steps[0].Every || p.Steps[0].Index >= 0 {
		return ""
	}
	return p.Steps[0].Member
}

// Find appends the values that the path leads to from the root.
func (p Path) Find(d *Document, to []Value) []Value {
	return p.from(d.Root(), p.Steps, to)
}

func (p Path) from(v Value, steps []Step, to []Value) []Value {
	for len(steps) > 0 {
		switch s := steps[0]; {
		case s.Every:
			for e := range v.Elements() {
				to = p.from(e, steps[1:], to)
			}
			return to
		case s.Index >= 0:
			n, found := 0, false
			for e := range v.Elements() {
				if n == s.Index {
					v, found = e, true
					break
				}
				n++
			}
			if !found {
				return to
			}
		default:
			if p.Spread && v.Kind() == Array {
				for e := range v.Elements() {
					to = p.from(e, steps, to)
				}
				return to
			}
			m, ok := v.Member(s.Member)
			if !ok {
				return to
			}
			v = m
		}
		steps = steps[1:]
	}
	return append(to, v)
}
