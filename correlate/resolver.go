package correlate

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// Resolver climbs the ladder as evidence arrives. Whatever arrives in whatever
// order and batches, the answers given with each record, as amended since, are
// those of one Resolve of all of it, so long as nothing arrives later than the
// horizon allows.
//
// It holds its answers to be kept: after an Add whose records did not reach the
// store, start over with a new Resolver. Not for use by several goroutines at
// once.
//
// An Add costs about three microseconds for each record, and one for each
// earlier record in the traces and journeys that it belongs to. An entry takes
// about 480 bytes, whatever the size of its record. BenchmarkAdd measures both.
type Resolver struct {
	index
	entries   map[identity]*entry
	issuers   issuers
	ages      ages
	loaded    []*entry // since the last Add
	horizonUS int64
	forgotten int
}

// NewResolver makes a Resolver that remembers evidence for at least the horizon:
// an entry is forgotten once it, and all that it is joined to, lie further than
// that behind the newest. With a horizon of zero it never forgets, as an import
// of files in no order of time needs it.
func NewResolver(horizon time.Duration) *Resolver {
	return &Resolver{
		index: newIndex(), entries: map[identity]*entry{}, issuers: issuers{},
		ages: newAges(horizon), horizonUS: horizon.Microseconds(),
	}
}

// Len is how many records are remembered.
func (r *Resolver) Len() int { return len(r.entries) }

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
		k := &rs[i].Keys
		e := newEntry(&rs[i])
		e.answer = answer{
			ofTrace: k.Trace, ofRequest: request{k.Scope, k.Request}, ofCorrelation: k.Correlation,
			viaTrace: linkOf(k.TraceLink), viaRequest: linkOf(k.RequestLink), viaCorrelation: linkOf(k.CorrelationLink),
		}
		if e.more != nil {
			e.more.origin = k.Origin
		}
		if known := r.entries[e.identity()]; known != nil {
			if known.revision >= e.revision {
				continue
			}
			r.leave(known)
		}
		r.enter(e)
		r.loaded = append(r.loaded, e)
	}
	r.forget()
}

// hold finds out which of the entries loaded have answers that do not follow
// from what is here, now that all of it is.
func (r *Resolver) hold() {
	if len(r.loaded) == 0 {
		return
	}
	judged := map[*entry]struct{}{}
	for _, e := range r.loaded {
		if r.entries[e.identity()] == e {
			judged[e] = struct{}{}
		}
	}
	r.loaded = nil
	hood := r.reach(slices.Collect(maps.Keys(judged)))
	before := answersOf(hood)
	climb(hood)
	for i, e := range hood {
		if _, ok := judged[e]; ok || e.held {
			e.held = e.answer != before[i]
		}
		e.answer = before[i]
	}
}

func answersOf(es []*entry) []answer {
	out := make([]answer, len(es))
	for i, e := range es {
		out[i] = e.answer
	}
	return out
}

// Add resolves fresh records, which are new or newer revisions, in place, and
// returns amendments for earlier records whose answers they change, in order of
// time. A record that is known at the same or a higher revision changes nothing
// and is given the keys of the one known.
func (r *Resolver) Add(fresh []fleet.Record) []fleet.Amendment {
	a := addition{Resolver: r, seeds: map[*entry]struct{}{}, fresh: map[*entry]struct{}{}, keys: map[string]struct{}{}}
	r.hold()
	for i := range fresh {
		a.take(&fresh[i])
	}
	changed := a.climb()
	a.traceOrigins(changed)
	for i := range fresh {
		fresh[i].Keys = r.entries[identityOf(&fresh[i])].keys()
	}
	amended := a.amendments(changed)
	r.forget()
	return amended
}

// enter begins to remember an entry.
func (r *Resolver) enter(e *entry) (issuerChanged bool) {
	e.own()
	r.entries[e.identity()] = e
	r.index.enter(e)
	r.ages.add(e)
	return r.issuers.add(e)
}

// leave undoes enter, but for the entry's place in ages, which finds out by itself.
func (r *Resolver) leave(e *entry) (issuerChanged bool) {
	delete(r.entries, e.identity())
	r.index.leave(e)
	return r.issuers.remove(e)
}

// addition is the work of one Add.
type addition struct {
	*Resolver
	seeds map[*entry]struct{} // whose answers may have changed first
	fresh map[*entry]struct{}
	keys  map[string]struct{} // access keys with another issuer than before
}

// take puts one record in its place. What it leaves and what it joins are seeds.
func (a *addition) take(r *fleet.Record) {
	e := newEntry(r)
	if known := a.entries[e.identity()]; known != nil {
		if known.revision >= e.revision {
			return
		}
		for _, n := range a.neighbours(known) {
			a.seeds[n] = struct{}{}
		}
		delete(a.seeds, known)
		if a.leave(known) {
			a.keys[known.more.issued] = struct{}{}
		}
	}
	if a.enter(e) {
		a.keys[e.more.issued] = struct{}{}
	}
	a.seeds[e], a.fresh[e] = struct{}{}, struct{}{}
}

// climb resolves what the seeds reach, and returns the entries whose answers
// have become others.
func (a *addition) climb() map[*entry]struct{} {
	from := make([]*entry, 0, len(a.seeds))
	for e := range a.seeds {
		from = append(from, e)
	}
	hood := a.reach(from)
	before := answersOf(hood)
	climb(hood)
	changed := map[*entry]struct{}{}
	for i, e := range hood {
		switch {
		case e.held:
			e.answer = before[i]
		case e.answer != before[i]:
			changed[e] = struct{}{}
			a.move(e, before[i].ofTrace)
		}
	}
	return changed
}

// traceOrigins sets the origins of the fresh entries and of all that use a key
// with another issuer than before, or a key obtained with such a key.
func (a *addition) traceOrigins(changed map[*entry]struct{}) {
	for e := range a.fresh {
		a.issuers.setOrigin(e)
	}
	keys := make([]string, 0, len(a.keys))
	for k := range a.keys {
		keys = append(keys, k)
	}
	for i := 0; i < len(keys); i++ {
		for e := range a.users[keys[i]] {
			if a.issuers.setOrigin(e) {
				changed[e] = struct{}{}
			}
			if k := e.more.issued; k != "" {
				if _, known := a.keys[k]; !known {
					a.keys[k] = struct{}{}
					keys = append(keys, k)
				}
			}
		}
	}
}

// amendments spells the changes to what was not fresh.
func (a *addition) amendments(changed map[*entry]struct{}) []fleet.Amendment {
	var out []fleet.Amendment
	for e := range changed {
		if _, isFresh := a.fresh[e]; isFresh {
			continue
		}
		out = append(out, fleet.Amendment{
			Ref:  fleet.Ref{ID: e.id, Kind: e.kind, Time: time.UnixMicro(e.timeUS).UTC()},
			Keys: e.keys(),
		})
	}
	slices.SortFunc(out, func(x, y fleet.Amendment) int {
		return cmp.Or(x.Ref.Time.Compare(y.Ref.Time), strings.Compare(x.Ref.ID, y.Ref.ID))
	})
	return out
}
