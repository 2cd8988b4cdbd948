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
// states were saved. Runs of one set of policies share their Versions.
func (l *Lake) Runs(ctx context.Context) iter.Seq2[fleet.Run, error] {
	return func(yield func(fleet.Run, error) bool) {
		rows, err := l.runs().rows(ctx)
		if err != nil {
			yield(fleet.Run{}, fmt.Errorf("read the runs: %w", err))
			return
		}
		rows = l.runs().fold(rows)
		sets := versionsOf(rows)
		slices.SortStableFunc(rows, func(a, b runRow) int { return cmp.Compare(a.Saved, b.Saved) })
		for i := range rows {
			r := rows[i].run()
			r.Versions = sets[rows[i].Set]
			if !yield(r, nil) {
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
		Renewed: fromMicroseconds(r.Renewed), Program: r.Program,
	}
}
