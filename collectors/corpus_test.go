package collectors

import (
	"os"
	"path/filepath"
	"testing"

	"muster/fleet"
)

// corpus is a folder of recorded data beside the project, or skips the test
// where there is none.
func corpus(t testing.TB, folder string) string {
	t.Helper()
	root := os.Getenv("MUSTER_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "data")
	}
	path := filepath.Join(root, folder)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED: no recorded data in %s (set MUSTER_CORPUS)", path)
	}
	return path
}

// corpusFiles are the files of a corpus folder that match a pattern.
func corpusFiles(t testing.TB, folder, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(corpus(t, folder), pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files %s in %s: %v", pattern, folder, err)
	}
	return paths
}

// readFile is everything in a file.
func readFile(t testing.TB, path string) ([]fleet.Record, []fleet.LedgerEntry) {
	t.Helper()
	var rs []fleet.Record
	var ledger []fleet.LedgerEntry
	for b, err := range ReadFile(t.Context(), path, FileOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, b.Records...)
		ledger = append(ledger, b.Ledger...)
	}
	return rs, ledger
}

func readFiles(t testing.TB, paths []string) []fleet.Record {
	t.Helper()
	var all []fleet.Record
	for _, p := range paths {
		rs, _ := readFile(t, p)
		all = append(all, rs...)
	}
	return all
}

func fileText(t testing.TB, path string) string {
	t.Helper()
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}
