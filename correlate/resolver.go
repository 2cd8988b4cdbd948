package correlate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// Resolver climbs the ladder as evidence arrives. Whatever arrives in whatever
// order and batches, the answers given with each record, as amended since, are
// those of one Resolve of all of it, so long as nothing arrives later than the
// horizon allows and the bound is not reached.
//
// It holds its answers to be kept: after an Add whose records did not reach the
// store, start over with a new Resolver. Not for use by several goroutines at
// once.
//
// What an Add costs grows with what it changes, not with what it joins. An
// entry takes 48 bytes, 8 to 24 for its id, about 7 in the table of ids, 28 if
// it shows messages, resources or an access key, and its share of the keys: 32
// bytes and mostly 16 for each. BenchmarkAdd measures both.
type Resolver struct {
	index
	known     hashes // of entries, by identity
	ages      ages
	horizonUS int64
	bound     Bound
	loaded    []uint32 // since the last Add
	fresh     []uint32 // the entries of the Add at work, by record
	filed     []bool   // those of fresh that were not known
	changed   map[uint32]answer
	count     int
	forgotten int
	losses    []Loss
}

// Bound limits what a Resolver remembers; beyond it the oldest entries go, by
// the time of the event. Zero is no limit.
type Bound struct {
	Entries int
	Bytes   int
}

// NewResolver makes a Resolver that remembers evidence for at least the horizon:
// an entry is forgotten once it, and all that it is joined to, lie further than
// that behind the newest. With a horizon of zero it forgets only by the bound,
// as an import of files in no order of time needs it.
func NewResolver(horizon time.Duration, bound Bound) *Resolver {
	return &Resolver{
		index: newIndex(), ages: newAges(horizon), horizonUS: horizon.Microseconds(), bound: bound,
		changed: map[uint32]answer{},
	}
}

// Narrow sets another horizon; what lies beyond it is forgotten by the next Add
// or Load. A longer one brings nothing back.
func (r *Resolver) Narrow(horizon time.Duration) { r.horizonUS = horizon.Microseconds() }

// Len is how many records are remembered.
func (r *Resolver) Len() int { return r.count }

// Bytes is the memory that remembering takes, spare room apart.
func (r *Resolver) Bytes() int { return r.bytes() + len(r.known.slots)*5 }

// Forgotten is how many records were remembered once and are no longer. A later
// record that belongs to one of them does not find it.
func (r *Resolver) Forgotten() int { return r.forgotten }

// Load takes in records that are resolved and kept already, in as many calls as
// it takes before the next Add: those of the last horizon, and for their
// sessions those of the last 36 hours that handed out a key. A record that is
// known at the same or a higher revision is passed over. Load amends nothing,
// and where an answer came of evidence that is not loaded, no later Add amends
// it either, since doing without that evidence would take the answer back.
func (r *Resolver) Load(rs []fleet.Record) {
	for i := range rs {
		at, is := r.place(&rs[i])
		if !is {
			continue
		}
		r.recollect(at, &rs[i].Keys)
		r.enter(at)
		r.issue(at, rs[i].Principal)
		r.loaded = append(r.loaded, at)
	}
	// Who is behind a key may lie before what is loaded: its users keep their answer.
	for _, key := range r.keys {
		r.release(key)
	}
	r.keys = r.keys[:0]
	r.forget()
	r.collect()
	clear(r.spellings)
}

// recollect gives an entry the answers that it had.
func (r *Resolver) recollect(i uint32, k *fleet.Keys) {
	e := r.entries.at(i)
	e.bits |= bitFresh
	if via := linkOf(k.TraceLink); !e.seenTrace() && k.Trace != "" && via.rung() != linkSeen {
		e.trace, e.viaTrace = r.intern(spaceTrace, k.Trace), via
	}
	if via := linkOf(k.RequestLink); !e.seenRequest() && k.Request != "" && via.rung() != linkSeen {
		e.request, e.viaRequest = r.internRequest(k.Scope, k.Request), via
	}
	if via := linkOf(k.CorrelationLink); !e.seenCorrelation() && k.Correlation != "" && via.rung() != linkSeen {
		e.correlation, e.viaCorrelation = r.intern(spaceWord, k.Correlation), via
	}
	if k.Origin != "" && e.more != 0 {
		r.extras.at(e.more).origin = r.intern(spaceWord, k.Origin)
	}
}

