// Package correlate joins evidence by the ids that it shows: the ladder. Its
// rungs are fixed and few, so that each join can be shown to a person and told
// in SQL; resolve.sql says the same as Resolve, row for row.
//
//  0. seen: a key that the record itself shows stays.
//  1. touch (inferred): a change takes the request of the latest write to the
//     same resource in the 15 minutes before it.
//  2. request: what shows a request id takes the trace of the earliest span
//     that shows the same id in the same scope.
//  3. message: what shows a message id takes the trace of the earliest record
//     that shows it too; traces that show one message are tied.
//  4. trace: the records of a trace take the correlation id of its earliest
//     record that shows one, else the name that travels along the ties.
//  5. session: a call takes the principal behind its temporary credentials.
//
// Whatever the order of the records, the answers are the same; ties go to the
// earlier record, then to the smaller id. Resolving what is resolved already
// changes nothing, since every run starts from the keys seen.
package correlate

import (
	"slices"
	"time"

	"muster/fleet"
)

// touchWindow is how long before a change the write that caused it may lie:
// AWS Config captures most changes within minutes and promises about 15.
const touchWindow = 15 * time.Minute

// The rungs as a link spells them.
var (
	linkSeen    = linkOf(fleet.Link{Via: fleet.RungSeen})
	linkTouch   = linkOf(fleet.Link{Via: fleet.RungTouch})
	linkRequest = linkOf(fleet.Link{Via: fleet.RungRequest})
	linkMessage = linkOf(fleet.Link{Via: fleet.RungMessage})
	linkTrace   = linkOf(fleet.Link{Via: fleet.RungTrace})
	linkSession = linkOf(fleet.Link{Via: fleet.RungSession})
)

// Resolve climbs the ladder with all the records there are and writes Keys in
// place. It reads nothing but what was seen: not Keys, not the order. IDs must
// be unique among the records of a kind and UTC day: of several revisions of a
// record, hand in the newest.
func Resolve(rs []fleet.Record) {
	x := newIndex()
	places := make([]uint32, len(rs))
	var id code
	for i := range rs {
		id.set(rs[i].ID)
		places[i] = x.entries.alloc()
		x.read(places[i], &rs[i], &id)
		x.enter(places[i])
		x.issue(places[i], rs[i].Principal)
	}
	x.settle(func(uint32, answer) {})
	for i := range rs {
		x.setOrigin(places[i])
		x.answer(places[i], &rs[i], true)
	}
}

// settle climbs rungs 1 to 4 with all that is dirty. before is told the answers
// that an entry had, each time that they change.
func (x *index) settle(before func(i uint32, was answer)) {
	x.spreadDirt()
	for at := 0; at < len(x.dirtied); at++ {
		i := x.dirtied[at]
		if e := x.entries.at(i); e.has(bitDead) || e.has(bitHeld) {
			continue
		}
		x.takeTrace(i, before)
	}
	named := x.nameTraces()
	for _, t := range named {
		for i := x.nodes.at(t).first; i != 0; i = x.entries.at(i).nextTrace {
			x.takeWord(i, before)
		}
		x.release(t)
	}
	for _, i := range x.dirtied {
		e := x.entries.at(i)
		e.bits &^= bitDirty
		if !e.has(bitDead) {
			x.takeWord(i, before)
		}
	}
	x.dirtied = x.dirtied[:0]
}

// spreadDirt dirties the entries that take something from keys with another
// lender, and the traces that messages tie.
func (x *index) spreadDirt() {
	for _, q := range x.requests {
		for i := x.nodes.at(q).first; i != 0; i = x.entries.at(i).nextRequest {
			e := x.entries.at(i)
			if e.borrows() {
				x.dirty(i)
			}
			if e.has(bitWrite) {
				x.dirtyEffects(e)
			}
		}
		x.release(q)
	}
	for _, m := range x.tidings {
		for s := x.nodes.at(m).first; s != 0; s = x.shown.at(s).nextOfMsg {
			i := x.shown.at(s).entry
			if e := x.entries.at(i); e.seenTrace() {
				x.dirtyTrace(e.trace)
			} else {
				x.dirty(i)
			}
		}
		x.release(m)
	}
	x.requests, x.tidings = x.requests[:0], x.tidings[:0]
}

// climb gives the request and the trace of an entry: rungs 0 to 3.
func (x *index) climb(e *entry) (request uint32, viaRequest link, trace uint32, viaTrace link) {
	request, viaRequest = e.request, e.viaRequest
	if x.touched(e) {
		request, viaRequest = 0, 0
		if w := x.cause(e); w != 0 {
			request, viaRequest = x.entries.at(w).request, linkTouch|inferred
		}
	}
	if e.seenTrace() {
		return request, viaRequest, e.trace, linkSeen
	}
	if !e.isSpan() && request != 0 {
		if s := x.nodes.at(request).best; s != 0 {
			return request, viaRequest, x.entries.at(s).trace, linkRequest | viaRequest&inferred
		}
	}
	// Only a trace that was seen is lent, so that one run's answers never feed
	// each other.
	lender := uint32(0)
	for m := range x.messages(e) {
		if l := x.nodes.at(m.message).best; l != 0 && (lender == 0 || x.before(l, lender)) {
			lender = l
		}
	}
	if lender != 0 {
		return request, viaRequest, x.entries.at(lender).trace, linkMessage
	}
	return request, viaRequest, 0, 0
}

