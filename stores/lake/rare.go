package lake

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go/bloom"

	"muster/fleet"
)

// A text that few spans have as an annotation, such as the number of an order,
// is not walked to: filters say in which files it may be, and these alone are
// sifted.

// rareFiles is in how many files a text may be that is rare, those among them
// that have it by chance: one in a hundred.
const rareFiles = 12

// rare is the newest traces that meet a query for a text that few files may have,
// or errManySifted.
func (w *walk) rare(ctx context.Context, q *fleet.Query) ([]fleet.Summary, error) {
	s, ok := newSieve(q)
	if !ok || s.text == "" {
		return nil, errManySifted
	}
	s.files = map[string]bool{}
	column, hash := strings.Join(s.column, "."), bloom.XXH64{}.Sum64([]byte(s.text))
	all := map[string]bool{}
	for _, f := range w.all {
		all[f.name] = true
		if f.key.kind != string(fleet.KindSpan) {
			continue
		}
		may, err := w.lake.mayHaveHash(ctx, f, column, hash)
		if err != nil {
			return nil, err
		}
		if may {
			s.files[f.name] = true
		}
		if len(s.files) > rareFiles {
			return nil, errManySifted
		}
	}
	found, _, err := w.sift(ctx, q, s, all, slice{from: beginning, last: true, in: w.inside})
	return found, err
}

// mayHaveHash reports whether a file may have a value of a hash in a column. It
// reads one block of each filter and keeps none: filters of attributes are long.
func (l *Lake) mayHaveHash(ctx context.Context, f *stored, column string, hash uint64) (bool, error) {
	file, err := l.files(ctx).Open(f.name)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", f.name, err)
	}
	defer func() { _ = file.Close() }() // only read
	places, err := l.reader.sketches.blocks(file, f.name, column)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", f.name, err)
	}
	if len(places) == 0 {
		return true, nil
	}
	for _, p := range places {
		if p.length == 0 {
			return true, nil
		}
		may, err := bloom.CheckSplitBlock(io.NewSectionReader(file, p.offset, p.length), p.length, hash)
		if err != nil {
			return false, fmt.Errorf("read filter of %s: %w", f.name, err)
		}
		if may {
			return true, nil
		}
	}
	return false, nil
}
