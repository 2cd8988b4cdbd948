package localaws

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/smithy-go"
)

// telemetry is a stand-in with real clients. They retry, because smithy-go closes
// a request's body while the transport may still look for its end, which on
// loopback now and then breaks a large response ("use of closed network
// connection").
type telemetry struct {
	*Server
	logs *cloudwatchlogs.Client
	xray *xray.Client
}

func startTelemetry(t *testing.T, o Options) *telemetry {
	t.Helper()
	s := start(t, o)
	cfg := retrying(t, s, BootstrapKey)
	return &telemetry{s, cloudwatchlogs.NewFromConfig(cfg), xray.NewFromConfig(cfg)}
}

// A handClock is moved by the test. Safe for concurrent use.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func newHandClock() *handClock {
	return &handClock{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// wantCode checks that err is an AWS error with this code.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code {
		t.Fatalf("got error %v, want code %s", err, code)
	}
}

// eventually asks until it is told yes, or fails after ten seconds.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: still not so", what)
		case <-tick.C:
		}
	}
}

// corpus is a folder of the recorded data, or skips the test.
func corpus(t *testing.T, folder string) string {
	t.Helper()
	root := os.Getenv("MUSTER_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "data")
	}
	dir := filepath.Join(root, folder)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("NOT TESTED: no recorded data in %s (set MUSTER_CORPUS): %v", dir, err)
	}
	return dir
}
