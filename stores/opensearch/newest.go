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

const (
	// fewRecords is how many records a trace has at least, more often than not.
	fewRecords = 4
	// firstReach is how far before the newest record traces are looked for first,
	// and reachGrowth how many times as far next, so many times.
	firstReach  = time.Minute
	reachGrowth = 16
	reaches     = 5
)

// manyRecords is how many records are too many to group all of them. Tests lower it.
var manyRecords = 10_000

// newestTraces are the n traces with the newest records that meet a query, and
// the time in microseconds of the oldest of these records. OpenSearch groups
// everything that it finds, however few groups are asked for, and takes long to
// find the newest thousands; so it is asked for those of a last while.
func (s *Store) newestTraces(ctx context.Context, indices []string, query filter, n int) (ids []string, oldest int64, err error) {
	traced := slices.Clone(query).exists("muster.trace_id")
	many, err := s.count(ctx, indices, traced, manyRecords)
	if err != nil || many == 0 {
		return nil, 0, err
	}
	if many == manyRecords {
		ids, oldest, err = s.lastTraces(ctx, indices, query, traced, n)
		if err != nil || len(ids) == n {
			return ids, oldest, err
		}
	}
	return s.groupedTraces(ctx, indices, traced, n)
}

// lastTraces are those of newestTraces if they lie near the newest record, or
// near another after a gap: a clock that is years ahead hides nothing.
func (s *Store) lastTraces(ctx context.Context, indices []string, query, traced filter, n int) (ids []string, oldest int64, err error) {
	reach := firstReach
	for range reaches {
		last, err := s.timeOfNewest(ctx, indices, query)
		if err != nil || last == 0 {
			return nil, 0, err
		}
		since := last - reach.Microseconds()
		ids, oldest, err = s.groupedTraces(ctx, indices, append(slices.Clone(traced), atLeast("muster.time_us", since)), n)
		if err != nil || len(ids) == n {
			return ids, oldest, err
		}
		query = append(slices.Clone(query), below("muster.time_us", since))
		reach *= reachGrowth
	}
	return ids, oldest, nil
}

// timeOfNewest is the time in microseconds of the newest record that meets a
// query; 0 when there is none.
func (s *Store) timeOfNewest(ctx context.Context, indices []string, query filter) (int64, error) {
	newest := search{query: query, order: sorted("desc", "muster.time_us"), fields: []string{"muster.time_us"}}
	a, err := s.ask(ctx, indices, newest.body(1))
	if err != nil || len(a.Hits.Hits) == 0 {
		return 0, err
	}
	return a.Hits.Hits[0].number("muster.time_us"), nil
}

// groupedTraces are the traces of the n newest records that meet a query, one
// record for each, and the time in microseconds of the oldest of them.
func (s *Store) groupedTraces(ctx context.Context, indices []string, query filter, n int) (ids []string, oldest int64, err error) {
	newest := search{query: query, order: sorted("desc", "muster.time_us"), fields: []string{"muster.trace_id", "muster.time_us"}}
	body := newest.body(n)
	body["collapse"] = map[string]any{"field": "muster.trace_id"}
	a, err := s.ask(ctx, indices, body)
	if err != nil {
		return nil, 0, err
	}
	for _, h := range a.Hits.Hits {
		ids, oldest = append(ids, h.text("muster.trace_id")), h.number("muster.time_us")
	}
	return ids, oldest, nil
}
