package collectors

import (
	"context"

	"golang.org/x/sync/errgroup"

	"muster/fleet"
)

// fanOut works on items, at most limit at once, and hands their batches to out
// as they come. It returns after all work has ended, with the first error.
func fanOut[T any](ctx context.Context, limit int, items []T, out *output,
	work func(ctx context.Context, item T, send func(fleet.Batch) error) error,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan fleet.Batch)
	g, gctx := errgroup.WithContext(ctx)
	send := func(b fleet.Batch) error {
		select {
		case batches <- b:
			return nil
		case <-gctx.Done():
			return gctx.Err()
		}
	}
	workers, wctx := errgroup.WithContext(gctx)
	workers.SetLimit(limit)
	g.Go(func() error {
		defer close(batches)
		for _, item := range items {
			if wctx.Err() != nil {
				break
			}
			workers.Go(func() error { return work(wctx, item, send) })
		}
		return workers.Wait()
	})
	var stopped error
	for b := range batches {
		if stopped == nil {
			if stopped = out.send(b); stopped != nil {
				cancel()
			}
		}
	}
	err := g.Wait()
	if stopped != nil {
		return stopped
	}
	return err
}
