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
	tx := tbl.NewTransaction()
	err := tx.ExpireSnapshots(table.WithRetainLast(1), table.WithOlderThan(snapshotAge))
	if err == nil {
		tbl, err = tx.Commit(ctx)
	}
	if err != nil {
		l.options.Logger.WarnContext(ctx, "old snapshots not expired", "error", err)
		return
	}
	l.remember(tableEvidence, tbl)
}
