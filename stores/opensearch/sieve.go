package opensearch

import (
	"context"
	"iter"
	"slices"

	"muster/fleet"
)

const (
	// judgedTraces bounds how many traces are judged at once: their spans are
	// held in memory, without evidence.
	judgedTraces = 500
	// siftedRecords bounds how many records wait for their traces to be judged.
	siftedRecords = 500
)

// maxCandidates is the most traces that a search is narrowed to by name. When
// more have a span that the filter asks for, the search goes without, and more
// traces are judged: slower, and as exact. Tests lower it.
var maxCandidates = 10_000

// manySpans is how many spans that a filter asks for are so many that a list of
// the newest traces is tried without the candidates first: to name these, all of
// the spans are read. Tests lower it.
var manySpans = 200_000

// sieve tells the traces that meet a query's filter. What a filter says of a
// whole trace is beyond one search, so that the traces that come into question
// are found first, by a span that each of them must have, and then judged by all
// of their spans.
type sieve struct {
	store  *Store
	filter fleet.Filter // nil holds for every trace
	window fleet.Window
	met    map[string]bool // by trace
	// only narrows a search for records to those of the candidates, if that is
	// possible.
	only filter
	// none: no trace at all comes into question.
	none bool
	// spans are those of which each trace has one that meets the filter; nil means
	// that the index does not tell.
	spans    filter
	narrowed bool // only is known, or there are too many
	// telling are the spans that are enough to judge a trace that has one without
	// a parent; nil means that it takes them all. Rooted are the traces that were
	// seen to have one.
	telling filter
	rooted  map[string]bool
}

func (s *Store) newSieve(ctx context.Context, q *fleet.Query) (*sieve, error) {
	v, err := s.wideSieve(ctx, q)
	if err != nil {
		return nil, err
	}
	return v, v.narrow(ctx)
}

// wideSieve is a sieve whose candidates are not looked for yet.
func (s *Store) wideSieve(ctx context.Context, q *fleet.Query) (*sieve, error) {
	v := &sieve{store: s, filter: q.Filter, window: wholeDays(q.Window), met: map[string]bool{}, rooted: map[string]bool{}}
	if q.Filter == nil {
		return v, nil
	}
	annotated, err := s.indexesAnnotations(ctx, q.Filter)
	if err != nil {
		return nil, err
	}
	if tell, enough := (asked{annotated}).telling(q.Filter); enough {
		v.telling = filter{either(append(tell, term("parentSpanId", ""))...)}
	}
	span := asked{annotated}.mustHave(q.Filter)
	if span == nil {
		return v, nil
	}
	v.spans = append(filter{}.within("muster.time_us", v.window).set("muster.trace_id", traceID(q.Trace)), span)
	return v, nil
}

// countSpans is how many spans the filter asks for, counted up to most; 0 when the
// index does not tell.
func (v *sieve) countSpans(ctx context.Context, most int) (int, error) {
	if v.spans == nil {
		return 0, nil
	}
	return v.store.count(ctx, spanPatterns(), v.spans, most)
}

// narrow looks for the candidates, if that was not done.
func (v *sieve) narrow(ctx context.Context) error {
	if v.spans == nil || v.narrowed {
		return nil
	}
	candidates, err := v.store.distinctTraces(ctx, spanPatterns(), v.spans, maxCandidates+1)
	if err != nil {
		return err
	}
	v.narrowed, v.none = true, len(candidates) == 0
	if len(candidates) <= maxCandidates {
		v.only = filter{}.oneOf("muster.trace_id", candidates)
	}
	return nil
}

// tooMany reports whether narrow found more candidates than a search is narrowed to.
func (v *sieve) tooMany() bool { return v.narrowed && !v.none && v.only == nil }

// keep are the traces that meet the filter, in their order.
func (v *sieve) keep(ctx context.Context, traces []string) ([]string, error) {
	if v.filter == nil {
		return traces, nil
	}
	var fresh []string
	for _, t := range traces {
		if _, judged := v.met[t]; !judged {
			v.met[t] = false // until its spans say otherwise; the empty id has none
			fresh = append(fresh, t)
		}
	}
	possible, err := v.possible(ctx, fresh)
	if err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(possible, judgedTraces) {
		if err := v.ask(ctx, chunk); err != nil {
			return nil, err
		}
	}
	var out []string
	for _, t := range traces {
		if v.met[t] {
			out = append(out, t)
		}
	}
	return out, nil
}

// possible are those of some traces that have a span that the filter asks for,
// where that spares more than the question costs.
func (v *sieve) possible(ctx context.Context, traces []string) ([]string, error) {
	if v.spans == nil || v.only != nil || v.telling != nil && len(traces) <= judgedTraces {
		return traces, nil
	}
	return v.store.tracesAmong(ctx, traces, spanPatterns(), v.spans)
}

// ask judges traces: by the spans that tell, where a trace has one without a
// parent, and by all of their spans where it has none or the filter needs them.
func (v *sieve) ask(ctx context.Context, traces []string) error {
	if v.telling == nil {
		return v.judge(ctx, traces, nil)
	}
	if err := v.judge(ctx, traces, v.telling); err != nil {
		return err
	}
	rootless := slices.DeleteFunc(slices.Clone(traces), func(t string) bool { return v.rooted[t] })
	if len(rootless) == 0 {
		return nil
	}
	return v.judge(ctx, rootless, nil)
}

// judge judges traces by those of their spans that meet a filter, and notes which
// have one without a parent.
func (v *sieve) judge(ctx context.Context, traces []string, telling filter) error {
	spans := map[string][]fleet.Record{}
	all := search{
		indices: spanPatterns(), order: byTime(), source: "muster", lean: true,
		query: append(filter{}.within("muster.time_us", v.window).oneOf("muster.trace_id", traces), telling...),
		many:  telling == nil && len(traces) > leanPages*pageHits/usualRecords,
	}
	for r, err := range v.store.records(ctx, all) {
		if err != nil {
			return err
		}
		spans[r.Keys.Trace] = append(spans[r.Keys.Trace], r)
		if r.Seen.Parent == "" {
			v.rooted[r.Keys.Trace] = true
		}
	}
	for t, rs := range spans {
		v.met[t] = fleet.MatchTrace(v.filter, rs)
	}
	return nil
}

// sift yields the records whose traces meet the filter.
func (v *sieve) sift(ctx context.Context, records iter.Seq2[fleet.Record, error]) iter.Seq2[fleet.Record, error] {
	if v.filter == nil {
		return records
	}
	return func(yield func(fleet.Record, error) bool) {
		var waiting []fleet.Record
		pass := func() bool {
			traces := make([]string, len(waiting))
			for i := range waiting {
				traces[i] = waiting[i].Keys.Trace
			}
			if _, err := v.keep(ctx, traces); err != nil {
				yield(fleet.Record{}, err)
				return false
			}
			for _, r := range waiting {
				if v.met[r.Keys.Trace] && !yield(r, nil) {
					return false
				}
			}
			waiting = waiting[:0]
			return true
		}
		for r, err := range records {
			if err != nil {
				yield(fleet.Record{}, err)
				return
			}
			if waiting = append(waiting, r); len(waiting) == siftedRecords && !pass() {
				return
			}
		}
		pass()
	}
}
