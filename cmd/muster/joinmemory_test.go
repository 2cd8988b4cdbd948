package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestJoinMemoryBoundsWhatIsRememberedAndSaysSo imports an hour of 30,000 lines,
// of which a megabyte remembers a third.
func TestJoinMemoryBoundsWhatIsRememberedAndSaysSo(t *testing.T) {
	dir := t.TempDir()
	var lines strings.Builder
	start := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	const n = 30_000
	for i := range n {
		at := start.Add(time.Duration(i) * time.Hour / n)
		fmt.Fprintf(&lines, `{"logGroupName":"/ecs/orders","logStreamName":"a","eventId":"%056d","timestamp":%d,"message":"trace=1-%08x-%024x done"}`+"\n",
			i, at.UnixMilli(), at.Unix(), i)
	}
	file := filepath.Join(dir, "lines.ndjson")
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	bounds := func(megabytes string) string {
		store := filepath.Join(dir, "lake-"+megabytes)
		mustMuster(t, "import", "--store", store, "--account", "111122223333", "--region", "us-east-1", "--join-memory", megabytes, file)
		if got := strings.TrimSpace(mustMuster(t, "sql", "--store", store, "--csv", "select count(*) from logs")); got != "count_star()\n30000" {
			t.Errorf("--join-memory %s: %q lines in the lake", megabytes, got)
		}
		return mustMuster(t, "sql", "--store", store, "--csv", "select reason from ledger where stream = 'join' and reason = 'bound' limit 1")
	}
	if out := bounds("1"); !strings.Contains(out, "\nbound") {
		t.Errorf("the ledger says nothing of the bound: %q", out)
	}
	if out := bounds("64"); strings.Contains(out, "\nbound") {
		t.Errorf("the ledger speaks of a bound that was not reached: %q", out)
	}
}
