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
	// smallTries is how often an append to a small table is tried against
	// other writers; each loss means that one of them was done.
	smallTries = 20
	// foldFiles is how many files a small table may have before an append
	// writes it anew as one: reading stays at a few milliseconds.
	foldFiles = 8
)

// smallTable is a table beside the evidence whose rows fit in memory.
type smallTable[T any] struct {
	lake *Lake
	name string
	// stamp writes the sequence number of the commit into a new row.
	stamp func(r *T, seq int64)
	// fold reduces rows to those that still say something.
	fold func(rows []T) []T
}

// rows reads all rows.
func (s smallTable[T]) rows(ctx context.Context) ([]T, error) {
	tbl, err := s.lake.head(ctx, s.name)
	if err != nil {
		return nil, err
	}
	rows, _, err := s.read(ctx, tbl)
	return rows, err
}

func (s smallTable[T]) read(ctx context.Context, tbl *table.Table) ([]T, []iceberg.DataFile, error) {
	tasks, err := tbl.Scan().PlanFiles(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("plan table %s: %w", s.name, err)
	}
	var rows []T
	var dataFiles []iceberg.DataFile
	for _, t := range tasks {
		if len(t.DeleteFiles)+len(t.EqualityDeleteFiles)+len(t.DeletionVectorFiles) > 0 {
			return nil, nil, fmt.Errorf("table %s has deletes, which no muster writes: compact it with the engine that wrote them", s.name)
		}
		dataFiles = append(dataFiles, t.File)
		err := readParquet(s.lake.files(ctx), t.File.FilePath(), func(_ int64, r *T) error {
			rows = append(rows, *r)
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return rows, dataFiles, nil
}

// add appends rows durably. It writes the table anew as one folded file when
// it has become many.
func (s smallTable[T]) add(ctx context.Context, rows []T) error {
	if len(rows) == 0 {
		return nil
	}
	var err error
	for range smallTries {
		var tbl *table.Table
		tbl, err = s.lake.catalog.LoadTable(ctx, table.Identifier{namespace, s.name})
		if err != nil {
			return fmt.Errorf("load table %s: %w", s.name, err)
		}
		if err = s.try(ctx, tbl, rows); !errors.Is(err, table.ErrCommitFailed) {
			return err
		}
	}
	return fmt.Errorf("append to table %s, %d times: %w", s.name, smallTries, err)
}

func (s smallTable[T]) try(ctx context.Context, tbl *table.Table, rows []T) error {
	seq := tbl.Metadata().LastSequenceNumber() + 1
	for i := range rows {
		s.stamp(&rows[i], seq)
	}
	tasks, err := tbl.Scan().PlanFiles(ctx)
	if err != nil {
		return fmt.Errorf("plan table %s: %w", s.name, err)
	}
	var replaced []iceberg.DataFile
	if len(tasks) >= foldFiles {
		old, dataFiles, err := s.read(ctx, tbl)
		if err != nil {
			return err
		}
		rows, replaced = s.fold(append(old, rows...)), dataFiles
	}
	name := dataName(s.lake.base, s.name, rand.Text()+".parquet")
	size, err := writeParquet(s.lake.files(ctx), name, rows)
	if err != nil {
		return err
	}
	next, err := s.swap(ctx, tbl, name, int64(len(rows)), size, replaced)
	if errors.Is(err, table.ErrCommitFailed) {
		return errors.Join(err, s.lake.files(ctx).Remove(name))
	}
	if err != nil {
		return err
	}
	s.lake.remember(s.name, next)
	return nil
}

func (s smallTable[T]) swap(ctx context.Context, tbl *table.Table, name string, rows, size int64, replaced []iceberg.DataFile) (*table.Table, error) {
	b, err := iceberg.NewDataFileBuilder(tbl.Spec(), iceberg.EntryContentData, name, iceberg.ParquetFile, nil, nil, nil, rows, size)
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", name, err)
	}
	tx := tbl.NewTransaction()
	if len(replaced) == 0 {
		err = tx.AddDataFiles(ctx, []iceberg.DataFile{b.Build()}, nil, table.WithoutDuplicateCheck(), table.WithoutAutoNameMapping())
	} else {
		rewrite := tx.NewRewrite(nil).AddDataFile(b.Build())
		for _, old := range replaced {
			rewrite.DeleteFile(old)
		}
		err = errors.Join(rewrite.Commit(ctx), tx.ExpireSnapshots(table.WithRetainLast(1), table.WithOlderThan(snapshotAge)))
	}
	if err != nil {
		return nil, fmt.Errorf("stage rows of table %s: %w", s.name, err)
	}
	if props := lacking(tbl); len(props) > 0 {
		if err := tx.SetProperties(props); err != nil {
			return nil, fmt.Errorf("stage properties of table %s: %w", s.name, err)
		}
	}
	if err := tx.AssertRefSnapshotID(table.MainBranch); err != nil {
		return nil, fmt.Errorf("stage snapshot of table %s: %w", s.name, err)
	}
	return tx.Commit(ctx)
}
