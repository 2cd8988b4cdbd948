package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"muster/fleet"
	"muster/internal/engines"
	"muster/stores/lake"
)

// openSearchLatency is what readers are measured on.
type openSearchLatency struct {
	spans int
	alone bool   // no records of other kinds
	url   string // an engine that is there; one is started without it
}

// measureLatency prints what readers of an OpenSearch with so many spans wait
// for: the questions are those that latencyBench asks of a lake.
func (b *openSearchBench) measureLatency(ctx context.Context, l openSearchLatency) error {
	var only fleet.Kind
	items := l.spans / spansPerTrace * recordsPerTrace
	if l.alone {
		only, items = fleet.KindSpan, l.spans
	}
	var err error
	if b.lake, err = writeClones(ctx, b.folder, b.muster, l.spans, b.seed, only); err != nil {
		return fmt.Errorf("write the lake: %w", err)
	}
	if b.url = l.url; b.url == "" {
		if b.engine, err = engines.StartFastOpenSearch(ctx); err != nil {
			return err
		}
		b.url = b.engine.URL()
	}
	err = errors.Join(b.fill(ctx, items), b.askAll(ctx, l.spans))
	if b.engine != nil {
		err = errors.Join(err, b.engine.Close())
	}
	return err
}

// fill has muster bring the lake into the engine.
func (b *openSearchBench) fill(ctx context.Context, items int) error {
	if b.engine == nil {
		c, err := measure(ctx, b.muster, "opensearch", "setup", "--opensearch", b.url)
		if err == nil {
			c, err = measure(ctx, b.muster, "opensearch", "follow", "--once", "--store", b.lake, "--opensearch", b.url)
		}
		fmt.Fprintf(b.out, "what the engine lacked was there after %s\n", c.wall.Round(time.Second))
		return err
	}
	s, err := b.follow(ctx, items)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "%d documents in %s: %.0f a second, CPU µs each %.0f of the engine and %.1f of muster, of which the peak was %d MB\n",
		items, time.Duration(float64(items)/s.rate*float64(time.Second)).Round(time.Second), s.rate, s.engine, s.own, b.peakBytes>>20)
	return nil
}

// askAll asks everything twice, and prints how long it took the second time: an
// engine that has not answered yet has not compiled what answers, and takes up to
// five times as long.
func (b *openSearchBench) askAll(ctx context.Context, spans int) error {
	if err := b.settle(ctx); err != nil {
		return err
	}
	warm := *b
	warm.out = io.Discard
	if err := warm.questions(ctx, spans); err != nil {
		return err
	}
	return b.questions(ctx, spans)
}

func (b *openSearchBench) questions(ctx context.Context, spans int) error {
	header(b.out)
	if err := b.lookUp(ctx, b.lake); err != nil {
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
