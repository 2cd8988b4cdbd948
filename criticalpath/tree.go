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
	apart int
}

// grow makes the trees of all traces, in the order of their first spans.
func grow(records []fleet.Record) []*tree {
	chosen := distinct(records)
	horizon := map[string]int64{}
	for _, i := range chosen {
		r := &records[i]
		horizon[r.Keys.Trace] = max(horizon[r.Keys.Trace], r.TimeUS()+length(r))
	}
	byID := make(map[spanKey]*span, len(chosen))
	byTrace := map[string]*tree{}
	var trees []*tree
	for _, i := range chosen {
		r := &records[i]
		s := &span{index: i, start: r.TimeUS(), end: r.TimeUS() + length(r)}
		if r.Attributes[fleet.AttrInProgress] == "true" {
			s.end = max(s.end, horizon[r.Keys.Trace])
		}
		t := byTrace[r.Keys.Trace]
		if t == nil {
			t = &tree{}
			byTrace[r.Keys.Trace] = t
			trees = append(trees, t)
		}
		t.all = append(t.all, s)
		if r.Keys.Span != "" {
			byID[spanKey{r.Keys.Trace, r.Keys.Span}] = s
		}
	}
	for _, t := range trees {
		t.plant(records, byID)
	}
	return trees
}

// distinct are the indices of the spans, one for each span id.
func distinct(records []fleet.Record) []int {
	at := map[spanKey]int{}
	var out []int
	for i := range records {
		r := &records[i]
		if r.Kind != fleet.KindSpan {
			continue
		}
		k := spanKey{r.Keys.Trace, r.Keys.Span}
		had, again := at[k]
		switch {
		case k.id == "" || !again:
			at[k] = len(out)
			out = append(out, i)
		case better(r, &records[out[had]]):
			out[had] = i
		}
	}
	return out
}

// better reports whether a tells more of a span than b.
func better(a, b *fleet.Record) bool {
	return cmp.Or(cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.Duration, b.Duration)) > 0
}

// length is how many microseconds a span took; a negative duration is none.
func length(r *fleet.Record) int64 { return max(int64(r.Duration/time.Microsecond), 0) }

// plant hangs each span under its parent and finds the entry, whose own parent,
// if it has one among its descendants, does not count.
func (t *tree) plant(records []fleet.Record, byID map[spanKey]*span) {
	for _, s := range t.all {
		if t.entry == nil || before(records, s, t.entry) {
			t.entry = s
		}
	}
	for _, s := range t.all {
		k := &records[s.index].Keys
		parent := byID[spanKey{k.Trace, k.Parent}]
		switch {
		case s == t.entry:
		case k.Parent == "" || parent == nil || parent == s:
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
