package lake

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// part is what the table has of one kind and UTC day: base rows, the rows that
// amend them, and what others deleted. It is what upkeep rewrites in one commit.
type part struct {
	key   dayKey
	files []partFile
}

// partFile is a data file of a part.
type partFile struct {
	planned
	data iceberg.DataFile
}

// planParts are the parts that have files which may hold rows that match,
// oldest day first, and the delete files that apply to them by their names.
func planParts(ctx context.Context, tbl *table.Table, filter iceberg.BooleanExpression) ([]*part, map[string]iceberg.DataFile, error) {
	if tbl.CurrentSnapshot() == nil {
		return nil, nil, nil
	}
	tasks, err := tbl.Scan(table.WithRowFilter(filter)).PlanFiles(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("plan files: %w", err)
	}
	byKey := map[dayKey]*part{}
	deletes := map[string]iceberg.DataFile{}
	seen := map[string]bool{}
	for _, t := range tasks {
		if len(t.EqualityDeleteFiles) > 0 || len(t.DeletionVectorFiles) > 0 {
			return nil, nil, errEqualityDeletes
		}
		if seen[t.File.FilePath()] {
			continue // one big file comes as several tasks
		}
		seen[t.File.FilePath()] = true
		key, f := newPartFile(t)
		if byKey[key] == nil {
			byKey[key] = &part{key: key}
		}
		byKey[key].files = append(byKey[key].files, f)
		for _, d := range t.DeleteFiles {
			deletes[d.FilePath()] = d
		}
	}
	return sortedParts(byKey), deletes, nil
}

func newPartFile(t table.FileScanTask) (dayKey, partFile) {
	f := partFile{planned: planned{name: t.File.FilePath()}, data: t.File}
	f.amends, _ = t.File.Partition()[partitionAmends].(bool)
	if t.DataSequenceNumber != nil {
		f.sequence = *t.DataSequenceNumber
	}
	for _, d := range t.DeleteFiles {
		f.deletes = append(f.deletes, d.FilePath())
	}
	slices.Sort(f.deletes)
	kind, _ := t.File.Partition()[partitionKind].(string)
	return dayKey{kind, partitionDate(t.File)}, f
}

// partitionDate is the day of a file's partition, since 1970.
func partitionDate(f iceberg.DataFile) int32 {
	switch d := f.Partition()[partitionDay].(type) {
	case iceberg.Date:
		return int32(d)
	case int32:
		return d
	}
	return 0
}

func sortedParts(byKey map[dayKey]*part) []*part {
	out := make([]*part, 0, len(byKey))
	for _, p := range byKey {
		slices.SortFunc(p.files, func(a, b partFile) int { return strings.Compare(a.name, b.name) })
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *part) int {
		return cmp.Or(cmp.Compare(a.key.day, b.key.day), strings.Compare(a.key.kind, b.key.kind))
	})
	return out
}

// date is the day as people write it.
func (k dayKey) date() string { return k.end().AddDate(0, 0, -1).Format(time.DateOnly) }

// end is the first instant after the day.
func (k dayKey) end() time.Time { return time.UnixMicro((int64(k.day) + 1) * usPerDay).UTC() }

// rows is how many rows the files have, dead ones too.
func (p *part) rows() int64 {
	n := int64(0)
	for i := range p.files {
		n += p.files[i].data.Count()
	}
	return n
}

// bitmap marks rows of a file by their numbers.
type bitmap []uint64

func newBitmap(rows int64) bitmap { return make(bitmap, (rows+63)/64) }

func (b bitmap) has(n int64) bool { return n>>6 < int64(len(b)) && b[n>>6]&(1<<(n&63)) != 0 }

func (b bitmap) set(n int64) {
	if n>>6 < int64(len(b)) {
		b[n>>6] |= 1 << (n & 63)
	}
}

// marksAtOnce bounds the amended ids that are held in memory while a part is
// looked through: at some 80 bytes each, 80 MB. A part with more of them is
// looked through several times, each time for a share of the ids.
const marksAtOnce = 1_000_000

