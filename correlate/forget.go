package correlate

import (
	"maps"
	"slices"
	"time"
)

const (
	// ageSteps is how many steps the horizon is cut into. Forgetting goes by
	// whole steps, so up to a sixteenth more than the horizon is remembered.
	ageSteps = 16
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
)

// ages sorts entries by the step of time in which to think of forgetting them.
type ages struct {
	stepUS int64 // 0: never
	steps  map[int64][]*entry
}

func newAges(horizon time.Duration) ages {
	if horizon <= 0 {
		return ages{}
	}
	return ages{stepUS: max(horizon.Microseconds()/ageSteps, 1), steps: map[int64][]*entry{}}
}

func (a *ages) add(e *entry) { a.addAt(e, e.timeUS) }

func (a *ages) addAt(e *entry, timeUS int64) {
	if a.stepUS > 0 {
		step := floorDiv(timeUS, a.stepUS)
		a.steps[step] = append(a.steps[step], e)
		e.due = step
	}
}

// over reports whether the whole of a step lies before a time.
func (a *ages) over(step, timeUS int64) bool { return (step+1)*a.stepUS <= timeUS }

// newest is the time that all but strays lie before, rounded down to a step.
func (a *ages) newest() int64 {
	total := 0
	for _, es := range a.steps {
		total += len(es)
	}
	allowed := strays + total/strayShare
	steps := slices.Sorted(maps.Keys(a.steps))
	for _, step := range slices.Backward(steps) {
		if allowed -= len(a.steps[step]); allowed < 0 {
			return step * a.stepUS
		}
	}
	return minTime
}

// minTime is before every record, and far enough from overflow to subtract from.
const minTime = -1 << 61

// forget drops what lies further back than the horizon. Entries that are joined
// to each other are dropped together, once the newest of them is old: dropping
// one of them alone would take back answers that it gave to the others.
func (r *Resolver) forget() {
	if r.ages.stepUS == 0 {
		return
	}
	newest := r.ages.newest()
	if newest == minTime {
		return
	}
	cutoff := newest - r.horizonUS
	swept := false
	for step, es := range r.ages.steps {
		if !r.ages.over(step, cutoff) {
			continue
		}
		swept = true
		delete(r.ages.steps, step)
		for _, e := range es {
			if e.due == step && r.entries[e.identity()] == e {
				r.dropAround(e, cutoff)
			}
		}
	}
	if swept {
		r.issuers.forget(min(cutoff, newest-keyLife.Microseconds()))
	}
}

// dropAround drops an entry and all that it is joined to, or, where some of
// that is not old yet, postpones it.
func (r *Resolver) dropAround(e *entry, cutoff int64) {
	hood := r.reach([]*entry{e})
	// From the newest on, since lists are cheapest to shorten at their ends.
	slices.SortFunc(hood, func(a, b *entry) int { return order(b, a) })
	until := hood[0].timeUS
	if until < cutoff {
		for _, n := range hood {
			r.drop(n)
		}
		return
	}
	tooOld := cutoff - (restless-1)*r.horizonUS
	keep := founders(hood)
	for _, n := range hood {
		switch {
		case !r.ages.over(n.due, cutoff): // its own time comes
		case n.timeUS < tooOld && !keep[n]:
			r.drop(n)
		default:
			r.ages.addAt(n, until)
		}
	}
}

func (r *Resolver) drop(e *entry) {
	delete(r.entries, e.identity())
	r.index.leave(e)
	r.forgotten++
}

// founders are the entries that name their trace for as long as it lasts: its
// earliest, and its earliest with a correlation id. The hood is newest first.
func founders(hood []*entry) map[*entry]bool {
	first, donor := map[string]*entry{}, map[string]*entry{}
	for _, e := range hood {
		if e.trace != "" {
			first[e.trace] = e
		}
		if e.correlation != "" {
			donor[e.ofTrace] = e
		}
	}
	keep := map[*entry]bool{}
	for _, es := range []map[string]*entry{first, donor} {
		for _, e := range es {
			keep[e] = true
		}
	}
	return keep
}

// forget drops issuers of keys that can live no longer.
func (is issuers) forget(before int64) {
	for key, list := range is {
		list = slices.DeleteFunc(list, func(i issuer) bool { return i.timeUS < before })
		if len(list) == 0 {
			delete(is, key)
		} else {
			is[key] = list
		}
	}
}

// floorDiv divides towards the past, also before 1970.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
