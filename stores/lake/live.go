package lake

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"muster/fleet"
)

// maxLive bounds the index, in records. An entry takes about 55 bytes, so that
// a full index is some 160 MB; days that were not asked for longest go first.
const maxLive = 3_000_000

// idHash stands for a record id. Of its 128 bits, two of a thousand million ids
// of one kind and day are mistaken for each other with a probability below
// 10^-20; and since each process draws its own seeds, nobody can choose ids that
// are. It means nothing outside of the process.
type idHash [16]byte

var idSeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func hashID(id string) idHash {
	var h idHash
	binary.LittleEndian.PutUint64(h[:8], maphash.String(idSeeds[0], id))
	binary.LittleEndian.PutUint64(h[8:], maphash.String(idSeeds[1], id))
	return h
}

// place says which row of a record is live, and where it lies.
type place struct {
	revision  int32
	file      int32 // in liveDay.paths
	number    int64 // of the row in the file
	amendment int64
}

// newer reports whether p replaces q.
func (p place) newer(q place) bool {
	return p.revision > q.revision || p.revision == q.revision && p.amendment > q.amendment
}

// dayKey names the records among which an id is unique: those of one kind and
// one UTC day, as the table is partitioned.
type dayKey struct {
	kind string
	day  int32 // since 1970
}

// usPerDay divides a time in microseconds into days.
const usPerDay = 24 * 60 * 60 * 1_000_000

func newDayKey(kind fleet.Kind, timeUS int64) dayKey {
	day := timeUS / usPerDay
	if timeUS%usPerDay < 0 {
		day-- // before 1970
	}
	return dayKey{text(string(kind)), int32(day)}
}

// liveDay is what is live of one kind and day at one snapshot.
type liveDay struct {
	snapshot int64
	used     uint64
	paths    []string
	loaded   map[string]bool // by file and the delete files that apply to it
	ids      places
}

// liveIndex caches the live ids of kinds and days, read from the lake's own
// files and kept up with own commits. Not shared between programs: another
// one's commit changes the snapshot, and its files are read.
type liveIndex struct {
	mu    sync.Mutex
	days  map[dayKey]*liveDay
	clock uint64 // counts uses
	max   int
}

func newLiveIndex() *liveIndex { return &liveIndex{days: map[dayKey]*liveDay{}, max: maxLive} }

// evidenceID is the part of a row that the index needs.
type evidenceID struct {
	ID        string `parquet:"id"`
	Revision  int32  `parquet:"revision"`
	Amendment int64  `parquet:"amendment"`
}

// at returns what is live of a kind and day at the table's snapshot. The
// caller holds mu while it uses the answer.
func (x *liveIndex) at(ctx context.Context, f files, tbl *table.Table, key dayKey) (*liveDay, error) {
	x.clock++
	snapshot := snapshotID(tbl)
	day := x.days[key]
	if day == nil {
		day = newLiveDay()
		x.days[key] = day
	}
	day.used = x.clock
	if day.snapshot == snapshot {
		return day, nil
	}
	tasks, err := planDay(ctx, tbl, key)
	if err != nil {
		delete(x.days, key)
		return nil, err
	}
	if !day.covers(tasks) {
		day = newLiveDay() // files went away, by compaction or deletes: places are wrong
		day.used = x.clock
		x.days[key] = day
	}
	if err := day.load(f, tasks); err != nil {
		delete(x.days, key)
		return nil, err
	}
	day.snapshot = snapshot
	x.evict(key)
	return day, nil
}

func newLiveDay() *liveDay {
	return &liveDay{snapshot: -1, loaded: map[string]bool{}}
}

// covers reports whether all files that were loaded are still live.
func (d *liveDay) covers(p plan) bool {
	n := 0
	for _, f := range p.files {
		if d.loaded[f.identity()] {
			n++
		}
	}
	return n == len(d.loaded)
}

func (d *liveDay) load(f files, p plan) error {
	for _, file := range p.files {
		if d.loaded[file.identity()] {
			continue
		}
		deleted, err := file.deletedRows(f)
		if err != nil {
			return err
		}
		index := d.file(file)
		err = readParquet(f, file.name, func(number int64, r *evidenceID) error {
			if !deleted[number] {
				d.add(r.ID, place{revision: r.Revision, amendment: r.Amendment, file: index, number: number})
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read live ids: %w", err)
		}
	}
	return nil
}

// file takes a file into the day and returns its number.
func (d *liveDay) file(p planned) int32 {
	d.paths = append(d.paths, p.name)
	d.loaded[p.identity()] = true
	return int32(len(d.paths) - 1)
}

func (d *liveDay) add(id string, p place) {
	h := hashID(id)
	if old, ok := d.ids.get(h); !ok || p.newer(old) {
		d.ids.set(h, p)
	}
}

// evict drops the days that were not used longest until the index is small
// enough; keep stays.
func (x *liveIndex) evict(keep dayKey) {
	total := 0
	for _, d := range x.days {
		total += d.ids.len()
	}
	for total > x.max {
		var oldest dayKey
		found := false
		for k, d := range x.days {
			if k != keep && (!found || d.used < x.days[oldest].used) {
				oldest, found = k, true
			}
		}
		if !found {
			return
		}
		total -= x.days[oldest].ids.len()
		delete(x.days, oldest)
	}
}

// committed takes over the files of an own commit that led from one snapshot
// to the next.
func (x *liveIndex) committed(from, to int64, written []writtenFile) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.advance(from, to)
	for _, w := range written {
		d := x.days[w.key.dayKey]
		if d == nil || d.snapshot != to {
			continue
		}
		index := d.file(planned{name: w.name})
		for i, r := range w.rows {
			d.add(r.ID, place{revision: r.Revision, amendment: r.Amendment, file: index, number: int64(i)})
		}
		x.evict(w.key.dayKey)
	}
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
