package lake

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"muster/fleet"
)

// partition is one of the parts of the table "evidence".
type partition struct {
	dayKey
	amends bool
}

// writtenFile is a data file that is durable but that no snapshot names yet.
type writtenFile struct {
	key   partition
	name  string // lake://
	size  int64
	rows  []draft // as they lie in the file
	reach extent
	ids   []idHash // of the rows, once hashIDs is over
}

func (w *writtenFile) hashIDs() {
	w.ids = make([]idHash, len(w.rows))
	for i, r := range w.rows {
		w.ids[i] = hashID(r.id())
	}
}

// Checkpoints returns the mark of every stream that was committed.
func (l *Lake) Checkpoints(ctx context.Context) (map[string]time.Time, error) {
	tbl, err := l.head(ctx, tableEvidence)
	if err != nil {
		return nil, err
	}
	marks := map[string]time.Time{}
	for k, v := range tbl.Properties() {
		stream, ok := strings.CutPrefix(k, checkpointPrefix)
		if !ok {
			continue
		}
		us, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("checkpoint of %s: %w", stream, err)
		}
		marks[stream] = time.UnixMicro(us).UTC()
	}
	return marks, nil
}

// Commit makes a batch and its checkpoints visible together, and returns the
// snapshot that holds them: what is live in it is c.Base and c, and nothing of
// another writer. It returns fleet.ErrConflict, having changed nothing, when the
// lake is not at c.Base any more. After any other error the batch may or may not be visible: read the
// checkpoints. The ledger's entries follow in a commit of their own: a crash
// between the two leaves their windows unknown, which judges less and never
// calls anything clean.
func (l *Lake) Commit(ctx context.Context, c fleet.Commit) (fleet.Snapshot, error) {
	if l.options.ReadOnly {
		return 0, errReadOnly
	}
	l.commits.Lock()
	defer l.commits.Unlock()
	next, err := l.commitEvidence(ctx, &c)
	if err != nil {
		return 0, fmt.Errorf("commit to lake %s: %w", l.root, explain(err))
	}
	if err := l.saveLedger(ctx, c.Ledger); err != nil {
		return 0, fmt.Errorf("commit ledger to lake %s: %w", l.root, err)
	}
	return next, nil
}

// errReadOnly is returned by everything that writes.
var errReadOnly = errors.New("the lake was opened for reading only")

func (l *Lake) commitEvidence(ctx context.Context, c *fleet.Commit) (fleet.Snapshot, error) {
	tbl, err := l.catalog.LoadTable(ctx, table.Identifier{namespace, tableEvidence})
	if err != nil {
		return 0, err
	}
	if snapshotID(tbl) != int64(c.Base) {
		return 0, fleet.ErrConflict
	}
	parts, err := l.drafts(ctx, tbl, c)
	if err != nil {
		return 0, err
	}
	if len(parts) == 0 && len(c.Checkpoints) == 0 {
		return c.Base, nil
	}
	written, err := l.write(ctx, parts)
	if err != nil {
		return 0, err
	}
	next, err := l.swap(ctx, tbl, written, c.Checkpoints)
	if errors.Is(err, table.ErrCommitFailed) {
		// Nothing was committed, so that nothing names these files.
		return 0, errors.Join(fleet.ErrConflict, l.remove(ctx, written))
	}
	if err != nil {
		return 0, err // it may have been committed: the sweep decides about the files
	}
	l.remember(tableEvidence, next)
	l.live.committed(int64(c.Base), snapshotID(next), written)
	return fleet.Snapshot(snapshotID(l.maintain(ctx, next, written))), nil
}

// drafts are the rows of a commit by the part of the table that they belong to.
// Almost all are records that nobody touches until they are encoded.
func (l *Lake) drafts(ctx context.Context, tbl *table.Table, c *fleet.Commit) (map[partition][]draft, error) {
	seq := tbl.Metadata().LastSequenceNumber() + 1
	all := make([]draft, len(c.Records), len(c.Records)+len(c.Revised)+len(c.Amendments))
	for i := range c.Records {
		all[i].record = &c.Records[i]
	}
	for i := range c.Revised {
		d := draft{record: &c.Revised[i]}
		r := d.settle()
		r.Amends, r.Amendment = true, seq
		all = append(all, d)
	}
	later := amendInBatch(all, c.Amendments)
	amended, err := l.liveRows(ctx, tbl, later)
	if err != nil {
		return nil, err
	}
	for i := range amended {
		r := &amended[i]
		r.setKeys(&later[i].Keys)
		r.Amends, r.Amendment = true, seq
		all = append(all, draft{row: r})
	}
	return partitioned(all), nil
}

