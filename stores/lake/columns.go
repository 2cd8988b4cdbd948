package lake

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sync/errgroup"

	"muster/fleet"
	"muster/stores/lake/columnfile"
)

const (
	// mostRowsPerGroup lets a file that is a little too long for so many row
	// groups have no short one more: groups of one file are of one size.
	mostRowsPerGroup = rowsPerGroup + rowsPerGroup/10
	// leastRowsPerGroup is how short groups may be for each core to have one:
	// a commit of records of one kind would otherwise be encoded by one core.
	leastRowsPerGroup = rowsPerGroup * 2 / 5
	// leastGroupBytes is as much for rows that have more text than most.
	leastGroupBytes = 8 << 20
	// columnRows is how many rows are handed to a column at a time. A page ends
	// between two such handfuls, and evidence of 64 calls is 130 KB.
	columnRows = 64
)

// evidenceShape is how files of evidence are laid out, and the row groups that
// were used for such: their buffers are some megabytes each.
type evidenceShape struct {
	layout func() (*columnfile.Layout, error)
	groups sync.Pool
}

// Files of spans have filters that the others do not have.
var spanShape, otherShape = newEvidenceShape(string(fleet.KindSpan)), newEvidenceShape("")

func newEvidenceShape(kind string) *evidenceShape {
	return &evidenceShape{layout: sync.OnceValues(func() (*columnfile.Layout, error) {
		filters := map[string]uint{}
		for _, path := range filteredColumns(kind) {
			filters[strings.Join(path, ".")] = bloomBits
		}
		return columnfile.NewLayout[row](columnfile.Options{
			Writer: fileOptions(evidenceOptions(kind)), PageBytes: pageBytes, FilterBits: filters, Unbounded: []string{columnRaw},
		})
	})}
}

func evidenceShapeOf(kind string) *evidenceShape {
	if kind == string(fleet.KindSpan) {
		return spanShape
	}
	return otherShape
}

// take is a row group without rows.
func (s *evidenceShape) take() (*groupEncoder, error) {
	if g, ok := s.groups.Get().(*groupEncoder); ok {
		return g, nil
	}
	layout, err := s.layout()
	if err != nil {
		return nil, err
	}
	group, err := columnfile.NewGroup(layout)
	if err != nil {
		return nil, err
	}
	g := &groupEncoder{group: group}
	for i, path := range layout.Columns() {
		g.columns = append(g.columns, columnEncoder{group.Column(i), appendColumn(path)})
	}
	return g, nil
}

// writeEvidence writes rows of one kind to a new file of evidence in their order,
// as writeParquet does, in row groups of one size, as many at once as there are
// cores. It returns the file's size in bytes and what the rows reach from and to.
func writeEvidence(f files, name string, rows []draft) (size int64, reach extent, err error) {
	size, err = writeNew(f, name, func(out *countingWriter) error {
		kind := ""
		if len(rows) > 0 {
			kind = rows[0].partition().kind
		}
		shape := evidenceShapeOf(kind)
		layout, err := shape.layout()
		if err != nil {
			return err
		}
		file := columnfile.NewWriter(out, layout)
		if err := shape.write(file, rows); err != nil {
			return err
		}
		if len(rows) > 0 {
			reach = newExtent(file, layout, rows)
		}
		return file.Close()
	})
	return size, reach, err
}

func (s *evidenceShape) write(file *columnfile.Writer, rows []draft) error {
	if len(rows) == 0 {
		return nil
	}
	groups := max((len(rows)+mostRowsPerGroup-1)/mostRowsPerGroup, min(max(len(rows)/leastRowsPerGroup, textBytes(rows)/leastGroupBytes), encoding.width()))
	parts := slices.Collect(slices.Chunk(rows, (len(rows)+groups-1)/groups))
	for at := range slices.Chunk(parts, encoding.width()) {
		filled := make([]*groupEncoder, len(at))
		var running errgroup.Group
		for i, part := range at {
			encoding.run(&running, func() (err error) {
				if filled[i], err = s.take(); err != nil {
					return err
				}
				return filled[i].fill(part)
			})
		}
		if err := running.Wait(); err != nil {
			return err
		}
		for _, g := range filled {
			if err := file.WriteGroup(g.group); err != nil {
				return err
			}
			s.groups.Put(g)
		}
	}
	return nil
}

// groupEncoder fills one row group. Not concurrent.
type groupEncoder struct {
	group   *columnfile.Group
	columns []columnEncoder
	pairs   []fleet.Attribute // of the rows at hand, those of each row sorted
	ends    []int             // of each row's pairs
	texts   [columnRows]string
	rows    [columnRows]*row // at hand
	room    [columnRows]row  // for those that are made of records
}

// columnEncoder appends the values of some rows to one column.
type columnEncoder struct {
	out    *columnfile.Column
	append func(g *groupEncoder, out *columnfile.Column, rows []*row)
}

