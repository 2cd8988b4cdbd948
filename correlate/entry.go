package correlate

import (
	"bytes"
	"slices"
	"strings"

	"muster/fleet"
)

// entry is what the ladder knows of one record: 48 bytes without a pointer. A
// key that the record shows and one that it was given share a field, since what
// is seen is never given anew; the link beside it says which of the two it is.
type entry struct {
	timeUS int64
	id     text // of formSpan, it goes on after the trace seen

	trace, request, correlation uint32 // nodes; 0 for none

	nextTrace   uint32 // the next entry of the same trace
	nextRequest uint32 // the next entry that shows the same request
	nextAge     uint32 // the next entry of the same step of time; only in a Resolver
	more        uint32 // in index.extras; 0 for none
	revision    int32

	viaTrace, viaRequest, viaCorrelation link
	bits                                 marks
}

// marks are what else there is to say of an entry.
type marks uint8

const (
	kindBits marks = 0x7 // of index.kinds
	bitWrite marks = 1 << (iota + 2)
	bitHeld        // its answers came of evidence that is not here, and stay
	bitDirty       // its answers may have to become others
	bitFresh       // added by the Add at work, or loaded since the last
	bitDead        // forgotten; its place is kept until its step of time is over
)

func (e *entry) has(b marks) bool { return e.bits&b != 0 }

// more holds the keys that few records have.
type more struct {
	access               uint32 // the node of the key that a call was made with
	prevUser, nextUser   uint32 // entries with the same access key
	issued               uint32 // the node of the key that it handed out
	origin               uint32 // the node of who is behind the access key: the answer of rung 5
	firstShown, firstSet uint32 // in index.shown and index.placed
}

// shown is one message id on one entry.
type shown struct {
	entry, message                      uint32
	nextOfEntry, nextOfMsg, nextOfTrace uint32 // nextOfTrace of those that show a trace
}

// placed is one resource by which rung 1 joins an entry.
type placed struct{ place, next uint32 }

// answer is what the ladder gave an entry.
type answer struct {
	trace, request, correlation, origin  uint32
	viaTrace, viaRequest, viaCorrelation link
}

// link is fleet.Link in one byte: 1 + the index in rungs, and whether it is
// inferred. The zero link means that there is no key.
type link uint8

const inferred link = 0x80

func (l link) rung() link { return l &^ inferred }

// rungs is read only; a link names its rung by the place in it.
var rungs = fleet.Rungs()

// linkOf makes links of the names in fleet.
func linkOf(l fleet.Link) link {
	out := link(slices.Index(rungs, l.Via) + 1)
	if l.Sure == fleet.Inferred {
		out |= inferred
	}
	return out
}

func (l link) fleet() fleet.Link {
	if l.rung() == 0 {
		return fleet.Link{}
	}
	out := fleet.Link{Via: rungs[l.rung()-1], Sure: fleet.Exact}
	if l&inferred != 0 {
		out.Sure = fleet.Inferred
	}
	return out
}

// seen is the link of a key that may be there, shown by the record itself.
func seen(key uint32) link {
	if key == 0 {
		return 0
	}
	return linkSeen
}

func (e *entry) seenTrace() bool       { return e.viaTrace == linkSeen }
func (e *entry) seenRequest() bool     { return e.viaRequest == linkSeen }
func (e *entry) seenCorrelation() bool { return e.viaCorrelation == linkSeen }

// answered is what an entry was given so far.
func (x *index) answered(e *entry) answer {
	a := answer{
		trace: e.trace, request: e.request, correlation: e.correlation,
		viaTrace: e.viaTrace, viaRequest: e.viaRequest, viaCorrelation: e.viaCorrelation,
	}
	if e.more != 0 {
		a.origin = x.extras.at(e.more).origin
	}
	return a
}

// read makes an entry of what a record shows, in a place that is free. c is its id.
func (x *index) read(i uint32, r *fleet.Record, id *code) {
	e := x.entries.at(i)
	e.timeUS, e.revision = r.TimeUS(), int32(r.Revision)
	e.bits = e.bits&^(kindBits|bitWrite|bitHeld|bitDead) | x.kindOf(r.Kind)
	e.id = x.keep(id)
	e.trace = x.intern(spaceTrace, r.Seen.Trace)
	e.request = x.internRequest(r.Seen.Scope, r.Seen.Request)
	e.correlation = x.intern(spaceWord, r.Seen.Correlation)
	e.viaTrace, e.viaRequest, e.viaCorrelation = seen(e.trace), seen(e.request), seen(e.correlation)
	if e.request != 0 && r.Seen.Scope == fleet.ScopeAWS && r.Write() {
		e.bits |= bitWrite
	}
	if e.has(bitWrite) || x.touched(e) {
		for at, name := range r.Resources {
			if strings.HasPrefix(name, canonical) && !slices.Contains(r.Resources[:at], name) {
				m, p := x.moreOf(e), x.placed.alloc()
				*x.placed.at(p) = placed{x.intern(spacePlace, r.Account+"\x00"+r.Region+"\x00"+name), m.firstSet}
				m.firstSet = p
			}
		}
	}
	for at, message := range r.Seen.Messages {
		if message != "" && !slices.Contains(r.Seen.Messages[:at], message) {
			m, s := x.moreOf(e), x.shown.alloc()
			*x.shown.at(s) = shown{entry: i, message: x.intern(spaceMessage, message), nextOfEntry: m.firstShown}
			m.firstShown = s
		}
	}
	if r.Seen.AccessKey != "" {
		x.moreOf(e).access = x.intern(spaceAccess, r.Seen.AccessKey)
	}
	if r.Seen.IssuedKey != "" {
		x.moreOf(e).issued = x.intern(spaceAccess, r.Seen.IssuedKey)
	}
}

