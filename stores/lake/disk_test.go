//go:build !noduckdb && unix

package lake

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/fleet"
)

// fullDisk starts the name of the role of a child that can write no file
// larger than so many bytes: its writes stop half way, as on a full disk.
const fullDisk = "full disk: "

// playFullDisk prints the error of a commit of so many records that has room
// for so many bytes in a file.
func playFullDisk(role string) int {
	var bytes uint64
	var size int
	var root string
	if _, err := fmt.Sscanf(role, "%d %d %q", &bytes, &size, &root); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx := context.Background()
	l, err := Open(ctx, root, Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fresh, err := l.Fresh(ctx, logLines(10, size))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	signal.Ignore(syscall.SIGXFSZ) // so that a write returns an error instead
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: bytes}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, err = l.Commit(ctx, fleet.Commit{Base: fresh.Base, Records: fresh.Records, Checkpoints: map[string]time.Time{"s": noon.Add(time.Hour)}})
	fmt.Println(err)
	return 0
}

// TestFullDiskLeavesNothingHalfWritten runs out of room at every kind of file
// that a commit writes.
func TestFullDiskLeavesNothingHalfWritten(t *testing.T) {
	for _, tt := range []struct {
		what          string
		bytes, size   int
		want          string
		filesExpected int // data files that may be left: the first commit's, and orphans
	}{
		{"the first byte", 0, 3000, "file too large", 1},
		{"the data file", 30_000, 3000, "file too large", 1},
		{"the table's metadata", 2000, 0, "file too large", 1},
		{"the catalog", 6000, 0, "catalog.db: the disk is full or broken", 1},
	} {
		t.Run(tt.what, func(t *testing.T) {
			root := t.TempDir()
			makeLake(t, root)
			child := exec.CommandContext(t.Context(), os.Args[0])
			child.Env = append(os.Environ(), fmt.Sprintf("%s=%s%d %d %q", childVariable, fullDisk, tt.bytes, tt.size, root))
			child.Stderr = os.Stderr
			out, err := child.Output()
			if err != nil {
				t.Fatal(err)
			}
			if text := string(out); !strings.Contains(text, tt.want) || !strings.Contains(text, root) {
				t.Errorf("got error %s, want one with %q and the folder", text, tt.want)
			}
			l := openLake(t, root)
			if n := count(t, l); n != 10 {
				t.Errorf("got %d records, want the 10 from before", n)
			}
			marks, err := l.Checkpoints(t.Context())
			if err != nil || !marks["s"].Equal(noon) {
				t.Errorf("got checkpoints %v, error %v, want the one from before", marks, err)
			}
			files, err := filepath.Glob(filepath.Join(root, tableEvidence, "data", "*"))
			if err != nil || len(files) != tt.filesExpected {
				t.Errorf("got %d data files, error %v, want %d", len(files), err, tt.filesExpected)
			}
			add(t, l, logLines(10, 3000), nil)
			if n := count(t, l); n != 3010 {
				t.Errorf("got %d records once there was room, want 3010", n)
			}
		})
	}
}
