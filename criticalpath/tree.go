package criticalpath

import (
	"cmp"
	"slices"
	"time"

	"muster/fleet"
)

// tree is the spans of one trace, each under its parent.
type tree struct {
	entry *span
	all   []*span
	last  int64 // the last end of a span that has finished
	apart int
}

// grow makes the trees of all traces, in the order of their first spans.
func grow(records []fleet.Record) []*tree {
	chosen, at := distinct(records)
	spans := make([]span, len(chosen))
	byTrace := map[string]*tree{}
	var trees []*tree
	var t *tree
	for n, i := range chosen {
		r := &records[i]
		// Records of one trace mostly follow each other.
		if n == 0 || r.Keys.Trace != records[chosen[n-1]].Keys.Trace {
			t = byTrace[r.Keys.Trace]
		}
		if t == nil {
			t = &tree{}
			byTrace[r.Keys.Trace] = t
			trees = append(trees, t)
		}
		s := &spans[n]
		*s = span{index: i, start: r.TimeUS(), end: r.TimeUS() + length(r)}
		t.all = append(t.all, s)
		if len(t.all) == 1 || s.end > t.last {
			t.last = s.end
		}
	}
	parent := func(k *fleet.Keys) *span {
		if k.Parent == "" {
			return nil
		}
		if n, ok := at[spanKey{k.Trace, k.Parent}]; ok {
			return &spans[n]
		}
		return nil
	}
	for _, t := range trees {
		t.plant(records, parent)
	}
	return trees
}

// distinct are the indices of the spans, one for each span id, and the places of
// the ids among them.
func distinct(records []fleet.Record) ([]int, map[spanKey]int) {
	at := make(map[spanKey]int, len(records))
	out := make([]int, 0, len(records))
	for i := range records {
		r := &records[i]
		if r.Kind != fleet.KindSpan {
			continue
		}
		k := spanKey{r.Keys.Trace, r.Keys.Span}
		if k.id == "" { // nobody's parent
			out = append(out, i)
			continue
		}
		had, again := at[k]
		switch {
		case !again:
			at[k] = len(out)
			out = append(out, i)
		case better(r, &records[out[had]]):
			out[had] = i
		}
	}
	return out, at
}

// better reports whether a tells more of a span than b.
func better(a, b *fleet.Record) bool {
	return cmp.Or(cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.Duration, b.Duration)) > 0
}

// length is how many microseconds a span took; a negative duration is none.
func length(r *fleet.Record) int64 { return max(int64(r.Duration/time.Microsecond), 0) }

// plant hangs each span under its parent and finds the entry, whose own parent,
// if it has one among its descendants, does not count. What has not finished
// lasts until the last moment.
func (t *tree) plant(records []fleet.Record, parentOf func(*fleet.Keys) *span) {
	for _, s := range t.all {
		if records[s.index].Attributes.Get(fleet.AttrInProgress) == "true" {
			s.end = max(s.end, t.last)
		}
	}
	for _, s := range t.all {
		if t.entry == nil || before(records, s, t.entry) {
			t.entry = s
		}
	}
	for _, s := range t.all {
		parent := parentOf(&records[s.index].Keys)
		switch {
		case s == t.entry:
		case parent == nil || parent == s:
			t.apart++
		default:
			if s.end <= parent.start && s.start < parent.start {
				t.apart++
			}
			parent.kids = append(parent.kids, s)
		}
	}
	for _, s := range t.all {
		if fleet.IsCall(&records[s.index]) {
			s.answer(records)
		}
	}
}

// answer hangs what other services did for a call under the caller's own longest
// step of it, where that lasts for the larger part of it: X-Ray's SDKs note
// "connect", "request" and "response" beside the callee's segment, and the
// response is nothing but the wait for it.
func (s *span) answer(records []fleet.Record) {
	service := records[s.index].Service
	var step *span
	for _, k := range s.kids {
		longer := step == nil || cmp.Or(
			cmp.Compare(k.end-k.start, step.end-step.start),
			cmp.Compare(records[step.index].ID, records[k.index].ID),
		) > 0
		if longer && len(k.kids) == 0 && records[k.index].Service == service {
			step = k
		}
	}
	if step == nil {
		return
	}
	s.kids = slices.DeleteFunc(s.kids, func(k *span) bool {
		both := min(k.end, step.end) - max(k.start, step.start)
		if records[k.index].Service == service || 2*both <= k.end-k.start {
			return false
		}
		step.kids = append(step.kids, k)
		return true
	})
}

// before reports whether a is rather the entry than b.
func before(records []fleet.Record, a, b *span) bool {
	x, y := &records[a.index], &records[b.index]
	if (x.Keys.Parent == "") != (y.Keys.Parent == "") {
		return x.Keys.Parent == ""
	}
	return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end), cmp.Compare(x.ID, y.ID)) < 0
}
