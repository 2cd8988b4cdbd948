package week

import (
	"maps"
	"slices"

	"muster/samples/faults"
	"muster/samples/truth"
)

// stockFor is how long inventory's cache is good for: longer than in the live
// fleet, whose load is a hundred times that of a week at rate 1.
const stockFor = 20 * minute

// enoughLookups is how many look-ups of an hour the policy cache-hit-ratio-low
// judges.
const enoughLookups = 10

// stock is inventory's cache, and what the hours of the clock show of it.
type stock struct {
	good  int64 // until when
	hours map[int64]*lookups
}

// lookups are those of an hour.
type lookups struct {
	hits   int
	missed []string // traces
}

// poor reports whether the policy cache-hit-ratio-low says so.
func (l *lookups) poor() bool {
	return l.hits+len(l.missed) >= enoughLookups && len(l.missed) > l.hits
}

// lookUp notes a look-up in the hour in which its span began.
func (s *stock) lookUp(f *flow, hit bool) {
	if s.hours == nil {
		s.hours = map[int64]*lookups{}
	}
	h := f.root.start / hour
	if s.hours[h] == nil {
		s.hours[h] = &lookups{}
	}
	if hit {
		s.hours[h].hits++
		return
	}
	s.hours[h].missed = append(s.hours[h].missed, f.trace)
	s.good = f.at + stockFor
}

// poorSince reports whether an hour since a time is poor.
func (s *stock) poorSince(at int64) bool {
	for h, l := range s.hours {
		if h >= at/hour && l.poor() {
			return true
		}
	}
	return false
}

// expectMisses says in which traces the policy must find a cache that misses: in
// all misses of an hour that has enough of them.
func (w *Week) expectMisses() {
	policies := faults.Of(faults.LowCacheHitRatio).Policies
	for _, h := range slices.Sorted(maps.Keys(w.stock.hours)) {
		l := w.stock.hours[h]
		if !l.poor() {
			continue
		}
		for _, p := range policies {
			for _, trace := range l.missed {
				w.truth.small.Expect(p.ID, truth.Expected{Traces: []string{trace}})
			}
		}
	}
}
