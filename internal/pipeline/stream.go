package pipeline

import (
	"context"
	"errors"
	"iter"

	"muster/fleet"
)

// Stream commits batches as they come, in commits of the size of an import's,
// and reads ahead meanwhile. After an error what is committed stands, and the
// rest is dropped.
func (l *Line) Stream(ctx context.Context, name string, batches iter.Seq2[fleet.Batch, error]) (Totals, error) {
	ctx, stop := context.WithCancel(ctx)
	im := importer{line: l}
	r := &reading{batches: make(chan fleet.Batch), copied: make(chan struct{}, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.run(ctx, batches)
	}()
	err := im.file(ctx, importFile{path: name}, r)
	if err == nil {
		err = im.flush(ctx)
	}
	err = errors.Join(err, im.settle())
	stop()
	<-ended
	return im.totals, err
}
