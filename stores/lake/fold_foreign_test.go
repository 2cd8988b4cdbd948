package lake

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"

	"muster/fleet"
)

// deleteRows deletes as Trino and Athena do: by position.
func deleteRows(t testing.TB, l *Lake, filter iceberg.BooleanExpression) {
	t.Helper()
	tbl, err := l.catalog.LoadTable(t.Context(), table.Identifier{namespace, tableEvidence})
	if err != nil {
		t.Fatal(err)
	}
	tx := tbl.NewTransaction()
	if err := tx.SetProperties(iceberg.Properties{table.WriteDeleteModeKey: table.WriteModeMergeOnRead}); err != nil {
		t.Fatal(err)
	}
	if tbl, err = tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := tbl.Delete(t.Context(), filter, nil); err != nil {
		t.Fatal(err)
	}
}

func TestCompactKeepsDeletedRowsDeleted(t *testing.T) {
	l := later(t, t.TempDir())
	want := history(t, l, 6)
	deleteRows(t, l, iceberg.EqualTo(iceberg.Reference("id"), want[7].ID)) // amended and revised
	deleteRows(t, l, iceberg.EqualTo(iceberg.Reference("id"), want[33].ID))
	want = slices.Concat(want[:7], want[8:33], want[34:])
	sameRecords(t, l, want)
	done := compactAll(t, l, Compaction{})
	if len(done) != 1 || done[0].Deleted < 3 || done[0].FilesAfter != 1 {
		t.Errorf("got %+v", done)
	}
	sameRecords(t, l, want)
	if base, amends, deletes := dayFiles(t, l); base != 1 || amends != 0 || deletes != 0 {
		t.Errorf("got %d base, %d amending and %d delete files, want one base file", base, amends, deletes)
	}
}

func TestCompactOfADayWithoutLiveRows(t *testing.T) {
	l := later(t, t.TempDir())
	add(t, l, logLines(0, 20), nil)
	deleteRows(t, l, iceberg.EqualTo(iceberg.Reference("service"), "orders"))
	compactAll(t, l, Compaction{})
	sameRecords(t, l, nil)
}

// foreignFile adds a file as another engine writes it: in no order, without
// bounds, under another maker's name.
func foreignFile(t testing.TB, l *Lake, rs []fleet.Record) {
	t.Helper()
	rows := make([]row, len(rs))
	for i := range rs {
		rows[i] = newRow(&rs[i])
	}
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	name := dataName(l.base, tableEvidence, "foreign.parquet")
	size, err := writeForeign(l.files(t.Context()), name, rows)
	if err != nil {
		t.Fatal(err)
	}
	key := newDayKey(rs[0].Kind, rs[0].TimeUS())
	tbl, err := l.catalog.LoadTable(t.Context(), table.Identifier{namespace, tableEvidence})
	if err != nil {
		t.Fatal(err)
	}
	b, err := iceberg.NewDataFileBuilder(tbl.Spec(), iceberg.EntryContentData, name, iceberg.ParquetFile,
		map[int]any{partitionKind: key.kind, partitionDay: iceberg.Date(key.day), partitionAmends: false},
		map[int]string{partitionDay: "date"}, nil, int64(len(rows)), size)
	if err != nil {
		t.Fatal(err)
	}
	tx := tbl.NewTransaction()
	if err := tx.AddDataFiles(t.Context(), []iceberg.DataFile{b.Build()}, nil, table.WithoutDuplicateCheck()); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestCompactSortsFilesOfOthers(t *testing.T) {
	l := later(t, t.TempDir())
	want := logLines(0, 3000)
	add(t, l, want[:1000], nil)
	foreignFile(t, l, want[1000:])
	compactAll(t, l, Compaction{limits: limits{fileBytes: largeBytes, marks: 10, sortBytes: 4 << 10, merge: 3}})
	sameRecords(t, l, want)
	tbl, err := l.head(t.Context(), tableEvidence)
	if err != nil {
		t.Fatal(err)
	}
	parts, _, err := planParts(t.Context(), tbl, iceberg.AlwaysTrue{})
	if err != nil || len(parts) != 1 || len(parts[0].files) != 1 {
		t.Fatalf("got %+v, error %v, want one file", parts, err)
	}
	var before *row
	err = readParquet(l.files(t.Context()), parts[0].files[0].name, func(n int64, r *row) error {
		if before != nil && compareRows(before, r) > 0 {
			return fmt.Errorf("row %d is out of order", n)
		}
		own := *r
		before = &own
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func writeForeign(f files, name string, rows []row) (int64, error) {
	file, err := f.Create(name)
	if err != nil {
		return 0, err
	}
	w := parquet.NewGenericWriter[row](file, parquet.CreatedBy("another engine", "1", ""))
	_, err = w.Write(rows)
	if err = errors.Join(err, w.Close(), file.Close()); err != nil {
		return 0, err
	}
	read, err := f.Open(name)
	if err != nil {
		return 0, err
	}
	info, err := read.Stat()
	return info.Size(), errors.Join(err, read.Close())
}
