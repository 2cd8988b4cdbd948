package sigma

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"muster/fleet"
	"muster/internal/document"
)

// Match is events that belong together: one that fits a rule, or those that a
// correlation found.
type Match struct {
	At      time.Time       // of the last event
	Records []*fleet.Record // in order of time
	// Group are the values of the correlation's GroupBy.
	Group []string
	value func(field string) (string, bool)
}

// Event is the match of one event. It looks at the document only until it was
// handed to the tallies.
func Event(rec *fleet.Record, d *document.Document) Match {
	return Match{
		At: rec.Time, Records: []*fleet.Record{rec},
		value: func(field string) (string, bool) { return valueOf(d, field) },
	}
}

// Tally runs a correlation over matches that come in order of time. Several
// orders are possible where times are equal, as CloudTrail's often are, which
// knows seconds only: temporal_ordered takes the one that fits. A match counts
// for one finding: when one is made, its group begins anew. Not concurrent.
type Tally struct {
	c      *Correlation
	groups map[string]*group
	sweep  int // the number of groups at which the silent ones are dropped
	// pending are matches of one time that wait for others of it.
	pending []arrival
}

// arrival is a match of one of the parts.
type arrival struct {
	part  int
	group []string
	value string
	at    time.Time
	of    []*fleet.Record
}

// group is what came for one set of values.
type group struct {
	values []string
	begun  time.Time // of a condition that is judged at the end of the timespan
	newest time.Time
	events []arrival          // event_count
	last   map[string]arrival // value_count: by value; temporal: by part
	chains [][]arrival        // temporal_ordered: the latest begun for the first parts
}

// leastSweep keeps small tallies from being swept all the time.
const leastSweep = 1024

// NewTally begins to count for a correlation that was linked.
func NewTally(c *Correlation) *Tally {
	return &Tally{c: c, groups: map[string]*group{}, sweep: leastSweep}
}

// Add takes a match of the part with that index, and returns what it completes.
// A match without a value for each field of group-by is left out.
func (t *Tally) Add(part int, m Match) []Match {
	a := arrival{part: part, at: m.At, of: m.Records}
	for _, field := range t.c.of[part].group {
		v, ok := m.value(field)
		if !ok {
			return nil
		}
		a.group = append(a.group, v)
	}
	if t.c.Type == "value_count" {
		v, ok := m.value(t.c.field)
		if !ok {
			return nil
		}
		a.value = strings.ToLower(v) // Sigma compares without case
	}
	if t.c.Type != "temporal_ordered" {
		return t.take(a)
	}
	var out []Match
	if len(t.pending) > 0 && !t.pending[0].at.Equal(a.at) {
		out = t.settle()
	}
	t.pending = append(t.pending, a)
	return out
}

// settle takes what waited, in the order of the parts.
func (t *Tally) settle() []Match {
	slices.SortStableFunc(t.pending, func(a, b arrival) int { return cmp.Compare(a.part, b.part) })
	var out []Match
	for _, a := range t.pending {
		out = append(out, t.take(a)...)
	}
	t.pending = t.pending[:0]
	return out
}

// Close says that everything before that time has come, and returns what is
// complete with it.
func (t *Tally) Close(at time.Time) []Match {
	out := t.settle()
	for key, g := range t.groups {
		out = append(out, t.over(g, at)...)
		if g.begun.IsZero() && len(g.events) == 0 && g.last == nil && g.chains == nil {
			delete(t.groups, key)
		}
	}
	slices.SortFunc(out, func(a, b Match) int {
		return cmp.Or(a.At.Compare(b.At), slices.Compare(a.Group, b.Group))
	})
	return out
}

func (t *Tally) take(a arrival) []Match {
	key := strings.ToLower(strings.Join(a.group, "\x00"))
	g := t.groups[key]
	if g == nil {
		t.drop(a.at)
		g = &group{values: a.group}
		t.groups[key] = g
	}
	var out []Match
	if !t.c.rising() {
		out = t.over(g, a.at)
		if g.begun.IsZero() {
			g.begun = a.at
		}
	}
	g.newest = a.at
	var found []arrival
	switch t.c.Type {
	case "event_count":
		found = t.count(g, a)
	case "value_count":
		found = t.distinct(g, a.value, a)
	case "temporal":
		found = t.distinct(g, t.c.of[a.part].name, a)
	default:
		found = t.chain(g, a)
	}
	if found != nil {
		out = append(out, t.match(g, found))
		*g = group{values: g.values, newest: g.newest}
	}
	return out
}

// drop forgets groups that can complete nothing any more.
func (t *Tally) drop(now time.Time) {
	if len(t.groups) < t.sweep {
		return
	}
	for key, g := range t.groups {
		if g.begun.IsZero() && now.Sub(g.newest) > t.c.Timespan {
			delete(t.groups, key)
		}
	}
	t.sweep = max(2*len(t.groups), leastSweep)
}

// over judges a group whose timespan has passed, under a condition that more
// events could make false.
func (t *Tally) over(g *group, now time.Time) []Match {
	if g.begun.IsZero() || now.Sub(g.begun) <= t.c.Timespan {
		return nil
	}
	found := g.events
	for _, a := range g.last {
		found = append(found, a)
	}
	var out []Match
	if t.c.enough(len(found)) {
		out = []Match{t.match(g, found)}
	}
	*g = group{values: g.values, newest: g.newest}
	return out
}

// count is event_count.
func (t *Tally) count(g *group, a arrival) []arrival {
	g.events = append(g.events, a)
	if !t.c.rising() {
		return nil
	}
	for a.at.Sub(g.events[0].at) > t.c.Timespan {
		g.events = g.events[1:]
	}
	if !t.c.enough(len(g.events)) {
		return nil
	}
	return g.events
}

// distinct is value_count, and temporal, where the values are the rules. Of each
// value the latest event is kept.
func (t *Tally) distinct(g *group, value string, a arrival) []arrival {
	if g.last == nil {
		g.last = map[string]arrival{}
	}
	g.last[value] = a
	if !t.c.rising() || !t.c.enough(len(g.last)) {
		return nil
	}
	var found []arrival
	for v, seen := range g.last {
		if a.at.Sub(seen.at) > t.c.Timespan {
			delete(g.last, v)
			continue
		}
		found = append(found, seen)
	}
	if !t.c.enough(len(found)) {
		return nil
	}
	return found
}

// chain is temporal_ordered: chains[i] has events of the first i+1 rules in
// order, and of all such chains the one that began last.
func (t *Tally) chain(g *group, a arrival) []arrival {
	if g.chains == nil {
		g.chains = make([][]arrival, len(t.c.of))
	}
	if a.part == 0 {
		g.chains[0] = []arrival{a}
		return nil
	}
	before := g.chains[a.part-1]
	if before == nil || a.at.Sub(before[0].at) > t.c.Timespan {
		return nil
	}
	g.chains[a.part] = append(slices.Clone(before), a)
	if a.part < len(t.c.of)-1 {
		return nil
	}
	return g.chains[a.part]
}

func (t *Tally) match(g *group, found []arrival) Match {
	m := Match{Group: g.values}
	for _, a := range found {
		m.Records = append(m.Records, a.of...)
	}
	slices.SortFunc(m.Records, fleet.Compare)
	m.Records = slices.Compact(m.Records)
	m.At = m.Records[len(m.Records)-1].Time
	m.value = func(field string) (string, bool) {
		if i := slices.Index(t.c.GroupBy, field); i >= 0 {
			return m.Group[i], true
		}
		return "", false
	}
	return m
}
