package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

const (
	// maxLiveBytes bounds the tables of live ids: some 16 million ids. Days that
	// were not asked for in a while are forgotten then, and what is still too
	// much goes to temporary files, where an id takes 8 bytes and a question some
	// microseconds more.
	maxLiveBytes = 192 << 20
	// idleBatches without a question about a day make it one to forget. Reading
	// it again costs more than what a batch does; days that come back this seldom
	// are late evidence.
	idleBatches = 64
)

// liveDay is where the ids of one kind and day lie at one snapshot.
type liveDay struct {
	snapshot int64
	used     uint64
	files    []planned       // by their numbers; a merged file has those of all that are in it
	loaded   map[string]bool // by file and the delete files that apply to it
	ids      idTable
}

// liveIndex knows in which files the ids of kinds and days lie, as read from
// the lake's own files and kept up with own commits. It answers that an id is
// new from memory; that it is not, from the file, which also tells the revision.
// Not shared between programs: another one's commit changes the snapshot, and
// its files are read.
type liveIndex struct {
	mu    sync.Mutex
	days  map[dayKey]*liveDay
	clock uint64 // counts batches
	max   int    // bytes of tables
	rows  fileRows
}

func newLiveIndex() *liveIndex {
	return &liveIndex{days: map[dayKey]*liveDay{}, max: maxLiveBytes}
}

// asked are ids to look for, each in its kind and day.
type asked struct {
	ids  []idHash
	day  []int32 // in days, for each id
	days []dayKey
}

// livePlace is where the live row of a record lies.
type livePlace struct {
	file planned
	place
}

// find looks for ids at the table's snapshot and returns those that are live,
// by their places in what was asked. The caller holds mu.
func (x *liveIndex) find(ctx context.Context, f files, tbl *table.Table, a *asked) (map[int32]livePlace, error) {
	x.clock++
	days := make([]*liveDay, len(a.days))
	for i, key := range a.days {
		var err error
		if days[i], err = x.at(ctx, f, tbl, key); err != nil {
			return nil, err
		}
	}
	type question struct {
		file planned
		ids  []int32
	}
	var maybe map[string]*question // by file
	var numbers []int32
	for i, h := range a.ids {
		day := days[a.day[i]]
		var err error
		if numbers, err = day.ids.files(h, numbers[:0]); err != nil {
			return nil, err
		}
		for _, n := range numbers {
			file := day.files[n]
			if maybe == nil {
				maybe = map[string]*question{}
			}
			q := maybe[file.name]
			if q == nil {
				q = &question{file: file}
				maybe[file.name] = q
			}
			q.ids = append(q.ids, int32(i))
		}
	}
	found := make(map[int32]livePlace, len(maybe))
	for _, name := range slices.Sorted(maps.Keys(maybe)) {
		q := maybe[name]
		rows, err := x.rows.of(f, &q.file, a.ids, q.ids)
		if err != nil {
			return nil, err
		}
		for _, i := range q.ids {
			p, ok := rows.get(a.ids[i])
			if old, more := found[i]; ok && (!more || p.newer(old.place)) {
				found[i] = livePlace{q.file, p}
			}
		}
	}
	return found, nil
}

// at brings a kind and day up to the table's snapshot.
func (x *liveIndex) at(ctx context.Context, f files, tbl *table.Table, key dayKey) (*liveDay, error) {
	snapshot := snapshotID(tbl)
	day := x.days[key]
	if day != nil && day.snapshot == snapshot {
		day.used = x.clock
		return day, nil
	}
	tasks, err := planDay(ctx, tbl, key)
	if err == nil && (day == nil || !day.covers(tasks) || len(day.files)+len(tasks.files) > mostFiles) {
		err = x.drop(key) // files went away, by compaction or deletes: what is known is wrong
		day = &liveDay{loaded: map[string]bool{}}
		x.days[key] = day
	}
	if err == nil {
		day.used = x.clock
		err = x.load(f, day, tasks)
	}
	if err != nil {
		return nil, errors.Join(err, x.drop(key))
	}
	day.snapshot = snapshot
	return day, nil
}

// drop forgets a kind and day.
func (x *liveIndex) drop(key dayKey) error {
	day := x.days[key]
	delete(x.days, key)
	if day == nil {
		return nil
	}
	return day.ids.close()
}

// covers reports whether all files that were loaded are still live.
func (d *liveDay) covers(p plan) bool {
	n := 0
	for i := range p.files {
		if d.loaded[p.files[i].identity()] {
			n++
		}
	}
	return n == len(d.loaded)
}

// rowID is the part of a row that load needs.
type rowID struct {
	ID string `parquet:"id"`
}

