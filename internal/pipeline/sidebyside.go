package pipeline

import (
	"context"
	"strings"

	"golang.org/x/sync/errgroup"

	"muster/fleet"
)

// placeOf is the account and region of a stream, which is named source, account,
// region and what else there is.
func placeOf(stream string) string {
	const parts = 4
	words := strings.SplitN(stream, "/", parts)
	if len(words) < parts-1 {
		return ""
	}
	return words[1] + "/" + words[2]
}

// sideBySide reads streams, those of each account and region in their order. Places
// wait for each other only where all together would take too much memory.
func sideBySide(ctx context.Context, streams []fleet.Collector, read func(context.Context, fleet.Collector) error) error {
	byPlace := map[string][]fleet.Collector{}
	for _, c := range streams {
		byPlace[placeOf(c.Stream())] = append(byPlace[placeOf(c.Stream())], c)
	}
	each := maxStreams
	if len(byPlace) > 1 {
		each = placeStreams
	}
	slots := make(chan struct{}, allStreams)
	places, pctx := errgroup.WithContext(ctx)
	for _, of := range byPlace {
		places.Go(func() error {
			readers, rctx := errgroup.WithContext(pctx)
			readers.SetLimit(each)
			for _, c := range of {
				readers.Go(func() error {
					select {
					case slots <- struct{}{}:
					case <-rctx.Done():
						return rctx.Err()
					}
					defer func() { <-slots }()
					return read(rctx, c)
				})
			}
			return readers.Wait()
		})
	}
	return places.Wait()
}
