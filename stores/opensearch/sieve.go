package opensearch

import (
	"context"
	"iter"

	"muster/fleet"
)

const (
	// judgedTraces bounds how many traces are judged at once: their spans are
	// held in memory, without evidence.
	judgedTraces = 500
	// siftedRecords bounds how many records wait for their traces to be judged.
	siftedRecords = 500
	// maxCandidates is the most traces that a search is narrowed to by name.
	// When more have a span that the filter asks for, the search goes without,
	// and more traces are judged: slower, and as exact.
	maxCandidates = 10_000
)

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
}

func (s *Store) newSieve(ctx context.Context, q *fleet.Query) (*sieve, error) {
	v := &sieve{store: s, filter: q.Filter, window: wholeDays(q.Window), met: map[string]bool{}}
	if q.Filter == nil {
		return v, nil
	}
	annotated, err := s.indexesAnnotations(ctx, q.Filter)
	if err != nil {
		return nil, err
	}
	span := asked{annotated}.mustHave(q.Filter)
	if span == nil {
		return v, nil
	}
	spans := append(filter{}.within("muster.time_us", v.window).set("muster.trace_id", traceID(q.Trace)), span)
	candidates, err := s.distinctTraces(ctx, patterns([]fleet.Kind{fleet.KindSpan}), spans, maxCandidates+1)
	if err != nil {
		return nil, err
	}
	v.none = len(candidates) == 0
	if len(candidates) <= maxCandidates {
		v.only = filter{}.oneOf("muster.trace_id", candidates)
	}
	return v, nil
}

// keep are the traces that meet the filter, in their order.
func (v *sieve) keep(ctx context.Context, traces []string) ([]string, error) {
	if v.filter == nil {
		return traces, nil
	}
	var chunk []string
	for _, t := range traces {
		if _, judged := v.met[t]; !judged {
			v.met[t] = false // until its spans say otherwise; the empty id has none
			chunk = append(chunk, t)
		}
		if len(chunk) == judgedTraces {
			if err := v.ask(ctx, chunk); err != nil {
				return nil, err
			}
			chunk = chunk[:0]
		}
	}
	if len(chunk) > 0 {
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

// ask judges traces by their spans.
func (v *sieve) ask(ctx context.Context, traces []string) error {
	spans := map[string][]fleet.Record{}
	all := search{
		indices: patterns([]fleet.Kind{fleet.KindSpan}), order: byTime(), source: "muster", lean: true, many: len(traces) > leanPages*pageHits/usualRecords,
		query: filter{}.within("muster.time_us", v.window).oneOf("muster.trace_id", traces),
	}
	for r, err := range v.store.records(ctx, all) {
		if err != nil {
			return err
		}
		spans[r.Keys.Trace] = append(spans[r.Keys.Trace], r)
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
