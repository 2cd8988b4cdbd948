package lake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// closedFor is how long a day must be over before it is compacted, unless told
// otherwise: by then evidence of it comes seldom.
const closedFor = time.Hour

// Compaction says what Compact does.
type Compaction struct {
	// OlderThan is how long a day must be over. Zero takes an hour; a negative
	// value reaches into days that are not over yet.
	OlderThan time.Duration
	// DryRun looks and writes nothing.
	DryRun bool
	// Each, when set, is told of every part that was, or would be, rewritten.
	Each func(CompactedPart) error
	// Progress, when set, is told now and then how many rows of a part have
	// been written, of how many.
	Progress func(p CompactedPart, rows int64)

	limits limits // standardLimits
}

// CompactedPart is what compaction did to one kind and day.
type CompactedPart struct {
	Kind string `json:"kind"`
	Day  string `json:"day"` // as 2026-03-14
	// Files and Bytes are those of the whole part, before and after.
	FilesBefore int   `json:"files_before"`
	FilesAfter  int   `json:"files_after"`
	BytesBefore int64 `json:"bytes_before"`
	BytesAfter  int64 `json:"bytes_after"`
	// Rows are those that were rewritten and live. Folded is how many replaced
	// rows were left out, and Deleted how many that another engine had deleted.
	Rows    int64 `json:"rows"`
	Folded  int64 `json:"folded"`
	Deleted int64 `json:"deleted"`
	// Busy says that another program rewrote the same files meanwhile: nothing
	// happened, and the next compaction sees to it.
	Busy bool `json:"busy,omitempty"`
}

// Compact makes of every closed day of every kind a few large files, sorted by
// trace id, in one commit each: files too small are merged, amendments take the
// place of the rows that they amend, and rows that another engine deleted are
// left out. Every reader sees each record once at every moment. Writers may go
// on meanwhile. Beside what is being decoded it holds a bit for each row of a
// part, and some 80 MB; what does not fit in its memory goes to temporary files.
func (l *Lake) Compact(ctx context.Context, c Compaction) error {
	if l.options.ReadOnly && !c.DryRun {
		return errReadOnly
	}
	if c.OlderThan == 0 {
		c.OlderThan = closedFor
	}
	if c.limits == (limits{}) {
		c.limits = standardLimits
	}
	tbl, err := l.head(ctx, tableEvidence)
	if err != nil {
		return err
	}
	closed := l.options.Now().Add(-c.OlderThan).UTC().Truncate(24 * time.Hour)
	parts, deletes, err := planParts(ctx, tbl, iceberg.LessThan(iceberg.Reference(columnTime), iceberg.Timestamp(closed.UnixMicro())))
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	for _, p := range parts {
		if p.key.end().After(closed) {
			continue
		}
		if err := l.compactPart(ctx, &c, p, deletes); err != nil {
			return fmt.Errorf("compact %s of %s: %w", p.key.kind, p.key.date(), err)
		}
	}
	return nil
}

func (l *Lake) compactPart(ctx context.Context, c *Compaction, p *part, deletes map[string]iceberg.DataFile) error {
	if !p.worthwhile(c.limits.fileBytes) {
		return nil
	}
	f := l.files(ctx)
	d, err := p.findDead(ctx, f, c.limits.marks)
	if err != nil {
		return err
	}
	old := p.selected(d, c.limits.fileBytes)
	if len(old) == 0 {
		return nil
	}
	done := p.describeCompaction(old, d)
	if c.DryRun {
		return c.tell(done)
	}
	gone := map[string]bool{}
	for i := range old {
		gone[old[i].name] = true
	}
	w := rewriter{lake: l, base: true, limits: c.limits}
	if c.Progress != nil {
		w.progress = func(rows int64) { c.Progress(done, rows) }
	}
	r := rewritten{key: p.key, old: old}
	if r.settled, err = p.settled(f, deletes, gone); err != nil {
		return err
	}
	if r.new, err = w.rewrite(ctx, partition{p.key, false}, old, d); err != nil {
		return err
	}
	err = l.replaceAll(ctx, []rewritten{r}, true)
	switch {
	case errors.Is(err, errPartChanged), errors.Is(err, table.ErrCommitFailed):
		done.Busy = true
		done.FilesAfter, done.BytesAfter = done.FilesBefore, done.BytesBefore
		if err := l.removeStreamed(ctx, r.new); err != nil {
			return err
		}
		return c.tell(done)
	case err != nil:
		return err // it may have been committed: the sweep decides about the files
	}
	done.FilesAfter = len(p.files) - len(old) + len(r.new)
	for _, s := range r.new {
		done.BytesAfter += s.size
	}
	return c.tell(done)
}

func (c *Compaction) tell(p CompactedPart) error {
	if c.Each == nil {
		return nil
	}
	return c.Each(p)
}

// worthwhile reports whether a look at the rows may find something to do.
func (p *part) worthwhile(fileBytes int64) bool {
	small := 0
	for i := range p.files {
		f := &p.files[i]
		if f.amends || len(f.deletes) > 0 {
			return true
		}
		if tooSmall(f, fileBytes) {
			small++
		}
	}
	return small > 1
}

// tooSmall says that a file is worth merging with another.
func tooSmall(f *partFile, fileBytes int64) bool { return f.data.FileSizeBytes() < fileBytes/2 }

// selected are the files to rewrite: all amending ones, those with rows that
// nobody sees, and the small ones if there are several files then.
func (p *part) selected(d *dead, fileBytes int64) []partFile {
	var out []partFile
	needed := false
	for i := range p.files {
		f := &p.files[i]
		must := f.amends || d.perFile[f.name] > 0
		needed = needed || must
		if must || tooSmall(f, fileBytes) {
			out = append(out, *f)
		}
	}
	if !needed && len(out) < 2 {
		return nil
	}
	return out
}

// describeCompaction is what is known before anything is written; the size
// afterwards is that of the files that stay.
func (p *part) describeCompaction(old []partFile, d *dead) CompactedPart {
	out := CompactedPart{
		Kind: p.key.kind, Day: p.key.date(), FilesBefore: len(p.files),
		Folded: d.superseded, Deleted: d.deleted,
	}
	for i := range p.files {
		out.BytesBefore += p.files[i].data.FileSizeBytes()
	}
	out.BytesAfter = out.BytesBefore
	for i := range old {
		out.BytesAfter -= old[i].data.FileSizeBytes()
		out.Rows += old[i].data.Count() - d.perFile[old[i].name]
	}
	out.FilesAfter = len(p.files) - len(old)
	return out
}