func (x *liveIndex) load(f files, d *liveDay, p plan) error {
	for i := range p.files {
		file := &p.files[i]
		if d.loaded[file.identity()] {
			continue
		}
		number := d.file(*file)
		err := readParquet(f, file.name, func(_ int64, r *rowID) error {
			d.ids.add(hashID(r.ID), number) // deleted rows too: the file is asked before anything is dropped
			return nil
		})
		if err != nil {
			return fmt.Errorf("read live ids: %w", err)
		}
		if err := x.bound(); err != nil {
			return err
		}
	}
	return nil
}

// file takes a file into the day and returns its number.
func (d *liveDay) file(p planned) int32 {
	d.files = append(d.files, p)
	d.loaded[p.identity()] = true
	return int32(len(d.files) - 1)
}

// bound keeps the tables small enough.
func (x *liveIndex) bound() error {
	total := 0
	for _, d := range x.days {
		total += d.ids.bytes()
	}
	for total > x.max {
		oldest, largest, ok := x.extremes()
		if !ok {
			return nil
		}
		d := x.days[oldest]
		var err error
		switch before := d.ids.bytes(); {
		case x.clock-d.used > idleBatches:
			err = x.drop(oldest)
			total -= before
		case x.days[largest].ids.entries == 0:
			return nil // what is left is so little that it is not counted on
		default:
			d = x.days[largest]
			before = d.ids.bytes()
			err = d.ids.spill()
			total += d.ids.bytes() - before
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// extremes are the day that was not asked for longest and the one with most ids
// in memory; false when there is none.
func (x *liveIndex) extremes() (oldest, largest dayKey, ok bool) {
	for k, d := range x.days {
		if !ok || d.used < x.days[oldest].used {
			oldest = k
		}
		if !ok || d.ids.entries > x.days[largest].ids.entries {
			largest = k
		}
		ok = true
	}
	return oldest, largest, ok
}

// committed takes over the files of an own commit that led from one snapshot
// to the next.
func (x *liveIndex) committed(from, to int64, written []writtenFile) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.advance(from, to)
	for i := range written {
		w := &written[i]
		d := x.days[w.key.dayKey]
		if d == nil || d.snapshot != to {
			continue
		}
		if len(d.files) == mostFiles {
			_ = x.drop(w.key.dayKey) // only a cache; it is read again, with new numbers
			continue
		}
		number := d.file(planned{name: w.name, rows: int64(len(w.rows))})
		for _, id := range w.ids {
			d.ids.add(id, number)
		}
	}
	if x.bound() != nil {
		_ = x.forget() // the commit stands: whoever asks next reads the lake, and hears of the full disk
	}
}

// merged takes over an own commit from one snapshot to the next, by which the
// rows of old files lie in new ones.
func (x *liveIndex) merged(from, to int64, files []mergedFile) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range files {
		m := &files[i]
		if d := x.days[m.key.dayKey]; d != nil && d.snapshot == from {
			d.move(m)
		}
	}
	x.advance(from, to)
}

// move gives the numbers of merged files to the one in which their rows lie now.
func (d *liveDay) move(m *mergedFile) {
	gone := map[string]bool{}
	for _, f := range m.old {
		gone[f.FilePath()] = true
		delete(d.loaded, planned{name: f.FilePath()}.identity())
	}
	now := planned{name: m.name, rows: int64(len(m.rows))}
	d.loaded[now.identity()] = true
	for i := range d.files {
		if gone[d.files[i].name] {
			d.files[i] = now
		}
	}
}

// advance takes over an own commit that led from one snapshot to the next:
// nobody else committed between them. The caller holds mu.
func (x *liveIndex) advance(from, to int64) {
	for _, d := range x.days {
		if d.snapshot == from {
			d.snapshot = to
		}
	}
}

// forget drops all days, and removes what lies on the disk. The caller holds mu.
func (x *liveIndex) forget() error {
	var errs []error
	for key := range x.days {
		errs = append(errs, x.drop(key))
	}
	return errors.Join(errs...)
}

func (x *liveIndex) close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.forget()
}

// snapshotID is the table's current snapshot, 0 for none.
func snapshotID(tbl *table.Table) int64 {
	if s := tbl.CurrentSnapshot(); s != nil {
		return s.SnapshotID
	}
	return 0
}

func planDay(ctx context.Context, tbl *table.Table, key dayKey) (plan, error) {
	return planFiles(ctx, tbl, dayFilter(key))
}

func dayFilter(key dayKey) iceberg.BooleanExpression {
	start := int64(key.day) * usPerDay
	return iceberg.NewAnd(
		iceberg.EqualTo(iceberg.Reference(columnKind), key.kind),
		iceberg.GreaterThanEqual(iceberg.Reference(columnTime), iceberg.Timestamp(start)),
		iceberg.LessThan(iceberg.Reference(columnTime), iceberg.Timestamp(start+usPerDay)),
	)
}