// cause is the write behind a change, 0 when there is none: the latest in the
// window on any of its resources and, of several at one time, the smallest id.
func (x *index) cause(e *entry) uint32 {
	found := uint32(0)
	for p := range x.places(e) {
		n := x.nodes.at(p)
		if n.first == 0 {
			continue
		}
		w := x.latest(x.spots.at(n.first).writes, e.timeUS)
		if w == 0 || e.timeUS-x.entries.at(w).timeUS > touchWindow.Microseconds() {
			continue
		}
		if found == 0 || x.entries.at(w).timeUS > x.entries.at(found).timeUS ||
			x.entries.at(w).timeUS == x.entries.at(found).timeUS && x.before(w, found) {
			found = w
		}
	}
	return found
}

// latest is the entry of an ordered list with the greatest time up to timeUS
// and, among several, the smallest id. It is 0 when all are later.
func (x *index) latest(list []uint32, timeUS int64) uint32 {
	end := x.firstAt(list, timeUS+1)
	if end == 0 {
		return 0
	}
	return list[x.firstAt(list[:end], x.entries.at(list[end-1]).timeUS)]
}

// takeTrace gives an entry its request and trace.
func (x *index) takeTrace(i uint32, before func(uint32, answer)) {
	e := x.entries.at(i)
	request, viaRequest, trace, viaTrace := x.climb(e)
	if request == e.request && viaRequest == e.viaRequest && trace == e.trace && viaTrace == e.viaTrace {
		return
	}
	before(i, x.answered(e))
	if request != e.request {
		x.release(e.request)
		e.request = x.retain(request)
	}
	e.viaRequest = viaRequest
	if trace == e.trace {
		e.viaTrace = viaTrace
		if x.nodes.at(trace).donor == i {
			x.dirtyTrace(trace) // what it gives is as sure as its own trace
		}
		return
	}
	if e.trace != 0 {
		x.leaveTrace(e.trace, func(at uint32, _ *entry) bool { return at == i })
		x.release(e.trace)
	}
	e.trace, e.viaTrace = x.retain(trace), viaTrace
	if trace != 0 {
		x.joinTrace(i)
	}
}

// word is what rung 4, or the second half of rung 3, gives an entry.
func (x *index) wordFor(e *entry) (uint32, link) {
	if e.seenCorrelation() {
		return e.correlation, linkSeen
	}
	if e.trace == 0 {
		return 0, 0
	}
	t := x.nodes.at(e.trace)
	if t.word == 0 {
		return 0, 0
	}
	return t.word, t.via | e.viaTrace&inferred
}

// takeWord gives an entry its correlation id.
func (x *index) takeWord(i uint32, before func(uint32, answer)) {
	e := x.entries.at(i)
	if e.has(bitHeld) {
		return
	}
	word, via := x.wordFor(e)
	if word == e.correlation && via == e.viaCorrelation {
		return
	}
	before(i, x.answered(e))
	x.release(e.correlation)
	e.correlation, e.viaCorrelation = x.retain(word), via
}

// answer writes an entry's keys into a record that it is known by. own says that
// it was read of this very record.
func (x *index) answer(i uint32, r *fleet.Record, own bool) {
	e := x.entries.at(i)
	k := fleet.Keys{
		Span: r.Seen.Span, Parent: r.Seen.Parent, Messages: slices.Clone(r.Seen.Messages),
		AccessKey: r.Seen.AccessKey, IssuedKey: r.Seen.IssuedKey,
	}
	shown := &fleet.Keys{}
	if own {
		shown = &r.Seen
	}
	x.fill(e, &k, shown)
	r.Keys = k
}

// fill sets what resolving gives. Of the keys that the record shows itself, and
// that are given here, it takes the strings, which it holds anyway.
func (x *index) fill(e *entry, k, shown *fleet.Keys) {
	k.TraceLink, k.RequestLink, k.CorrelationLink = e.viaTrace.fleet(), e.viaRequest.fleet(), e.viaCorrelation.fleet()
	k.Scope = x.scope(e.request)
	if k.Trace = shown.Trace; k.Trace == "" {
		k.Trace = x.spelled(e.trace)
	}
	if k.Request = shown.Request; k.Request == "" {
		k.Request = x.spelled(e.request)
	}
	if k.Correlation = shown.Correlation; k.Correlation == "" {
		k.Correlation = x.spelled(e.correlation)
	}
	if e.more != 0 {
		if origin := x.extras.at(e.more).origin; origin != 0 {
			k.Origin, k.OriginLink = x.spelled(origin), linkSession.fleet()
		}
	}
}
