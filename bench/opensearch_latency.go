package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/internal/engines"
	"muster/stores/lake"
)

// measureLatency prints what readers of an OpenSearch with so many spans wait
// for: the questions are those that latencyBench asks of a lake.
func (b *openSearchBench) measureLatency(ctx context.Context, spans int) error {
	root, err := writeClones(ctx, b.folder, b.muster, spans, b.seed)
	if err != nil {
		return fmt.Errorf("write the lake: %w", err)
	}
	if b.engine, err = engines.StartFastOpenSearch(ctx); err != nil {
		return err
	}
	return errors.Join(b.askAll(ctx, root, spans), b.engine.Close())
}

func (b *openSearchBench) askAll(ctx context.Context, root string, spans int) error {
	if err := b.empty(ctx); err != nil {
		return err
	}
	b.lake = root
	items := spans / spansPerTrace * recordsPerTrace
	s, err := b.followed(ctx, items)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "%d documents in %s: %.0f a second, CPU µs each %.0f of the engine and %.1f of muster, of which the peak was %d MB\n",
		items, time.Duration(float64(items)/s.rate*float64(time.Second)).Round(time.Second), s.rate, s.engine, s.own, b.peakBytes>>20)
	header(b.out)
	if err := b.lookUp(ctx, root); err != nil {
		return err
	}
	store, err := b.open()
	if err != nil {
		return err
	}
	questions := latencyBench{out: b.out, spans: spans}
	return errors.Join(questions.searches(ctx, store), store.Close())
}

// lookUp prints how long traces of a lake and a list of them take from OpenSearch.
func (b *openSearchBench) lookUp(ctx context.Context, root string) error {
	l, err := lake.Open(ctx, root, lake.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	ids, err := someTraces(ctx, l)
	if err = errors.Join(err, l.Close()); err != nil {
		return err
	}
	s, err := b.open()
	if err != nil {
		return err
	}
	return errors.Join(lookedUp(ctx, s, ids, b.out), s.Close())
}
