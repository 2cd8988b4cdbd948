package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/apache/iceberg-go"

	"muster/fleet"
)

const (
	// followRows is how many records make a batch of changes, which then ends with
	// the trace at hand, or with twice as many.
	followRows = 10_000
	// followBytes is the same for its evidence, in bytes.
	followBytes = 16 << 20
)

// errStopped ends a read that nobody wants the rest of.
var errStopped = errors.New("stopped")

// Identity names the lake: it stays the same for its whole life, wherever its
// folder is moved to.
func (l *Lake) Identity(ctx context.Context) (string, error) {
	tbl, err := l.head(ctx, tableEvidence)
	if err != nil {
		return "", err
	}
	return tbl.Metadata().TableUUID().String(), nil
}

// Changes yields what was written after a mark, oldest commit first, in batches.
// A mark is the sequence number that Iceberg gives to a commit and to the files
// in it. A merge of files writes rows again with its own, so that some states
// come again and none is lost, however many snapshots expired in between; a file
// of compaction whose rows are all from before the mark is passed over. Of a record several states may come, in any order within a commit.
// Rows that another engine deleted are left out; nothing says that they were
// there.
func (l *Lake) Changes(ctx context.Context, after int64) iter.Seq2[fleet.Changes, error] {
	return func(yield func(fleet.Changes, error) bool) {
		if err := l.changes(ctx, after, yield); err != nil && !errors.Is(err, errStopped) {
			yield(fleet.Changes{}, fmt.Errorf("read changes of lake %s: %w", l.root, err))
		}
	}
}

func (l *Lake) changes(ctx context.Context, after int64, yield func(fleet.Changes, error) bool) error {
	tbl, err := l.head(ctx, tableEvidence)
	if err != nil {
		return err
	}
	snapshot := tbl.CurrentSnapshot()
	switch {
	case snapshot == nil || snapshot.SequenceNumber == after:
		return nil
	case snapshot.SequenceNumber < after:
		after = 0 // the folder was set back to an older state: the mark is about another history
	}
	p, err := planFiles(ctx, tbl, iceberg.AlwaysTrue{})
	if err != nil {
		return err
	}
	fs := slices.DeleteFunc(p.files, func(f planned) bool { return f.sequence <= after })
	slices.SortStableFunc(fs, func(a, b planned) int { return cmp.Compare(a.sequence, b.sequence) })
	b := changeBatch{yield: yield}
	for i, f := range fs {
		through, err := throughOf(l.files(ctx), &f)
		if err != nil {
			return err
		}
		if through > after { // else compaction wrote again what was followed before
			if err := b.read(ctx, l.files(ctx), f); err != nil {
				return err
			}
		}
		if i+1 < len(fs) && fs[i+1].sequence > f.sequence {
			b.through = f.sequence
		}
	}
	b.through = snapshot.SequenceNumber // commits without files count too
	return b.flush()
}

// changeBatch gathers rows until they are worth handing over.
type changeBatch struct {
	yield   func(fleet.Changes, error) bool
	rows    []fleet.Change
	bytes   int
	through int64 // the last mark that was read to its end
	most    int   // the length of the longest so far
}

func (b *changeBatch) read(ctx context.Context, f files, file planned) error {
	deleted, err := file.deletedRows(f)
	if err != nil {
		return err
	}
	return scanRecords(f, file.name, func(number int64, w *row, fill func(r *fleet.Record)) error {
		if deleted[number] {
			return nil
		}
		if b.full(w) {
			if err := b.flush(); err != nil {
				return err
			}
		}
		if b.rows == nil {
			b.rows = make([]fleet.Change, 0, b.most)
		}
		b.rows = append(b.rows, fleet.Change{Amendment: w.Amendment})
		fill(&b.rows[len(b.rows)-1].Record)
		b.bytes += len(w.Raw) + len(w.Message)
		return ctx.Err()
	})
}

// full reports whether a batch is to be handed over before a row. The rows of a
// trace lie together in a file, and stay together while they are not too many.
func (b *changeBatch) full(next *row) bool {
	if len(b.rows) < followRows && b.bytes < followBytes {
		return false
	}
	last := &b.rows[len(b.rows)-1].Record
	return last.Keys.Trace != next.Trace || string(last.Kind) != next.Kind ||
		len(b.rows) >= 2*followRows || b.bytes >= 2*followBytes
}

func (b *changeBatch) flush() error {
	batch := fleet.Changes{Changes: b.rows, Through: b.through}
	b.most = max(b.most, len(b.rows))
	b.rows, b.bytes, b.through = nil, 0, 0
	if !b.yield(batch, nil) {
		return errStopped
	}
	return nil
}

// ChangedFindings are the findings whose state was saved after a mark, and the
// mark to go on from. Findings have marks of their own.
func (l *Lake) ChangedFindings(ctx context.Context, after int64) ([]fleet.Finding, int64, error) {
	rows, err := l.findings().rows(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("read findings: %w", err)
	}
	var changed []fleet.Finding
	through := after
	for _, r := range l.findings().fold(rows) {
		if r.Saved > after {
			changed = append(changed, r.finding())
			through = max(through, r.Saved)
		}
	}
	return changed, through, nil
}

// ChangedLedger is the whole ledger, if anything was added to it after a mark,
// and the mark to go on from. Marks of the ledger count its own commits.
func (l *Lake) ChangedLedger(ctx context.Context, after int64) ([]fleet.LedgerEntry, int64, error) {
	rows, err := l.ledger().rows(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("read the ledger: %w", err)
	}
	through := after
	for i := range rows {
		through = max(through, rows[i].Saved)
	}
	if through == after {
		return nil, after, nil
	}
	var entries []fleet.LedgerEntry
	for _, r := range foldLedger(rows) {
		entries = append(entries, r.entry())
	}
	return entries, through, nil
}