// fill encodes and compresses rows.
func (g *groupEncoder) fill(drafts []draft) error {
	for handful := range slices.Chunk(drafts, columnRows) {
		some := g.translate(handful)
		g.sortAttributes(some)
		for _, c := range g.columns {
			c.append(g, c.out, some)
		}
		if err := g.group.EndRows(len(some)); err != nil {
			return err
		}
	}
	err := g.group.Finish()
	clear(g.pairs[:cap(g.pairs)]) // they refer to evidence
	clear(g.texts[:])
	clear(g.rows[:])
	clear(g.room[:])
	return err
}

// translate are the rows of a handful of drafts, as long as they are the last.
func (g *groupEncoder) translate(drafts []draft) []*row {
	for i, d := range drafts {
		if d.record != nil {
			g.room[i] = unliftedRow(d.record)
			d.row = &g.room[i]
		}
		g.rows[i] = d.row
	}
	return g.rows[:len(drafts)]
}

// sortAttributes gathers the attributes of rows that have no column, sorted by
// their names, so that records of one sort look alike to the compressor. Those of
// records are sorted, those of rows from another file are not.
func (g *groupEncoder) sortAttributes(rows []*row) {
	g.pairs, g.ends = g.pairs[:0], g.ends[:0]
	for _, r := range rows {
		start := len(g.pairs)
		for k, v := range r.Attributes {
			g.pairs = append(g.pairs, fleet.Attribute{Name: k, Value: v})
		}
		sorted := len(r.Attributes) <= 1
		r.lift(r.Unlifted, func(name, value string) {
			sorted = sorted && (len(g.pairs) == start || g.pairs[len(g.pairs)-1].Name < name) // unless one was not valid text
			g.pairs = append(g.pairs, fleet.Attribute{Name: name, Value: value})
		})
		if !sorted {
			own := g.pairs[start:]
			slices.SortFunc(own, func(a, b fleet.Attribute) int { return strings.Compare(a.Name, b.Name) })
			own = slices.CompactFunc(own, func(a, b fleet.Attribute) bool { return a.Name == b.Name })
			g.pairs = g.pairs[:start+len(own)]
		}
		g.ends = append(g.ends, len(g.pairs))
	}
}

// appendColumn is how the column of a path in the schema gets its values: from
// the field of row that has the column's name.
func appendColumn(path []string) func(g *groupEncoder, out *columnfile.Column, rows []*row) {
	field := rowFields()[path[0]]
	at := field.Offset
	switch field.Type {
	case reflect.TypeFor[string]():
		return func(g *groupEncoder, out *columnfile.Column, rows []*row) {
			for i, r := range rows {
				g.texts[i] = *(*string)(unsafe.Add(unsafe.Pointer(r), at))
			}
			out.Texts(g.texts[:len(rows)])
		}
	case reflect.TypeFor[int64]():
		return func(_ *groupEncoder, out *columnfile.Column, rows []*row) {
			for _, r := range rows {
				out.Number(*(*int64)(unsafe.Add(unsafe.Pointer(r), at)))
			}
		}
	case reflect.TypeFor[int32]():
		return func(_ *groupEncoder, out *columnfile.Column, rows []*row) {
			for _, r := range rows {
				out.Number(int64(*(*int32)(unsafe.Add(unsafe.Pointer(r), at))))
			}
		}
	case reflect.TypeFor[bool]():
		return func(_ *groupEncoder, out *columnfile.Column, rows []*row) {
			for _, r := range rows {
				out.Flag(*(*bool)(unsafe.Add(unsafe.Pointer(r), at)))
			}
		}
	case reflect.TypeFor[[]string]():
		return func(_ *groupEncoder, out *columnfile.Column, rows []*row) {
			for _, r := range rows {
				appendList(out, *(*[]string)(unsafe.Add(unsafe.Pointer(r), at)))
			}
		}
	case reflect.TypeFor[map[string]string]():
		if path[len(path)-1] == "key" {
			return func(g *groupEncoder, out *columnfile.Column, _ []*row) {
				g.appendMaps(out, func(a *fleet.Attribute) string { return a.Name })
			}
		}
		return func(g *groupEncoder, out *columnfile.Column, _ []*row) {
			g.appendMaps(out, func(a *fleet.Attribute) string { return a.Value })
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

// appendList appends the elements of a list, or that it has none.
func appendList(out *columnfile.Column, list []string) {
	if len(list) == 0 {
		out.Empty()
	}
	for i, s := range list {
		out.Element(s, i == 0)
	}
}

// appendMaps appends the keys, or values, of each row's pairs.
func (g *groupEncoder) appendMaps(out *columnfile.Column, of func(*fleet.Attribute) string) {
	start := 0
	for _, end := range g.ends {
		if start == end {
			out.Empty()
		}
		for i := start; i < end; i++ {
			out.Element(of(&g.pairs[i]), i == start)
		}
		start = end
	}
}
