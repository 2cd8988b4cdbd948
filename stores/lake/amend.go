package lake

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/iceberg-go/table"
	"muster/fleet"
)

// amendInBatch amends the rows of the batch itself and returns the amendments
// of others, each record once: of two amendments of one record the last counts.
func amendInBatch(all []row, amendments []fleet.Amendment) []fleet.Amendment {
	if len(amendments) == 0 {
		return nil
	}
	inBatch := make(map[batchKey]*row, len(all))
	for i := range all {
		inBatch[batchKey{newDayKey(fleet.Kind(all[i].Kind), all[i].TimeUS), hashID(all[i].ID)}] = &all[i]
	}
	var later []fleet.Amendment
	at := map[batchKey]int{} // in later
	for _, a := range amendments {
		k := refKey(a.Ref)
		i, again := at[k]
		switch r := inBatch[k]; {
		case r != nil:
			r.setKeys(&a.Keys)
		case again:
			later[i] = a
		default:
			at[k] = len(later)
			later = append(later, a)
		}
	}
	return later
}

func refKey(ref fleet.Ref) batchKey {
	return batchKey{newDayKey(ref.Kind, ref.Time.UnixMicro()), hashID(text(ref.ID))}
}

// liveRows reads the live row of each amendment's record, in their order.
func (l *Lake) liveRows(ctx context.Context, tbl *table.Table, amendments []fleet.Amendment) ([]row, error) {
	type want struct {
		number int64
		index  int
	}
	l.live.mu.Lock()
	defer l.live.mu.Unlock()
	byFile := map[string][]want{}
	for i, a := range amendments {
		k := refKey(a.Ref)
		day, err := l.live.at(ctx, l.files(ctx), tbl, k.dayKey)
		if err != nil {
			return nil, err
		}
		p, ok := day.ids.get(k.id)
		if !ok {
			return nil, fmt.Errorf("amend %s %s of %s: it is not in the lake", a.Ref.Kind, a.Ref.ID, fleet.FormatTime(a.Ref.Time))
		}
		name := day.paths[p.file]
		byFile[name] = append(byFile[name], want{p.number, i})
	}
	out := make([]row, len(amendments))
	for _, name := range slices.Sorted(maps.Keys(byFile)) {
		wants := byFile[name]
		slices.SortFunc(wants, func(a, b want) int { return int(a.number - b.number) })
		numbers := make([]int64, len(wants))
		for i, w := range wants {
			numbers[i] = w.number
		}
		rows, err := readRows(l.files(ctx), name, numbers)
		if err != nil {
			return nil, err
		}
		for i, w := range wants {
			out[w.index] = rows[i]
		}
	}
	return out, nil
}
