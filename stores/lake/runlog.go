package lake

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"muster/fleet"
)

// Runs yields the newest state of the audit's runs, in the order in which these
// states were saved.
func (l *Lake) Runs(ctx context.Context) iter.Seq2[fleet.Run, error] {
	return func(yield func(fleet.Run, error) bool) {
		rows, err := l.runs().rows(ctx)
		if err != nil {
			yield(fleet.Run{}, fmt.Errorf("read the runs: %w", err))
			return
		}
		rows = l.runs().fold(rows)
		slices.SortStableFunc(rows, func(a, b runRow) int { return cmp.Compare(a.Saved, b.Saved) })
		for i := range rows {
			if !yield(rows[i].run(), nil) {
				return
			}
		}
	}
}

func (r *runRow) run() fleet.Run {
	return fleet.Run{
		ID: r.ID, Started: fromMicroseconds(r.Started), Ended: fromMicroseconds(r.Ended),
		Window:   fleet.Window{Start: fromMicroseconds(r.WindowStart), End: fromMicroseconds(r.WindowEnd)},
		Policies: int(r.Policies), Findings: int(r.Findings), NotJudged: r.NotJudged,
	}
}
