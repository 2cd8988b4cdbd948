package collectors

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/fleet"
)

// largeLog writes log lines of a little more than can be held, and an end.
func largeLog(t *testing.T, end string) (path string, lines int) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "large.ndjson")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	message := strings.Repeat("x", 1<<10)
	for ; lines*len(message) < heldBytes+heldBytes/4; lines++ {
		fmt.Fprintf(w, `{"logGroupName":"/muster/orders","eventId":"e%d","timestamp":1763978400120,"message":"%d %s"}`+"\n", lines, lines, message)
	}
	fmt.Fprint(w, end)
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path, lines
}

func TestReadFileYieldsALargeFileOnce(t *testing.T) {
	path, lines := largeLog(t, "")
	seen := map[string]bool{}
	read := 0
	for b, err := range ReadFile(t.Context(), path, FileOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Records {
			seen[b.Records[i].ID] = true
			read++
		}
	}
	if read != lines || len(seen) != lines {
		t.Errorf("%d records with %d ids of %d lines", read, len(seen), lines)
	}
}

func TestReadFileYieldsNothingOfALargeFileThatBreaksOff(t *testing.T) {
	path, _ := largeLog(t, `{"logGroupName":"/muster/orders","eventId":`)
	var records []fleet.Record
	var last error
	for b, err := range ReadFile(t.Context(), path, FileOptions{}) {
		records, last = append(records, b.Records...), err
	}
	var broken *FileError
	if !errors.As(last, &broken) || broken.Path != path || broken.Offset == 0 {
		t.Errorf("got %v, want an error with the path and the position", last)
	}
	if len(records) != 0 {
		t.Errorf("%d records of a file that breaks off", len(records))
	}
}

// A reader takes turns before each document, held or read again.
func TestReadFileTakesTurns(t *testing.T) {
	path, lines := largeLog(t, "")
	turns, read := 0, 0
	for b, err := range ReadFile(t.Context(), path, FileOptions{Turn: func() { turns++ }}) {
		if err != nil {
			t.Fatal(err)
		}
		read += len(b.Records)
	}
	if read != lines || turns <= lines {
		t.Errorf("%d turns for %d records of %d lines", turns, read, lines)
	}
}
