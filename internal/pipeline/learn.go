package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"muster/correlate"
	"muster/fleet"
)

// loadBatch is how many records of the lake are handed to the resolver at a
// time: enough to make the call cheap, few enough to hold in memory.
const loadBatch = 10_000

const (
	// minHorizon is the least that is looked around a record: CloudTrail's usual
	// delay of five minutes, three times.
	minHorizon = 15 * time.Minute
	// mostPortions bounds how often the lake is read for one commit's records,
	// in horizons.
	mostPortions = 8
)

// JoinStream is the stream of the ledger's entries on joins that are not complete.
const JoinStream = fleet.JoinStream

// forget throws away what the resolver knows; the next commit reads it again.
func (l *Line) forget() {
	l.resolver, l.base, l.known = nil, 0, fleet.Window{}
}

// reach is the horizon in use.
func (l *Line) reach() time.Duration {
	if l.Horizon == 0 {
		return DefaultHorizon
	}
	return l.Horizon
}

// looks is how far around a record's time evidence is looked for now.
func (l *Line) looks() time.Duration {
	if l.narrowed != 0 {
		return l.narrowed
	}
	return l.reach()
}

// bound is how much the resolver may remember.
func (l *Line) bound() correlate.Bound {
	b := correlate.Bound{Entries: l.MaxEntries, Bytes: l.MaxBytes}
	if b == (correlate.Bound{}) {
		b.Bytes = DefaultMaxBytes
	}
	if b.Entries == 0 {
		b.Entries = math.MaxInt32
	}
	if b.Bytes == 0 {
		b.Bytes = math.MaxInt
	}
	return b
}

// portion is the part of some fresh records that is resolved at once. The
// resolver forgets what lies further back than it is told to remember, so evidence of many
// days goes through it in the order of time, in portions of half a horizon.
type portion struct {
	first, last time.Time
	places      []int // in the fresh records; nil when it is all of them
}

// remembered is how long the resolver must remember for a portion and what lies
// within the horizon on both sides of it.
func remembered(horizon time.Duration) time.Duration { return 2*horizon + horizon/2 }

// portions cuts records by their times. The common case, evidence of one time,
// stays as it is.
func portions(fresh []fleet.Record, length time.Duration) []portion {
	if len(fresh) == 0 {
		return nil
	}
	all := portion{first: fresh[0].Time, last: fresh[0].Time}
	for i := range fresh {
		if t := fresh[i].Time; t.Before(all.first) {
			all.first = t
		} else if t.After(all.last) {
			all.last = t
		}
	}
	if all.last.Sub(all.first) <= length {
		return []portion{all}
	}
	places := make([]int, len(fresh))
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, func(a, b int) int { return fresh[a].Time.Compare(fresh[b].Time) })
	var cut []portion
	for from := 0; from < len(places); {
		p := portion{first: fresh[places[from]].Time}
		n, _ := slices.BinarySearchFunc(places[from:], p.first.Add(length), func(i int, end time.Time) int {
			return cmp.Or(fresh[i].Time.Compare(end), -1) // the end belongs to it
		})
		p.places = places[from : from+n]
		p.last = fresh[p.places[n-1]].Time
		cut = append(cut, p)
		from += n
	}
	return cut
}

// resolve joins fresh records, in place, with each other and with what is live
// at base within the horizon of each of them, and returns what that changes for
// live records. Where more lies within the horizon than the resolver may
// remember, it looks less far, and says so in the ledger.
func (l *Line) resolve(ctx context.Context, base fleet.Snapshot, fresh []fleet.Record) ([]fleet.Amendment, []fleet.LedgerEntry, error) {
	for {
		all, amendments, err := l.resolveWithin(ctx, base, fresh)
		if err != nil {
			return nil, nil, err
		}
		n := slices.IndexFunc(l.losses, func(loss correlate.Loss) bool { return loss.Reason == correlate.LossBound })
		if n < 0 || !l.narrow(all, l.losses[n].Window.Start) {
			return amendments, l.lost(all, l.losses), nil
		}
		if end := l.losses[n].Window.End; !end.After(l.from(all)) {
			// Nothing that is looked at now was forgotten: no need to read it again.
			l.resolver.Narrow(remembered(l.looks()))
			l.known = fleet.Window{Start: latest(l.known.Start, end), End: l.until(all)}
			return amendments, l.lost(all, slices.Delete(l.losses, n, n+1)), nil
		}
		l.resolver = nil // again, over less
	}
}

