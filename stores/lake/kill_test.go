//go:build !noduckdb

package lake

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"muster/fleet"
)

const (
	killRounds = 15
	killSeed   = 7
)

// playChild commits batch after batch until it is killed, and says so after
// each that was acknowledged.
func playChild(root string) int {
	ctx := context.Background()
	l, err := openAgain(ctx, root)
	for err == nil || errors.Is(err, fleet.ErrConflict) {
		var n int
		n, err = commitNext(ctx, l)
		if err == nil {
			_, err = fmt.Println(n)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func TestKilledCommitsLoseAndDoubleNothing(t *testing.T) {
	root := t.TempDir()
	random := rand.New(rand.NewPCG(killSeed, killSeed))
	acknowledged := -1
	for range killRounds {
		acknowledged = max(acknowledged, runAndKill(t, root, random))
		checkKilled(t, root, acknowledged)
	}
	l := openLake(t, root)
	removed, err := l.Sweep(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d batches acknowledged, %d orphan files swept", acknowledged+1, removed)
	checkKilled(t, root, acknowledged)
	if again, err := l.Sweep(t.Context(), 0); err != nil || again != 0 {
		t.Errorf("a second sweep removed %d files, error %v", again, err)
	}
}

// runAndKill lets a child commit, kills it at a random moment after a few
// acknowledged batches, and returns the last that it acknowledged.
func runAndKill(t *testing.T, root string, random *rand.Rand) int {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+root)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	last := -1
	lines := bufio.NewScanner(out)
	for range 1 + random.IntN(3) {
		if lines.Scan() {
			last = number(t, lines.Text())
		}
	}
	timer := time.NewTimer(time.Duration(random.IntN(80_000)) * time.Microsecond) // a commit takes some 40 ms
	<-timer.C
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		last = number(t, lines.Text())
	}
	if err := child.Wait(); err == nil || last < 0 {
		t.Fatalf("the child was not killed at work: last batch %d, error %v", last, err)
	}
	return last
}

func number(t *testing.T, line string) (n int) {
	t.Helper()
	if _, err := fmt.Sscan(line, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// checkKilled holds what is readable to the checkpoint and to what was
// acknowledged.
func checkKilled(t *testing.T, root string, acknowledged int) {
	t.Helper()
	l, err := Open(t.Context(), root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	marks, err := l.Checkpoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := batchOf(marks[killStream])
	if n < acknowledged {
		t.Errorf("the checkpoint is batch %d, but batch %d was acknowledged", n, acknowledged)
	}
	got, err := collect(l.Records(t.Context(), fleet.Query{}))
	if err != nil {
		t.Fatal(err)
	}
	want := logLines(0, (n+2)*batchRecords) // a batch reaches into the next
	if len(got) != len(want) {
		t.Fatalf("batch %d is the checkpoint, and %d records are readable, want %d", n, len(got), len(want))
	}
	for i := range got {
		if got[i].ID != want[i].ID {
			t.Fatalf("record %d is %s, want %s", i, got[i].ID, want[i].ID)
		}
	}
}