// hold finds out which of the entries loaded have answers that do not follow
// from what is here, now that all of it is. The others that they change wait
// for the next Add.
func (r *Resolver) hold() {
	if len(r.loaded) == 0 {
		return
	}
	for _, i := range r.loaded {
		e := r.entries.at(i)
		if e.has(bitDead) || !e.has(bitFresh) {
			continue // forgotten since, or revised
		}
		r.dirty(i)
		if e.trace != 0 {
			r.dirtyTrace(e.trace)
		}
	}
	later := r.judge(func(e *entry) bool { return e.has(bitFresh) })
	for _, i := range r.loaded {
		r.entries.at(i).bits &^= bitFresh
	}
	r.loaded = r.loaded[:0]
	for _, i := range later {
		r.dirty(i)
	}
}

// judge settles what is dirty without a change to any answer. Of the entries
// whose answers are not those that follow now, it holds the ones that it is to,
// and those that were held; the others it returns. What follows is held no more.
func (r *Resolver) judge(holds func(*entry) bool) (others []uint32) {
	r.spreadDirt()
	look := func(i uint32) {
		e := r.entries.at(i)
		if e.has(bitDead) {
			return
		}
		request, viaRequest, trace, viaTrace := r.climb(e)
		word, via := r.wordFor(e)
		same := request == e.request && viaRequest == e.viaRequest && trace == e.trace && viaTrace == e.viaTrace &&
			word == e.correlation && via == e.viaCorrelation
		switch {
		case same:
			e.bits &^= bitHeld
		case holds(e) || e.has(bitHeld):
			e.bits |= bitHeld
		default:
			others = append(others, i)
		}
	}
	for _, t := range r.nameTraces() {
		for i := r.nodes.at(t).first; i != 0; i = r.entries.at(i).nextTrace {
			look(i)
		}
		r.release(t)
	}
	for _, i := range r.dirtied {
		r.entries.at(i).bits &^= bitDirty
		look(i)
	}
	r.dirtied = r.dirtied[:0]
	return others
}

// Add resolves fresh records, which are new or newer revisions, in place, and
// returns amendments for earlier records whose answers they change, in order of
// time. A record that is known at the same or a higher revision changes nothing
// and is given the keys of the one known.
func (r *Resolver) Add(fresh []fleet.Record) []fleet.Amendment {
	r.hold()
	r.fresh, r.filed = r.fresh[:0], r.filed[:0]
	for i := range fresh {
		at, is := r.place(&fresh[i])
		r.fresh, r.filed = append(r.fresh, at), append(r.filed, is)
		if is {
			r.entries.at(at).bits |= bitFresh
			r.enter(at)
			r.issue(at, fresh[i].Principal)
		}
	}
	before := func(i uint32, was answer) {
		if r.entries.at(i).has(bitFresh) {
			return
		}
		if _, known := r.changed[i]; !known {
			r.changed[i] = was
		}
	}
	r.settle(before)
	r.traceOrigins(before)
	for i, at := range r.fresh {
		if r.filed[i] {
			r.setOrigin(at)
		}
	}
	for i, at := range r.fresh {
		// Of two revisions in one batch the entry was read of the newer.
		r.answer(at, &fresh[i], r.filed[i] && int(r.entries.at(at).revision) == fresh[i].Revision)
	}
	for _, at := range r.fresh {
		r.entries.at(at).bits &^= bitFresh
	}
	amended := r.amendments()
	r.forget()
	r.collect()
	clear(r.spellings)
	return amended
}

