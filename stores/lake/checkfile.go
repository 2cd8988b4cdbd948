package lake

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"
)

// open opens a file and its footer and compares its size; nil after a damage.
func (k *checker) open(ctx context.Context, tableName, name string, sizeBytes int64) (*parquet.File, func()) {
	file, err := k.lake.files(ctx).Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		k.found(tableName, name, "missing", "a snapshot names it, and it is not there")
		return nil, nil
	}
	if err != nil {
		k.found(tableName, name, "missing", "%v", err)
		return nil, nil
	}
	done := func() { _ = file.Close() } // only read
	info, err := file.Stat()
	switch {
	case err != nil:
		k.found(tableName, name, "missing", "%v", err)
	case info.Size() != sizeBytes:
		k.found(tableName, name, "size", "it has %d bytes, and the snapshot says %d", info.Size(), sizeBytes)
	default:
		footer, err := openFooter(file)
		if err == nil {
			return footer, done
		}
		k.found(tableName, name, "footer", "%v", err)
	}
	done()
	return nil, nil
}

// file looks at one data file and reports whether it can be read.
func (k *checker) file(ctx context.Context, tbl *table.Table, t *layout, df iceberg.DataFile) bool {
	name := df.FilePath()
	footer, done := k.open(ctx, t.name, name, df.FileSizeBytes())
	if footer == nil {
		return false
	}
	defer done()
	before := k.done.Damages
	if footer.NumRows() != df.Count() {
		k.found(t.name, name, "rows", "it has %d rows, and the snapshot says %d", footer.NumRows(), df.Count())
	}
	k.columns(t, name, footer)
	if k.done.Damages > before {
		return false
	}
	if t.partitioned {
		return k.content(ctx, tbl, t.name, df)
	}
	return true
}

// columns compares a file's columns and field ids with the layout.
func (k *checker) columns(t *layout, name string, footer *parquet.File) {
	k.chunks(t, name, footer)
	for _, want := range t.schema.Fields() {
		var have parquet.Node
		for _, f := range footer.Schema().Fields() {
			if f.Name() == want.Name() {
				have = f
			}
		}
		switch {
		case have == nil && want.Optional(): // it was written before there was one
		case have == nil:
			k.found(t.name, name, "columns", "it has no column %s", want.Name())
		case have.Leaf() != want.Leaf(), have.Leaf() && have.Type().Kind() != want.Type().Kind():
			k.found(t.name, name, "columns", "column %s has another type", want.Name())
		case !slices.Equal(fieldIDs(have), fieldIDs(want)):
			k.found(t.name, name, "columns", "column %s has the field ids %v instead of %v: engines read another column, or nothing", want.Name(), fieldIDs(have), fieldIDs(want))
		}
	}
}

// chunks looks for columns whose values are filed under another name in a row
// group: DuckDB goes by their order and reads them, Trino finds nothing.
func (k *checker) chunks(t *layout, name string, footer *parquet.File) {
	want := footer.Schema().Columns()
	for i, group := range footer.Metadata().RowGroups {
		for j, c := range group.Columns {
			if j < len(want) && !slices.Equal(c.MetaData.PathInSchema, want[j]) {
				k.found(t.name, name, "columns", "row group %d files column %s under the name %q: Trino and Athena cannot read it",
					i, strings.Join(want[j], "."), strings.Join(c.MetaData.PathInSchema, "."))
				return
			}
		}
	}
}

// fieldIDs are those of a column and of what it is made of.
func fieldIDs(n parquet.Node) []int {
	if n.Leaf() {
		return []int{n.ID()}
	}
	var out []int
	if n.ID() != 0 {
		out = append(out, n.ID()) // a repeated group within a list or map has none
	}
	for _, f := range n.Fields() {
		out = append(out, fieldIDs(f)...)
	}
	return out
}

// boundedRow is what the bounds and partitions of a file are about.
type boundedRow struct {
	ID          string `parquet:"id"`
	Kind        string `parquet:"kind"`
	Service     string `parquet:"service"`
	Trace       string `parquet:"trace_id"`
	Correlation string `parquet:"correlation_id"`
	Time        int64  `parquet:"time"`
	TimeUS      int64  `parquet:"time_us"`
	Amends      bool   `parquet:"amends"`
}

// content compares the values of a file with what the snapshot says of them.
func (k *checker) content(ctx context.Context, tbl *table.Table, tableName string, df iceberg.DataFile) bool {
	name := df.FilePath()
	before := k.done.Damages
	want := partition{dayKey{day: partitionDate(df)}, false}
	want.kind, _ = df.Partition()[partitionKind].(string)
	want.amends, _ = df.Partition()[partitionAmends].(bool)
	var e extent
	strays, clocks := 0, 0
	err := readParquet(k.lake.files(ctx), name, func(_ int64, r *boundedRow) error {
		e.add(&row{
			ID: r.ID, Kind: r.Kind, Service: r.Service, Trace: r.Trace, Correlation: r.Correlation,
			TimeUS: r.Time, Amends: r.Amends,
		})
		if r.Kind != want.kind || newDayKey("", r.Time).day != want.day || r.Amends != want.amends {
			strays++
		}
		if r.Time != r.TimeUS {
			clocks++
		}
		return ctx.Err()
	})
	if err != nil {
		k.found(tableName, name, "footer", "%v", err)
		return false
	}
	if strays > 0 {
		k.found(tableName, name, "partition", "%d rows are not of %s, %s, amends %t: readers that ask for their day do not see them", strays, want.kind, want.date(), want.amends)
	}
	if clocks > 0 {
		k.found(tableName, name, "columns", "%d rows have another time than time_us", clocks)
	}
	k.bounds(tbl.Schema(), tableName, df, &e)
	return k.done.Damages == before
}

// bounds finds values outside of what the snapshot says; a file without bounds
// is read more often than it must be, and nothing worse.
func (k *checker) bounds(s *iceberg.Schema, tableName string, df iceberg.DataFile, e *extent) {
	lower, upper := df.LowerBoundValues(), df.UpperBoundValues()
	actual := e.bounds(s)
	for id, low := range actual.lower {
		f, ok := s.FindFieldByID(id)
		if !ok {
			continue
		}
		compare := bytes.Compare
		if f.Type.Equals(iceberg.PrimitiveTypes.TimestampTz) || f.Type.Equals(iceberg.PrimitiveTypes.Int64) {
			compare = compareInt64
		}
		if b, ok := lower[id]; ok && compare(b, low) > 0 {
			k.found(tableName, df.FilePath(), "bounds", "column %s has values below its lower bound: queries miss them", f.Name)
		}
		if b, ok := upper[id]; ok && compare(b, actual.upper[id]) < 0 {
			k.found(tableName, df.FilePath(), "bounds", "column %s has values above its upper bound: queries miss them", f.Name)
		}
	}
}

func compareInt64(a, b []byte) int {
	if len(a) != 8 || len(b) != 8 {
		return bytes.Compare(a, b)
	}
	return cmp.Compare(int64(binary.LittleEndian.Uint64(a)), int64(binary.LittleEndian.Uint64(b)))
}

func (k *checker) deleteFile(ctx context.Context, tableName, name string, d iceberg.DataFile) {
	footer, done := k.open(ctx, tableName, name, d.FileSizeBytes())
	if footer == nil {
		return
	}
	defer done()
	if footer.NumRows() != d.Count() {
		k.found(tableName, name, "rows", "it has %d rows, and the snapshot says %d", footer.NumRows(), d.Count())
	}
}