// inShares does something to 0 … n-1 in as many shares at once as there are cores.
func inShares(n int, do func(from, to int)) {
	shares := min(encoding.width(), n)
	var running sync.WaitGroup
	for i := range shares {
		running.Go(func() { do(n*i/shares, n*(i+1)/shares) })
	}
	running.Wait()
}

// filesAtOnce is how many files of a commit are written at once: more than are
// encoded, so that the cores work while the disk does.
var filesAtOnce = 2 * encoding.width()

// write writes the files of a commit, several at once, the longest first, so
// that the cores end together. After an error none of them is left.
func (l *Lake) write(ctx context.Context, parts map[partition][]draft) ([]writtenFile, error) {
	var written []writtenFile
	for key, rows := range parts {
		sortDrafts(rows)
		for _, chunk := range cut(rows) {
			written = append(written, writtenFile{key: key, name: evidenceName(l.base, key.dayKey, rand.Text()), rows: chunk})
		}
	}
	slices.SortFunc(written, func(a, b writtenFile) int { return cmp.Compare(len(b.rows), len(a.rows)) })
	f := l.files(ctx)
	var running errgroup.Group
	running.SetLimit(filesAtOnce)
	var hashing sync.WaitGroup // beside the encoding, since what follows uses one core
	for i := range written {
		running.Go(func() (err error) {
			hashing.Go(written[i].hashIDs)
			written[i].size, written[i].reach, err = writeEvidence(f, written[i].name, written[i].rows)
			return err
		})
	}
	err := running.Wait()
	hashing.Wait()
	if err != nil {
		return nil, errors.Join(err, l.remove(ctx, written)) // some may not be there
	}
	return written, nil
}

// evidenceName is the name of a data file of a kind and day.
func evidenceName(base string, key dayKey, unique string) string {
	date := time.UnixMicro(int64(key.day) * usPerDay).UTC().Format(time.DateOnly)
	return dataName(base, tableEvidence, fmt.Sprintf("%s-%s-%s.parquet", fileSafe(key.kind), date, unique))
}

// fileSafe keeps the letters of a kind that any file system can name.
func fileSafe(kind string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, kind)
}

// swap moves the table to a snapshot with the written files, together with the
// checkpoints, if it is still the snapshot that tbl was loaded at.
func (l *Lake) swap(ctx context.Context, tbl *table.Table, written []writtenFile, marks map[string]time.Time) (*table.Table, error) {
	tx := tbl.NewTransaction()
	dataFiles := make([]iceberg.DataFile, 0, len(written))
	for _, w := range written {
		df, err := w.dataFile(tbl)
		if err != nil {
			return nil, err
		}
		dataFiles = append(dataFiles, df)
	}
	// The names are new and unique, so that a check for duplicates would only
	// read every manifest.
	if err := tx.AddDataFiles(ctx, dataFiles, nil, table.WithoutDuplicateCheck(), table.WithoutAutoNameMapping()); err != nil {
		return nil, fmt.Errorf("stage files: %w", err)
	}
	props := checkpointProperties(marks)
	maps.Copy(props, lacking(tbl))
	if len(props) > 0 {
		if err := tx.SetProperties(props); err != nil {
			return nil, fmt.Errorf("stage checkpoints: %w", err)
		}
	}
	if err := tx.AssertRefSnapshotID(table.MainBranch); err != nil {
		return nil, fmt.Errorf("stage snapshot: %w", err)
	}
	return tx.Commit(ctx)
}

func checkpointProperties(marks map[string]time.Time) iceberg.Properties {
	props := iceberg.Properties{}
	for stream, t := range marks {
		props[checkpointPrefix+stream] = strconv.FormatInt(t.UnixMicro(), 10)
	}
	return props
}

func (w *writtenFile) dataFile(tbl *table.Table) (iceberg.DataFile, error) {
	return describe(tbl, w.key, w.name, w.size, &w.reach)
}

// remove removes files that no snapshot names.
func (l *Lake) remove(ctx context.Context, written []writtenFile) error {
	var errs []error
	for _, w := range written {
		errs = append(errs, l.files(ctx).Remove(w.name))
	}
	return errors.Join(errs...)
}
