package opensearch

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

const (
	// spareTraces are looked at beyond a limit: the newest traces by their last
	// record are not quite the newest by their start.
	spareTraces = 50
	// maxNewest is the most traces that one search can name.
	maxNewest = 10_000
	// traceGrowth is how many times more are looked at when those were too few.
	traceGrowth = 4
	// summaryTraces bounds how many traces are summed up at once.
	summaryTraces = 500
	// usualRecords is how many records most traces have at most.
	usualRecords = 40
	// compositePage is the most traces that one page of all of them holds.
	compositePage = 5_000
	// wideTraces is how many of the newest traces are judged before the candidates
	// of a filter are looked for, when these may be many.
	wideTraces = 1_000
)

// Traces yields the traces that have a record that meets the query, newest
// first. Each is summed up from all its records, also those that do not meet it,
// within a day of the window. With a limit, a trace whose matching records all
// lie before its first span may be missed among ones as new.
func (s *Store) Traces(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Summary, error] {
	return func(yield func(fleet.Summary, error) bool) {
		sums, err := s.traces(ctx, &q)
		if err != nil {
			yield(fleet.Summary{}, fmt.Errorf("read traces: %w", err))
			return
		}
		for _, t := range sums {
			if !yield(t, nil) {
				return
			}
		}
	}
}

func (s *Store) traces(ctx context.Context, q *fleet.Query) ([]fleet.Summary, error) {
	v, err := s.wideSieve(ctx, q)
	if err != nil {
		return nil, err
	}
	if q.Limit > 0 && q.Text == "" {
		sums, found, err := s.newestSummaries(ctx, q, v)
		if found || err != nil {
			return sums, err
		}
	}
	if err := v.narrow(ctx); err != nil || v.none {
		return nil, err
	}
	ids, err := s.allTraces(ctx, q, v.only)
	if err != nil {
		return nil, err
	}
	if ids, err = v.keep(ctx, ids); err != nil {
		return nil, err
	}
	sums, err := s.summaries(ctx, q, ids)
	if q.Limit > 0 {
		sums = sums[:min(len(sums), q.Limit)]
	}
	return sums, err
}

// allTraces are all traces with a record that meets a query, but for its filter.
// More narrows them.
func (s *Store) allTraces(ctx context.Context, q *fleet.Query, more filter) ([]string, error) {
	if q.Text == "" {
		return s.distinctTraces(ctx, patterns(q.Kinds), append(conditions(q), more...), 0)
	}
	all := *q
	all.Limit, all.Filter = 0, nil
	seen := map[string]bool{}
	var ids []string
	for r, err := range s.Records(ctx, all) {
		if err != nil {
			return nil, err
		}
		if t := r.Keys.Trace; t != "" && !seen[t] {
			seen[t] = true
			ids = append(ids, t)
		}
	}
	return ids, nil
}

// distinctTraces are the traces of the documents that meet a filter. It stops
// once there are enough; 0 means all.
func (s *Store) distinctTraces(ctx context.Context, indices []string, f filter, enough int) ([]string, error) {
	composite := map[string]any{
		"size":    compositePage,
		"sources": []any{map[string]any{"trace": map[string]any{"terms": map[string]any{"field": "muster.trace_id"}}}},
	}
	var ids []string
	for {
		a, err := s.ask(ctx, indices, map[string]any{
			"size": 0, "query": f.json(), "aggs": map[string]any{"traces": map[string]any{"composite": composite}},
		})
		if err != nil || len(a.Aggregations) == 0 {
			return ids, err
		}
		var page struct {
			Traces struct {
				After   map[string]string `json:"after_key"`
				Buckets []struct {
					Key struct {
						Trace string `json:"trace"`
					} `json:"key"`
				} `json:"buckets"`
			} `json:"traces"`
		}
		if err := json.Unmarshal(a.Aggregations, &page); err != nil {
			return nil, err
		}
		for _, b := range page.Traces.Buckets {
			ids = append(ids, b.Key.Trace)
		}
		if len(page.Traces.Buckets) < compositePage || enough > 0 && len(ids) >= enough {
			return ids, nil
		}
		composite["after"] = page.Traces.After
	}
}

