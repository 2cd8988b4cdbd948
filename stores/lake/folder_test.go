//go:build !noduckdb

package lake

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"muster/fleet"
)

func count(t *testing.T, l *Lake) int {
	t.Helper()
	rs, err := collect(l.Records(t.Context(), fleet.Query{}))
	if err != nil {
		t.Fatal(err)
	}
	return len(rs)
}

func TestMovedLakeWorksOn(t *testing.T) {
	parent := t.TempDir()
	before, after := filepath.Join(parent, "a lake's first=home #1"), filepath.Join(parent, "second")
	l, err := Open(t.Context(), before, Options{})
	if err != nil {
		t.Fatal(err)
	}
	add(t, l, logLines(0, 10), map[string]time.Time{"s": noon})
	if err := l.SaveFindings(t.Context(), fleet.Run{ID: "r"}, []fleet.Finding{{Fingerprint: "f"}}); err != nil {
		t.Fatal(err)
	}
	if n := count(t, l); n != 10 {
		t.Fatalf("got %d records in the first home, want 10", n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(before, after); err != nil {
		t.Fatal(err)
	}
	moved := openLake(t, after)
	add(t, moved, logLines(5, 10), nil)
	if n := count(t, moved); n != 15 {
		t.Errorf("got %d records, want 15", n)
	}
	if fs, err := collect(moved.Findings(t.Context(), fleet.Query{})); err != nil || len(fs) != 1 {
		t.Errorf("got %d findings, error %v, want 1", len(fs), err)
	}
	if removed, err := moved.Sweep(t.Context(), 0); err != nil || removed != 0 {
		t.Errorf("sweep removed %d files, error %v, want none", removed, err)
	}
	if n := count(t, moved); n != 15 {
		t.Errorf("got %d records after the sweep, want 15", n)
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, root string)
		options Options
		want    string
	}{
		{"a folder with other things in it", func(t *testing.T, root string) { write(t, filepath.Join(root, "thesis.tex"), "x") }, Options{}, "not empty"},
		{"a file", func(t *testing.T, root string) {
			if err := os.Remove(root); err != nil {
				t.Fatal(err)
			}
			write(t, root, "x")
		}, Options{}, "not a directory"},
		{"to read what is not there", func(*testing.T, string) {}, Options{ReadOnly: true}, "no lake yet"},
		{"a damaged catalog", func(t *testing.T, root string) {
			makeLake(t, root)
			write(t, filepath.Join(root, catalogFile), strings.Repeat("garbage", 1000))
		}, Options{}, "catalog.db is damaged"},
		{"a truncated catalog", func(t *testing.T, root string) {
			makeLake(t, root)
			if err := os.Truncate(filepath.Join(root, catalogFile), 5000); err != nil {
				t.Fatal(err)
			}
		}, Options{}, "catalog.db is damaged"},
		{"a lake of a newer muster", makeNewerLake, Options{}, "newer muster"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			tt.prepare(t, root)
			before := listing(t, root)
			_, err := Open(t.Context(), root, tt.options)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), root) {
				t.Errorf("got error %v, want one with %q and the folder", err, tt.want)
			}
			if after := listing(t, root); after != before {
				t.Errorf("the folder changed from\n%s\nto\n%s", before, after)
			}
		})
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// listing names everything below a folder with its size.
func listing(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			b.WriteString(path + " " + info.ModTime().String() + "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func makeLake(t *testing.T, root string) {
	t.Helper()
	l, err := Open(t.Context(), root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	add(t, l, logLines(0, 10), map[string]time.Time{"s": noon})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func makeNewerLake(t *testing.T, root string) {
	t.Helper()
	l, err := Open(t.Context(), root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	tbl, err := l.catalog.LoadTable(t.Context(), table.Identifier{namespace, tableEvidence})
	if err != nil {
		t.Fatal(err)
	}
	tx := tbl.NewTransaction()
	if err := tx.SetProperties(iceberg.Properties{versionProperty: strconv.Itoa(schemaVersion + 1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefusesAPatternForAFolder(t *testing.T) {
	root := filepath.Join(t.TempDir(), "lake[1]")
	if _, err := Open(t.Context(), root, Options{}); err == nil || !strings.Contains(err.Error(), "choose another folder") {
		t.Errorf("got error %v, want one that says what to do", err)
	}
	if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder: got error %v, want that it was not made", err)
	}
}

func TestSeveralProgramsMayCreateOneLake(t *testing.T) {
	root := filepath.Join(t.TempDir(), "new", "lake")
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			l, err := Open(t.Context(), root, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = l.Close() }()
			for {
				if err = tryCommit(t, l, logLines(n*5, 10), "s", n); !errors.Is(err, fleet.ErrConflict) {
					break
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := count(t, openLake(t, root)); n != 25 {
		t.Errorf("got %d records, want 25", n)
	}
}

// TestLostCatalogIsRebuilt does what the error about a damaged catalog says.
func TestLostCatalogIsRebuilt(t *testing.T) {
	root := t.TempDir()
	makeLake(t, root)
	if err := os.Rename(filepath.Join(root, catalogFile), filepath.Join(t.TempDir(), "old")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), root, Options{ReadOnly: true}); err == nil || !strings.Contains(err.Error(), "open the lake for writing once") {
		t.Errorf("opened for reading: got error %v, want one that says what to do", err)
	}
	l := openLake(t, root)
	marks, err := l.Checkpoints(t.Context())
	if err != nil || !marks["s"].Equal(noon) {
		t.Errorf("got checkpoints %v, error %v", marks, err)
	}
	add(t, l, logLines(5, 10), nil)
	if n := count(t, l); n != 15 {
		t.Errorf("got %d records, want 15", n)
	}
}

func TestReadOnlyLakeReadsAndWritesNothing(t *testing.T) {
	root := t.TempDir()
	makeLake(t, root)
	before := listing(t, root)
	l, err := Open(t.Context(), root, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if n := count(t, l); n != 10 {
		t.Errorf("got %d records, want 10", n)
	}
	_, commitErr := l.Commit(t.Context(), fleet.Commit{Checkpoints: map[string]time.Time{"s": noon}})
	saveErr := l.SaveFindings(t.Context(), fleet.Run{}, nil)
	_, sweepErr := l.Sweep(t.Context(), 0)
	for what, err := range map[string]error{"Commit": commitErr, "SaveFindings": saveErr, "Sweep": sweepErr} {
		if !errors.Is(err, errReadOnly) {
			t.Errorf("%s: got error %v, want %v", what, err, errReadOnly)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if after := listing(t, root); after != before {
		t.Errorf("the folder changed from\n%s\nto\n%s", before, after)
	}
}
