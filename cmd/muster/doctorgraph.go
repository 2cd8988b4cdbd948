package main

import (
	"context"
	"slices"

	"muster/collectors"
	"muster/fleet"
	"muster/internal/pipeline"
	"muster/stores/lake"
)

// graphStore is the lake that X-Ray's service graph is held against.
type graphStore struct{ lake *lake.Lake }

func (s graphStore) Covered(ctx context.Context, stream string) (read, settled fleet.Window, err error) {
	marks, err := s.lake.Checkpoints(ctx)
	read, settled = pipeline.Covered(marks, stream)
	return read, settled, err
}

func (s graphStore) Segments(ctx context.Context, w fleet.Window) ([]collectors.HeldSegments, error) {
	counts, err := s.lake.Segments(ctx, w)
	held := make([]collectors.HeldSegments, len(counts))
	for i, c := range counts {
		held[i] = collectors.HeldSegments(c)
	}
	return held, err
}

func (s graphStore) Gaps(ctx context.Context, stream string, w fleet.Window) ([]fleet.LedgerEntry, error) {
	var gaps []fleet.LedgerEntry
	for e, err := range s.lake.Ledger(ctx, w) {
		if err != nil {
			return gaps, err
		}
		if e.Stream == stream && e.Coverage != fleet.Complete {
			gaps = append(gaps, e)
		}
	}
	return gaps, nil
}

// compared has the examination compare X-Ray's service graph with the store, where
// there is one; else a check says that it was not compared. Call done at the end.
func (a *app) compared(ctx context.Context, o *collectors.Options, w fleet.Window) (unknown []collectors.Check, done func() error) {
	done = func() error { return nil }
	if len(o.Sources) > 0 && !slices.Contains(o.Sources, collectors.SourceXRay) {
		return nil, done
	}
	store, err := a.openLake(ctx, true)
	if err != nil { // before the first collection there is none
		return []collectors.Check{collectors.NotCompared(err.Error(), "collect, and ask again")}, done
	}
	o.Graph = &collectors.GraphCheck{Store: graphStore{store}, Window: w}
	return nil, store.Close
}
