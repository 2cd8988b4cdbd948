package lake

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/iceberg-go/table"
)

// Sweep removes the files that no snapshot names and that are older than an
// age: what killed or overtaken commits left. The age must be well above the
// longest commit, of any program on this lake; hours are. It returns how many
// files it removed.
func (l *Lake) Sweep(ctx context.Context, olderThan time.Duration) (int, error) {
	if l.options.ReadOnly {
		return 0, errReadOnly
	}
	removed := 0
	for _, t := range layouts() {
		tbl, err := l.catalog.LoadTable(ctx, table.Identifier{namespace, t.name})
		if err != nil {
			return removed, fmt.Errorf("sweep: load table %s: %w", t.name, err)
		}
		result, err := tbl.DeleteOrphanFiles(ctx, table.WithFilesOlderThan(olderThan))
		removed += len(result.DeletedFiles)
		if err != nil {
			return removed, fmt.Errorf("sweep table %s: %w", t.name, err)
		}
	}
	return removed, nil
}