// narrow halves how far is looked for what joins, until less is remembered than
// from oldest on, for which there was no room, unless that would cut the fresh
// records themselves, which lie from all.first to all.last, into so many
// portions that each reads the lake for a few of them.
func (l *Line) narrow(all portion, oldest time.Time) bool {
	possible := func(looks time.Duration) bool {
		return looks >= minHorizon && all.last.Sub(all.first) <= mostPortions*looks
	}
	next := l.looks() / 2
	if !possible(next) {
		return false
	}
	for remembered(next) > all.last.Sub(oldest) && possible(next/2) {
		next /= 2
	}
	l.narrowed, l.narrowedAt = next, all.first
	return true
}

// widen goes back to the whole horizon once it is a horizon from where there was
// too much, and little is remembered. Not sooner: finding out that there still is
// too much costs reading all of it.
func (l *Line) widen(all portion) {
	b, far := l.bound(), all.first.Sub(l.narrowedAt).Abs() > l.reach()
	if l.narrowed != 0 && far && l.resolver.Len() < b.Entries/8 && l.resolver.Bytes() < b.Bytes/8 {
		l.narrowed = 0
	}
}

// lost spells what was not looked for, or not remembered, and counts it.
func (l *Line) lost(all portion, losses []correlate.Loss) []fleet.LedgerEntry {
	var out []fleet.LedgerEntry
	if l.narrowed != 0 && !all.first.IsZero() {
		out = append(out, fleet.LedgerEntry{
			Stream: JoinStream, Window: fleet.Window{Start: all.first, End: all.last.Add(time.Microsecond)},
			Coverage: fleet.Partial, Reason: correlate.LossBound,
			Detail: fmt.Sprintf("evidence was joined with what lies within %v of it instead of %v: there is more of it than may be remembered; muster resolve joins the rest",
				l.narrowed, l.reach()),
		})
	}
	for _, loss := range losses {
		l.Metrics.Forgotten.WithLabelValues(loss.Reason).Add(float64(loss.Records))
		out = append(out, fleet.LedgerEntry{
			Stream: JoinStream, Window: loss.Window, Coverage: fleet.Partial, Reason: loss.Reason, Records: loss.Records,
			Detail: lossDetails[loss.Reason],
		})
	}
	if l.resolver != nil {
		l.Metrics.Remembered.Set(float64(l.resolver.Len()))
		l.Metrics.RememberedBytes.Set(float64(l.resolver.Bytes()))
		l.widen(all)
	}
	return out
}

var lossDetails = map[string]string{
	correlate.LossBound:   "forgotten for want of room, the oldest first: later evidence that belongs to it was not joined; muster resolve joins it",
	correlate.LossHorizon: "forgotten since what it is joined to goes on for longer than is remembered; its joins stay",
}

// resolveWithin is resolve, as far as is looked now. It also tells from when to
// when the fresh records are, and leaves in l.losses what was forgotten.
func (l *Line) resolveWithin(ctx context.Context, base fleet.Snapshot, fresh []fleet.Record) (portion, []fleet.Amendment, error) {
	l.losses = nil
	ps := portions(fresh, l.looks()/2)
	var all portion
	if len(ps) > 0 {
		all = portion{first: ps[0].first, last: ps[len(ps)-1].last}
	}
	single := len(ps) < 2
	var amendments []fleet.Amendment
	for len(ps) > 0 {
		n := 1 // portions of which each lies near the one before
		for n < len(ps) && !ps[n].first.After(ps[n-1].last.Add(2*l.looks())) {
			n++
		}
		some, err := l.join(ctx, base, fresh, ps[:n])
		if err != nil {
			return all, nil, err
		}
		amendments = append(amendments, some...)
		ps = ps[n:]
		l.losses = append(l.losses, l.resolver.Losses()...)
	}
	if single {
		return all, amendments, nil
	}
	return all, settle(fresh, amendments), nil
}

