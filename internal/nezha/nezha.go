// Package nezha reads the set of Nezha, minutes of a train ticket system of 40
// services, for the tests of rooms that are held to it. It is not in the project:
// MUSTER_CORPUS names the folder of the recorded data.
package nezha

import (
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"os"
	"path/filepath"
	"testing"
)

// Folder is where the set lies. Room is the way from the test's folder to the
// project's. Without the data it skips the test.
func Folder(t *testing.T, room string) string {
	t.Helper()
	root := cmp.Or(os.Getenv("MUSTER_CORPUS"), filepath.Join(room, "..", "shared", "data"))
	dir := filepath.Join(root, "nezha-trainticket")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIPPED: the set of Nezha is not in %s (set MUSTER_CORPUS)", root)
	}
	return dir
}

// Spans and Logs are the rows of a minute, each by the names of its columns.
func Spans(t *testing.T, dir, minute string) []map[string]string {
	t.Helper()
	return rows(t, filepath.Join(dir, minute+"_trace.csv.gz"))
}

// Logs are the log lines of a minute, as Spans gives the spans.
func Logs(t *testing.T, dir, minute string) []map[string]string {
	t.Helper()
	return rows(t, filepath.Join(dir, minute+"_log.csv.gz"))
}

func rows(t *testing.T, path string) []map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // only read from
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	all, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	out := make([]map[string]string, len(all)-1)
	for i, values := range all[1:] {
		out[i] = make(map[string]string, len(values))
		for j, v := range values {
			out[i][all[0][j]] = v
		}
	}
	return out
}
