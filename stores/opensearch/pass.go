package opensearch

import (
	"context"
	"errors"
	"iter"
	"maps"
	"sync"
)

// pass writes what came after a mark; if only is not nil, only what belongs to
// the indices in it. While one batch lands, the next one is launched: the engine
// answers short questions behind the documents that it has been sent.
func (f *following) pass(ctx context.Context, after int64, only map[string]int64) error {
	launching, stop := context.WithCancel(ctx)
	defer stop()
	flights, landed := make(chan *flight), make(chan error)
	go func() { landed <- f.landAll(ctx, flights, stop) }()
	err := f.launchAll(launching, after, only, flights)
	close(flights)
	first := <-landed
	if first != nil && ctx.Err() == nil && errors.Is(err, context.Canceled) {
		err = nil // was stopped by the first
	}
	return errors.Join(first, err)
}

// launchAll launches batch after batch.
func (f *following) launchAll(ctx context.Context, after int64, only map[string]int64, flights chan<- *flight) error {
	for c, err := range ahead(ctx, f.lake.Changes(ctx, after)) {
		if err != nil {
			return err
		}
		if only != nil && f.allBehind(only) {
			return nil // none of them takes anything yet
		}
		next, err := f.launch(ctx, &c, after, only)
		if err != nil {
			return err
		}
		flights <- next
		if c.Through > 0 {
			after = c.Through
		}
	}
	return nil
}

// landAll lands flights in their order. With the first error it stops launching.
func (f *following) landAll(ctx context.Context, flights <-chan *flight, stop func()) (err error) {
	for fl := range flights {
		if err != nil {
			_, _ = fl.sending.wait() // its documents are sent again after the first error
			continue
		}
		if err = f.land(ctx, fl); err != nil {
			stop()
		}
	}
	return err
}

func (f *following) allBehind(only map[string]int64) bool {
	for index := range only {
		if !f.behind.has(index) {
			return false
		}
	}
	return true
}

// behind are the indices that a run found to take nothing, and why. The zero value
// has none. Safe for concurrent use.
type behind struct {
	mu      sync.Mutex
	reasons map[string]string
}

func (b *behind) add(reasons map[string]string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reasons == nil {
		b.reasons = map[string]string{}
	}
	maps.Copy(b.reasons, reasons)
}

func (b *behind) has(index string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reasons[index] != ""
}

// ahead reads one element further than it yields, while that one is worked on.
func ahead[T any](ctx context.Context, seq iter.Seq2[T, error]) iter.Seq2[T, error] {
	type element struct {
		value T
		err   error
	}
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		read := make(chan element)
		go func() {
			defer close(read)
			for v, err := range seq {
				select {
				case read <- element{v, err}:
				case <-ctx.Done():
					return
				}
			}
		}()
		defer func() {
			cancel()
			for range read { // until the reader has ended
			}
		}()
		for e := range read {
			if !yield(e.value, e.err) {
				return
			}
		}
	}
}