// join resolves portions that lie near each other, while it reads the lake
// about them once, in the order of time. Records that this line committed
// itself are known already.
func (l *Line) join(ctx context.Context, base fleet.Snapshot, fresh []fleet.Record, ps []portion) ([]fleet.Amendment, error) {
	need := fleet.Window{Start: l.from(ps[0]), End: l.until(ps[len(ps)-1])}
	if l.resolver == nil || need.Start.Before(l.known.Start) || need.Start.After(l.known.End) {
		l.resolver = correlate.NewResolver(remembered(l.looks()), l.bound())
		l.base, l.known = base, fleet.Window{Start: need.Start, End: need.Start}
	}
	var amendments []fleet.Amendment
	add := func() {
		amendments = append(amendments, l.add(fresh, ps[0])...)
		ps = ps[1:]
	}
	load := fleet.Window{Start: l.known.End, End: need.End}
	if load.Start.Before(load.End) && base != 0 {
		batch := make([]fleet.Record, 0, loadBatch)
		for r, err := range l.Lake.Records(ctx, fleet.Query{Window: load, Lean: true}) {
			if err != nil {
				return nil, fmt.Errorf("read back %s to %s for joining: %w",
					fleet.FormatTime(load.Start), fleet.FormatTime(load.End), err)
			}
			for len(ps) > 1 && !r.Time.Before(l.until(ps[0])) {
				l.resolver.Load(batch)
				batch = batch[:0]
				add()
			}
			r.Raw = nil // joins never look at it, and a store may hand it over
			if batch = append(batch, r); len(batch) == loadBatch {
				l.resolver.Load(batch)
				batch = batch[:0]
			}
		}
		l.resolver.Load(batch)
	}
	for len(ps) > 0 {
		add()
	}
	l.know(need.End)
	return amendments, nil
}

// from is the beginning of what bears on a portion, or a little before it, as far
// as what is remembered allows: CloudTrail's whole seconds lie before the spans
// that came first, and would start a new resolver, which reads all of an import
// back. That took a fifth of it.
func (l *Line) from(p portion) time.Time {
	return p.first.Add(-l.looks()).Truncate(min(time.Hour, l.looks()/4))
}

// until is the end, excluded, of what bears on a portion. Records that lie
// exactly a horizon apart join, whichever comes first.
func (l *Line) until(p portion) time.Time { return p.last.Add(l.looks() + time.Microsecond) }

// know says up to when the lake has been read. The resolver forgets what lies
// further back than remembered, so what is known ends there too: evidence from
// before that starts a new resolver about its own time.
func (l *Line) know(end time.Time) {
	if end.After(l.known.End) {
		l.known.End = end
	}
	l.known.Start = latest(l.known.Start, l.known.End.Add(-remembered(l.looks())))
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// add resolves one portion.
func (l *Line) add(fresh []fleet.Record, p portion) []fleet.Amendment {
	if p.places == nil {
		return l.resolver.Add(fresh)
	}
	some := make([]fleet.Record, len(p.places))
	for i, at := range p.places {
		some[i] = fresh[at]
	}
	amendments := l.resolver.Add(some)
	for i, at := range p.places {
		fresh[at].Keys = some[i].Keys
	}
	return amendments
}

// settle writes what later portions changed for records of earlier ones into
// these, and returns the rest, each record once with its last answer.
func settle(fresh []fleet.Record, amendments []fleet.Amendment) []fleet.Amendment {
	places := make(map[fleet.Ref]int, len(fresh))
	for i := range fresh {
		places[fleet.Ref{ID: fresh[i].ID, Kind: fresh[i].Kind, Time: fresh[i].Time.UTC()}] = i
	}
	var rest []fleet.Amendment
	at := map[fleet.Ref]int{}
	for _, a := range amendments {
		if i, ok := places[a.Ref]; ok {
			fresh[i].Keys.Amend(&a.Keys)
		} else if i, again := at[a.Ref]; again {
			rest[i] = a
		} else {
			at[a.Ref] = len(rest)
			rest = append(rest, a)
		}
	}
	return rest
}