// dead are the rows of a part that nobody sees.
type dead struct {
	rows map[string]bitmap // by file
	// deleted rows were deleted by another engine, superseded ones are replaced
	// by a newer row of the same record.
	deleted, superseded int64
	perFile             map[string]int64
}

func (d *dead) mark(file string, number int64) bool {
	if d.rows[file].has(number) {
		return false
	}
	d.rows[file].set(number)
	d.perFile[file]++
	return true
}

// rowVersion orders the rows of a record.
type rowVersion struct {
	revision  int32
	amendment int64
}

func (v rowVersion) newer(w rowVersion) bool {
	return v.revision > w.revision || v.revision == w.revision && v.amendment > w.amendment
}

// findDeleted marks the rows that another engine deleted.
func (p *part) findDeleted(f files) (*dead, error) {
	d := &dead{rows: map[string]bitmap{}, perFile: map[string]int64{}}
	for i := range p.files {
		file := &p.files[i]
		d.rows[file.name] = newBitmap(file.data.Count())
		deleted, err := file.deletedRows(f)
		if err != nil {
			return nil, err
		}
		for n := range deleted {
			if d.mark(file.name, n) {
				d.deleted++
			}
		}
	}
	return d, nil
}

// findDead marks the rows that were deleted or superseded. It reads the ids of a
// part, at most atOnce amended ones at a time, and takes a bit per row beside them.
func (p *part) findDead(ctx context.Context, f files, atOnce int64) (*dead, error) {
	d, err := p.findDeleted(f)
	if err != nil {
		return nil, err
	}
	amended := int64(0)
	for i := range p.files {
		if p.files[i].amends {
			amended += p.files[i].data.Count()
		}
	}
	shares := uint64((amended + atOnce - 1) / atOnce)
	for share := range shares {
		if err := p.findSuperseded(ctx, f, d, func(h idHash) bool { return h.share(shares) == share }); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// share deals hashes evenly into so many shares.
func (h idHash) share(shares uint64) uint64 {
	return (uint64(h[0]) | uint64(h[1])<<8 | uint64(h[2])<<16 | uint64(h[3])<<24) % shares
}

// findSuperseded marks the rows that an amending row of the same record replaces.
func (p *part) findSuperseded(ctx context.Context, f files, d *dead, mine func(idHash) bool) error {
	newest := map[idHash]rowVersion{}
	each := func(amending bool, do func(file string, number int64, h idHash, v rowVersion)) error {
		for i := range p.files {
			file := &p.files[i]
			if amending && !file.amends {
				continue
			}
			err := readParquet(f, file.name, func(number int64, r *evidenceID) error {
				h := hashID(r.ID)
				if mine(h) && !d.rows[file.name].has(number) {
					do(file.name, number, h, rowVersion{r.Revision, r.Amendment})
				}
				return ctx.Err()
			})
			if err != nil {
				return fmt.Errorf("read ids: %w", err)
			}
		}
		return nil
	}
	err := each(true, func(_ string, _ int64, h idHash, v rowVersion) {
		if old, ok := newest[h]; !ok || v.newer(old) {
			newest[h] = v
		}
	})
	if err != nil {
		return err
	}
	return each(false, func(file string, number int64, h idHash, v rowVersion) {
		if best, ok := newest[h]; ok && best.newer(v) && d.mark(file, number) {
			d.superseded++
		}
	})
}

// settled are the delete files that delete nothing in the files that stay: of
// those of a part, they name only files that go.
func (p *part) settled(f files, all map[string]iceberg.DataFile, gone map[string]bool) ([]iceberg.DataFile, error) {
	stays := map[string]bool{}
	names := map[string]bool{}
	for i := range p.files {
		if !gone[p.files[i].name] {
			stays[p.files[i].name] = true
		}
		for _, d := range p.files[i].deletes {
			names[d] = true
		}
	}
	var out []iceberg.DataFile
	for name := range names {
		needed := false
		err := readParquet(f, name, func(_ int64, d *deletion) error {
			needed = needed || stays[d.Path]
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read deletes: %w", err)
		}
		if !needed {
			out = append(out, all[name])
		}
	}
	return out, nil
}
