package lake

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"
)

const (
	// largeBytes is the compressed size at which the next file of a part is
	// begun: what Athena and Trino read best.
	largeBytes = 128 << 20
	// rewriteTries is how often a commit of rewritten files is tried against
	// other writers. Each loss means that one of them was done.
	rewriteTries = 20
	// throughKey of a Parquet file's own metadata says that all its rows were
	// first committed at that sequence number or before: whoever has followed
	// that far need not read them again, although a later commit wrote the file.
	throughKey = "muster.through"
)

// limits bound what rewriting holds in memory, and the files that it writes.
type limits struct {
	fileBytes int64 // of a file written, compressed
	marks     int64 // amended ids
	sortBytes int   // of text sorted at once
	merge     int   // files read side by side
}

// standardLimits keep a rewrite, whatever the size of the part, below some 600 MB.
var standardLimits = limits{fileBytes: largeBytes, marks: marksAtOnce, sortBytes: sortBytes, merge: mergeAtOnce}

// errPartChanged says that another program rewrote, or deleted from, what was
// being rewritten.
var errPartChanged = errors.New("another program rewrote the same files")

// rewritten are new files with the live rows of old ones of a part.
type rewritten struct {
	key dayKey
	old []partFile
	new []streamedFile
	// settled are delete files that nothing needs any more.
	settled []iceberg.DataFile
}

// streamedFile is a data file that is durable, that no snapshot names yet, and
// whose rows are in no memory.
type streamedFile struct {
	key    partition
	name   string
	size   int64 // bytes
	extent extent
}

func (s *streamedFile) dataFile(tbl *table.Table) (iceberg.DataFile, error) {
	return describe(tbl, s.key, s.name, s.size, &s.extent)
}

// rewriter writes the rows of old files to new ones.
type rewriter struct {
	lake *Lake
	// keep, when set, says which rows go on; the others are left out.
	keep func(*row) bool
	// base makes base rows of amending ones.
	base bool
	// progress, when set, is told now and then how many rows have been written.
	progress func(rows int64)
	limits   limits
}

// rewrite streams the live rows of files, merged by trace id, to new ones in
// one part of the table. On an error no new file is left.
func (w *rewriter) rewrite(ctx context.Context, key partition, old []partFile, d *dead) ([]streamedFile, error) {
	f := w.lake.files(ctx)
	r := &runs{files: f, limits: w.limits}
	through := int64(0)
	for i := range old {
		if err := r.add(ctx, old[i].name, d.rows[old[i].name]); err != nil {
			return nil, errors.Join(err, r.close())
		}
		t, err := throughOf(f, &old[i].planned)
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		through = max(through, t)
	}
	rows, err := r.merge(ctx)
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	out, err := w.stream(ctx, key, rows, through)
	if err = errors.Join(err, rows.close(), r.close()); err != nil {
		return nil, errors.Join(err, w.lake.removeStreamed(ctx, out))
	}
	return out, nil
}

func (w *rewriter) stream(ctx context.Context, key partition, rows *mergedRows, through int64) ([]streamedFile, error) {
	var out []streamedFile
	options := append(evidenceOptions(key.kind), parquet.KeyValueMetadata(throughKey, strconv.FormatInt(through, 10)))
	written := int64(0)
	for {
		if err := w.skip(rows); err != nil {
			return out, err
		}
		if rows.peek() == nil {
			return out, nil
		}
		s := streamedFile{key: key, name: evidenceName(w.lake.base, key.dayKey, rand.Text())}
		size, err := writeFile(w.lake.files(ctx), s.name, options, func(p *parquet.GenericWriter[row]) error {
			return w.fill(ctx, p, rows, &s.extent, written)
		})
		if err != nil {
			return out, err
		}
		s.size = size
		written += s.extent.rows
		out = append(out, s)
	}
}

// skip passes over rows that do not go on.
func (w *rewriter) skip(rows *mergedRows) error {
	for r := rows.peek(); r != nil && w.keep != nil && !w.keep(r); r = rows.peek() {
		if err := rows.advance(); err != nil {
			return err
		}
	}
	return nil
}

