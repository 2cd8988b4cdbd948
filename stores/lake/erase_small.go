package lake

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// small takes the subject out of the tables beside the evidence, or counts only.
func (x *eraser) small(ctx context.Context, countOnly bool) error {
	ids := map[string]bool{}
	for _, r := range x.refs {
		ids[r.ID] = true
	}
	findings, gone, err := alter(ctx, x.lake.findings(), countOnly, func(r *findingRow) verdict { return x.finding(r, ids) })
	if err != nil {
		return err
	}
	runs, _, err := alter(ctx, x.lake.runs(), countOnly, func(r *runRow) verdict { return changed(x.maskMap(r.NotJudged)) })
	if err != nil {
		return err
	}
	entries, _, err := alter(ctx, x.lake.ledger(), countOnly, func(r *ledgerRow) verdict { return changed(x.maskText(&r.Detail)) })
	if err != nil {
		return err
	}
	x.done.Findings, x.done.Altered, x.done.Fingerprints = len(gone), findings+runs+entries, nil
	for i := range gone {
		x.done.Fingerprints = append(x.done.Fingerprints, gone[i].Fingerprint)
	}
	return nil
}

// finding goes when it names the subject or nothing is left of its evidence.
func (x *eraser) finding(r *findingRow, ids map[string]bool) verdict {
	if slices.ContainsFunc([]string{r.Fingerprint, r.Title, r.Message, r.Remedy, r.Resource, r.Service}, x.subject.in) {
		return removed
	}
	left := slices.DeleteFunc(slices.Clone(r.Evidence), func(id string) bool { return ids[id] || x.subject.in(id) })
	switch {
	case len(left) == len(r.Evidence):
		return kept
	case len(left) == 0:
		return removed
	}
	r.Evidence = left
	return altered
}

func changed(yes bool) verdict {
	if yes {
		return altered
	}
	return kept
}

func (x *eraser) maskText(text *string) bool {
	if !x.subject.in(*text) {
		return false
	}
	*text = erased
	return true
}

func (x *eraser) maskMap(m map[string]string) bool {
	found := false
	for k, v := range m {
		if x.maskText(&v) {
			m[k] = v
			found = true
		}
	}
	return found
}

// verdict is what becomes of a row of a small table.
type verdict int

const (
	kept verdict = iota
	altered
	removed
)

// alter writes a small table anew, if a row changes, and returns how many rows
// were altered, and those removed. With countOnly it only asks.
func alter[T any](ctx context.Context, s smallTable[T], countOnly bool, change func(*T) verdict) (int, []T, error) {
	var err error
	for range smallTries {
		var n int
		var gone []T
		if n, gone, err = alterOnce(ctx, s, countOnly, change); !errors.Is(err, table.ErrCommitFailed) {
			return n, gone, err
		}
	}
	return 0, nil, fmt.Errorf("rewrite table %s, %d times: %w", s.name, smallTries, err)
}

func alterOnce[T any](ctx context.Context, s smallTable[T], countOnly bool, change func(*T) verdict) (n int, gone []T, err error) {
	tbl, err := s.lake.catalog.LoadTable(ctx, table.Identifier{namespace, s.name})
	if err != nil {
		return 0, nil, err
	}
	all, old, err := s.read(ctx, tbl)
	if err != nil {
		return 0, nil, err
	}
	seq := tbl.Metadata().LastSequenceNumber() + 1
	var rows []T
	for _, r := range s.fold(all) {
		switch change(&r) {
		case altered:
			s.stamp(&r, seq)
			n++
		case removed:
			gone = append(gone, r)
			continue
		}
		rows = append(rows, r)
	}
	if n+len(gone) == 0 || countOnly {
		return n, gone, nil
	}
	return n, gone, s.replace(ctx, tbl, rows, old)
}

// replace makes rows all that a small table has, in one commit.
func (s smallTable[T]) replace(ctx context.Context, tbl *table.Table, rows []T, old []iceberg.DataFile) error {
	var added []iceberg.DataFile
	var name string
	if len(rows) > 0 {
		name = dataName(s.lake.base, s.name, rand.Text()+".parquet")
		size, err := writeParquet(s.lake.files(ctx), name, rows)
		if err != nil {
			return err
		}
		b, err := iceberg.NewDataFileBuilder(tbl.Spec(), iceberg.EntryContentData, name, iceberg.ParquetFile, nil, nil, nil, int64(len(rows)), size)
		if err != nil {
			return err
		}
		added = append(added, b.Build())
	}
	tx := tbl.NewTransaction()
	err := errors.Join(tx.ReplaceFiles(ctx, old, added, nil, nil, table.WithoutAutoNameMapping()), tx.AssertRefSnapshotID(table.MainBranch))
	if err != nil {
		return fmt.Errorf("stage rows of table %s: %w", s.name, err)
	}
	next, err := tx.Commit(ctx)
	if errors.Is(err, table.ErrCommitFailed) && name != "" {
		return errors.Join(err, s.lake.files(ctx).Remove(name))
	}
	if err == nil {
		s.lake.remember(s.name, next)
	}
	return err
}
