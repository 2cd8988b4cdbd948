package collectors

import (
	"context"
	"errors"
	"io"
	"iter"

	"muster/fleet"
)

// ReadStream yields the records of a stream in any format that ReadFile reads.
// name names it in errors. The stream is read once: batches before an error
// stand, unlike a file's. A batch's slice is the consumer's until it asks for the
// next one.
func ReadStream(ctx context.Context, name string, r io.Reader, o FileOptions) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		again := func(batch fleet.Batch, err error) bool {
			more := yield(batch, err)
			giveRoom(batch.Records)
			return more
		}
		b := batcher{yield: again, origin: origin{o.Account, o.Region}, path: name, group: o.LogGroup, runs: pastRuns{given: o.Execution}}
		unpacked, err := scanStream(r, b.reader(), func(d document) error {
			if err := o.turn(ctx); err != nil {
				return err
			}
			if err := checkDocument(d); err != nil {
				return err
			}
			return b.add(d)
		})
		if at, ok := errors.AsType[*positionError](err); ok {
			err = &FileError{Path: name, Offset: at.offset, Unpacked: unpacked, Item: at.item, Err: at.err}
		}
		if err == nil {
			err = b.finish()
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(fleet.Batch{}, err)
		}
	}
}
