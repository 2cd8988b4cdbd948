package lake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"muster/fleet"
)

// Retention says what Expire removes.
type Retention struct {
	// Keep is how long evidence is kept after its day is over; 0 keeps it for
	// ever. KeepKind says it for single kinds.
	Keep     time.Duration
	KeepKind map[fleet.Kind]time.Duration
	// Snapshots is how long a snapshot stays for readers that began with it, and
	// Orphans how old a file that no snapshot names gets. Zero takes an hour and
	// a day. Removed evidence lies on the disk until its last snapshot is gone.
	Snapshots, Orphans time.Duration
	// DryRun looks and removes nothing.
	DryRun bool
	// Each, when set, is told of every day of a kind that is, or would be, dropped.
	Each func(ExpiredPart) error
}

// ExpiredPart is a day of a kind that retention drops.
type ExpiredPart struct {
	Kind  string `json:"kind"`
	Day   string `json:"day"`
	Files int    `json:"files"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// Expired counts what Expire removed, or would remove.
type Expired struct {
	Days  int   `json:"days"` // of kinds
	Files int   `json:"files"`
	Rows  int64 `json:"rows"`
	Bytes int64 `json:"bytes"`
	// Snapshots were forgotten, over all tables, and Orphans are files that no
	// snapshot named, with their bytes.
	Snapshots   int   `json:"snapshots"`
	Orphans     int   `json:"orphans"`
	OrphanBytes int64 `json:"orphan_bytes"`
}

// expireTries is how often a step of Expire starts over because another writer
// was faster; steps take milliseconds.
const expireTries = 20

// Expire drops the days of evidence that are kept no longer, all in one commit,
// forgets old snapshots of all tables with the files that only they name, and
// sweeps orphans. Checkpoints, findings, runs and the ledger stay.
func (l *Lake) Expire(ctx context.Context, r Retention) (Expired, error) {
	if l.options.ReadOnly && !r.DryRun {
		return Expired{}, errReadOnly
	}
	if r.Snapshots == 0 {
		r.Snapshots = snapshotAge
	}
	if r.Orphans == 0 {
		r.Orphans = orphanAge
	}
	var done Expired
	err := l.dropDays(ctx, &r, &done)
	if err != nil {
		return done, fmt.Errorf("expire: %w", err)
	}
	for _, t := range layouts() {
		if err := l.expireTable(ctx, t.name, &r, &done); err != nil {
			return done, fmt.Errorf("expire table %s: %w", t.name, err)
		}
	}
	return done, nil
}

func (l *Lake) dropDays(ctx context.Context, r *Retention, done *Expired) error {
	var err error
	for range expireTries {
		var all []rewritten
		if all, err = l.outdated(ctx, r); err != nil || len(all) == 0 {
			return err
		}
		if !r.DryRun {
			err = l.replaceAll(ctx, all, false)
		}
		if errors.Is(err, errPartChanged) {
			continue
		}
		if err != nil {
			return err
		}
		return done.count(r, all)
	}
	return err
}

// outdated are the files of the days that are kept no longer.
func (l *Lake) outdated(ctx context.Context, r *Retention) ([]rewritten, error) {
	tbl, err := l.catalog.LoadTable(ctx, table.Identifier{namespace, tableEvidence})
	if err != nil {
		return nil, err
	}
	parts, deletes, err := planParts(ctx, tbl, iceberg.AlwaysTrue{})
	if err != nil {
		return nil, err
	}
	now := l.options.Now()
	var all []rewritten
	for _, p := range parts {
		keep := r.Keep
		if own, ok := r.KeepKind[fleet.Kind(p.key.kind)]; ok {
			keep = own
		}
		if keep <= 0 || p.key.end().After(now.Add(-keep)) {
			continue
		}
		gone := map[string]bool{}
		for i := range p.files {
			gone[p.files[i].name] = true
		}
		old := rewritten{old: p.files, key: p.key}
		if old.settled, err = p.settled(l.files(ctx), deletes, gone); err != nil {
			return nil, err
		}
		all = append(all, old)
	}
	return all, nil
}

func (e *Expired) count(r *Retention, all []rewritten) error {
	for i := range all {
		p := ExpiredPart{Kind: all[i].key.kind, Day: all[i].key.date(), Files: len(all[i].old)}
		for _, f := range all[i].old {
			p.Rows += f.data.Count()
			p.Bytes += f.data.FileSizeBytes()
		}
		e.Days++
		e.Files += p.Files
		e.Rows += p.Rows
		e.Bytes += p.Bytes
		if r.Each != nil {
			if err := r.Each(p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Lake) expireTable(ctx context.Context, name string, r *Retention, done *Expired) error {
	if r.DryRun {
		tbl, err := l.catalog.LoadTable(ctx, table.Identifier{namespace, name})
		if err != nil {
			return err
		}
		done.Snapshots += outdatedSnapshots(tbl, time.Now().Add(-r.Snapshots))
		return done.sweep(ctx, tbl, r.Orphans, true)
	}
	n, err := l.expireSnapshots(ctx, name, r.Snapshots)
	if err != nil {
		return err
	}
	done.Snapshots += n
	tbl, err := l.catalog.LoadTable(ctx, table.Identifier{namespace, name})
	if err != nil {
		return err
	}
	return done.sweep(ctx, tbl, r.Orphans, false)
}

func (e *Expired) sweep(ctx context.Context, tbl *table.Table, age time.Duration, dryRun bool) error {
	result, err := tbl.DeleteOrphanFiles(ctx, table.WithFilesOlderThan(age), table.WithDryRun(dryRun))
	if err != nil {
		return err
	}
	e.Orphans += len(result.OrphanFiles)
	e.OrphanBytes += result.TotalSizeBytes
	return nil
}

// outdatedSnapshots counts the snapshots before a moment, without the current one.
func outdatedSnapshots(tbl *table.Table, before time.Time) int {
	n := 0
	current := snapshotID(tbl)
	for _, s := range tbl.Metadata().Snapshots() {
		if s.SnapshotID != current && s.TimestampMs < before.UnixMilli() {
			n++
		}
	}
	return n
}

// expireSnapshots forgets the snapshots of a table that are older than an age,
// but not the current one, and removes the files that only they name. It
// returns how many.
func (l *Lake) expireSnapshots(ctx context.Context, name string, age time.Duration) (int, error) {
	var err error
	for range expireTries {
		var n int
		if n, err = l.expireOnce(ctx, name, age); !errors.Is(err, table.ErrCommitFailed) {
			return n, err
		}
	}
	return 0, err
}

func (l *Lake) expireOnce(ctx context.Context, name string, age time.Duration) (int, error) {
	tbl, err := l.catalog.LoadTable(ctx, table.Identifier{namespace, name})
	if err != nil {
		return 0, err
	}
	before := len(tbl.Metadata().Snapshots())
	if before < 2 {
		return 0, nil
	}
	tx := tbl.NewTransaction()
	if err := tx.ExpireSnapshots(table.WithRetainLast(1), table.WithOlderThan(age)); err != nil {
		return 0, err
	}
	next, err := tx.Commit(ctx)
	if err != nil {
		return 0, err
	}
	l.remember(name, next)
	return before - len(next.Metadata().Snapshots()), nil
}
