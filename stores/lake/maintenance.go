package lake

import (
	"context"
	"errors"
	"time"

	"github.com/apache/iceberg-go/table"
)

const (
	// snapshotAge keeps a snapshot for readers that planned with it. Queries
	// take seconds; an hour is far beyond them and bounds the metadata, which
	// every commit writes anew, to some hundred snapshots.
	snapshotAge = time.Hour
	// expireSlack is how much older than snapshotAge the oldest snapshot gets
	// before all the old ones go at once: at a commit each 5 seconds, some 200.
	expireSlack = 15 * time.Minute
	// orphanAge is how old a file that no snapshot names gets. No commit takes
	// a day, so that none of them is still being committed.
	orphanAge = 24 * time.Hour
	// compactEvery is the number of commits between two looks for small files.
	compactEvery = mergeFiles
)

// upkeep says how old things get before they go.
type upkeep struct{ snapshots, slack, orphans time.Duration }

// maintain keeps a lake of many commits quick, after one of them, and returns
// the table with the same rows as it left it. That it did not work out is no
// failure of the commit: the next round tries again.
func (l *Lake) maintain(ctx context.Context, tbl *table.Table, written []writtenFile) *table.Table {
	l.commitCount++
	if l.commitCount%compactEvery == 0 {
		next, err := l.compact(ctx, tbl, written)
		switch {
		case err == nil:
			tbl = next
		case !errors.Is(err, table.ErrCommitFailed):
			l.options.Logger.WarnContext(ctx, "small files not merged", "error", err)
		}
	}
	l.tidy(ctx, tbl)
	return tbl
}

// tidy expires old snapshots and sweeps orphans, once it is time.
func (l *Lake) tidy(ctx context.Context, tbl *table.Table) {
	if snapshotSpan(tbl) <= l.upkeep.snapshots+l.upkeep.slack {
		return
	}
	if _, err := l.expireSnapshots(ctx, tableEvidence, l.upkeep.snapshots); err != nil {
		l.options.Logger.WarnContext(ctx, "old snapshots not expired", "error", err)
		return
	}
	removed, err := l.Sweep(ctx, l.upkeep.orphans)
	if err != nil {
		l.options.Logger.WarnContext(ctx, "orphan files not swept", "error", err)
		return
	}
	l.options.Logger.DebugContext(ctx, "old snapshots expired", "orphans", removed)
}

// snapshotSpan is the time between a table's oldest and newest snapshot.
func snapshotSpan(tbl *table.Table) time.Duration {
	snapshots := tbl.Metadata().Snapshots()
	if len(snapshots) == 0 {
		return 0
	}
	oldest, newest := snapshots[0].TimestampMs, snapshots[0].TimestampMs
	for _, s := range snapshots {
		oldest, newest = min(oldest, s.TimestampMs), max(newest, s.TimestampMs)
	}
	return time.Duration(newest-oldest) * time.Millisecond
}
