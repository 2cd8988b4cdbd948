package document

import "strings"

// maxKnown bounds the pairs of source and name whose candidates are remembered.
// AWS has some 20,000 API calls; an account makes some hundreds.
const maxKnown = 50_000

// Set is conditions behind an index: for each pair of the two texts that tell
// events apart (for CloudTrail eventSource and eventName), it keeps what is left
// of the conditions once everything that looks at these two alone is decided.
// Most conditions are false then, and are not asked again.
//
// A Set is not safe for concurrent use; conditions are, so each goroutine may
// have a Set of its own.
type Set struct {
	source, name string // members at the top of an event
	conditions   []Condition
	slots        map[string]int
	paths        []Path
	whole        []func(*Matcher) bool // the conditions, for events without such texts
	known        map[[2]string]*candidates
	matcher      Matcher
}

// candidates are what can be true of the events of one source and name.
type candidates struct {
	always []int
	maybe  []candidate
}

type candidate struct {
	condition int
	holds     func(*Matcher) bool
}

// NewSet indexes conditions by two members at the top of an event.
func NewSet(source, name string, conditions []Condition) *Set {
	s := &Set{source: source, name: name, conditions: conditions, slots: map[string]int{}, known: map[[2]string]*candidates{}}
	s.slot(Field(source))
	s.slot(Field(name))
	s.whole = compiled(conditions, s)
	return s
}

// The slots of the two members.
const (
	sourceSlot = iota
	nameSlot
)

// slot is the place where a matcher keeps the values of a path.
func (s *Set) slot(p Path) int {
	i, ok := s.slots[p.key]
	if !ok {
		i = len(s.paths)
		s.slots[p.key] = i
		s.paths = append(s.paths, p)
	}
	return i
}

// Match calls hit with the index of each condition that is true of a document,
// in no certain order.
func (s *Set) Match(d *Document, hit func(condition int)) {
	m := &s.matcher
	m.begin(s, d)
	source, sure := m.text(sourceSlot)
	name, sureName := m.text(nameSlot)
	if !sure || !sureName {
		for i, holds := range s.whole {
			if holds(m) {
				hit(i)
			}
		}
		return
	}
	c := s.known[[2]string{source, name}]
	if c == nil {
		c = s.learn(m, source, name)
	}
	for _, i := range c.always {
		hit(i)
	}
	for _, one := range c.maybe {
		if one.holds(m) {
			hit(one.condition)
		}
	}
}

// learn decides for the event at hand everything that looks at its source and
// name alone; what is decided is so for all events with the same.
func (s *Set) learn(m *Matcher, source, name string) *candidates {
	if len(s.known) >= maxKnown {
		clear(s.known)
	}
	known := func(t Test) (bool, bool) {
		if top := t.Path.top(); top != s.source && top != s.name || top == "" {
			return false, false
		}
		return t.compile(s)(m), true
	}
	c := &candidates{}
	for i, condition := range s.conditions {
		left := condition.simplify(known)
		if truth, ok := left.(Always); !ok {
			c.maybe = append(c.maybe, candidate{i, left.compile(s)})
		} else if truth {
			c.always = append(c.always, i)
		}
	}
	// Clones, so that a key does not hold on to its event.
	s.known[[2]string{strings.Clone(source), strings.Clone(name)}] = c
	return c
}

// Matcher is the state of one document: the values that paths led to, which
// are looked up once.
type Matcher struct {
	set   *Set
	d     *Document
	event uint64 // counts the documents
	slots []found
	all   []Value
}

// found is what a path led to in the document of that number.
type found struct {
	event    uint64
	from, to int
}

func (m *Matcher) begin(s *Set, d *Document) {
	m.set, m.d, m.all = s, d, m.all[:0]
	m.event++
	if len(m.slots) < len(s.paths) {
		m.slots = append(m.slots, make([]found, len(s.paths)-len(m.slots))...)
	}
}

func (m *Matcher) values(slot int) []Value {
	f := &m.slots[slot]
	if f.event != m.event {
		from := len(m.all)
		m.all = m.set.paths[slot].from(Value{m.d, 0}, m.set.paths[slot].steps, m.all)
		*f = found{m.event, from, len(m.all)}
	}
	return m.all[f.from:f.to]
}

// text is the one string in a slot; false when there is none, or something else.
func (m *Matcher) text(slot int) (string, bool) {
	vs := m.values(slot)
	if len(vs) != 1 || vs[0].Kind() != String {
		return "", false
	}
	return vs[0].Scalar()
}
