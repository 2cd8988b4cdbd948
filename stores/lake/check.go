package lake

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// Check says what to look at.
type Check struct {
	// Orphans is how old a file that no snapshot names must be to be reported.
	// Zero takes a day: younger ones may belong to a commit under way.
	Orphans time.Duration
	// Progress, when set, is told how many files have been looked at, of how many.
	Progress func(files, all int)
}

// Damage is something wrong with a lake.
type Damage struct {
	Table string `json:"table"`
	File  string `json:"file,omitempty"`
	// What is one word of a closed set: missing, size, footer, rows, columns,
	// partition, bounds, duplicate, deletes, orphan, catalog.
	What   string `json:"what"`
	Detail string `json:"detail"`
}

// Checked counts what was looked at.
type Checked struct {
	Files   int   `json:"files"`
	Rows    int64 `json:"rows"`
	Live    int64 `json:"live"` // records
	Damages int   `json:"damages"`
}

// idsAtOnce bounds the ids that are held while duplicates are looked for: at 16
// bytes each, 64 MB. A part with more is looked through several times.
const idsAtOnce = 4_000_000

// Check reads the lake's current snapshots whole and reports what is not as it
// says: files that are missing, cut or unreadable, wrong counts, bounds,
// partitions and columns, records that are live twice, files that nothing
// names, and a catalog that is behind its tables. Each is told to report.
func (l *Lake) Check(ctx context.Context, c Check, report func(Damage) error) (Checked, error) {
	if c.Orphans == 0 {
		c.Orphans = orphanAge
	}
	k := checker{lake: l, c: &c, report: report}
	for _, t := range layouts() {
		if err := k.table(ctx, t); err != nil {
			return k.done, fmt.Errorf("check table %s: %w", t.name, err)
		}
	}
	return k.done, nil
}

type checker struct {
	lake   *Lake
	c      *Check
	report func(Damage) error
	done   Checked
	all    int // files known so far
	err    error
}

// found reports a damage; the first error of reporting ends the check.
func (k *checker) found(tableName, file, what, format string, args ...any) {
	k.done.Damages++
	if k.err == nil {
		k.err = k.report(Damage{tableName, file, what, fmt.Sprintf(format, args...)})
	}
}

func (k *checker) table(ctx context.Context, t layout) error {
	tbl, err := k.lake.catalog.LoadTable(ctx, table.Identifier{namespace, t.name})
	if err != nil {
		k.found(t.name, "", "catalog", "the table cannot be loaded: %v", err)
		return k.err
	}
	k.pointer(tbl, t.name)
	k.schema(tbl, &t)
	if tbl.CurrentSnapshot() != nil {
		if err := k.files(ctx, tbl, &t); err != nil {
			return err
		}
	}
	if err := k.orphans(ctx, tbl, t.name); err != nil {
		k.found(t.name, "", "orphan", "the files cannot be compared with the snapshots: %v", err)
	}
	return cmp.Or(k.err, ctx.Err())
}

// pointer finds metadata that is ahead of the catalog. One version ahead is
// what a commit that was killed leaves; more says that the catalog was set back.
func (k *checker) pointer(tbl *table.Table, name string) {
	at, ok := metadataNumber(tbl.MetadataLocation())
	if !ok {
		return
	}
	newest, newestName := at, ""
	folder := tbl.Location() + "/metadata"
	err := k.lake.files(context.Background()).WalkDir(folder, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if v, ok := metadataNumber(p); ok && v > newest {
			newest, newestName = v, p
		}
		return nil
	})
	if err != nil {
		k.found(name, folder, "catalog", "the metadata cannot be listed: %v", err)
	}
	if newest > at+1 {
		k.found(name, newestName, "catalog", "the catalog is at version %d, and this is version %d: it was set back, and what was committed since is not seen", at, newest)
	}
}

// metadataNumber is the number that metadata files begin with.
func metadataNumber(name string) (int, bool) {
	number, _, ok := strings.Cut(path.Base(name), "-")
	v, err := strconv.Atoi(number)
	return v, ok && err == nil && strings.HasSuffix(name, ".metadata.json")
}

