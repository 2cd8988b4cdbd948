package compare

import (
	"cmp"
	"slices"
	"time"

	"muster/criticalpath"
	"muster/fleet"
)

// branch is a node of one side: what its traces did under one label below one
// parent.
type branch struct {
	label   Label
	sides   []Side // by trace; Count is 0 where a trace does not have it
	kids    []*branch
	byLabel map[Label]*branch

	taken   bool    // of before: aligned already
	partner *branch // of after: what it was at another depth
}

// kid is the branch of a label below b.
func (b *branch) kid(l Label, traces int) *branch {
	k := b.byLabel[l]
	if k == nil {
		if b.byLabel == nil {
			b.byLabel = map[Label]*branch{}
		}
		k = &branch{label: l, sides: make([]Side, traces)}
		b.byLabel[l] = k
		b.kids = append(b.kids, k)
	}
	return k
}

// spanKey is what a span calls its parent by.
type spanKey struct{ trace, span string }

// add lays one of several traces into the tree.
func (b *branch) add(records []fleet.Record, trace, traces int) Total {
	path := criticalpath.Of(records)
	spans, parents := distinct(records)
	var total Total
	if len(spans) == 0 {
		return total
	}
	kids := map[int][]int{}
	var roots []int
	for _, i := range spans {
		if p, is := parents[i]; is {
			kids[p] = append(kids[p], i)
		} else {
			roots = append(roots, i)
		}
		total.Spans++
		if records[i].Error != "" {
			total.Errors++
		}
		total.Took += path.Waited[i] // the parts of the path are the request
	}
	start := records[slices.MinFunc(spans, func(i, j int) int { return records[i].Time.Compare(records[j].Time) })].Time
	type step struct {
		at    int
		under *branch
	}
	// Not by recursion over spans, since a chain may be as long as the trace.
	todo := make([]step, 0, len(spans))
	for _, r := range slices.Backward(roots) {
		todo = append(todo, step{r, b})
	}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		r := &records[s.at]
		k := s.under.kid(Label{r.Service, Route(r.Name)}, traces)
		k.sides[trace].count(r, path.Self[s.at], path.Waited[s.at], r.Time.Sub(start))
		for _, i := range slices.Backward(kids[s.at]) {
			todo = append(todo, step{i, k})
		}
	}
	return total
}

// count adds a span.
func (s *Side) count(r *fleet.Record, self, waited, start time.Duration) {
	if s.Count == 0 || start < s.Start {
		s.Start = start
	}
	s.Count++
	took := max(r.Duration, 0)
	s.Took += took
	s.Self += self
	s.Waited += waited
	if s.Record == "" || took > s.Longest {
		s.Longest, s.Record, s.Trace = took, r.ID, r.Keys.Trace
	}
	if r.Error != "" {
		s.Errors++
		s.Error = cmp.Or(s.Error, r.Error)
	}
}

// distinct are the spans in the order of time, one record of each, and the
// parents of those that have one here. What would be its own ancestor has none.
func distinct(records []fleet.Record) (spans []int, parents map[int]int) {
	at := map[spanKey]int{}
	for i := range records {
		r := &records[i]
		if r.Kind != fleet.KindSpan {
			continue
		}
		k := spanKey{r.Keys.Trace, r.Keys.Span}
		had, again := at[k]
		if again && r.Keys.Span != "" {
			o := &records[spans[had]]
			if cmp.Or(cmp.Compare(r.Revision, o.Revision), cmp.Compare(r.Duration, o.Duration)) > 0 {
				spans[had] = i
			}
			continue
		}
		at[k] = len(spans)
		spans = append(spans, i)
	}
	parents = map[int]int{}
	for _, i := range spans {
		k := &records[i].Keys
		if n, is := at[spanKey{k.Trace, k.Parent}]; is && k.Parent != "" && spans[n] != i {
			parents[i] = spans[n]
		}
	}
	cut(spans, parents)
	slices.SortStableFunc(spans, func(i, j int) int { return fleet.Compare(&records[i], &records[j]) })
	return spans, parents
}

// cut takes parents away where they lead round in a circle.
func cut(spans []int, parents map[int]int) {
	done := map[int]bool{}
	for _, i := range spans {
		way := map[int]bool{}
		for at := i; !done[at]; {
			way[at] = true
			up, is := parents[at]
			if is && way[up] {
				delete(parents, at)
			}
			if !is || way[up] {
				break
			}
			at = up
		}
		for at := range way {
			done[at] = true
		}
	}
}

// middle is the median of the sides over all traces, those without the branch
// included, and how many have it.
func (b *branch) middle(of int) (Side, int) {
	if of == 1 {
		return b.sides[0], min(b.sides[0].Count, 1)
	}
	var seen []Side
	for _, s := range b.sides {
		if s.Count > 0 {
			seen = append(seen, s)
		}
	}
	m := Side{
		Count:   median(b.sides, func(s Side) int { return s.Count }),
		Took:    median(b.sides, func(s Side) time.Duration { return s.Took }),
		Longest: median(b.sides, func(s Side) time.Duration { return s.Longest }),
		Self:    median(b.sides, func(s Side) time.Duration { return s.Self }),
		Waited:  median(b.sides, func(s Side) time.Duration { return s.Waited }),
		Errors:  median(b.sides, func(s Side) int { return s.Errors }),
		Start:   median(seen, func(s Side) time.Duration { return s.Start }),
	}
	return m, len(seen)
}

// usual is the range of what the branch did itself.
func (b *branch) usual() (low, high time.Duration) {
	self := func(s Side) time.Duration { return s.Self }
	return percentile(b.sides, 10, self), percentile(b.sides, 90, self)
}