// canonical is how the resources begin by which rung 1 joins.
const canonical = "AWS::"

func (x *index) moreOf(e *entry) *more {
	if e.more == 0 {
		e.more = x.extras.alloc()
	}
	return x.extras.at(e.more)
}

// free gives back all that an entry holds; nothing leads to it any more.
func (x *index) free(e *entry) {
	x.drop(e.id)
	x.release(e.trace)
	x.release(e.request)
	x.release(e.correlation)
	if e.more != 0 {
		m := x.extras.at(e.more)
		for s := m.firstShown; s != 0; {
			next := x.shown.at(s).nextOfEntry
			x.release(x.shown.at(s).message)
			x.shown.release(s)
			s = next
		}
		for p := m.firstSet; p != 0; {
			next := x.placed.at(p).next
			x.release(x.placed.at(p).place)
			x.placed.release(p)
			p = next
		}
		x.release(m.access)
		x.release(m.issued)
		x.release(m.origin)
		x.extras.release(e.more)
	}
	*e = entry{nextAge: e.nextAge, bits: e.bits & (bitFresh | bitDirty)}
}

// kindOf is the number of a kind. There are five, and room for three that a
// later muster may have written.
func (x *index) kindOf(k fleet.Kind) marks {
	n := slices.Index(x.kinds, k)
	if n < 0 {
		n = len(x.kinds)
		if n > int(kindBits) {
			return kindBits
		}
		x.kinds = append(x.kinds, k)
	}
	return marks(n)
}

func (x *index) kind(e *entry) fleet.Kind { return x.kinds[e.bits&kindBits] }

// The numbers of kinds that the ladder treats in their own way.
var (
	kindSpan    = marks(slices.Index(fleet.Kinds(), fleet.KindSpan))
	kindChange  = marks(slices.Index(fleet.Kinds(), fleet.KindChange))
	kindVerdict = marks(slices.Index(fleet.Kinds(), fleet.KindVerdict))
)

func (e *entry) isSpan() bool { return e.bits&kindBits == kindSpan }

// touched reports whether an entry is a change whose request nobody wrote down,
// so that rung 1 looks for the write behind it.
func (x *index) touched(e *entry) bool {
	k := e.bits & kindBits
	return (k == kindChange || k == kindVerdict) && !e.seenRequest()
}

// borrows reports whether an entry looks for its trace by request id.
func (e *entry) borrows() bool { return !e.seenTrace() && !e.isSpan() }

// lends reports whether an entry gives its trace to those that share its request id.
func (e *entry) lends() bool { return e.seenTrace() && e.isSpan() && e.seenRequest() }

// messages yields what an entry shows.
func (x *index) messages(e *entry) func(yield func(*shown) bool) {
	return func(yield func(*shown) bool) {
		if e.more == 0 {
			return
		}
		for s := x.extras.at(e.more).firstShown; s != 0; {
			m := x.shown.at(s)
			s = m.nextOfEntry
			if !yield(m) {
				return
			}
		}
	}
}

// places yields the nodes of the resources by which rung 1 joins an entry.
func (x *index) places(e *entry) func(yield func(uint32) bool) {
	return func(yield func(uint32) bool) {
		if e.more == 0 {
			return
		}
		for p := x.extras.at(e.more).firstSet; p != 0; p = x.placed.at(p).next {
			if !yield(x.placed.at(p).place) {
				return
			}
		}
	}
}

// spellID appends an entry's id.
func (x *index) spellID(b []byte, e *entry) []byte {
	if e.id.form() == formSpan {
		b = append(x.spell(b, x.nodes.at(e.trace).text), '/')
	}
	return x.spell(b, e.id)
}

// before orders entries: the earlier first, then the smaller id, as
// fleet.Compare does, and by kind where one id is on records of two kinds.
func (x *index) before(a, b uint32) bool { return x.order(a, b) < 0 }

func (x *index) order(a, b uint32) int {
	p, q := x.entries.at(a), x.entries.at(b)
	switch {
	case p.timeUS < q.timeUS:
		return -1
	case p.timeUS > q.timeUS:
		return 1
	case a == b:
		return 0
	}
	if c := x.compareIDs(p, q); c != 0 {
		return c
	}
	return strings.Compare(string(x.kind(p)), string(x.kind(q)))
}

func (x *index) compareIDs(p, q *entry) int {
	if f := p.id.form(); f == q.id.form() && (f == formUUID || f == formHex || f == formDigits || f == formLog) {
		return slices.Compare(x.words(p.id), x.words(q.id)) // as their letters do
	}
	var a, b [2 * maxWords * 8]byte
	return bytes.Compare(x.spellID(a[:0], p), x.spellID(b[:0], q))
}

// dayUS is a day in microseconds.
const dayUS = 24 * 60 * 60 * 1_000_000

// floorDiv divides towards the past, also before 1970.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
