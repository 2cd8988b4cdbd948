package lake

import (
	"context"
	"errors"

	"muster/fleet"
)

// The newest traces of a folder are found without reading all of it: time is
// walked backwards in slices. All traces that have a record in a slice, or after
// it, are summed up from every file that can hold one of them, and by the same
// SQL; those that began in it are complete, and no trace that is left out began
// later.

const (
	// firstSlice is how many records the first slice has at least: some thousand
	// traces of which a screen is a tenth.
	firstSlice = 60_000
	// mostGrowth is by how much the next slice is longer, at most: more would
	// read too much when evidence lies unevenly.
	mostGrowth = 16
	// fewTraces are looked for in the filters of a file; among more of them one
	// is found by chance, at one in a hundred.
	fewTraces = 16
)

// errAll says that a slice is not worth it: most of the files are in it.
var errAll = errors.New("the slice is nearly all")

// newest is the newest traces that meet a query with a limit, or errAll. The first
// slice has so many records.
func (l *Lake) newest(ctx context.Context, q *fleet.Query, target int64) ([]fleet.Summary, error) {
	v, err := l.evidenceNow(ctx)
	if err != nil || v == nil {
		return nil, err
	}
	if v.foreign {
		return nil, errAll
	}
	w := newWalk(l, v, q)
	if found, err := w.rare(ctx, q); !errors.Is(err, errManySifted) {
		return found, err
	}
	for {
		s := w.slice(target)
		files, err := w.files(ctx, s)
		if err != nil {
			return nil, err
		}
		found, most, err := w.found(ctx, q, v.snapshot, files, s)
		if err != nil || s.last || len(found) >= q.Limit {
			return found, err
		}
		growth := int64(2)
		if most > 0 {
			growth += int64(q.Limit / most)
		} else {
			growth = mostGrowth
		}
		target *= min(growth, mostGrowth)
	}
}

// found are the traces that meet a query and began in a slice, or none and how
// many they are at most where those are too few.
func (w *walk) found(ctx context.Context, q *fleet.Query, snapshot int64, files map[string]bool, in slice) ([]fleet.Summary, int, error) {
	if s, ok := newSieve(q); ok {
		found, most, err := w.sift(ctx, q, s, files, in)
		if !errors.Is(err, errManySifted) {
			return found, most, err
		}
	}
	found, err := collect(w.lake.summaries(ctx, keptFiles{w.lake.engine(), files, snapshot}, q, in.from))
	return found, len(found), err
}

// keptFiles is an engine that reads some files only.
type keptFiles struct {
	engine
	names    map[string]bool
	snapshot int64
}
