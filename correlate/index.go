package correlate

import (
	"math/rand/v2"
	"slices"

	"muster/fleet"
)

// index holds entries and finds by what they are joined: each key leads to what
// shows it and to the one that wins. It keeps the answers of the ladder, one
// rung after the other, for what was dirtied since it was last settled.
type index struct {
	texts
	entries slab[entry]
	extras  slab[more]
	shown   slab[shown]
	placed  slab[placed]
	spots   slab[spot]
	nodes   slab[node]
	nodesBy hashes
	seed    uint64

	kinds     []fleet.Kind
	scopes    []fleet.Scope
	issuers   map[uint32][]issuer // by the node of the access key, the earliest first
	spellings map[uint32]string
	loose     []uint32 // nodes that may have lost their last reference
	code      code     // scratch of intern

	dirt
}

// dirt is what a change may have reached.
type dirt struct {
	dirtied  []uint32 // entries
	traces   []uint32 // dirty traces
	requests []uint32 // of which another span, or none, lends its trace now
	tidings  []uint32 // messages of which the lender or the traces that show it are others
	keys     []uint32 // access keys with another first issuer
}

// spot is a resource of one account and region: its writes, and the changes
// that look for one, in order.
type spot struct{ writes, changes []uint32 }

func newIndex() index {
	return index{
		seed: rand.Uint64(), kinds: fleet.Kinds(), issuers: map[uint32][]issuer{}, spellings: map[uint32]string{},
	}
}

func (x *index) dirty(i uint32) {
	if e := x.entries.at(i); !e.has(bitDirty) {
		e.bits |= bitDirty
		x.dirtied = append(x.dirtied, i)
	}
}

func (x *index) dirtyTrace(t uint32) {
	if n := x.nodes.at(t); n.flags&flagDirty == 0 {
		n.flags |= flagDirty
		x.traces = append(x.traces, x.retain(t))
	}
}

// enter files an entry under its keys.
func (x *index) enter(i uint32) {
	e := x.entries.at(i)
	x.dirty(i)
	if e.trace != 0 {
		x.joinTrace(i)
	}
	if e.seenRequest() && (e.borrows() || e.lends() || e.has(bitWrite)) {
		n := x.nodes.at(e.request)
		e.nextRequest, n.first = n.first, i
		if e.lends() && (n.best == 0 || x.before(i, n.best)) {
			x.lend(e.request, i)
		}
	}
	if e.more == 0 {
		return
	}
	for s := x.extras.at(e.more).firstShown; s != 0; s = x.shown.at(s).nextOfEntry {
		x.show(s)
	}
	for p := range x.places(e) {
		x.settleAt(p, i)
	}
	if e.has(bitWrite) {
		x.dirtyEffects(e)
	}
	if m := x.extras.at(e.more); m.access != 0 {
		key := x.nodes.at(m.access)
		if m.nextUser = key.first; m.nextUser != 0 {
			x.extras.at(x.entries.at(m.nextUser).more).prevUser = i
		}
		key.first = i
	}
}

// lend makes an entry, or none, the one that lends its trace to a request.
func (x *index) lend(request, i uint32) {
	n := x.nodes.at(request)
	if x.traceOf(n.best) != x.traceOf(i) {
		x.requests = append(x.requests, x.retain(request))
	}
	n.best = i
}

func (x *index) traceOf(i uint32) uint32 {
	if i == 0 {
		return 0
	}
	return x.entries.at(i).trace
}

// joinTrace files an entry under the trace that it is in.
func (x *index) joinTrace(i uint32) {
	e := x.entries.at(i)
	t := x.nodes.at(e.trace)
	e.nextTrace, t.first = t.first, i
	if e.seenTrace() && (t.best == 0 || x.before(i, t.best)) {
		t.best = i
		if t.shows != 0 { // only tied traces are named after their beginning
			x.dirtyTrace(e.trace)
		}
	}
	if e.seenCorrelation() && (t.donor == 0 || x.before(i, t.donor)) {
		t.donor = i
		x.dirtyTrace(e.trace)
	}
}

