//go:build !noduckdb

package lake

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"muster/fleet"
)

// TestTwoProgramsSeeEachOthersCommits: what a program knows of a table is not
// taken for what the table is.
func TestTwoProgramsSeeEachOthersCommits(t *testing.T) {
	root := t.TempDir()
	one, two := openLake(t, root), openLake(t, root)
	for n := range 6 {
		l := []*Lake{one, two}[n%2]
		add(t, l, logLines(10*n, 10), nil)
		for _, reader := range []*Lake{one, two} {
			if got := count(t, reader); got != 10*(n+1) {
				t.Fatalf("after %d commits: got %d records, want %d", n+1, got, 10*(n+1))
			}
		}
	}
}

// TestLostRaceLeavesNoMetadata moves a table that another program has moved.
func TestLostRaceLeavesNoMetadata(t *testing.T) {
	root := t.TempDir()
	slow, fast := openLake(t, root), openLake(t, root)
	add(t, slow, logLines(0, 5), nil)
	id := table.Identifier{namespace, tableEvidence}
	tbl, err := slow.catalog.LoadTable(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	add(t, fast, logLines(5, 5), nil)
	before := metadataFiles(t, root)
	cat := slow.catalog.(*sqlCatalog)
	moved, err := cat.move(t.Context(), tableEvidence, tbl.MetadataLocation(), "lake:///evidence/metadata/none.metadata.json")
	if err != nil || moved {
		t.Errorf("the pointer moved from where it was not any more: %t, error %v", moved, err)
	}
	tx := tbl.NewTransaction()
	if err := errors.Join(tx.SetProperties(iceberg.Properties{"a": "b"}), tx.AssertRefSnapshotID(table.MainBranch)); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); !errors.Is(err, table.ErrCommitFailed) {
		t.Errorf("got error %v, want a conflict", err)
	}
	if after := metadataFiles(t, root); after != before {
		t.Errorf("%d metadata files after the lost race, %d before", after, before)
	}
	if _, err := slow.Commit(t.Context(), fleet.Commit{Base: fleet.Snapshot(snapshotID(tbl)), Records: logLines(10, 1)}); !errors.Is(err, fleet.ErrConflict) {
		t.Errorf("got error %v, want a conflict", err)
	}
}

func metadataFiles(t *testing.T, root string) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, tableEvidence, "metadata"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".metadata.json") {
			n++
		}
	}
	return n
}

// TestMetadataIsCompressedWhereATableSaysSo: another engine may set the
// property, and readers go by the name of the file.
func TestMetadataIsCompressedWhereATableSaysSo(t *testing.T) {
	root := t.TempDir()
	l := openLake(t, root)
	tbl, err := l.catalog.LoadTable(t.Context(), table.Identifier{namespace, tableEvidence})
	if err != nil {
		t.Fatal(err)
	}
	tx := tbl.NewTransaction()
	if err := tx.SetProperties(iceberg.Properties{table.MetadataCompressionKey: table.MetadataCompressionCodecGzip}); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	add(t, l, logLines(0, 5), nil)
	if n := count(t, openLake(t, root)); n != 5 {
		t.Errorf("got %d records, want 5", n)
	}
	gz, err := filepath.Glob(filepath.Join(root, tableEvidence, "metadata", "*.gz.metadata.json"))
	if err != nil || len(gz) == 0 {
		t.Errorf("no compressed metadata, error %v", err)
	}
}
