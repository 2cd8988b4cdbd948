package correlate

import "strings"

// tieHops is how many messages away a trace still gets its journey's name from.
// The bound keeps the SQL free of recursion, which Athena stops at depth 10;
// longer journeys need a correlation id.
const tieHops = 4

// trace is what rungs 3 and 4 know of one trace.
type trace struct {
	id    string
	donor *entry // its earliest record that shows a correlation id
	first *entry // its earliest record that shows the trace id
	tied  bool
	// name is the trace within the hops so far after which the journey is
	// named: at first itself.
	name *trace
}

// outranks reports whether a journey is named after t rather than after o:
// a trace with a correlation id before one without, then the earlier.
func (t *trace) outranks(o *trace) bool {
	switch {
	case (t.donor != nil) != (o.donor != nil):
		return t.donor != nil
	case t.donor != nil:
		return t.donor.before(o.donor)
	case t.first.timeUS != o.first.timeUS:
		return t.first.timeUS < o.first.timeUS
	}
	return strings.Compare(t.id, o.id) < 0
}

// word is the correlation id that goes with the name, and whether it is inferred.
func (t *trace) word() (correlation string, inferred bool) {
	if t.donor == nil {
		return t.id, false
	}
	return t.donor.correlation, t.donor.viaTrace.inferred
}

// nameTraces is the second half of rung 3, and rung 4.
func nameTraces(es []*entry) {
	traces := map[string]*trace{}
	for _, e := range es {
		if e.ofTrace == "" {
			continue
		}
		t := traces[e.ofTrace]
		if t == nil {
			t = &trace{id: e.ofTrace}
			t.name = t
			traces[e.ofTrace] = t
		}
		if e.correlation != "" {
			t.donor = earlier(t.donor, e)
		}
		if e.trace != "" {
			t.first = earlier(t.first, e)
		}
	}
	spread(ties(es, traces))
	for _, e := range es {
		if e.correlation != "" || e.ofTrace == "" {
			continue
		}
		t := traces[e.ofTrace]
		rung := rungTrace
		if t.donor == nil {
			if !t.tied {
				continue
			}
			t, rung = t.name, rungMessage
		}
		word, inferred := t.word()
		e.ofCorrelation, e.viaCorrelation = word, link{rung, inferred || e.viaTrace.inferred}
	}
}

// ties lists, per message that more than one trace shows, those traces. A trace
// may be listed more than once.
func ties(es []*entry, traces map[string]*trace) [][]*trace {
	showing := map[string][]*trace{}
	for _, e := range es {
		if e.trace == "" {
			continue
		}
		for m := range e.messages() {
			showing[m] = append(showing[m], traces[e.trace])
		}
	}
	var tied [][]*trace
	for _, ts := range showing {
		if !several(ts) {
			continue
		}
		for _, t := range ts {
			t.tied = true
		}
		tied = append(tied, ts)
	}
	return tied
}

func several(ts []*trace) bool {
	for _, t := range ts {
		if t != ts[0] {
			return true
		}
	}
	return false
}

// spread carries names along the ties, one hop a round. Within a round all
// names are read before any is written, so that the order of ties is no matter.
func spread(tied [][]*trace) {
	best := make([]*trace, len(tied))
	for range tieHops {
		for i, ts := range tied {
			best[i] = ts[0].name
			for _, t := range ts {
				if t.name.outranks(best[i]) {
					best[i] = t.name
				}
			}
		}
		for i, ts := range tied {
			for _, t := range ts {
				if best[i].outranks(t.name) {
					t.name = best[i]
				}
			}
		}
	}
}