// fill writes rows to one file until it is large.
func (w *rewriter) fill(ctx context.Context, p *parquet.GenericWriter[row], rows *mergedRows, e *extent, before int64) error {
	buf := make([]row, 0, writeRowsAtOnce)
	flush := func() error {
		_, err := p.Write(buf)
		buf = buf[:0]
		if w.progress != nil {
			w.progress(before + e.rows)
		}
		return errors.Join(err, ctx.Err())
	}
	for r := rows.peek(); r != nil; r = rows.peek() {
		own := *r
		if w.base {
			own.Amends = false // its amendment stays, which orders it among others
		}
		e.add(&own)
		buf = append(buf, own)
		if err := rows.advance(); err != nil {
			return err
		}
		if err := w.skip(rows); err != nil {
			return err
		}
		if len(buf) < writeRowsAtOnce {
			continue
		}
		if err := flush(); err != nil {
			return err
		}
		if p.Size() >= w.limits.fileBytes {
			return nil
		}
	}
	return flush()
}

// throughOf is the sequence number by which the rows of a file had all been
// committed.
func throughOf(f files, p *planned) (int64, error) {
	file, err := f.Open(p.name)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", p.name, err)
	}
	defer func() { _ = file.Close() }() // only read
	footer, err := openFooter(file)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", p.name, err)
	}
	text, ok := footer.Lookup(throughKey)
	if !ok {
		return p.sequence, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read %s: %s: %w", p.name, throughKey, err)
	}
	return n, nil
}

func (l *Lake) removeStreamed(ctx context.Context, fs []streamedFile) error {
	var errs []error
	for _, s := range fs {
		errs = append(errs, l.files(context.WithoutCancel(ctx)).Remove(s.name))
	}
	return errors.Join(errs...)
}

// replaceAll swaps the old files of all rewrites for their new ones in one
// commit, next to other writers: it goes on as long as the old files are still
// there as they were read. errPartChanged when they are not. With lossless the
// snapshot says that the table's rows are still the same.
func (l *Lake) replaceAll(ctx context.Context, all []rewritten, lossless bool) error {
	var err error
	for range rewriteTries {
		if err = l.replaceOnce(ctx, all, lossless); !errors.Is(err, table.ErrCommitFailed) {
			return err
		}
	}
	return fmt.Errorf("replace files, %d times: %w", rewriteTries, err)
}

func (l *Lake) replaceOnce(ctx context.Context, all []rewritten, lossless bool) error {
	l.commits.Lock()
	defer l.commits.Unlock()
	tbl, err := l.catalog.LoadTable(ctx, table.Identifier{namespace, tableEvidence})
	if err != nil {
		return err
	}
	if err := unchanged(ctx, tbl, all); err != nil {
		return err
	}
	tx := tbl.NewTransaction()
	if err := stageAll(ctx, tbl, tx, all, lossless); err != nil {
		return fmt.Errorf("stage rewritten files: %w", err)
	}
	if err := tx.AssertRefSnapshotID(table.MainBranch); err != nil {
		return fmt.Errorf("stage rewritten files: %w", err)
	}
	next, err := tx.Commit(ctx)
	if err != nil {
		return err
	}
	l.remember(tableEvidence, next)
	return nil
}

func stageAll(ctx context.Context, tbl *table.Table, tx *table.Transaction, all []rewritten, lossless bool) error {
	var gone, added, deletes []iceberg.DataFile
	for i := range all {
		for _, o := range all[i].old {
			gone = append(gone, o.data)
		}
		for j := range all[i].new {
			df, err := all[i].new[j].dataFile(tbl)
			if err != nil {
				return err
			}
			added = append(added, df)
		}
		deletes = append(deletes, all[i].settled...)
	}
	if !lossless {
		return tx.ReplaceFiles(ctx, gone, added, deletes, nil, table.WithoutAutoNameMapping())
	}
	rewrite := tx.NewRewrite(nil)
	for _, df := range gone {
		rewrite.DeleteFile(df)
	}
	for _, df := range added {
		rewrite.AddDataFile(df)
	}
	for _, df := range deletes {
		rewrite.DeleteFile(df)
	}
	return rewrite.Commit(ctx)
}

// unchanged reports whether the old files are all in the table as they were
// when they were read, with the same deletes.
func unchanged(ctx context.Context, tbl *table.Table, all []rewritten) error {
	want := map[string]bool{}
	var keys []iceberg.BooleanExpression
	for i := range all {
		for _, o := range all[i].old {
			want[o.identity()] = true
		}
		keys = append(keys, dayFilter(all[i].key))
	}
	keys = append(keys, iceberg.AlwaysFalse{}, iceberg.AlwaysFalse{})
	now, _, err := planParts(ctx, tbl, iceberg.NewOr(keys[0], keys[1], keys[2:]...))
	if err != nil {
		return err
	}
	for _, p := range now {
		for i := range p.files {
			delete(want, p.files[i].identity())
		}
	}
	if len(want) > 0 {
		return errPartChanged
	}
	return nil
}
