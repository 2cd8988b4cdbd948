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
	span := mustHave(q.Filter)
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
		indices: patterns([]fleet.Kind{fleet.KindSpan}), order: byTime(), source: "muster", lean: true,
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

// mustHave is a condition on one span that every trace that meets a filter has a
// span for; nil when there is none, or none that the index answers.
func mustHave(f fleet.Filter) any {
	switch f := f.(type) {
	case fleet.FilterAll:
		for _, p := range f {
			if c := mustHave(p); c != nil {
				return c
			}
		}
	case fleet.FilterAny:
		return oneMustHold(f, mustHave)
	case fleet.FilterService:
		return allThatHold(nodeSpan(f.Node), spanCondition(f.Where))
	case fleet.FilterEdge:
		if c := spanCondition(f.Where); c != nil {
			return c
		}
		if f.From.Name != "" {
			return term("muster.service", f.From.Name)
		}
	case fleet.FilterTest:
		if f.Keyword != fleet.KeyDuration { // which is no span's own
			return testCondition(f)
		}
	}
	return nil
}

// spanCondition holds for every span that meets a filter, and perhaps for
// others; nil holds for all.
func spanCondition(f fleet.Filter) any {
	switch f := f.(type) {
	case fleet.FilterAll:
		var parts []any
		for _, p := range f {
			parts = append(parts, spanCondition(p))
		}
		return allThatHold(parts...)
	case fleet.FilterAny:
		return oneMustHold(f, spanCondition)
	case fleet.FilterTest:
		return testCondition(f)
	}
	return nil
}

// nodeSpan holds for the spans that may stand for a node: a service's own, and
// calls, whose goal is not indexed.
func nodeSpan(n fleet.FilterNode) any {
	var name any
	if n.Name != "" {
		name = either(term("muster.service", n.Name), term("kind", "SPAN_KIND_CLIENT"))
	}
	if n.Account != "" {
		return allThatHold(name, term("muster.account", n.Account))
	}
	return name
}

// maxTerm bounds what is looked for as one term; longer text is not indexed.
const maxTerm = 8_000

// indexedText are the fields that hold the text of a keyword.
var indexedText = map[fleet.Keyword]string{
	fleet.KeyOperation: "muster.name", fleet.KeyAccount: "muster.account", fleet.KeyResource: "muster.resources",
	fleet.KeyHTTPMethod: "attributes.http.request.method",
}

const statusField = "attributes.http.response.status_code"

// testCondition holds for every span that meets a test, and perhaps for others;
// nil when the index does not tell.
func testCondition(t fleet.FilterTest) any {
	failed := term("muster.failed", true)
	switch t.Keyword {
	case fleet.KeyError:
		return either(failed, between(statusField, 400, 499))
	case fleet.KeyFault:
		return either(term("muster.error", "fault"), between(statusField, 500, 599))
	case fleet.KeyThrottle:
		return either(term("muster.error", "throttle"), between(statusField, 429, 429))
	case fleet.KeyOK:
		return term("muster.failed", false)
	case fleet.KeyHTTPStatus:
		if low, high, outside := t.Range(); t.Op != fleet.OpSet && !outside {
			return between(statusField, low, high)
		}
	case fleet.KeyResponseTime, fleet.KeyDuration:
		// A duration of zero is not in the index.
		if low, high, outside := t.Range(); t.Op != fleet.OpSet && !outside && (low > 0 || high < 0) {
			return between("muster.duration_us", low, high)
		}
	default:
		field, indexed := indexedText[t.Keyword]
		text, _ := t.Value.(string)
		if indexed && t.Op == fleet.OpEqual && text != "" && len(text) < maxTerm {
			return term(field, text)
		}
	}
	return nil
}

func term(field string, value any) any {
	return map[string]any{"term": map[string]any{field: value}}
}

func between(field string, low, high int64) any {
	return map[string]any{"range": map[string]any{field: map[string]any{"gte": low, "lte": high}}}
}

func either(parts ...any) any {
	return map[string]any{"bool": map[string]any{"should": parts, "minimum_should_match": 1}}
}

// allThatHold is that all conditions hold that there are; nil when there is none.
func allThatHold(parts ...any) any {
	var f filter
	for _, p := range parts {
		if p != nil {
			f = append(f, p)
		}
	}
	if f == nil {
		return nil
	}
	return f.json()
}

// oneMustHold is that one of the conditions holds; nil when one is not known,
// since that may be the one that does.
func oneMustHold(parts []fleet.Filter, condition func(fleet.Filter) any) any {
	known := []any{}
	for _, p := range parts {
		c := condition(p)
		if c == nil {
			return nil
		}
		known = append(known, c)
	}
	return either(known...)
}
