package pipeline

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"muster/fleet"
)

var errBroken = errors.New("breaks off")

// readNames reads a file whose text is the ids of its records, one a line; with
// a line "BROKEN" it is one that breaks off.
func readNames(_ context.Context, path string) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), "BROKEN") {
			err = errBroken
		}
		if err != nil {
			yield(fleet.Batch{}, err)
			return
		}
		for line := range strings.Lines(string(text)) {
			r := fleet.Record{ID: strings.TrimSpace(line), Kind: fleet.KindLog, Time: at(1)}
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

// More files than are read at a time, and a lake that fails in the middle: the
// import ends with its error and leaves no reader behind (goleak).
func TestImportKeepsTheOrderOfFilesAndEndsWithTheLake(t *testing.T) {
	dir, m := t.TempDir(), newMemory()
	files, want := map[string]string{}, 5*filesAhead
	for i := range want {
		files[fmt.Sprintf("%03d", i)] = fmt.Sprintf("id-%03d\n", i)
	}
	write(t, dir, files)
	var order []string
	p, err := newLine(m).Import(t.Context(), []string{dir}, readNames, func(p ImportProgress) {
		if p.Files < want {
			order = append(order, filepath.Base(p.File))
		}
	})
	if err != nil || p.Totals.Stored != want || !slices.IsSorted(order) || len(order) != want {
		t.Errorf("stored %d, order %v, error %v", p.Totals.Stored, order, err)
	}
	m.fail = errBroken
	write(t, dir, map[string]string{"000": strings.Repeat("one\n", importRecords)})
	if _, err := newLine(m).Import(t.Context(), []string{dir}, readNames, func(ImportProgress) {}); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want the lake's error", err)
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

func TestImportRefusesWhatIsNoFile(t *testing.T) {
	_, err := newLine(newMemory()).Import(t.Context(), []string{os.DevNull}, readNames, func(ImportProgress) {})
	if err == nil || !strings.Contains(err.Error(), os.DevNull) {
		t.Errorf("got %v, want an error that names %s", err, os.DevNull)
	}
}