// tracesAmong are those of some traces that have a document that meets a filter.
func (s *Store) tracesAmong(ctx context.Context, traces, indices []string, f filter) ([]string, error) {
	var out []string
	for chunk := range slices.Chunk(traces, maxCandidates) {
		some, err := s.distinctTraces(ctx, indices, slices.Clone(f).oneOf("muster.trace_id", chunk), 0)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

// summaryFields are what a record adds to its trace's summary.
var summaryFields = []string{
	"muster.kind", "muster.time_us", "muster.duration_us", "muster.service", "muster.name", "muster.error",
	"muster.failed", "muster.trace_id", "muster.correlation_id", "muster.parent_id",
}

// summaries sums up traces, newest first.
func (s *Store) summaries(ctx context.Context, q *fleet.Query, ids []string) ([]fleet.Summary, error) {
	var out []fleet.Summary
	for chunk := range slices.Chunk(ids, summaryTraces) {
		sums := map[string]*summary{}
		records := search{
			indices: patterns(nil), order: byTime(), fields: summaryFields,
			query: filter{}.within("muster.time_us", wholeDays(q.Window)).oneOf("muster.trace_id", chunk),
			many:  len(chunk) > pageFields/usualRecords,
		}
		for h, err := range s.scan(ctx, records) {
			if err != nil {
				return nil, err
			}
			trace := h.text("muster.trace_id")
			if sums[trace] == nil {
				sums[trace] = &summary{Summary: fleet.Summary{Trace: trace}}
			}
			sums[trace].add(&h)
		}
		for _, t := range sums {
			out = append(out, t.done())
		}
	}
	slices.SortFunc(out, func(a, b fleet.Summary) int {
		return cmp.Or(b.Start.Compare(a.Start), strings.Compare(a.Trace, b.Trace))
	})
	return out, nil
}

// summary sums up a trace from its records, which come in the order of
// fleet.Compare. Spans say when it began and ended, if it has any: CloudTrail
// cuts times to whole seconds.
type summary struct {
	fleet.Summary
	rooted          bool // Service and Name are those of a span without a parent
	rootError       string
	records         int
	first, last     int64 // of all records, microseconds
	spanFirst, ends int64 // of the spans alone
}

func (t *summary) add(h *hit) {
	kind, at, end := fleet.Kind(h.text("muster.kind")), h.number("muster.time_us"), h.number("muster.time_us")+h.number("muster.duration_us")
	service, name, failure := h.text("muster.service"), h.text("muster.name"), h.text("muster.error")
	if t.records == 0 {
		t.first, t.Service, t.Name = at, service, name
	}
	t.records++
	t.last = at
	if t.Correlation == "" {
		t.Correlation = h.text("muster.correlation_id")
	}
	if service != "" && !slices.Contains(t.Services, service) {
		t.Services = append(t.Services, service)
	}
	if h.flag("muster.failed") {
		t.Errors++
		t.Error = cmp.Or(t.Error, failure)
	}
	switch kind {
	case fleet.KindSpan:
		if t.Spans == 0 {
			t.spanFirst, t.ends = at, end
		}
		t.Spans++
		t.ends = max(t.ends, end)
		if !t.rooted && h.text("muster.parent_id") == "" {
			t.rooted, t.Service, t.Name, t.rootError = true, service, name, failure
		}
	case fleet.KindLog:
		t.Logs++
	case fleet.KindAPICall:
		t.APICalls++
	case fleet.KindChange:
		t.Changes++
	case fleet.KindVerdict: // has no count of its own
	}
}

func (t *summary) done() fleet.Summary {
	start, end := t.first, t.last
	if t.Spans > 0 {
		start, end = t.spanFirst, t.ends
	}
	t.Start, t.Duration = time.UnixMicro(start).UTC(), time.Duration(end-start)*time.Microsecond
	t.Error = cmp.Or(t.rootError, t.Error)
	slices.Sort(t.Services)
	return t.Summary
}
