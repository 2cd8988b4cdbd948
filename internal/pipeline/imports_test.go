package pipeline

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/fleet"
)

var errBroken = errors.New("breaks off")

// readNames reads a file whose text is the ids of its records, one a line; the
// line "BROKEN" is an error.
func readNames(_ context.Context, path string) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		text, err := os.ReadFile(path)
		if err != nil {
			yield(fleet.Batch{}, err)
			return
		}
		for line := range strings.Lines(string(text)) {
			id := strings.TrimSpace(line)
			if id == "BROKEN" {
				yield(fleet.Batch{}, errBroken)
				return
			}
			r := fleet.Record{ID: id, Kind: fleet.KindLog, Time: at(1)}
			if !yield(fleet.Batch{Records: []fleet.Record{r}}, nil) {
				return
			}
		}
	}
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestImportLeavesNothingOfABrokenFile(t *testing.T) {
	dir, m := t.TempDir(), newMemory()
	write(t, dir, map[string]string{"1": "a\nb\n", "2": "c\nBROKEN\n", "sub/3": "d\n", ".hidden": "e\n"})
	p, err := newLine(m).Import(t.Context(), []string{dir}, readNames, func(ImportProgress) {})
	if !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	if _, ok := m.live["c"]; ok || len(m.live) != 3 {
		t.Errorf("live %v, want a, b and d", m.live)
	}
	if p.Files != 3 || p.FilesFailed != 1 || p.Totals.Stored != 3 {
		t.Errorf("progress %+v", p)
	}
}

func TestImportVerifiesALargeFileFirst(t *testing.T) {
	dir, m := t.TempDir(), newMemory()
	path := filepath.Join(dir, "large")
	var b strings.Builder
	for b.Len() < verifyBytes {
		b.WriteString(strings.Repeat("x", 1000) + "\n")
	}
	write(t, dir, map[string]string{"large": b.String() + "BROKEN\n"})
	if _, err := newLine(m).Import(t.Context(), []string{path}, readNames, func(ImportProgress) {}); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	if len(m.live) != 0 {
		t.Errorf("%d records of a file that breaks off", len(m.live))
	}
}

func TestImportAgainChangesNothing(t *testing.T) {
	dir, m := t.TempDir(), newMemory()
	write(t, dir, map[string]string{"1": "a\nb\n"})
	for i, want := range []int{2, 0} {
		p, err := newLine(m).Import(t.Context(), []string{dir, filepath.Join(dir, "1")}, readNames, func(ImportProgress) {})
		if err != nil || p.Totals.Stored != want || p.TotalFiles != 1 {
			t.Errorf("time %d: stored %d of %d files, %v", i, p.Totals.Stored, p.TotalFiles, err)
		}
	}
}

func TestImportNamesWhatIsNotThere(t *testing.T) {
	empty := t.TempDir()
	for _, path := range []string{filepath.Join(empty, "missing"), empty} {
		_, err := newLine(newMemory()).Import(t.Context(), []string{path}, readNames, func(ImportProgress) {})
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v, want an error that names %s", err, path)
		}
	}
}
