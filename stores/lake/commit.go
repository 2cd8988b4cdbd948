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
	rows  []*row // as they lie in the file
	reach extent
	ids   []idHash // of the rows, once hashIDs is over
}

func (w *writtenFile) hashIDs() {
	w.ids = make([]idHash, len(w.rows))
	for i, r := range w.rows {
		w.ids[i] = hashID(r.ID)
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
	room := takeRows(len(c.Records) + len(c.Revised))
	defer giveRows(room)
	parts, err := l.rows(ctx, tbl, c, *room)
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

// rows are the rows of a commit by the part of the table that they belong to.
// They lie in one slice, of a kilobyte each, and are sorted and cut as pointers:
// moving the rows themselves took longer than compressing them. all is room for
// those of the batch.
func (l *Lake) rows(ctx context.Context, tbl *table.Table, c *fleet.Commit, all []row) (map[partition][]*row, error) {
	seq := tbl.Metadata().LastSequenceNumber() + 1
	inShares(len(all), func(from, to int) {
		for i := from; i < to; i++ {
			if i < len(c.Records) {
				all[i] = unliftedRow(&c.Records[i])
			} else {
				all[i] = unliftedRow(&c.Revised[i-len(c.Records)])
				all[i].Amends, all[i].Amendment = true, seq
			}
		}
	})
	later := amendInBatch(all, c.Amendments)
	amended, err := l.liveRows(ctx, tbl, later)
	if err != nil {
		return nil, err
	}
	for i := range amended {
		amended[i].setKeys(&later[i].Keys)
		amended[i].Amends, amended[i].Amendment = true, seq
	}
	return partitioned(all, amended), nil
}

// inShares does something to 0 … n-1 in as many shares at once as there are cores.
func inShares(n int, do func(from, to int)) {
	shares := min(cap(encoding), n)
	var running sync.WaitGroup
	for i := range shares {
		running.Go(func() { do(n*i/shares, n*(i+1)/shares) })
	}
	running.Wait()
}

// partitioned sorts rows out by the part of the table that they belong to.
func partitioned(groups ...[]row) map[partition][]*row {
	parts := map[partition][]*row{}
	var last partition // most rows belong where the one before does
	var rows []*row
	for _, group := range groups {
		for i := range group {
			r := &group[i]
			if p := (partition{newDayKey(fleet.Kind(r.Kind), r.TimeUS), r.Amends}); p != last {
				if len(rows) > 0 {
					parts[last] = rows
				}
				last, rows = p, parts[p]
			}
			rows = append(rows, r)
		}
	}
	if len(rows) > 0 {
		parts[last] = rows
	}
	return parts
}

// rowRooms keeps the room for the rows of a commit from one to the next, tens of
// megabytes in an import, until the garbage collector asks for it.
var rowRooms sync.Pool

// takeRows is room for n rows.
func takeRows(n int) *[]row {
	room, _ := rowRooms.Get().(*[]row)
	if room == nil || cap(*room) < n {
		rows := make([]row, n)
		return &rows
	}
	*room = (*room)[:n]
	return room
}

// giveRows gives room back that nothing refers to any more.
func giveRows(room *[]row) {
	clear(*room)
	rowRooms.Put(room)
}

// filesAtOnce is how many files of a commit are written at once: more than are
// encoded, so that the cores work while the disk does.
var filesAtOnce = 2 * cap(encoding)

// write writes the files of a commit, several at once, the longest first, so
// that the cores end together. After an error none of them is left.
func (l *Lake) write(ctx context.Context, parts map[partition][]*row) ([]writtenFile, error) {
	var written []writtenFile
	for key, rows := range parts {
		sortRows(rows)
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
