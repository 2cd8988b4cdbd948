package lake

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// ledgerRow is a fleet.LedgerEntry as the table "ledger" holds it.
type ledgerRow struct {
	Stream      string `parquet:"stream,id(1),dict"`
	WindowStart int64  `parquet:"window_start_us,id(2)"` // 0: open
	WindowEnd   int64  `parquet:"window_end_us,id(3)"`   // 0: open
	Coverage    string `parquet:"coverage,id(4),dict"`
	Reason      string `parquet:"reason,id(5),dict"`
	Detail      string `parquet:"detail,id(6)"`
	Records     int64  `parquet:"records,id(7)"`
	Saved       int64  `parquet:"saved,id(8)"` // the commit's sequence number
}

func (l *Lake) ledger() smallTable[ledgerRow] {
	return smallTable[ledgerRow]{
		lake: l, name: tableLedger,
		stamp: func(r *ledgerRow, seq int64) { r.Saved = seq },
		fold:  foldLedger,
	}
}

func (l *Lake) saveLedger(ctx context.Context, entries []fleet.LedgerEntry) error {
	rows := make([]ledgerRow, len(entries))
	for i, e := range entries {
		rows[i] = ledgerRow{
			Stream: text(e.Stream), WindowStart: microseconds(e.Window.Start), WindowEnd: microseconds(e.Window.End),
			Coverage: string(e.Coverage), Reason: text(e.Reason), Detail: text(e.Detail), Records: int64(e.Records),
		}
	}
	return l.ledger().add(ctx, rows)
}

// Ledger yields the entries whose windows touch w, oldest window first. What
// no entry covers is unknown. Complete entries of a stream that touch may come
// back as one.
func (l *Lake) Ledger(ctx context.Context, w fleet.Window) iter.Seq2[fleet.LedgerEntry, error] {
	return func(yield func(fleet.LedgerEntry, error) bool) {
		rows, err := l.ledger().rows(ctx)
		if err != nil {
			yield(fleet.LedgerEntry{}, err)
			return
		}
		sortLedger(rows)
		for _, r := range rows {
			e := r.entry()
			if touches(e.Window, w) && !yield(e, nil) {
				return
			}
		}
	}
}

func (r *ledgerRow) entry() fleet.LedgerEntry {
	return fleet.LedgerEntry{
		Stream: r.Stream, Window: fleet.Window{Start: fromMicroseconds(r.WindowStart), End: fromMicroseconds(r.WindowEnd)},
		Coverage: fleet.Coverage(r.Coverage), Reason: r.Reason, Detail: r.Detail, Records: int(r.Records),
	}
}

// touches reports whether two windows have an instant in common; the zero time
// leaves a side open.
func touches(a, b fleet.Window) bool {
	return (a.Start.IsZero() || b.End.IsZero() || a.Start.Before(b.End)) &&
		(b.Start.IsZero() || a.End.IsZero() || b.Start.Before(a.End))
}

func sortLedger(rows []ledgerRow) {
	slices.SortFunc(rows, func(a, b ledgerRow) int {
		return cmp.Or(cmp.Compare(a.WindowStart, b.WindowStart), strings.Compare(a.Stream, b.Stream),
			cmp.Compare(a.WindowEnd, b.WindowEnd), cmp.Compare(a.Saved, b.Saved))
	})
}

// foldLedger joins complete windows of a stream that touch or overlap into
// one. Entries that say why something is missing stay as they are.
func foldLedger(rows []ledgerRow) []ledgerRow {
	sortLedger(rows)
	last := map[string]int{} // by stream, in out
	var out []ledgerRow
	for _, r := range rows {
		i, ok := last[r.Stream]
		switch {
		case r.Coverage != string(fleet.Complete) || r.WindowEnd == 0:
			out = append(out, r)
		case ok && r.WindowStart <= out[i].WindowEnd:
			out[i].WindowEnd = max(out[i].WindowEnd, r.WindowEnd)
			out[i].Records += r.Records
			out[i].Saved = max(out[i].Saved, r.Saved)
		default:
			last[r.Stream] = len(out)
			out = append(out, r)
		}
	}
	return out
}

// microseconds is a time as the small tables hold it, 0 for the zero time.
func microseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicroseconds(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
