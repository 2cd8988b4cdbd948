package opensearch

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"

	"muster/fleet"
)

// Records yields the records that meet a query, in the order of fleet.Compare.
// A limit keeps the newest. A query for Text reads the evidence of everything
// else that it asks for, newest first until the limit is reached.
func (s *Store) Records(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Record, error] {
	return func(yield func(fleet.Record, error) bool) {
		found := s.wanted(ctx, &q)
		if q.Limit > 0 {
			newest, err := collect(found)
			if err != nil {
				yield(fleet.Record{}, fmt.Errorf("read records: %w", err))
				return
			}
			for _, r := range slices.Backward(newest) {
				if !yield(r, nil) {
					return
				}
			}
			return
		}
		for r, err := range found {
			if err != nil {
				err = fmt.Errorf("read records: %w", err)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// wanted yields the records that meet a query: all, oldest first, or as many as
// its limit says, newest first.
func (s *Store) wanted(ctx context.Context, q *fleet.Query) iter.Seq2[fleet.Record, error] {
	return func(yield func(fleet.Record, error) bool) {
		text, n := strings.ToLower(q.Text), 0
		v, err := s.newSieve(ctx, q)
		if err != nil || v.none {
			if err != nil {
				yield(fleet.Record{}, err)
			}
			return
		}
		all := search{
			indices: patterns(q.Kinds), query: append(conditions(q), v.only...), order: byTime(), source: "muster",
			lean: q.Lean && text == "",
		}
		if q.Limit > 0 {
			all.order = newestFirst()
		}
		if text == "" && q.Filter == nil {
			all.limit = q.Limit
		}
		for r, err := range v.sift(ctx, s.records(ctx, all)) {
			if err == nil && text != "" && !hasText(&r, text) {
				continue
			}
			if n++; !yield(r, err) || err != nil || n == q.Limit {
				return
			}
		}
	}
}

// records yields the records that a search finds.
func (s *Store) records(ctx context.Context, q search) iter.Seq2[fleet.Record, error] {
	return func(yield func(fleet.Record, error) bool) {
		for h, err := range s.scan(ctx, q) {
			var r fleet.Record
			if err == nil {
				r, err = decode(&h)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

func decode(h *hit) (fleet.Record, error) {
	var d struct {
		Muster row `json:"muster"`
	}
	err := json.Unmarshal(h.Source, &d)
	return d.Muster.record(), err
}

// collect gathers a sequence up to its first error.
func collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var out []T
	for v, err := range seq {
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}
