package collectors

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/internal/localaws"
)

// allowed are the actions that a policy allows.
func allowed(t *testing.T, o Options) []string {
	t.Helper()
	doc, err := Policy(o)
	must(t, err)
	var p struct{ Statement []statement }
	must(t, json.Unmarshal(doc, &p))
	var actions []string
	for _, s := range p.Statement {
		actions = append(actions, s.Action...)
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

// TestPolicyAllowsWhatIsCalledAndNothingElse collects from every source, and
// compares what was called with what the policy allows.
func TestPolicyAllowsWhatIsCalledAndNothingElse(t *testing.T) {
	s, cfg := standIn(t, localaws.Options{})
	fill(t, s, cfg)
	couriers(t, cfg)
	s.Drain()
	var seen calls
	o := Options{AWS: cfg, TrailBucket: s.TrailBucket(), Limiter: NewLimiter(0, seen.observe)}
	cs, err := Discover(t.Context(), o)
	must(t, err)
	for _, c := range cs {
		if got := collect(t.Context(), c, fleet.Window{Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Second)}); got.err != nil {
			t.Errorf("%s: %v", c.Stream(), got.err)
		}
	}
	var called []string
	for _, c := range seen.seen {
		called = append(called, c.Action)
	}
	slices.Sort(called)
	called = slices.Compact(called)
	want := allowed(t, o)
	// The stand-in's fleet has no rules, so that nobody asks what they say.
	want = slices.DeleteFunc(want, func(a string) bool {
		return a == "config:GetComplianceDetailsByConfigRule" || a == "config:GetConformancePackComplianceDetails"
	})
	if diff := cmp.Diff(want, called); diff != "" {
		t.Errorf("the policy (-) and the calls (+) differ:\n%s", diff)
	}
}

func TestPolicyNamesWhatIsConfigured(t *testing.T) {
	o := Options{
		AWS: aws.Config{Region: "cn-north-1"}, Account: "1", Sources: []string{SourceLogs, SourceTrail},
		Groups: GroupChoice{Names: []string{"/a", "/b"}}, TrailBucket: "audit", TrailPrefix: "org",
	}
	doc, err := Policy(o)
	must(t, err)
	for _, want := range []string{
		`"arn:aws-cn:logs:cn-north-1:1:log-group:/a:*"`, `"arn:aws-cn:s3:::audit/org/AWSLogs/*"`, `"arn:aws-cn:s3:::audit"`,
	} {
		if !strings.Contains(string(doc), want) {
			t.Errorf("no %s in\n%s", want, doc)
		}
	}
	if strings.Contains(string(doc), "DescribeLogGroups") || strings.Contains(string(doc), "xray") {
		t.Errorf("it allows what is not needed:\n%s", doc)
	}
}

// TestMissingBucketFailsItsSourceOnly: the others are read.
func TestMissingBucketFailsItsSourceOnly(t *testing.T) {
	s, cfg := standIn(t, localaws.Options{})
	fill(t, s, cfg)
	s.Drain()
	cs, err := Discover(t.Context(), Options{AWS: cfg, TrailBucket: "no-such-bucket", Sources: []string{SourceTrail, SourceLogs}})
	must(t, err)
	lines := 0
	for _, c := range cs {
		got := collect(t.Context(), c, fleet.Window{Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Second)})
		lines += len(got.records)
		failed := got.err != nil
		if failed != strings.HasPrefix(c.Stream(), SourceTrail) || failed && !strings.Contains(got.err.Error(), "no-such-bucket") {
			t.Errorf("%s: %v", c.Stream(), got.err)
		}
	}
	if lines < standInLines {
		t.Errorf("got %d lines", lines)
	}
}

// TestExpiredPagesAreAskedForAgain: a token that is refused costs its slice, and
// no pass.
func TestExpiredPagesAreAskedForAgain(t *testing.T) {
	s, cfg := standIn(t, localaws.Options{Seed: 5, Trouble: localaws.Trouble{EmptyPage: 0.4, ExpiredPage: 0.4}})
	fill(t, s, cfg)
	s.Drain()
	all := collectAll(t, s, cfg, fleet.Window{Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Second)})
	if got := all["logs/111122223333/us-east-1//muster/orders"]; len(strings.Fields(got.ids())) != standInLines {
		t.Errorf("got %s", got.summary())
	}
	checkCalls(t, all)
}