// place finds the entry of a record, or makes it. It reports whether the entry
// is to be filed, because it is new or of a newer revision; the entry of an
// older one was taken out of all lists then, and what took from it is dirty.
func (r *Resolver) place(rec *fleet.Record) (i uint32, fresh bool) {
	var id code
	hash, i := r.find(rec, &id)
	if i == 0 {
		i = r.entries.alloc()
		r.read(i, rec, &id)
		if id.form == formSpan { // it may be the first of its trace
			hash = r.hashID(i)
		}
		r.known.add(hash, i, r.hashIDs)
		r.ages.add(r, i, r.entries.at(i).timeUS)
		r.count++
		return i, true
	}
	e := r.entries.at(i)
	if int(e.revision) >= rec.Revision {
		return i, false
	}
	r.remove([]uint32{i})
	r.recall(e)
	r.known.remove(hash, i)
	wasFresh := e.bits & bitFresh
	r.free(e)
	r.spanCode(rec, &id)
	r.read(i, rec, &id)
	e.bits |= wasFresh
	r.known.add(r.hashID(i), i, r.hashIDs)
	return i, true
}

// spanCode is the id of a record as a code. That of a span goes on from its trace.
func (r *Resolver) spanCode(rec *fleet.Record, id *code) (isSpan bool) {
	if t := rec.Seen.Trace; t != "" && len(rec.ID) == len(t)+1+16 && rec.ID[len(t)] == '/' && rec.ID[:len(t)] == t {
		if w, ok := hexWord(rec.ID[len(t)+1:]); ok {
			id.form, id.words[0], id.long = formSpan, w, ""
			return true
		}
	}
	if id.set(rec.ID); id.form == formNone {
		id.setPlain("") // an entry in use has a text
	}
	return false
}

// find looks for the entry that a record is known by: that of its id among those
// of its kind and UTC day, as in the stores. A revision that says another day is
// another record.
func (r *Resolver) find(rec *fleet.Record, id *code) (hash uint64, i uint32) {
	day, kind := floorDiv(rec.TimeUS(), dayUS), r.kindOf(rec.Kind)
	trace := uint32(0)
	if r.spanCode(rec, id) {
		if trace = r.lookup(spaceTrace, rec.Seen.Trace); trace == 0 {
			return 0, 0
		}
	}
	hash = finish(id.hash(mix(mix(r.seed, uint64(day)<<8|uint64(kind)), uint64(trace))))
	return hash, r.known.find(hash, func(i uint32) bool {
		e := r.entries.at(i)
		return e.bits&kindBits == kind && r.is(e.id, id) && (trace == 0 || e.trace == trace) &&
			floorDiv(e.timeUS, dayUS) == day
	})
}

func (r *Resolver) hashID(i uint32) uint64 {
	e := r.entries.at(i)
	trace := uint32(0)
	if e.id.form() == formSpan {
		trace = e.trace
	}
	var id code
	r.codeOf(e.id, &id)
	day := floorDiv(e.timeUS, dayUS)
	return finish(id.hash(mix(mix(r.seed, uint64(day)<<8|uint64(e.bits&kindBits)), uint64(trace))))
}

func (r *Resolver) hashIDs(put func(uint64, uint32)) {
	for i := uint32(1); i < r.entries.next; i++ {
		if r.entries.at(i).id != 0 {
			put(r.hashID(i), i)
		}
	}
}

// amendments spells the changes to what was there before.
func (r *Resolver) amendments() []fleet.Amendment {
	var out []fleet.Amendment
	var id [2 * maxWords * 8]byte
	for i, was := range r.changed {
		e := r.entries.at(i)
		if e.has(bitDead) || r.answered(e) == was {
			continue
		}
		a := fleet.Amendment{Ref: fleet.Ref{
			ID: string(r.spellID(id[:0], e)), Kind: r.kind(e), Time: time.UnixMicro(e.timeUS).UTC(),
		}}
		r.fill(e, &a.Keys, &fleet.Keys{})
		out = append(out, a)
	}
	clear(r.changed)
	slices.SortFunc(out, func(x, y fleet.Amendment) int {
		return cmp.Or(x.Ref.Time.Compare(y.Ref.Time), strings.Compare(x.Ref.ID, y.Ref.ID))
	})
	return out
}
