//go:build !noduckdb && unix

package lake

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/fleet"
)

// fullDisk starts the name of the role of a child that can write no file
// larger than so many bytes: its writes stop half way, as on a full disk.
const fullDisk = "full disk of "

// playFullDisk prints the error of a commit that has no room.
func playFullDisk(role string) int {
	limit, root, _ := strings.Cut(role, " in ")
	bytes, err := strconv.ParseUint(limit, 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx := context.Background()
	l, err := Open(ctx, root, Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fresh, err := l.Fresh(ctx, logLines(10, 3000))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	signal.Ignore(syscall.SIGXFSZ) // so that write returns an error instead
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: bytes}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(l.Commit(ctx, fleet.Commit{Base: fresh.Base, Records: fresh.Records, Checkpoints: map[string]time.Time{"s": noon.Add(time.Hour)}}))
	return 0
}

// TestFullDiskLeavesNothingHalfWritten runs out of room in the data file, and,
// with a little more of it, in the metadata.
func TestFullDiskLeavesNothingHalfWritten(t *testing.T) {
	for _, bytes := range []int{100, 2000, 30_000} {
		root := t.TempDir()
		makeLake(t, root)
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), fmt.Sprint(childVariable, "=", fullDisk, bytes, " in ", root))
		child.Stderr = os.Stderr
		out, err := child.Output()
		if err != nil {
			t.Fatal(err)
		}
		if text := string(out); !strings.Contains(text, "file too large") || !strings.Contains(text, root) {
			t.Errorf("%d bytes: got error %s, want one that says why and where", bytes, text)
		}
		l := openLake(t, root)
		if n := count(t, l); n != 10 {
			t.Errorf("%d bytes: got %d records, want the 10 from before", bytes, n)
		}
		marks, err := l.Checkpoints(t.Context())
		if err != nil || !marks["s"].Equal(noon) {
			t.Errorf("%d bytes: got checkpoints %v, error %v, want the one from before", bytes, marks, err)
		}
		files, err := filepath.Glob(filepath.Join(root, tableEvidence, "data", "*"))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d bytes: %d data files, %s", bytes, len(files), out)
		add(t, l, logLines(10, 3000), nil)
		if n := count(t, l); n != 3010 {
			t.Errorf("%d bytes: got %d records once there was room, want 3010", bytes, n)
		}
	}
}
