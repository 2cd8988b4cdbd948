package opensearch

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
)

// maxKnown bounds each half of the memory of traces that were written, some 20
// bytes each.
const maxKnown = 1_000_000

// known remembers the traces that this process wrote spans of, so that only
// traces that come in several batches are looked up. It may take one trace for
// another, which costs a look-up, and never overlooks one.
type known struct {
	seed maphash.Seed
	// The older half is dropped when the newer one is full: what is in it was
	// written long ago, so that a search finds it.
	traces, before map[uint64]struct{}
	// whole: OpenSearch has no spans of any other trace.
	whole bool
	// fresh: what was written before this memory began is visible to searches.
	fresh bool
}

func newKnown() *known { return &known{seed: maphash.MakeSeed(), traces: map[uint64]struct{}{}} }

func (k *known) forget() {
	clear(k.traces)
	clear(k.before)
	k.whole, k.fresh = false, false
}

// learn looks whether there are any spans at all, for a lake that is followed
// from its beginning.
func (k *known) learn(ctx context.Context, s *Store, followed int64) error {
	if followed > 0 || k.whole || len(k.traces) > 0 {
		return nil
	}
	if err := k.refresh(ctx, s); err != nil {
		return err
	}
	a, err := s.ask(ctx, []string{spanIndex + "*"}, map[string]any{"size": 1, "_source": false, "terminate_after": 1})
	if err != nil {
		return fmt.Errorf("look for spans: %w", err)
	}
	k.whole = len(a.Hits.Hits) == 0
	return nil
}

func (k *known) refresh(ctx context.Context, s *Store) error {
	if k.fresh {
		return nil
	}
	if err := s.refresh(ctx, spanIndex+"*"); err != nil {
		return err
	}
	k.fresh = true
	return nil
}

// older are those of a batch's traces of which OpenSearch may have spans
// already; all of them if every one is to be looked at. It remembers the rest.
func (k *known) older(ctx context.Context, s *Store, ts traces, every bool) ([]string, error) {
	ids := slices.Sorted(maps.Keys(ts))
	if every {
		return ids, nil
	}
	if len(k.traces)+len(ids) > maxKnown {
		k.before, k.traces = k.traces, map[uint64]struct{}{}
		k.whole, k.fresh = false, false
	}
	var out, unknown []string
	for _, id := range ids {
		h := maphash.String(k.seed, id)
		_, now := k.traces[h]
		if _, then := k.before[h]; now || then {
			out = append(out, id)
		} else {
			unknown = append(unknown, id)
		}
		k.traces[h] = struct{}{}
	}
	if k.whole {
		return out, nil
	}
	if err := k.refresh(ctx, s); err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(unknown, settleTraces) {
		there, err := s.distinctTraces(ctx, []string{spanIndex + "*"}, filter{}.oneOf("muster.trace_id", chunk), 0)
		if err != nil {
			return nil, fmt.Errorf("look for spans of the same traces: %w", err)
		}
		out = append(out, there...)
	}
	return out, nil
}