// schema compares the table's columns with those that this program writes.
func (k *checker) schema(tbl *table.Table, t *layout) {
	for _, f := range t.schema.Fields() {
		have, ok := tbl.Schema().FindFieldByName(f.Name())
		if !ok && f.Optional() {
			continue // which came with a later muster
		}
		if !ok || have.ID != f.ID() {
			k.found(t.name, "", "columns", "column %s is not the one that this program writes", f.Name())
		}
	}
}

func (k *checker) files(ctx context.Context, tbl *table.Table, t *layout) error {
	tasks, err := tbl.Scan().PlanFiles(ctx)
	if err != nil {
		k.found(t.name, "", "missing", "the snapshot cannot be planned: %v", err)
		return k.err
	}
	k.all += len(tasks)
	parts := map[dayKey]*part{}
	broken := map[dayKey]bool{}
	deletes := map[string]iceberg.DataFile{}
	for _, task := range tasks {
		if len(task.EqualityDeleteFiles)+len(task.DeletionVectorFiles) > 0 {
			k.found(t.name, task.File.FilePath(), "deletes", "%v", errEqualityDeletes)
		}
		for _, d := range task.DeleteFiles {
			deletes[d.FilePath()] = d
		}
		ok := k.file(ctx, tbl, t, task.File)
		key, f := newPartFile(task)
		if parts[key] == nil {
			parts[key] = &part{key: key}
		}
		parts[key].files = append(parts[key].files, f)
		broken[key] = broken[key] || !ok
		k.done.Files++
		k.done.Rows += task.File.Count()
		if k.c.Progress != nil {
			k.c.Progress(k.done.Files, k.all)
		}
		if err := cmp.Or(k.err, ctx.Err()); err != nil {
			return err
		}
	}
	for name, d := range deletes {
		k.deleteFile(ctx, t.name, name, d)
	}
	if !t.partitioned {
		return k.err
	}
	for _, p := range sortedParts(parts) {
		if broken[p.key] {
			continue // what cannot be read was reported
		}
		if err := k.duplicates(ctx, t.name, p); err != nil {
			return err
		}
	}
	return k.err
}

// duplicates finds records that readers see twice.
func (k *checker) duplicates(ctx context.Context, tableName string, p *part) error {
	f := k.lake.files(ctx)
	d, err := p.findDead(ctx, f, marksAtOnce)
	if err != nil {
		k.found(tableName, "", "deletes", "%s of %s: %v", p.key.kind, p.key.date(), err)
		return k.err
	}
	shares := uint64(p.rows()/idsAtOnce + 1)
	twice := 0
	example := ""
	for share := range shares {
		var ids []idHash
		for i := range p.files {
			file := &p.files[i]
			err := readParquet(f, file.name, func(n int64, r *evidenceID) error {
				if h := hashID(r.ID); h.share(shares) == share && !d.rows[file.name].has(n) {
					ids = append(ids, h)
				}
				return ctx.Err()
			})
			if err != nil {
				return err
			}
		}
		k.done.Live += int64(len(ids))
		slices.SortFunc(ids, func(a, b idHash) int { return bytes.Compare(a[:], b[:]) })
		for i := 1; i < len(ids); i++ {
			if ids[i] == ids[i-1] {
				twice++
				if example == "" {
					example = k.name(ctx, p, ids[i])
				}
			}
		}
	}
	if twice > 0 {
		k.found(tableName, "", "duplicate", "%d rows of %s of %s are live beside another of the same record, such as %s", twice, p.key.kind, p.key.date(), example)
	}
	return k.err
}

// name is the id with a hash.
func (k *checker) name(ctx context.Context, p *part, want idHash) string {
	found := ""
	for i := range p.files {
		_ = readParquet(k.lake.files(ctx), p.files[i].name, func(_ int64, r *evidenceID) error {
			if hashID(r.ID) == want {
				found = r.ID
				return errStopped
			}
			return nil
		}) // it was read before
	}
	return found
}

func (k *checker) orphans(ctx context.Context, tbl *table.Table, name string) error {
	result, err := tbl.DeleteOrphanFiles(ctx, table.WithFilesOlderThan(k.c.Orphans), table.WithDryRun(true))
	if err != nil {
		return err
	}
	for _, o := range result.OrphanFiles {
		k.found(name, o.Path, "orphan", "no snapshot names it (%d bytes): muster lake expire removes it", o.SizeBytes)
	}
	return k.err
}
