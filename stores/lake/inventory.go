package lake

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"muster/fleet"
)

// inventory is all that a snapshot of evidence names, with what it says of each
// file, so that a question reads no manifest again.
type inventory struct {
	snapshot int64
	files    []stored            // in the order of their names
	read     map[string][]stored // by manifest, which never changes
	// foreign says that another engine deleted rows or partitioned the table
	// otherwise: then Iceberg has to plan.
	foreign bool
}

// stored is a data file of a snapshot.
type stored struct {
	planned
	key  dayKey
	rows int64
	// reach of time_us and of each of boundedColumns; a bound that nobody wrote
	// reaches everywhere.
	firstUS, lastUS int64
	low, high       [len(boundedColumns)]string
	bounded         [len(boundedColumns)]bool
}

// inventories keeps the newest inventory. The zero value is ready.
type inventories struct {
	mu   sync.Mutex
	last *inventory
}

// at is the inventory of a table's current snapshot, and whether it had to be
// taken.
func (v *inventories) at(ctx context.Context, tbl *table.Table) (now *inventory, news bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.last != nil && v.last.snapshot == snapshotID(tbl) {
		return v.last, false, nil
	}
	now, err = takeInventory(ctx, tbl, v.last)
	if err != nil {
		return nil, false, fmt.Errorf("read manifests: %w", err)
	}
	v.last = now
	return now, true, nil
}

// takeInventory reads the manifests that an earlier inventory, if there is one,
// has not read.
func takeInventory(ctx context.Context, tbl *table.Table, before *inventory) (*inventory, error) {
	fs, err := tbl.FS(ctx)
	if err != nil {
		return nil, err
	}
	list, err := tbl.CurrentSnapshot().Manifests(fs)
	if err != nil {
		return nil, err
	}
	out := &inventory{snapshot: snapshotID(tbl), read: map[string][]stored{}}
	columns := newBoundColumns(tbl.Schema())
	own := partitionSpec(tbl.Schema())
	for _, m := range list {
		spec := tbl.Metadata().PartitionSpecByID(int(m.PartitionSpecID()))
		if m.ManifestContent() != iceberg.ManifestContentData || spec == nil || !spec.CompatibleWith(&own) {
			out.foreign = true
			return out, nil
		}
		files, known := []stored(nil), false
		if before != nil {
			files, known = before.read[m.FilePath()]
		}
		if !known {
			for e, err := range m.Entries(fs, true) {
				if err != nil {
					return nil, err
				}
				f, own := columns.stored(e)
				if !own {
					out.foreign = true
					return out, nil
				}
				files = append(files, f)
			}
		}
		out.read[m.FilePath()] = files
		out.files = append(out.files, files...)
	}
	slices.SortFunc(out.files, func(a, b stored) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// boundColumns are the field ids of the columns that have bounds.
type boundColumns struct {
	timeUS int
	text   [len(boundedColumns)]int
}

func newBoundColumns(s *iceberg.Schema) boundColumns {
	id := func(column string) int {
		f, _ := s.FindFieldByName(column)
		return f.ID // 0, which no column has, where there is none
	}
	c := boundColumns{timeUS: id("time_us")}
	for i, column := range boundedColumns {
		c.text[i] = id(column)
	}
	return c
}

// stored is a file as a manifest has it; false when its partition is not of ours.
func (c *boundColumns) stored(e iceberg.ManifestEntry) (stored, bool) {
	f := e.DataFile()
	s := stored{planned: planned{name: f.FilePath(), sequence: e.SequenceNum()}, rows: f.Count()}
	_, hasDay := f.Partition()[partitionDay]
	var hasKind, hasAmends bool
	s.key.kind, hasKind = f.Partition()[partitionKind].(string)
	s.amends, hasAmends = f.Partition()[partitionAmends].(bool)
	s.key.day = partitionDate(f)
	lower, upper := f.LowerBoundValues(), f.UpperBoundValues()
	if low, high := lower[c.timeUS], upper[c.timeUS]; len(low) == 8 && len(high) == 8 {
		s.firstUS, s.lastUS = int64(binary.LittleEndian.Uint64(low)), int64(binary.LittleEndian.Uint64(high))
	} else {
		s.firstUS = int64(s.key.day) * usPerDay
		s.lastUS = s.firstUS + usPerDay - 1
	}
	for i, id := range c.text {
		low, isLow := lower[id]
		high, isHigh := upper[id]
		if s.bounded[i] = isLow && isHigh; s.bounded[i] {
			s.low[i], s.high[i] = string(low), string(high)
		}
	}
	return s, hasKind && hasDay && hasAmends
}

// The places in boundedColumns of what is looked for by it.
const (
	boundID          = 0
	boundService     = 2
	boundTrace       = 3
	boundCorrelation = 4
)

// mayHave reports whether a row of the file may have a value in a column.
func (s *stored) mayHave(column int, value string) bool {
	return value == "" || !s.bounded[column] || s.low[column] <= value && value <= s.high[column]
}

// mayAnswer reports whether a query needs a file: what planFilter says to Iceberg.
func (s *stored) mayAnswer(q *fleet.Query, days, exact usRange) bool {
	if len(q.Kinds) > 0 && !slices.Contains(q.Kinds, fleet.Kind(s.key.kind)) || !days.touches(s.key.days()) {
		return false
	}
	return s.amends || exact.touches(usRange{s.firstUS, s.lastUS}) &&
		s.mayHave(boundTrace, traceID(q.Trace)) && s.mayHave(boundCorrelation, q.Correlation) && s.mayHave(boundService, q.Service)
}

// plan is what a query needs.
func (v *inventory) plan(q *fleet.Query) []*stored {
	days, exact := newUSRange(wholeDays(q.Window, 0)), newUSRange(q.Window)
	var out []*stored
	for i := range v.files {
		if v.files[i].mayAnswer(q, days, exact) {
			out = append(out, &v.files[i])
		}
	}
	return out
}

// names are those of all files.
func (v *inventory) names() map[string]bool {
	out := make(map[string]bool, len(v.files))
	for i := range v.files {
		out[v.files[i].name] = true
	}
	return out
}

// usRange is a stretch of time in microseconds since 1970, its ends included.
type usRange struct{ first, last int64 }

func newUSRange(w fleet.Window) usRange {
	r := usRange{-1 << 63, 1<<63 - 1}
	if !w.Start.IsZero() {
		r.first = w.Start.UnixMicro()
	}
	if !w.End.IsZero() {
		r.last = w.End.UnixMicro() - 1
	}
	return r
}

func (r usRange) touches(o usRange) bool { return r.first <= o.last && o.first <= r.last }

func (r usRange) has(us int64) bool { return r.first <= us && us <= r.last }

// days is the time of a kind's day.
func (k dayKey) days() usRange {
	start := int64(k.day) * usPerDay
	return usRange{start, start + usPerDay - 1}
}

// evidenceNow is the inventory of the newest evidence; nil when there is none.
func (l *Lake) evidenceNow(ctx context.Context) (*inventory, error) {
	tbl, err := l.head(ctx, tableEvidence)
	if err != nil || tbl.CurrentSnapshot() == nil {
		return nil, err
	}
	return l.inventory(ctx, tbl)
}

// newestFirst orders files by their last row.
func newestFirst(a, b *stored) int {
	return cmp.Or(cmp.Compare(b.lastUS, a.lastUS), strings.Compare(a.name, b.name))
}
