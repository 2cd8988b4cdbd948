package lake

import (
	"context"
	"errors"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// forget removes a table's old snapshots and what its manifests keep of files
// that are gone, whose bounds may name a person. It returns how many snapshots
// went, and how many files of interrupted commits are left.
func (l *Lake) forget(ctx context.Context, name string) (snapshots, orphans int, err error) {
	n, err := l.expireSnapshots(ctx, name, 0)
	if err != nil {
		return 0, 0, err
	}
	if err := l.rewriteManifests(ctx, name); err != nil {
		return n, 0, err
	}
	m, err := l.expireSnapshots(ctx, name, 0)
	if err != nil {
		return n, 0, err
	}
	tbl, err := l.catalog.LoadTable(ctx, table.Identifier{namespace, name})
	if err != nil {
		return n + m, 0, err
	}
	if _, err := tbl.DeleteOrphanFiles(ctx, table.WithFilesOlderThan(orphanAge)); err != nil {
		return n + m, 0, err
	}
	left, err := tbl.DeleteOrphanFiles(ctx, table.WithFilesOlderThan(0), table.WithDryRun(true))
	for _, o := range left.OrphanFiles {
		if strings.HasSuffix(o.Path, ".parquet") {
			orphans++
		}
	}
	return n + m, orphans, err
}

// rewriteManifests writes a table's manifests anew, without the entries of
// files that are gone.
func (l *Lake) rewriteManifests(ctx context.Context, name string) error {
	var err error
	for range expireTries {
		var tbl *table.Table
		if tbl, err = l.catalog.LoadTable(ctx, table.Identifier{namespace, name}); err != nil {
			return err
		}
		if tbl.CurrentSnapshot() == nil {
			return nil
		}
		tx := tbl.NewTransaction()
		byPath := table.WithRewriteManifestClusterBy(func(iceberg.DataFile) any { return "" })
		result, rewriteErr := tx.RewriteManifests(ctx, byPath)
		if rewriteErr != nil {
			return rewriteErr
		}
		if result.IsNoOp() {
			return nil
		}
		if _, err = tx.Commit(ctx); !errors.Is(err, table.ErrCommitFailed) {
			return err
		}
	}
	return err
}
