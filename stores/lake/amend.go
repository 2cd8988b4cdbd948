package lake

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/iceberg-go/table"
	"muster/fleet"
)

// amendInBatch amends what is in the batch itself and returns the amendments
// of others, each record once: of two amendments of one record the last counts.
func amendInBatch(all []draft, amendments []fleet.Amendment) []fleet.Amendment {
	if len(amendments) == 0 {
		return nil
	}
	inBatch := make(map[batchKey]*draft, len(all))
	for i := range all {
		inBatch[batchKey{all[i].partition().dayKey, hashID(all[i].id())}] = &all[i]
	}
	var later []fleet.Amendment
	at := map[batchKey]int{} // in later
	for _, a := range amendments {
		k := refKey(a.Ref)
		i, again := at[k]
		switch d := inBatch[k]; {
		case d != nil:
			d.settle().setKeys(&a.Keys)
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

// askFor asks for the records of amendments.
func askFor(amendments []fleet.Amendment) *asked {
	a := &asked{ids: make([]idHash, len(amendments)), day: make([]int32, len(amendments))}
	known := map[dayKey]int32{}
	for i := range amendments {
		k := refKey(amendments[i].Ref)
		n, ok := known[k.dayKey]
		if !ok {
			n = int32(len(a.days))
			a.days, known[k.dayKey] = append(a.days, k.dayKey), n
		}
		a.ids[i], a.day[i] = k.id, n
	}
	return a
}

// liveRows reads the live row of each amendment's record, in their order.
func (l *Lake) liveRows(ctx context.Context, tbl *table.Table, amendments []fleet.Amendment) ([]row, error) {
	if len(amendments) == 0 {
		return nil, nil
	}
	l.live.mu.Lock()
	defer l.live.mu.Unlock()
	places, err := l.live.find(ctx, l.files(ctx), tbl, askFor(amendments))
	if err != nil {
		return nil, err
	}
	byFile := map[string][]int{} // amendments
	for i, a := range amendments {
		p, ok := places[int32(i)]
		if !ok {
			return nil, fmt.Errorf("amend %s %s of %s: it is not in the lake", a.Ref.Kind, a.Ref.ID, fleet.FormatTime(a.Ref.Time))
		}
		byFile[p.file.name] = append(byFile[p.file.name], i)
	}
	out := make([]row, len(amendments))
	for _, name := range slices.Sorted(maps.Keys(byFile)) {
		wants := byFile[name]
		slices.SortFunc(wants, func(a, b int) int { return cmp.Compare(places[int32(a)].number, places[int32(b)].number) })
		numbers := make([]int64, len(wants))
		for i, w := range wants {
			numbers[i] = places[int32(w)].number
		}
		rows, err := readRows(l.files(ctx), name, numbers)
		if err != nil {
			return nil, err
		}
		for i, w := range wants {
			out[w] = rows[i]
		}
	}
	return out, nil
}
