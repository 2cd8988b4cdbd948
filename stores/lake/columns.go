package lake

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"
)

const (
	// mostRowsPerGroup lets a file that is a little too long for so many row
	// groups have no short one more: groups of one file are of one size.
	mostRowsPerGroup = rowsPerGroup + rowsPerGroup/10
	// leastRowsPerGroup is how short groups may be for each core to have one:
	// a commit of records of one kind would otherwise be encoded by one core.
	leastRowsPerGroup = rowsPerGroup * 2 / 5
	// columnRows is how many rows are handed to a column at a time. A page ends
	// between two such handfuls, and evidence of 64 calls is 130 KB.
	columnRows = 64
)

// evidenceEncoder writes files of evidence from rows, column by column and
// several row groups at once. It does what parquet.GenericWriter does with rows,
// without reflection and copies: that was a quarter of an import's CPU time.
type evidenceEncoder struct {
	file   *parquet.GenericWriter[row]
	groups []*groupEncoder // of the row groups written at once
}

// encoding bounds the row groups that are encoded at once in this process, and
// with them the pages in memory that are compressed but not in a file yet.
var encoding = make(chan struct{}, runtime.GOMAXPROCS(0))

// newEncoder makes an encoder for one file. It is not used again for another: a
// writer that parquet-go resets loses the names of its columns, so that Trino
// finds none in its next file.
func newEncoder(out *countingWriter, kind string) *evidenceEncoder {
	return &evidenceEncoder{file: parquet.NewGenericWriter[row](out, fileOptions(evidenceOptions(kind))...)}
}

// writeEvidence writes rows of one kind to a new file of evidence in their order,
// as writeParquet does.
func writeEvidence(f files, name string, rows []*row) (size int64, err error) {
	return writeNew(f, name, func(out *countingWriter) error {
		kind := ""
		if len(rows) > 0 {
			kind = rows[0].Kind
		}
		e := newEncoder(out, kind)
		if err := e.write(rows); err != nil {
			return err
		}
		return e.file.Close()
	})
}

// write writes rows in row groups of one size, as many at once as there are cores.
func (e *evidenceEncoder) write(rows []*row) error {
	if len(rows) == 0 {
		return nil
	}
	groups := max((len(rows)+mostRowsPerGroup-1)/mostRowsPerGroup, min(len(rows)/leastRowsPerGroup, cap(encoding)))
	parts := slices.Collect(slices.Chunk(rows, (len(rows)+groups-1)/groups))
	for at := range slices.Chunk(parts, cap(encoding)) {
		for len(e.groups) < len(at) {
			e.groups = append(e.groups, newGroupEncoder(e.file.BeginRowGroup()))
		}
		var running errgroup.Group
		for i, part := range at {
			running.Go(func() error {
				encoding <- struct{}{}
				defer func() { <-encoding }()
				return e.groups[i].fill(part)
			})
		}
		if err := running.Wait(); err != nil {
			return err
		}
		for i := range at {
			if _, err := e.groups[i].group.Commit(); err != nil {
				return err
			}
		}
	}
	return nil
}

// groupEncoder fills one row group. Not concurrent.
type groupEncoder struct {
	group   *parquet.ConcurrentRowGroupWriter
	columns []columnEncoder
	values  []parquet.Value
	pairs   []attribute // of the rows at hand, those of each row sorted
	ends    []int       // of each row's pairs
}

// columnEncoder appends the values of some rows to those of one column.
type columnEncoder struct {
	out    *parquet.ColumnWriter
	append func(g *groupEncoder, values []parquet.Value, rows []*row) []parquet.Value
}

func newGroupEncoder(group *parquet.ConcurrentRowGroupWriter) *groupEncoder {
	g := &groupEncoder{group: group}
	outs := group.ColumnWriters()
	for i, path := range group.Schema().Columns() {
		g.columns = append(g.columns, columnEncoder{outs[i], appendColumn(path)})
	}
	return g
}

// fill encodes and compresses rows; they get into the file by a commit.
func (g *groupEncoder) fill(rows []*row) error {
	for some := range slices.Chunk(rows, columnRows) {
		g.sortAttributes(some)
		for _, c := range g.columns {
			g.values = c.append(g, g.values[:0], some)
			if _, err := c.out.WriteRowValues(g.values); err != nil {
				return err
			}
		}
	}
	clear(g.values[:cap(g.values)]) // they refer to evidence
	clear(g.pairs[:cap(g.pairs)])
	return g.group.Flush()
}

