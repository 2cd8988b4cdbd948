package correlate

import (
	"maps"
	"slices"
	"time"

	"muster/fleet"
)

const (
	// ageSteps is how many steps the horizon is cut into. Forgetting goes by
	// whole steps, so up to a sixteenth more than the horizon is remembered.
	ageSteps = 16
	// maxStep keeps steps short where the horizon is long, or there is none.
	maxStep = 10 * time.Minute
	// strays and strayShare are how many of the newest entries, as a number and
	// as one in so many, may carry a time from a clock gone wrong without making
	// the rest look old.
	strays     = 16
	strayShare = 100
	// restless is how many horizons an entry is kept at the longest when what
	// it is joined to goes on and on, such as a worker that never ends its
	// trace. Only what names the trace is kept longer.
	restless = 4
	// keyLife is the longest that STS lets a temporary key live (36 hours, by
	// GetSessionToken and GetFederationToken); its issuer is remembered so long.
	keyLife = 36 * time.Hour
	// slack is which part of the bound is made free when it is reached, so that
	// forgetting is not the work of every Add.
	slack = 16
)

// Loss is evidence that a Resolver had to forget though later evidence may
// still belong to it. The answers that it had stay.
type Loss struct {
	Window  fleet.Window // from the earliest event to just after the latest
	Records int
	Reason  string // fleet's word for it: LossBound or LossHorizon
}

// The reasons of a Loss.
const (
	LossBound   = "bound"   // there is room for no more
	LossHorizon = "horizon" // what it is joined to goes on for longer than is remembered
)

// Losses are those since it was asked last, one for each reason.
func (r *Resolver) Losses() []Loss {
	ls := r.losses
	r.losses = nil
	return ls
}

// lose takes note of a Loss.
func (r *Resolver) lose(reason string, is []uint32) {
	for _, i := range is {
		at := time.UnixMicro(r.entries.at(i).timeUS).UTC()
		n := slices.IndexFunc(r.losses, func(l Loss) bool { return l.Reason == reason })
		if n < 0 {
			n = len(r.losses)
			r.losses = append(r.losses, Loss{Window: fleet.Window{Start: at, End: at.Add(time.Microsecond)}, Reason: reason})
		}
		l := &r.losses[n]
		l.Records++
		if at.Before(l.Window.Start) {
			l.Window.Start = at
		}
		if !at.Before(l.Window.End) {
			l.Window.End = at.Add(time.Microsecond)
		}
	}
}

// ages sorts entries by the step of time in which to think of forgetting them.
type ages struct {
	stepUS int64
	steps  map[int64]*step
	counts int // that newest was last computed for
	last   int64
	fresh  bool // no step was made since
}

// step is a list of entries, the last added first.
type step struct {
	first uint32
	count int
}

func newAges(horizon time.Duration) ages {
	length := min(horizon/ageSteps, maxStep)
	if horizon <= 0 {
		length = maxStep
	}
	return ages{stepUS: max(length.Microseconds(), 1), steps: map[int64]*step{}}
}

func (a *ages) add(r *Resolver, i uint32, timeUS int64) {
	at := floorDiv(timeUS, a.stepUS)
	s := a.steps[at]
	if s == nil {
		s = &step{}
		a.steps[at] = s
		a.fresh = false
	}
	r.entries.at(i).nextAge = s.first
	s.first = i
	s.count++
}

// over reports whether the whole of a step lies before a time.
func (a *ages) over(step, timeUS int64) bool { return (step+1)*a.stepUS <= timeUS }

// minTime is before every record, and far enough from overflow to subtract from.
const minTime = -1 << 61

// newest is the time that all but strays lie before, rounded down to a step. It
// is computed again when there is a new step or a good part more of entries.
func (a *ages) newest(count int) int64 {
	if a.fresh && count < a.counts+strays+a.counts/strayShare {
		return a.last
	}
	total := 0
	for _, s := range a.steps {
		total += s.count
	}
	a.fresh, a.counts, a.last = true, count, minTime
	allowed := strays + total/strayShare
	for _, at := range slices.Backward(slices.Sorted(maps.Keys(a.steps))) {
		if allowed -= a.steps[at].count; allowed < 0 {
			a.last = at * a.stepUS
			break
		}
	}
	return a.last
}

// forget drops what lies further back than the horizon, and the oldest of what
// there is no room for.
func (r *Resolver) forget() {
	if r.horizonUS > 0 {
		if newest := r.ages.newest(r.count); newest != minTime {
			r.forgetBefore(newest-r.horizonUS, newest)
		}
	}
	r.forgetBeyond()
}

// forgetBefore drops entries that are joined to each other together, once the
// newest of them is old: dropping one of them alone would take back answers
// that it gave to the others.
func (r *Resolver) forgetBefore(cutoff, newest int64) {
	swept := false
	for at, s := range r.ages.steps {
		if !r.ages.over(at, cutoff) {
			continue
		}
		swept = true
		delete(r.ages.steps, at)
		postponed := map[uint32]int64{} // to when
		for i := s.first; i != 0; {
			e := r.entries.at(i)
			next := e.nextAge
			until, again := postponed[i]
			if !again && !e.has(bitDead) {
				until = r.dropAround(i, cutoff, postponed)
			}
			if e.has(bitDead) {
				r.bury(i)
			} else {
				r.ages.add(r, i, until)
			}
			i = next
		}
	}
	if swept {
		r.forgetIssuers(min(cutoff, newest-keyLife.Microseconds()))
	}
}

