package lake

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"muster/fleet"
)

const (
	// batchRecords is how many new records a batch brings. Each also reads as many
	// again that the batch before it brought, as collectors do with their overlap.
	batchRecords = 20
	killStream   = "child"
	// awsVariable is where the AWS of a child's lake on S3 is, and databaseVariable
	// its database.
	awsVariable      = "MUSTER_LAKE_TEST_AWS"
	databaseVariable = "MUSTER_LAKE_TEST_DATABASE"
)

// openAgain opens a lake as another program does.
func openAgain(ctx context.Context, root string) (*Lake, error) {
	var cfg aws.Config
	if url := os.Getenv(awsVariable); url != "" {
		cfg = testAWS(url)
		cfg.RetryMaxAttempts = 3
	}
	return Open(ctx, root, Options{AWS: cfg, Database: os.Getenv(databaseVariable)})
}

// commitNext commits the batch after the checkpoint and returns its number.
func commitNext(ctx context.Context, l *Lake) (int, error) {
	marks, err := l.Checkpoints(ctx)
	if err != nil {
		return 0, err
	}
	n := batchOf(marks[killStream]) + 1
	fresh, err := l.Fresh(ctx, logLines(n*batchRecords, 2*batchRecords))
	if err != nil {
		return 0, err
	}
	at := noon.Add(time.Duration(n) * time.Second)
	_, err = l.Commit(ctx, fleet.Commit{
		Base: fresh.Base, Records: fresh.Records, Checkpoints: map[string]time.Time{killStream: at},
		Ledger: []fleet.LedgerEntry{{Stream: killStream, Coverage: fleet.Complete, Window: fleet.Window{Start: at.Add(-time.Second), End: at}}},
	})
	return n, err
}

// batchOf is the number of the batch that a checkpoint stands for, -1 for none.
func batchOf(mark time.Time) int {
	if mark.IsZero() {
		return -1
	}
	return int(mark.Sub(noon) / time.Second)
}