// leaveTrace takes an entry, or all that are dead, out of a trace.
func (x *index) leaveTrace(t uint32, leaves func(uint32, *entry) bool) {
	n := x.nodes.at(t)
	lost := false
	for at := &n.first; *at != 0; {
		i := *at
		e := x.entries.at(i)
		if leaves(i, e) {
			*at, e.nextTrace = e.nextTrace, 0
			lost = lost || i == n.best || i == n.donor
		} else {
			at = &e.nextTrace
		}
	}
	if !lost {
		return
	}
	n.best, n.donor = 0, 0
	for i := n.first; i != 0; i = x.entries.at(i).nextTrace {
		e := x.entries.at(i)
		if e.seenTrace() && (n.best == 0 || x.before(i, n.best)) {
			n.best = i
		}
		if e.seenCorrelation() && (n.donor == 0 || x.before(i, n.donor)) {
			n.donor = i
		}
	}
	x.dirtyTrace(t)
}

// show files one message of an entry.
func (x *index) show(s uint32) {
	m := x.shown.at(s)
	n, e := x.nodes.at(m.message), x.entries.at(m.entry)
	if e.seenTrace() {
		t := x.nodes.at(e.trace)
		if t.shows == 0 || !x.shows(m.message, e.trace) {
			x.tidings = append(x.tidings, x.retain(m.message))
		}
		m.nextOfTrace, t.shows = t.shows, s
		if n.best == 0 || x.before(m.entry, n.best) {
			// Of the same trace too: what shows several messages takes the trace
			// of the earliest lender.
			x.tidings = append(x.tidings, x.retain(m.message))
			n.best = m.entry
		}
	}
	m.nextOfMsg, n.first = n.first, s
}

// shows reports whether an entry of a trace shows a message.
func (x *index) shows(message, trace uint32) bool {
	for s := x.nodes.at(message).first; s != 0; s = x.shown.at(s).nextOfMsg {
		if e := x.entries.at(x.shown.at(s).entry); e.seenTrace() && e.trace == trace {
			return true
		}
	}
	return false
}

// settleAt files a write or a change under a resource.
func (x *index) settleAt(place, i uint32) {
	n := x.nodes.at(place)
	if n.first == 0 {
		n.first = x.spots.alloc()
	}
	list := x.spots.at(n.first).list(x.entries.at(i))
	at, _ := slices.BinarySearchFunc(*list, i, x.order)
	*list = slices.Insert(*list, at, i)
}

func (s *spot) list(e *entry) *[]uint32 {
	if e.has(bitWrite) {
		return &s.writes
	}
	return &s.changes
}

// remove takes entries out of all lists. Those that live on and took something
// from them are dirty. It frees nothing but what they alone hold.
func (x *index) remove(is []uint32) {
	var traces, requests, messages, places []uint32
	for _, i := range is {
		e := x.entries.at(i)
		e.bits |= bitDead
		traces = x.once(traces, e.trace)
		if e.seenRequest() {
			requests = x.once(requests, e.request)
		}
		for m := range x.messages(e) {
			messages = x.once(messages, m.message)
		}
		if e.has(bitWrite) {
			x.dirtyEffects(e)
		}
		for p := range x.places(e) {
			places = x.once(places, p)
		}
		x.leaveUsers(e)
	}
	dead := func(_ uint32, e *entry) bool { return e.has(bitDead) }
	for _, m := range messages { // before the traces lose what they show
		x.leaveMessage(m)
	}
	for _, t := range traces {
		x.leaveShows(t)
		x.leaveTrace(t, dead)
	}
	for _, q := range requests {
		x.leaveRequest(q)
	}
	for _, p := range places {
		s := x.spots.at(x.nodes.at(p).first)
		isDead := func(i uint32) bool { return x.entries.at(i).has(bitDead) }
		s.writes, s.changes = slices.DeleteFunc(s.writes, isDead), slices.DeleteFunc(s.changes, isDead)
	}
	for _, list := range [][]uint32{traces, requests, messages, places} {
		for _, n := range list {
			x.nodes.at(n).flags &^= flagMet
		}
	}
}

