package collectors

import (
	"context"

	"muster/fleet"
)

// readRest reads a file that is known to be whole, but for its first documents.
func readRest(ctx context.Context, o FileOptions, skip int, b *batcher) error {
	err := scanFile(b.path, b.reader(), func(d document) error {
		if err := o.turn(ctx); err != nil {
			return err
		}
		if skip > 0 {
			skip--
			return nil
		}
		return b.add(d)
	})
	if err == nil {
		err = b.finish()
	}
	return err
}

// holder checks a file and holds its first batches meanwhile.
type holder struct {
	batches   []fleet.Batch
	bytes     int
	documents int  // that the batches came of
	full      bool // the rest is checked only
}

// take checks a document and, while there is room, adds it to the batches.
func (h *holder) take(d document, b *batcher) error {
	if err := checkDocument(d); err != nil {
		return err
	}
	if h.full {
		if d.read {
			return nil
		}
		if err := checkShape(d.body, d.shape); err != nil {
			return &positionError{d.offset, d.item, err}
		}
		return nil
	}
	h.documents++
	return b.add(d)
}

func (h *holder) hold(b fleet.Batch, _ error) bool {
	h.batches = append(h.batches, b)
	for i := range b.Records {
		h.bytes += len(b.Records[i].Raw)
	}
	h.full = h.bytes >= heldBytes
	return true
}
