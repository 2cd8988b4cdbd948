package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/fleet"
	"muster/stores/lake"
)

// TestDaemonDropsWhatIsKeptNoLonger lets the daemon's upkeep run beside a lake
// with a line of long ago and one of now.
func TestDaemonDropsWhatIsKeptNoLonger(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "lake")
	file := filepath.Join(dir, "lines.ndjson")
	now := time.Now().UnixMilli()
	lines := `{"logGroupName":"/g","logStreamName":"s","timestamp":1700000000000,"message":"old","eventId":"old"}
{"logGroupName":"/g","logStreamName":"s","timestamp":` + strconv.FormatInt(now, 10) + `,"message":"new","eventId":"new"}
`
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	mustMuster(t, "import", "--store", store, file)
	l, err := lake.Open(t.Context(), store, lake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var flags retentionFlags
	if err := flags.keep.Set("365d"); err != nil {
		t.Fatal(err)
	}
	flags.keepKind = []string{"log=90d"}
	r, err := flags.retention()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	u := upkeep{app: &app{stderr: &output{}}, store: l, retention: r, every: time.Hour, delay: time.Millisecond}
	ended := make(chan error, 1)
	go func() { ended <- u.run(ctx) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	left := -1
	for ctx.Err() == nil && left != 1 {
		<-tick.C
		left = 0
		for r, err := range l.Records(t.Context(), fleet.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			if left++; r.ID == "old" {
				left = -1
				break
			}
		}
	}
	stop()
	if err := <-ended; err != nil || left != 1 {
		t.Errorf("%d records are left, error %v, want the new one", left, err)
	}
}

func TestRetentionFlagsSayWhatIsWrong(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"--keep 1h", "give a day or more"},
		{"--keep soon", "give a day or more"},
		{"--keep-kind logs=30d", "span, log, api_call, change, verdict"},
		{"--keep-kind log", "log=30d"},
		{"--keep-kind log=1m", "log=30d"},
	} {
		_, stderr, code := muster(t, append([]string{"run", "--region", "us-east-1"}, strings.Fields(tt.args)...)...)
		if code != exitFailure || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit %d, %s", tt.args, code, stderr)
		}
	}
}
