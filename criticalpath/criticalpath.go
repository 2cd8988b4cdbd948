// Package criticalpath says what the end of a request waited for: which of a
// trace's spans, and which parts of them, and how long each span was busy with
// itself. It is pure: spans in, parts out.
package criticalpath

import (
	"cmp"
	"slices"
	"time"

	"muster/fleet"
)

// Part is a stretch of one span's own work that the end of the request waited
// for. Had it been shorter, the request would have ended sooner.
type Part struct {
	Span       int // index of the record
	Start, End time.Time
}

// Path is what Of found. Its slices Self and Waited are as long as the records
// and zero for all that is no span.
type Path struct {
	// Parts are in the order of traces, within one in that of time. Those of one
	// trace follow each other without a gap from the start of its entry to its end.
	Parts []Part
	// Self is how long a span ran while none of its children did.
	Self []time.Duration
	// Waited is the sum of a span's parts.
	Waited []time.Duration
	// Apart counts the spans of which nothing is known about who waited: their
	// parent is not there, or they lie wholly before it, which two clocks that
	// differ make.
	Apart int
}

// sequencePercent is how far, in percent of the shorter one, the end of a child
// may lie after the start of the next for them to count as one after the other:
// as far as clocks of two services and rounded times make it look. Beyond that
// they ran at the same time, and the later one cannot have waited for the end
// of the earlier.
const sequencePercent = 1

// span is a record in whole microseconds since 1970.
type span struct {
	index      int
	start, end int64
	kids       []*span
}

type spanKey struct{ trace, id string }

// Of finds the path of every trace among the records, from the entry's end
// backwards: a span waited for the child that ended last, and before that child
// began for the one that had ended last by then; in between for itself.
//
//   - The entry is the earliest span without a parent, else the earliest span.
//   - A child that runs on after its parent's end counts up to that end, as a
//     server does that cleans up after its answer. It counts not at all if it is
//     of the parent's own service, whose one clock shows that nobody waited, or
//     if the larger part of it lies after the end: that is work left behind.
//   - A child's time before its parent's start is another clock's and is cut off.
//   - A span that has not finished lasts until the last moment of its trace.
//   - Of several records of one span, the highest revision counts, then the longest.
//   - A call's own step that only waits for the callee (X-Ray's "response") counts
//     as if the callee were below it.
//   - Links between traces, and messages, are no parents: nobody waits for them.
func Of(records []fleet.Record) Path {
	p := Path{Self: make([]time.Duration, len(records)), Waited: make([]time.Duration, len(records))}
	w := walker{records: records, path: &p}
	for _, g := range grow(records) {
		for _, s := range g.all {
			p.Self[s.index] = time.Duration(self(s)) * time.Microsecond
		}
		p.Apart += g.apart
		w.parts = w.parts[:0]
		w.walk(g.entry)
		slices.Reverse(w.parts)
		p.Parts = append(p.Parts, w.parts...)
	}
	return p
}

// walker collects the parts of one trace, the last first.
type walker struct {
	records []fleet.Record
	path    *Path
	parts   []Part
}

// frame is a span on the way down: until is the moment up to which its time is
// not explained yet, next the child to look at.
type frame struct {
	span      *span
	low       int64
	until     int64
	last      int64 // the length of the child that was taken last; 0 for none
	next      int
	following []waited
}

// waited is a child within the time of its parent that is looked at.
type waited struct {
	span       *span
	start, end int64
}

// walk goes backwards from a span's end. It keeps its own stack, since a trace
// may be as deep as it has spans.
func (w *walker) walk(entry *span) {
	stack := []frame{w.enter(entry, entry.start, entry.end)}
	for len(stack) > 0 {
		f := &stack[len(stack)-1]
		k, found := f.child()
		if !found {
			w.add(f.span, f.low, f.until)
			stack = stack[:len(stack)-1]
			continue
		}
		full := k.end - k.start
		k.end = min(k.end, f.until)
		w.add(f.span, k.end, f.until)
		f.until, f.last = k.start, full
		stack = append(stack, w.enter(k.span, k.start, k.end))
	}
}

// child is the next child, backwards, that its parent waited for; it may end a
// little after until.
func (f *frame) child() (waited, bool) {
	for f.next < len(f.following) {
		k := f.following[f.next]
		f.next++
		if k.start >= f.until {
			continue
		}
		overlap := k.end - f.until
		if overlap > 0 && overlap*100 > sequencePercent*min(k.end-k.start, f.last) {
			continue
		}
		return k, true
	}
	return waited{}, false
}

// enter prepares a span of which the time from low to high is to be explained.
func (w *walker) enter(s *span, low, high int64) frame {
	f := frame{span: s, low: low, until: high}
	for _, k := range s.kids {
		if w.left(k, s) {
			continue
		}
		if a, b := max(k.start, low), min(k.end, high); a < b {
			f.following = append(f.following, waited{k, a, b})
		}
	}
	slices.SortFunc(f.following, func(a, b waited) int {
		return cmp.Or(
			cmp.Compare(b.end, a.end), cmp.Compare(a.start, b.start),
			cmp.Compare(w.records[a.span.index].ID, w.records[b.span.index].ID),
		)
	})
	return f
}

// left reports whether a child was left behind by its parent, which ended
// without it.
func (w *walker) left(k, parent *span) bool {
	after := k.end - max(k.start, parent.end)
	if after <= 0 {
		return false
	}
	return after > k.end-k.start-after || w.records[k.index].Service == w.records[parent.index].Service
}

func (w *walker) add(s *span, from, to int64) {
	if from >= to {
		return
	}
	w.parts = append(w.parts, Part{s.index, time.UnixMicro(from).UTC(), time.UnixMicro(to).UTC()})
	w.path.Waited[s.index] += time.Duration(to-from) * time.Microsecond
}

// self is how many microseconds of a span none of its children covers.
func self(s *span) int64 {
	slices.SortFunc(s.kids, func(a, b *span) int { return cmp.Compare(a.start, b.start) })
	free, at := int64(0), s.start
	for _, k := range s.kids {
		if from := min(k.start, s.end); from > at {
			free += from - at
		}
		at = max(at, min(k.end, s.end))
	}
	return free + s.end - at
}