// once appends a node to a list that it is not on.
func (x *index) once(list []uint32, n uint32) []uint32 {
	if n == 0 || x.nodes.at(n).flags&flagMet != 0 {
		return list
	}
	x.nodes.at(n).flags |= flagMet
	return append(list, n)
}

func (x *index) leaveUsers(e *entry) {
	if e.more == 0 {
		return
	}
	m := x.extras.at(e.more)
	if m.access == 0 {
		return
	}
	if m.prevUser == 0 {
		x.nodes.at(m.access).first = m.nextUser
	} else {
		x.extras.at(x.entries.at(m.prevUser).more).nextUser = m.nextUser
	}
	if m.nextUser != 0 {
		x.extras.at(x.entries.at(m.nextUser).more).prevUser = m.prevUser
	}
	m.prevUser, m.nextUser = 0, 0
}

func (x *index) leaveMessage(message uint32) {
	n := x.nodes.at(message)
	for at := &n.first; *at != 0; {
		m := x.shown.at(*at)
		if e := x.entries.at(m.entry); !e.has(bitDead) {
			at = &m.nextOfMsg
			continue
		} else if e.seenTrace() {
			x.dirtyTrace(e.trace)
		}
		*at, m.nextOfMsg = m.nextOfMsg, 0
	}
	n.best = 0
	for s := n.first; s != 0; s = x.shown.at(s).nextOfMsg {
		i := x.shown.at(s).entry
		if x.entries.at(i).seenTrace() && (n.best == 0 || x.before(i, n.best)) {
			n.best = i
		}
	}
	x.tidings = append(x.tidings, x.retain(message))
}

// leaveShows takes what dead entries show off the list of their trace.
func (x *index) leaveShows(trace uint32) {
	for at := &x.nodes.at(trace).shows; *at != 0; {
		m := x.shown.at(*at)
		if x.entries.at(m.entry).has(bitDead) {
			*at, m.nextOfTrace = m.nextOfTrace, 0
		} else {
			at = &m.nextOfTrace
		}
	}
}

func (x *index) leaveRequest(request uint32) {
	n := x.nodes.at(request)
	lost := false
	for at := &n.first; *at != 0; {
		i := *at
		if e := x.entries.at(i); e.has(bitDead) {
			*at, e.nextRequest = e.nextRequest, 0
			lost = lost || i == n.best
		} else {
			at = &e.nextRequest
		}
	}
	if !lost {
		return
	}
	best := uint32(0)
	for i := n.first; i != 0; i = x.entries.at(i).nextRequest {
		if x.entries.at(i).lends() && (best == 0 || x.before(i, best)) {
			best = i
		}
	}
	// Not by lend: the trace of the one that is gone may be another by now.
	n.best = best
	x.requests = append(x.requests, x.retain(request))
}

// dirtyEffects dirties the changes that a write may be the cause of.
func (x *index) dirtyEffects(w *entry) {
	for c := range x.effects(w) {
		x.dirty(c)
	}
}

// effects yields the changes of a write's resources in the time after it.
func (x *index) effects(w *entry) func(yield func(uint32) bool) {
	return func(yield func(uint32) bool) {
		for p := range x.places(w) {
			n := x.nodes.at(p)
			if n.first == 0 {
				continue
			}
			changes := x.spots.at(n.first).changes
			for _, c := range changes[x.firstAt(changes, w.timeUS):] {
				if x.entries.at(c).timeUS > w.timeUS+touchWindow.Microseconds() {
					break
				}
				if !yield(c) {
					return
				}
			}
		}
	}
}

// firstAt is the place in an ordered list of the first entry not before a time.
func (x *index) firstAt(list []uint32, timeUS int64) int {
	at, _ := slices.BinarySearchFunc(list, timeUS, func(i uint32, t int64) int {
		if x.entries.at(i).timeUS < t {
			return -1
		}
		return 1 // so that the first of equal times is found
	})
	return at
}

// bytes is what the index takes for what it holds.
func (x *index) bytes() int {
	return x.texts.bytes() + x.entries.live()*48 + x.extras.live()*32 + x.shown.live()*20 +
		x.placed.live()*8 + x.spots.live()*64 + x.nodes.live()*32 + len(x.nodesBy.slots)*5
}
