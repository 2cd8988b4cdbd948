package lake

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

const (
	// mergeFiles files of one size class are merged into one of the next. With
	// it a part of the table has some 40 small files at most, and a row is
	// written again once per class.
	mergeFiles = 12
	// smallestClass is the size in bytes, compressed, below which files are of
	// one class: that of a commit every few seconds.
	smallestClass = 32 << 10
	// classGrowth is how many times larger the files of the next class are.
	classGrowth = 8
	// sizeClasses is the number of classes that are merged. The largest merge
	// takes 12 files of up to 2 MB, some 250 MB in memory.
	sizeClasses = 3
)

// sizeClass is the class of a file by its size; false when it is large enough.
func sizeClass(bytes int64) (int, bool) {
	limit := int64(smallestClass)
	for class := range sizeClasses {
		if bytes < limit {
			return class, true
		}
		limit *= classGrowth
	}
	return 0, false
}

// mergeKey names the files that may become one.
type mergeKey struct {
	partition
	class int
}

// compact merges small files in the parts of the table that a commit has just
// written to, and returns the table afterwards. The rows stay what they are.
// When another writer was faster nothing happens: a later commit tries again.
func (l *Lake) compact(ctx context.Context, tbl *table.Table, written []writtenFile) (*table.Table, error) {
	groups, err := mergeable(ctx, tbl, written)
	if err != nil || len(groups) == 0 {
		return tbl, err
	}
	merged := make([]mergedFile, 0, len(groups))
	for key, old := range groups {
		w, err := l.merge(ctx, key.partition, old)
		if err != nil {
			return nil, errors.Join(err, l.removeMerged(ctx, merged))
		}
		merged = append(merged, mergedFile{w, old})
	}
	next, err := replaceFiles(ctx, tbl, merged)
	if errors.Is(err, table.ErrCommitFailed) {
		return nil, errors.Join(err, l.removeMerged(ctx, merged))
	}
	if err != nil {
		return nil, err // it may have been committed: the sweep decides about the files
	}
	l.remember(tableEvidence, next)
	l.live.merged(snapshotID(tbl), snapshotID(next), merged)
	return next, nil
}

// mergedFile is a file with the rows of others.
type mergedFile struct {
	writtenFile
	old []iceberg.DataFile
}

func (l *Lake) removeMerged(ctx context.Context, merged []mergedFile) error {
	var errs []error
	for _, m := range merged {
		errs = append(errs, l.files(ctx).Remove(m.name))
	}
	return errors.Join(errs...)
}

// replaceFiles moves the table to a snapshot with merged files instead of
// those they were made of, if it is still the snapshot that tbl was loaded at.
func replaceFiles(ctx context.Context, tbl *table.Table, merged []mergedFile) (*table.Table, error) {
	tx := tbl.NewTransaction()
	rewrite := tx.NewRewrite(nil)
	for _, m := range merged {
		df, err := m.dataFile(tbl)
		if err != nil {
			return nil, err
		}
		rewrite.AddDataFile(df)
		for _, f := range m.old {
			rewrite.DeleteFile(f)
		}
	}
	if err := errors.Join(rewrite.Commit(ctx), tx.AssertRefSnapshotID(table.MainBranch)); err != nil {
		return nil, fmt.Errorf("stage merged files: %w", err)
	}
	return tx.Commit(ctx)
}

// mergeable groups the small files in the parts of the table that were written
// to, and keeps the groups that are large enough to merge.
func mergeable(ctx context.Context, tbl *table.Table, written []writtenFile) (map[mergeKey][]iceberg.DataFile, error) {
	groups := map[mergeKey][]iceberg.DataFile{}
	planned := map[dayKey]bool{}
	for _, w := range written {
		if planned[w.key.dayKey] {
			continue
		}
		planned[w.key.dayKey] = true
		tasks, err := tbl.Scan(table.WithRowFilter(dayFilter(w.key.dayKey))).PlanFiles(ctx)
		if err != nil {
			return nil, fmt.Errorf("plan files: %w", err)
		}
		for _, t := range tasks {
			class, small := sizeClass(t.File.FileSizeBytes())
			if small && len(t.DeleteFiles)+len(t.EqualityDeleteFiles)+len(t.DeletionVectorFiles) == 0 {
				amends, _ := t.File.Partition()[partitionAmends].(bool)
				key := mergeKey{partition{w.key.dayKey, amends}, class}
				groups[key] = append(groups[key], t.File)
			}
		}
	}
	for key, fs := range groups {
		if len(fs) < mergeFiles {
			delete(groups, key)
		}
	}
	return groups, nil
}

// merge writes the rows of files of one part of the table to one new file.
func (l *Lake) merge(ctx context.Context, key partition, old []iceberg.DataFile) (writtenFile, error) {
	var rows []draft
	for _, f := range old {
		err := readParquet(l.files(ctx), f.FilePath(), func(_ int64, r *row) error {
			own := *r
			rows = append(rows, draft{row: &own})
			return nil
		})
		if err != nil {
			return writtenFile{}, err
		}
	}
	sortDrafts(rows)
	name := evidenceName(l.base, key.dayKey, rand.Text())
	w := writtenFile{key: key, name: name, rows: rows}
	w.hashIDs()
	var err error
	w.size, w.reach, err = writeEvidence(l.files(ctx), name, rows)
	return w, err
}
