package correlate

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// corpus is a folder of recorded data beside the project. The test is skipped
// where it is absent.
func corpus(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(cmp.Or(os.Getenv("MUSTER_CORPUS"), filepath.Join("..", "..", "shared", "data")), name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIPPED: no recorded data in %s; set MUSTER_CORPUS", dir)
	}
	return dir
}

// readJSON reads a document of the corpus.
func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read corpus: %v", err)
	}
	if err := json.Unmarshal(doc, into); err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
}
