package lake

import (
	"context"
	"encoding/binary"
	"fmt"

	"muster/fleet"
)

// Fresh drops what the lake already holds at the same or a higher revision,
// and duplicates in the batch itself, of which the highest revision stays, the
// first among equals. An id is looked for among the records of its own kind and
// UTC day. When all are new, as almost always, the answer's records are those
// handed over and no copy, which would take a tenth of an import.
func (l *Lake) Fresh(ctx context.Context, records []fleet.Record) (fleet.Fresh, error) {
	tbl, err := l.head(ctx, tableEvidence)
	if err != nil {
		return fleet.Fresh{}, err
	}
	fresh := fleet.Fresh{Base: fleet.Snapshot(snapshotID(tbl))}
	b := newBatchIDs(records)

	l.live.mu.Lock()
	defer l.live.mu.Unlock()
	known, err := l.live.find(ctx, l.files(ctx), tbl, &b.asked)
	if err != nil {
		return fleet.Fresh{}, fmt.Errorf("look for live records: %w", err)
	}
	news := 0 // of the records so far, while all of them are
	for i := range records {
		r := &records[i]
		p, live := known[int32(i)]
		isNew := b.best(i) && !live
		switch {
		case isNew && news == i:
			news++
			continue
		case news == i: // the first one that is not
			fresh.Records = append(make([]fleet.Record, 0, len(records)), records[:i]...)
		}
		switch {
		case isNew:
			fresh.Records = append(fresh.Records, *r)
		case b.best(i) && int32(r.Revision) > p.revision:
			fresh.Revised = append(fresh.Revised, *r)
		default:
			fresh.Dropped++
		}
	}
	if news == len(records) {
		fresh.Records = records
	}
	return fresh, nil
}

type batchKey struct {
	dayKey
	id idHash
}

// batchIDs are the ids of a batch and which record of each id is the best: the
// one of the highest revision, the first among equals.
type batchIDs struct {
	asked
	// slots is a hash table of positions in the batch, counted from 1. An id
	// of two days or kinds is two ids.
	slots []int32
	mask  uint64
}

func newBatchIDs(records []fleet.Record) *batchIDs {
	size := 1
	for size < 2*len(records) {
		size *= 2
	}
	b := &batchIDs{
		asked: asked{ids: make([]idHash, len(records)), day: make([]int32, len(records))},
		slots: make([]int32, size), mask: uint64(size - 1),
	}
	inShares(len(records), func(from, to int) {
		for i := from; i < to; i++ {
			b.ids[i] = hashID(text(records[i].ID))
		}
	})
	known := map[dayKey]int32{}
	last := dayKey{day: -1 << 31}
	for i := range records {
		r := &records[i]
		key := newDayKey(r.Kind, r.TimeUS())
		if key == last {
			b.day[i] = b.day[i-1]
		} else {
			n, ok := known[key]
			if !ok {
				n = int32(len(b.days))
				b.days, known[key] = append(b.days, key), n
			}
			b.day[i], last = n, key
		}
		slot := b.find(i)
		if j := *slot; j == 0 || r.Revision > records[j-1].Revision {
			*slot = int32(i + 1)
		}
	}
	return b
}

// find is the slot of a record's id: empty, or holding a record of the same.
func (b *batchIDs) find(i int) *int32 {
	at := binary.LittleEndian.Uint64(b.ids[i][:]) + uint64(b.day[i])
	for ; ; at++ {
		slot := &b.slots[at&b.mask]
		if j := *slot; j == 0 || b.ids[j-1] == b.ids[i] && b.day[j-1] == b.day[i] {
			return slot
		}
	}
}

// best reports whether a record is the best of its id.
func (b *batchIDs) best(i int) bool { return *b.find(i) == int32(i+1) }
