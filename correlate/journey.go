package correlate

import "strings"

// tieHops is how many messages away a trace still gets its journey's name from.
// The bound keeps the SQL free of recursion, which Athena stops at depth 10;
// longer journeys need a correlation id.
const tieHops = 4

// trace is what the second half of rung 3 knows of one trace.
type trace struct {
	node  uint32
	donor uint32 // its earliest entry that shows a correlation id
	first uint32 // its earliest entry that shows the trace id
	tied  bool
	// name is the trace within the hops so far after which the journey is
	// named: at first itself. Once that is one with a correlation id it is
	// settled: others are further away.
	name    *trace
	settled bool
}

// nameTraces finds the correlation id that the entries of each dirty trace, and
// of those tied to it, take. It returns the traces, each once more referred to,
// for which it is another than before.
func (x *index) nameTraces() (renamed []uint32) {
	if len(x.traces) == 0 {
		return nil
	}
	for _, t := range x.traces {
		n := x.nodes.at(t)
		if n.flags&flagDirty == 0 {
			continue // named together with one before it
		}
		if n.shows == 0 {
			n.flags &^= flagDirty
			renamed = x.rename(renamed, trace{node: t, donor: n.donor})
			continue
		}
		renamed = x.nameJourney(renamed, t)
	}
	for _, t := range x.traces {
		x.release(t)
	}
	x.traces = x.traces[:0]
	return renamed
}

// nameJourney names a trace and all that are tied to it, one way or another.
func (x *index) nameJourney(renamed []uint32, from uint32) []uint32 {
	ts := []*trace{}
	of := map[uint32]*trace{}
	meet := func(t uint32) *trace {
		if known := of[t]; known != nil {
			return known
		}
		n := x.nodes.at(t)
		n.flags &^= flagDirty
		m := &trace{node: t, donor: n.donor, first: n.best, settled: n.donor != 0}
		m.name = m
		ts, of[t] = append(ts, m), m
		return m
	}
	meet(from)
	var ties [][]*trace
	met := map[uint32]struct{}{} // messages
	for at := 0; at < len(ts); at++ {
		for s := x.nodes.at(ts[at].node).shows; s != 0; s = x.shown.at(s).nextOfTrace {
			message := x.shown.at(s).message
			if _, again := met[message]; again {
				continue
			}
			met[message] = struct{}{}
			var tie []*trace
			for m := x.nodes.at(message).first; m != 0; m = x.shown.at(m).nextOfMsg {
				if e := x.entries.at(x.shown.at(m).entry); e.seenTrace() {
					tie = append(tie, meet(e.trace))
				}
			}
			if several(tie) {
				for _, t := range tie {
					t.tied = true
				}
				ties = append(ties, tie)
			}
		}
	}
	x.spread(ties)
	for _, t := range ts {
		renamed = x.rename(renamed, *t)
	}
	return renamed
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
// names are read before any is written, so that the order of ties is no matter. A
// trace with a correlation id keeps to it: a name goes through none. Any other
// keeps to the nearest: a message that was handled together with another journey's
// and comes again alone is of its own sender's.
func (x *index) spread(ties [][]*trace) {
	best := make([]*trace, len(ties))
	for range tieHops {
		for i, ts := range ties {
			best[i] = ts[0].name
			for _, t := range ts {
				if x.outranks(t.name, best[i]) {
					best[i] = t.name
				}
			}
		}
		for i, ts := range ties {
			for _, t := range ts {
				if !t.settled && x.outranks(best[i], t.name) {
					t.name = best[i]
				}
			}
		}
		for _, ts := range ties {
			for _, t := range ts {
				t.settled = t.name.donor != 0
			}
		}
	}
}

// outranks reports whether a journey is named after t rather than after o:
// a trace with a correlation id before one without, then the earlier.
func (x *index) outranks(t, o *trace) bool {
	switch {
	case t == o:
		return false
	case (t.donor != 0) != (o.donor != 0):
		return t.donor != 0
	case t.donor != 0:
		return x.before(t.donor, o.donor)
	}
	if a, b := x.entries.at(t.first).timeUS, x.entries.at(o.first).timeUS; a != b {
		return a < b
	}
	return strings.Compare(x.spelled(t.node), x.spelled(o.node)) < 0
}

// rename sets the correlation id that the entries of a trace take.
func (x *index) rename(renamed []uint32, t trace) []uint32 {
	word, via := uint32(0), link(0)
	switch {
	case t.donor != 0:
		d := x.entries.at(t.donor)
		word, via = x.retain(d.correlation), linkTrace|d.viaTrace&inferred
	case t.tied && t.name.donor != 0:
		d := x.entries.at(t.name.donor)
		word, via = x.retain(d.correlation), linkMessage|d.viaTrace&inferred
	case t.tied:
		word, via = x.intern(spaceWord, x.spelled(t.name.node)), linkMessage
	}
	n := x.nodes.at(t.node)
	if word == n.word && via == n.via {
		x.release(word)
		return renamed
	}
	x.release(n.word)
	n.word, n.via = word, via
	return append(renamed, x.retain(t.node))
}
