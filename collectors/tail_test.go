package collectors

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"muster/fleet"
	"muster/internal/localaws"
)

// journal is what a logger has said. Safe for concurrent use.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) has(text string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Contains(j.b.String(), text)
}

// tailing runs LiveTail until the test ends.
func tailing(t *testing.T, o Options) (<-chan fleet.Glance, *journal) {
	t.Helper()
	var j journal
	o.Logger = slog.New(slog.NewTextHandler(&j, nil))
	looks := make(chan fleet.Glance)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- LiveTail(ctx, o, looks) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return looks, &j
}

// TestLiveTailAsksForALookWhereLinesAreNew: and the look finds what a pass finds,
// by the same ids, though the session was sampled.
func TestLiveTailAsksForALookWhereLinesAreNew(t *testing.T) {
	cfg := monitored(t)
	var seen calls
	o := Options{AWS: cfg, LiveTail: true, Limiter: NewLimiter(0, seen.observe), Groups: GroupChoice{Prefixes: []string{"/ecs/"}}, Sources: []string{SourceLogs}}
	looks, said := tailing(t, o)
	logs := cloudwatchlogs.NewFromConfig(cfg)
	many := make([]string, 700) // of which Live Tail shows 500
	for i := range many {
		many[i] = "INFO line of many"
	}
	var look fleet.Glance
	for look.Stream == nil { // a session that is not open yet has missed them
		put(t, logs, "/ecs/payments", many...)
		select {
		case look = <-looks:
		case <-time.After(time.Second):
		case <-t.Context().Done():
			t.Fatal("no look is asked for")
		}
	}
	const stream = "logs/111122223333/us-east-1//ecs/payments"
	if look.Stream.Stream() != stream {
		t.Fatalf("got a look at %s", look.Stream.Stream())
	}
	looked := collect(t.Context(), look.Stream, fleet.Window{Start: look.From})
	all, err := Discover(t.Context(), o)
	must(t, err)
	for _, c := range all {
		if c.Stream() != stream {
			continue
		}
		passed := collect(t.Context(), c, fleet.Window{Start: look.From.Add(-time.Hour), End: time.Now().Add(time.Second)})
		if ids := passed.ids(); looked.err != nil || len(looked.records) < len(many) || !containsAll(ids, looked.ids()) {
			t.Errorf("a look found %d lines, a pass %d; %v", len(looked.records), len(passed.records), looked.err)
		}
	}
	if !said.has("Live Tail is sampled") {
		t.Error("nobody is told that the session was sampled")
	}
	if want := strings.Join(allowed(t, o), " "); want != "logs:DescribeLogGroups logs:FilterLogEvents logs:StartLiveTail" {
		t.Errorf("the policy allows %s", want)
	}
}

func containsAll(all, some string) bool {
	has := map[string]bool{}
	for id := range strings.FieldsSeq(all) {
		has[id] = true
	}
	for id := range strings.FieldsSeq(some) {
		if !has[id] {
			return false
		}
	}
	return true
}

// TestLiveTailThatIsRefusedStopsNothing: it is said, and the passes go on.
func TestLiveTailThatIsRefusedStopsNothing(t *testing.T) {
	_, cfg := standIn(t, localaws.Options{Deny: []string{"logs:StartLiveTail"}})
	cfg.Credentials = credentials.NewStaticCredentialsProvider(localaws.BootstrapKey, localaws.BootstrapSecret, "")
	looks, said := tailing(t, Options{AWS: cfg, LiveTail: true, Groups: GroupChoice{Names: []string{"/ecs/orders"}}})
	for !said.has("allow logs:StartLiveTail") {
		select {
		case l := <-looks:
			t.Fatalf("got a look at %s", l.Stream.Stream())
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("the refusal is not told")
		}
	}
}

func TestLiveTailKnowsItsGroupsByAnySpelling(t *testing.T) {
	tail := tailer{source: source{Options: Options{Account: "111122223333"}}}
	for _, identifier := range []string{
		"/ecs/payments", "111122223333:/ecs/payments", "111122223333:/ecs/payments:*",
		"arn:aws:logs:us-east-1:111122223333:log-group:/ecs/payments", "arn:aws:logs:us-east-1:111122223333:log-group:/ecs/payments:*",
	} {
		if got := tail.groupOf(identifier); got != "111122223333:/ecs/payments" {
			t.Errorf("%s is %s", identifier, got)
		}
	}
}
