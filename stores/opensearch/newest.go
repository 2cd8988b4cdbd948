package opensearch

import (
	"context"
	"slices"
	"time"

	"muster/fleet"
)

// manyStrays is how many spans beyond a window are too many to name their traces,
// which takes a page of compositePage after another. Tests lower it.
var manyStrays = 20_000

// newest are traces that are named to be looked at. Each of the others began at
// since, in microseconds, or before, or there is none.
type newest struct {
	ids   []string
	since int64
	all   bool
}

// newestSummaries sums up as many traces as a query's limit says, from the newest
// backwards. It has not found them when too many would have to be looked at.
func (s *Store) newestSummaries(ctx context.Context, q *fleet.Query, v *sieve) (sums []fleet.Summary, found bool, err error) {
	name, err := s.naming(ctx, q, v)
	if err != nil {
		return nil, false, err
	}
	for n := q.Limit + spareTraces; n <= maxNewest; n *= traceGrowth {
		named, err := name(n)
		if err != nil {
			return nil, false, err
		}
		kept, err := v.keep(ctx, named.ids)
		if err != nil {
			return nil, false, err
		}
		if sums, err = s.summaries(ctx, q, kept); err != nil {
			return nil, false, err
		}
		if named.all || len(sums) >= q.Limit && sums[q.Limit-1].Start.UnixMicro() > named.since {
			return sums[:min(len(sums), q.Limit)], true, nil
		}
	}
	return nil, false, nil
}

// naming is how so many traces are named: by the spans that the filter asks for,
// unless more is asked, or these are of so few traces that a search is narrowed to
// them. Where the spans are so many that this is unlikely, it is not tried.
func (s *Store) naming(ctx context.Context, q *fleet.Query, v *sieve) (func(n int) (newest, error), error) {
	bySpans := func(n int) (newest, error) { return v.newest(ctx, q.Window, n) }
	alone := v.spans != nil && onlyWindow(q)
	if alone && q.Window == (fleet.Window{}) {
		return bySpans, nil
	}
	many, err := v.countSpans(ctx, manySpans)
	wide := many >= manySpans
	if err != nil || alone && (wide || many >= maxCandidates*fewRecords) {
		return bySpans, err
	}
	if alone {
		if err := v.narrow(ctx); err != nil || v.tooMany() {
			return bySpans, err
		}
	}
	return func(n int) (newest, error) { return s.byRecords(ctx, q, v, wide, n) }, nil
}

// onlyWindow reports whether a query asks for nothing of a record but that it
// lies in the window.
func onlyWindow(q *fleet.Query) bool {
	of := *q
	of.Window = fleet.Window{}
	return len(conditions(&of)) == 0
}

// byRecords names the traces with the newest records that meet a query, of those
// that come into question where these can be named.
func (s *Store) byRecords(ctx context.Context, q *fleet.Query, v *sieve, wide bool, n int) (newest, error) {
	if !wide || n > wideTraces {
		if err := v.narrow(ctx); err != nil || v.none {
			return newest{all: true}, err
		}
	}
	ids, oldest, err := s.newestTraces(ctx, patterns(q.Kinds), append(conditions(q), v.only...), n)
	return newest{ids, oldest, len(ids) < n}, err
}

// newest names the traces that come into question for a window: those with the n
// newest spans in it that the filter asks for. A trace that began as late and is
// not among these has all such spans after the window. It is named too, and when
// there are fewer than n, also those that have such spans before the window alone.
func (v *sieve) newest(ctx context.Context, w fleet.Window, n int) (newest, error) {
	ids, oldest, err := v.store.newestTraces(ctx, spanPatterns(), slices.Clone(v.spans).within("muster.time_us", w), n)
	if err != nil {
		return newest{}, err
	}
	all := len(ids) < n
	var beyond []any
	if !w.End.IsZero() {
		beyond = append(beyond, atLeast("muster.time_us", w.End.UnixMicro()))
	}
	if !all {
		w.Start = time.UnixMicro(oldest)
	} else if !w.Start.IsZero() {
		beyond = append(beyond, below("muster.time_us", w.Start.UnixMicro()))
	}
	if len(beyond) > 0 {
		strays, err := v.strays(ctx, w, either(beyond...))
		if err != nil {
			return newest{}, err
		}
		ids = append(ids, strays...)
		slices.Sort(ids)
		ids = slices.Compact(ids)
	}
	return newest{ids, oldest, all}, nil
}

// strays are the traces with a record in a window that have a span beyond it that
// the filter asks for. The side with fewer traces is named, and looked for on the
// other.
func (v *sieve) strays(ctx context.Context, w fleet.Window, beyond any) ([]string, error) {
	spans, records := append(slices.Clone(v.spans), beyond), filter{}.within("muster.time_us", w)
	strays, err := v.store.count(ctx, spanPatterns(), spans, manyStrays)
	if err != nil || strays == 0 {
		return nil, err
	}
	inside := 0
	if strays < manyStrays {
		if inside, err = v.store.count(ctx, patterns(nil), records, strays*fewRecords); err != nil {
			return nil, err
		}
	}
	if inside < strays*fewRecords {
		return v.store.tracesOfBoth(ctx, patterns(nil), records, spanPatterns(), spans)
	}
	return v.store.tracesOfBoth(ctx, spanPatterns(), spans, patterns(nil), records)
}

// tracesOfBoth are the traces with a document that meets a filter and another
// that meets another. Those of the first are named.
func (s *Store) tracesOfBoth(ctx context.Context, first []string, f filter, second []string, g filter) ([]string, error) {
	ids, err := s.distinctTraces(ctx, first, f, 0)
	if err != nil {
		return nil, err
	}
	return s.tracesAmong(ctx, ids, second, g)
}
