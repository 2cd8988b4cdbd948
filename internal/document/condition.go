package document

import "slices"

// Condition is true or false of a document.
type Condition interface {
	// simplify replaces the tests that known decides by their truth.
	simplify(known func(Test) (truth, decided bool)) Condition
	// Holds reports whether it is true of a document. For many conditions, or
	// many documents, a Set is faster.
	Holds(d *Document) bool
	// compile makes a closure of it, which finds the values of paths in m.
	compile(s *Set) func(m *Matcher) bool
}

type (
	// All is true when all of its conditions are; with none it is.
	All []Condition
	// Either is true when one of its conditions is; with none it is not.
	Either []Condition
	// Not turns a condition round.
	Not struct{ Of Condition }
	// Always is true, or false, of every document.
	Always bool
	// Test is true when Match is of some value that the path leads to.
	Test struct {
		Path  Path
		Match func(Value) bool
	}
	// Pair is true when Match is of some value of A and some of B.
	Pair struct {
		A, B  Path
		Match func(a, b Value) bool
	}
)

func (a Always) simplify(func(Test) (bool, bool)) Condition { return a }

func (a Always) compile(*Set) func(*Matcher) bool { return func(*Matcher) bool { return bool(a) } }

func (t Test) simplify(known func(Test) (bool, bool)) Condition {
	if truth, decided := known(t); decided {
		return Always(truth)
	}
	return t
}

func (t Test) compile(s *Set) func(*Matcher) bool {
	slot, match := s.slot(t.Path), t.Match
	return func(m *Matcher) bool {
		vs := m.values(slot)
		if len(vs) == 1 {
			return match(vs[0])
		}
		return slices.ContainsFunc(vs, match)
	}
}

func (p Pair) simplify(func(Test) (bool, bool)) Condition { return p }

func (p Pair) compile(s *Set) func(*Matcher) bool {
	a, b, match := s.slot(p.A), s.slot(p.B), p.Match
	return func(m *Matcher) bool {
		for _, x := range m.values(a) {
			for _, y := range m.values(b) {
				if match(x, y) {
					return true
				}
			}
		}
		return false
	}
}

func (n Not) simplify(known func(Test) (bool, bool)) Condition {
	of := n.Of.simplify(known)
	if a, ok := of.(Always); ok {
		return !a
	}
	return Not{of}
}

func (n Not) compile(s *Set) func(*Matcher) bool {
	of := n.Of.compile(s)
	return func(m *Matcher) bool { return !of(m) }
}

func (cs All) simplify(known func(Test) (bool, bool)) Condition {
	return simplified(cs, false, known, func(rest []Condition) Condition { return All(rest) })
}

func (cs Either) simplify(known func(Test) (bool, bool)) Condition {
	return simplified(cs, true, known, func(rest []Condition) Condition { return Either(rest) })
}

// simplified leaves out what decides nothing; a part that is decisive decides.
func simplified(cs []Condition, decisive Always, known func(Test) (bool, bool), join func([]Condition) Condition) Condition {
	var rest []Condition
	for _, c := range cs {
		c = c.simplify(known)
		if a, ok := c.(Always); !ok {
			rest = append(rest, c)
		} else if a == decisive {
			return decisive
		}
	}
	switch len(rest) {
	case 0:
		return !decisive
	case 1:
		return rest[0]
	}
	return join(rest)
}

func (cs All) compile(s *Set) func(*Matcher) bool {
	parts := compiled(cs, s)
	return func(m *Matcher) bool {
		for _, p := range parts {
			if !p(m) {
				return false
			}
		}
		return true
	}
}

func (cs Either) compile(s *Set) func(*Matcher) bool {
	parts := compiled(cs, s)
	return func(m *Matcher) bool {
		for _, p := range parts {
			if p(m) {
				return true
			}
		}
		return false
	}
}

func compiled(cs []Condition, s *Set) []func(*Matcher) bool {
	out := make([]func(*Matcher) bool, len(cs))
	for i, c := range cs {
		out[i] = c.compile(s)
	}
	return out
}

// Holds is the truth itself.
func (a Always) Holds(*Document) bool { return bool(a) }

// Holds finds the values of the path and matches them.
func (t Test) Holds(d *Document) bool {
	var few [4]Value
	return slices.ContainsFunc(t.Path.Find(d, few[:0]), t.Match)
}

// Holds finds the values of both paths and matches them.
func (p Pair) Holds(d *Document) bool {
	for _, a := range p.A.Find(d, nil) {
		for _, b := range p.B.Find(d, nil) {
			if p.Match(a, b) {
				return true
			}
		}
	}
	return false
}

// Holds is the opposite of what it turns round.
func (n Not) Holds(d *Document) bool { return !n.Of.Holds(d) }

// Holds asks in order until one is false.
func (cs All) Holds(d *Document) bool {
	for _, c := range cs {
		if !c.Holds(d) {
			return false
		}
	}
	return true
}

// Holds asks in order until one is true.
func (cs Either) Holds(d *Document) bool {
	for _, c := range cs {
		if c.Holds(d) {
			return true
		}
	}
	return false
}
