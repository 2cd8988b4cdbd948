//go:build engines && !noduckdb

package lake

import (
	"bufio"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

// s3KillRounds of two programs each. A start takes most of a second.
const s3KillRounds = 8

// TestProcessesKilledOnS3LoseAndDoubleNothing lets two programs commit to one
// stream and kills both at a random moment.
func TestProcessesKilledOnS3LoseAndDoubleNothing(t *testing.T) {
	at := s3Place{startMoto(t), "s3://" + engineBucket + "/kills", "kills"}
	random := rand.New(rand.NewPCG(killSeed, killSeed))
	l := at.open(t)
	acknowledged := -1
	for range s3KillRounds {
		var wg sync.WaitGroup
		var last [2]int
		after := time.Duration(random.IntN(400_000)) * time.Microsecond // a commit takes some 200 ms
		for i := range last {
			wg.Go(func() { last[i] = runOnS3(t, at, after) })
		}
		wg.Wait()
		acknowledged = max(acknowledged, last[0], last[1])
		now := checkpoint(t, l)
		if now < acknowledged {
			t.Errorf("the checkpoint is batch %d, but batch %d was acknowledged", now, acknowledged)
		}
		checkBatches(t, l, now)
		if t.Failed() {
			return
		}
	}
	removed, err := l.Sweep(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	checkBatches(t, at.open(t), checkpoint(t, l))
	t.Logf("%d batches acknowledged, %d there, %d orphan files swept", acknowledged+1, checkpoint(t, l)+1, removed)
}

// runOnS3 lets a program commit, kills it a while after its first
// acknowledgement, or when the other one has taken every turn, and returns the
// last batch that it acknowledged, -1 for none.
func runOnS3(t *testing.T, at s3Place, after time.Duration) int {
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+at.root, awsVariable+"="+at.url, databaseVariable+"="+at.database)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Error(err)
		return -1
	}
	if err := child.Start(); err != nil {
		t.Error(err)
		return -1
	}
	last := -1
	lines := bufio.NewScanner(out)
	if lines.Scan() {
		last = batch(t, lines.Text())
	}
	timer := time.NewTimer(after)
	<-timer.C
	_ = child.Process.Kill()
	for lines.Scan() {
		last = batch(t, lines.Text())
	}
	_ = child.Wait()
	return last
}

func batch(t *testing.T, line string) int {
	n, err := strconv.Atoi(line)
	if err != nil {
		t.Error(err)
	}
	return n
}