// dropAround drops an entry and all that it is joined to, or, where some of
// that is not old yet, postpones it; it returns to when.
func (r *Resolver) dropAround(i uint32, cutoff int64, postponed map[uint32]int64) (until int64) {
	hood := r.reach(i)
	until = minTime
	for _, n := range hood {
		until = max(until, r.entries.at(n).timeUS)
	}
	if until < cutoff {
		r.dropAll(hood)
		return until
	}
	tooOld := cutoff - (restless-1)*r.horizonUS
	var gone []uint32
	for _, n := range hood {
		if r.entries.at(n).timeUS < tooOld && !r.founder(n) {
			gone = append(gone, n)
		} else {
			postponed[n] = until
		}
	}
	if len(gone) > 0 {
		r.lose(LossHorizon, gone)
		r.dropAll(gone)
		r.holdDirty()
	}
	return until
}

// founder reports whether an entry names its trace for as long as it lasts: as
// its earliest, or its earliest with a correlation id.
func (r *Resolver) founder(i uint32) bool {
	e := r.entries.at(i)
	return e.trace != 0 && (r.nodes.at(e.trace).best == i || r.nodes.at(e.trace).donor == i)
}

// dropAll takes entries out of everything but the steps of time that they wait in.
func (r *Resolver) dropAll(is []uint32) {
	for _, i := range is {
		r.known.remove(r.hashID(i), i)
	}
	r.remove(is)
	for _, i := range is {
		r.free(r.entries.at(i))
		r.entries.at(i).bits |= bitDead
	}
	r.count -= len(is)
	r.forgotten += len(is)
}

// bury gives the place of a dead entry, which waits in no step, to others.
func (r *Resolver) bury(i uint32) {
	e := r.entries.at(i)
	if e.has(bitDirty) {
		r.dirtied = slices.DeleteFunc(r.dirtied, func(d uint32) bool { return d == i })
	}
	r.entries.release(i)
}

// holdDirty lets answers stay that what was dropped had led to.
func (r *Resolver) holdDirty() { r.judge(func(*entry) bool { return true }) }

// forgetBeyond drops the oldest entries, whatever they are joined to, until
// there is room again. The answers of those that stay, stay.
func (r *Resolver) forgetBeyond() {
	excess := r.excess()
	if excess == 0 {
		return
	}
	var gone []uint32
	for _, at := range slices.Sorted(maps.Keys(r.ages.steps)) {
		if len(gone) >= excess {
			break
		}
		s := r.ages.steps[at]
		delete(r.ages.steps, at)
		var alive []uint32
		for i := s.first; i != 0; {
			next := r.entries.at(i).nextAge
			if r.entries.at(i).has(bitDead) {
				r.bury(i)
			} else {
				alive = append(alive, i)
			}
			i = next
		}
		slices.SortFunc(alive, r.order)
		n := min(len(alive), excess-len(gone))
		gone = append(gone, alive[:n]...)
		for _, i := range alive[n:] {
			r.ages.add(r, i, at*r.ages.stepUS)
		}
	}
	r.lose(LossBound, gone)
	r.dropAll(gone)
	r.holdDirty()
	for _, i := range gone {
		r.bury(i)
	}
	r.collect()
}

// excess is how many entries are to go.
func (r *Resolver) excess() int {
	n := 0
	if b := r.bound.Entries; b > 0 && r.count > b {
		n = r.count - b + b/slack
	}
	if b := r.bound.Bytes; b > 0 {
		if bytes := r.Bytes(); bytes > b {
			n = max(n, int(float64(bytes-b+b/slack)/float64(bytes)*float64(r.count)))
		}
	}
	return min(n, r.count)
}

// reach lists an entry and all that bear on its answers or hang on them, and on
// through those. It goes only where a join is made, not wherever a key is shared:
// a request id leads from its earliest span to the borrowers, a write to the
// changes that it is the cause of, and an access key nowhere.
func (x *index) reach(from uint32) []uint32 {
	w := walk{index: x, met: map[uint32]struct{}{}, traces: map[uint32]struct{}{}}
	w.meet(from)
	for i := 0; i < len(w.hood); i++ {
		w.neighbours(w.hood[i])
	}
	return w.hood
}

// walk is one search through the index.
type walk struct {
	*index
	hood   []uint32
	met    map[uint32]struct{}
	traces map[uint32]struct{} // those whose entries were all met
}

func (w *walk) meet(i uint32) {
	if _, known := w.met[i]; !known {
		w.met[i] = struct{}{}
		w.hood = append(w.hood, i)
	}
}

func (w *walk) neighbours(i uint32) {
	e := w.entries.at(i)
	if _, done := w.traces[e.trace]; !done && e.trace != 0 {
		w.traces[e.trace] = struct{}{}
		for n := w.nodes.at(e.trace).first; n != 0; n = w.entries.at(n).nextTrace {
			w.meet(n)
		}
	}
	for m := range w.messages(e) {
		for s := w.nodes.at(m.message).first; s != 0; s = w.shown.at(s).nextOfMsg {
			w.meet(w.shown.at(s).entry)
		}
	}
	if e.seenRequest() && w.nodes.at(e.request).best != 0 {
		switch best := w.nodes.at(e.request).best; {
		case best == i:
			for n := w.nodes.at(e.request).first; n != 0; n = w.entries.at(n).nextRequest {
				if b := w.entries.at(n); b.borrows() || b.has(bitWrite) {
					w.meet(n)
				}
			}
		case e.borrows() || e.has(bitWrite):
			w.meet(best)
		}
	}
	switch {
	case e.has(bitWrite):
		for c := range w.effects(e) {
			if w.touched(w.entries.at(c)) && w.cause(w.entries.at(c)) == i {
				w.meet(c)
			}
		}
	case w.touched(e):
		if c := w.cause(e); c != 0 {
			w.meet(c)
		}
	}
}