// sortAttributes gathers the attributes of rows that have no column, sorted by
// their names, so that records of one sort look alike to the compressor. Those of
// records are sorted, those of rows from another file are not.
func (g *groupEncoder) sortAttributes(rows []*row) {
	g.pairs, g.ends = g.pairs[:0], g.ends[:0]
	for _, r := range rows {
		start := len(g.pairs)
		for k, v := range r.Attributes {
			g.pairs = append(g.pairs, attribute{k, v})
		}
		sorted := len(r.Attributes) <= 1
		r.lift(r.Unlifted, func(name, value string) {
			sorted = sorted && (len(g.pairs) == start || g.pairs[len(g.pairs)-1].name < name) // unless one was not valid text
			g.pairs = append(g.pairs, attribute{name, value})
		})
		if !sorted {
			own := g.pairs[start:]
			slices.SortFunc(own, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
			own = slices.CompactFunc(own, func(a, b attribute) bool { return a.name == b.name })
			g.pairs = g.pairs[:start+len(own)]
		}
		g.ends = append(g.ends, len(g.pairs))
	}
}

// appendColumn is how the column of a path in the schema gets its values: from
// the field of row that has the column's name.
func appendColumn(path []string) func(g *groupEncoder, values []parquet.Value, rows []*row) []parquet.Value {
	field := rowFields()[path[0]]
	at := field.Offset
	switch field.Type {
	case reflect.TypeFor[string]():
		return func(_ *groupEncoder, values []parquet.Value, rows []*row) []parquet.Value {
			for _, r := range rows {
				values = append(values, textValue(*(*string)(unsafe.Add(unsafe.Pointer(r), at))))
			}
			return values
		}
	case reflect.TypeFor[int64]():
		return func(_ *groupEncoder, values []parquet.Value, rows []*row) []parquet.Value {
			for _, r := range rows {
				values = append(values, parquet.Int64Value(*(*int64)(unsafe.Add(unsafe.Pointer(r), at))))
			}
			return values
		}
	case reflect.TypeFor[int32]():
		return func(_ *groupEncoder, values []parquet.Value, rows []*row) []parquet.Value {
			for _, r := range rows {
				values = append(values, parquet.Int32Value(*(*int32)(unsafe.Add(unsafe.Pointer(r), at))))
			}
			return values
		}
	case reflect.TypeFor[bool]():
		return func(_ *groupEncoder, values []parquet.Value, rows []*row) []parquet.Value {
			for _, r := range rows {
				values = append(values, parquet.BooleanValue(*(*bool)(unsafe.Add(unsafe.Pointer(r), at))))
			}
			return values
		}
	case reflect.TypeFor[[]string]():
		return func(_ *groupEncoder, values []parquet.Value, rows []*row) []parquet.Value {
			for _, r := range rows {
				values = appendList(values, *(*[]string)(unsafe.Add(unsafe.Pointer(r), at)))
			}
			return values
		}
	case reflect.TypeFor[map[string]string]():
		if path[len(path)-1] == "key" {
			return func(g *groupEncoder, values []parquet.Value, _ []*row) []parquet.Value {
				return g.appendMaps(values, func(a *attribute) string { return a.name })
			}
		}
		return func(g *groupEncoder, values []parquet.Value, _ []*row) []parquet.Value {
			return g.appendMaps(values, func(a *attribute) string { return a.value })
		}
	}
	panic(fmt.Sprintf("column %s: no way to write %s", strings.Join(path, "."), field.Type))
}

// rowFields are the fields of row by the names of their columns.
var rowFields = sync.OnceValue(func() map[string]reflect.StructField {
	fields := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[row]()) {
		name, _, _ := strings.Cut(f.Tag.Get("parquet"), ",")
		fields[name] = f
	}
	return fields
})

// textValue shares the bytes of s, which the writer copies and does not change.
func textValue(s string) parquet.Value {
	return parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// The levels of values in a list or map, which is itself never absent: what a
// value repeats, and whether there is one.
const (
	levelFirst, levelNext    = 0, 1
	levelEmpty, levelDefined = 0, 1
)

// appendList appends the elements of a list, or that it has none.
func appendList(values []parquet.Value, list []string) []parquet.Value {
	if len(list) == 0 {
		return append(values, parquet.NullValue().Level(levelFirst, levelEmpty, 0))
	}
	repeats := levelFirst
	for _, s := range list {
		values = append(values, textValue(s).Level(repeats, levelDefined, 0))
		repeats = levelNext
	}
	return values
}

// appendMaps appends the keys, or values, of each row's pairs.
func (g *groupEncoder) appendMaps(values []parquet.Value, of func(*attribute) string) []parquet.Value {
	start := 0
	for _, end := range g.ends {
		if start == end {
			values = append(values, parquet.NullValue().Level(levelFirst, levelEmpty, 0))
		}
		repeats := levelFirst
		for i := start; i < end; i++ {
			values = append(values, textValue(of(&g.pairs[i])).Level(repeats, levelDefined, 0))
			repeats = levelNext
		}
		start = end
	}
	return values
}

// attribute is one entry of the map column.
type attribute struct{ name, value string }
