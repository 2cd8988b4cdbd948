package lake

import (
	"context"
	"time"

	"github.com/apache/iceberg-go/table"
)

const (
	// snapshotAge keeps a snapshot for readers that planned with it. Queries
	// take seconds; an hour is far beyond them and bounds the metadata, which
	// every commit writes anew, to some hundred snapshots.
	snapshotAge = time.Hour
	// expireEvery is the number of commits between two expiries.
	expireEvery = 200
)

// maintain expires old snapshots now and then. That it did not work out is no
// failure of the commit before it: the next round tries again.
func (l *Lake) maintain(ctx context.Context, tbl *table.Table) {
	if tbl.Metadata().LastSequenceNumber()%expireEvery != 0 {
		return
	}
	if err := l.expire(ctx, tbl, snapshotAge); err != nil {
		l.options.Logger.WarnContext(ctx, "old snapshots not expired", "error", err)
	}
}

// expire forgets the snapshots of the evidence that are older than an age, but
// not the current one, and removes the files that only they name.
func (l *Lake) expire(ctx context.Context, tbl *table.Table, age time.Duration) error {
	tx := tbl.NewTransaction()
	if err := tx.ExpireSnapshots(table.WithRetainLast(1), table.WithOlderThan(age)); err != nil {
		return err
	}
	next, err := tx.Commit(ctx)
	if err != nil {
		return err
	}
	l.remember(tableEvidence, next)
	return nil
}
