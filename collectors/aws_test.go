package collectors

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"go.uber.org/goleak"

	"muster/fleet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testAccount = "111122223333"
	testRegion  = "us-east-1"
)

// awsAt is the configuration of a client that calls an endpoint and closes its
// connections with the test.
func awsAt(t *testing.T, endpoint string) aws.Config {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return aws.Config{
		Region: testRegion, BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "secret", ""),
		HTTPClient:  &http.Client{Transport: transport},
	}
}

// script is an AWS that answers each operation from a list, in order; the last
// answer stays. It notes what it was asked.
type script struct {
	mu      sync.Mutex
	answers map[string][]answer // by X-Amz-Target's operation, or by path
	asked   map[string][]map[string]any
}

type answer struct {
	status int // 0 means 200
	body   string
}

func throttled() answer { return failing(http.StatusBadRequest, "ThrottlingException") }
func denied() answer    { return failing(http.StatusBadRequest, "AccessDeniedException") }

func failing(status int, code string) answer {
	return answer{status, `{"__type":"` + code + `","message":"` + code + ` it is"}`}
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	operation := r.URL.Path
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		operation = target[strings.LastIndexByte(target, '.')+1:]
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var in map[string]any
	if len(body) > 0 && json.Unmarshal(body, &in) != nil {
		in = nil
	}
	if s.asked == nil {
		s.asked = map[string][]map[string]any{}
	}
	n := len(s.asked[operation])
	s.asked[operation] = append(s.asked[operation], in)
	as := s.answers[operation]
	if len(as) == 0 {
		http.Error(w, `{"__type":"UnknownOperationException"}`, http.StatusBadRequest)
		return
	}
	a := as[min(n, len(as)-1)]
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	_, _ = io.WriteString(w, a.body) // the client is gone: nobody to tell
}

func (s *script) calls(operation string) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[operation]
}

// scripted is one collector that reads from a script.
func scripted(t *testing.T, s *script, o Options) fleet.Collector {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	retryer := o.AWS.Retryer
	o.AWS, o.Account = awsAt(t, server.URL), testAccount
	o.AWS.Retryer = retryer
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	cs, err := Discover(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + truth(slices.Contains(o.Sources, SourceCloudTrail)); len(cs) != want { // and insights
		t.Fatalf("discovered %d collectors, want %d", len(cs), want)
	}
	return cs[0]
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// lastHour is the window before noon.
var lastHour = fleet.Window{Start: noon.Add(-time.Hour), End: noon}

// collected is what a collector yields.
type collected struct {
	records []fleet.Record
	ledger  []fleet.LedgerEntry
	through []time.Time
	done    []func(context.Context)
	err     error
}

func collect(ctx context.Context, c fleet.Collector, w fleet.Window) collected {
	var got collected
	for b, err := range c.Collect(ctx, w) {
		if err != nil {
			got.err = err
			continue
		}
		got.records = append(got.records, b.Records...)
		got.ledger = append(got.ledger, b.Ledger...)
		if b.Done != nil {
			got.done = append(got.done, b.Done)
		}
		if !b.Through.IsZero() {
			got.through = append(got.through, b.Through)
		}
	}
	return got
}

// ids are the distinct IDs of the records, in order of appearance.
func (c *collected) ids() string {
	var ids []string
	seen := map[string]bool{}
	for _, r := range c.records {
		if !seen[r.ID] {
			seen[r.ID] = true
			ids = append(ids, r.ID)
		}
	}
	return strings.Join(ids, " ")
}

// summary says how the collection ended: marks, and coverages with reasons.
func (c *collected) summary() string {
	var s []string
	for _, t := range c.through {
		s = append(s, "through "+t.UTC().Format("15:04"))
	}
	for _, e := range c.ledger {
		s = append(s, strings.TrimSpace(string(e.Coverage)+" "+e.Reason))
	}
	if c.err != nil {
		s = append(s, "error")
	}
	return strings.Join(s, ", ")
}

func TestCollectEndsPromptlyWhenCancelled(t *testing.T) {
	s := &script{answers: map[string][]answer{"FilterLogEvents": {throttled()}}}
	l := scripted(t, s, Options{Sources: []string{SourceLogs}, Groups: GroupChoice{Names: []string{"g"}}})
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	began := time.Now()
	got := collect(ctx, l, lastHour)
	if got.err == nil || len(got.through) > 0 || len(got.ledger) > 0 || time.Since(began) > 5*time.Second {
		t.Errorf("got %q after %s", got.summary(), time.Since(began))
	}
}

func TestCollectStopsWhenTold(t *testing.T) {
	s := &script{answers: map[string][]answer{"FilterLogEvents": {logPage("1", "a"), logPage("2", "b"), logPage("", "c")}}}
	l := scripted(t, s, Options{Sources: []string{SourceLogs}, Groups: GroupChoice{Names: []string{"g"}}})
	for _, err := range l.Collect(t.Context(), lastHour) {
		must(t, err)
		break
	}
	if n := len(s.calls("FilterLogEvents")); n != 1 {
		t.Errorf("made %d calls after the consumer had stopped", n)
	}
}

const segmentTrace = "1-5f187253-6a106696d56b1f4ef9eba2e"

var classic = []answer{{body: `{"Destination":"XRay","Status":"ACTIVE"}`}}

func TestThrottlingIsWaitedOutForAsLongAsItTakes(t *testing.T) {
	const refusals = 40
	answers := slices.Repeat([]answer{throttled()}, refusals)
	s := &script{answers: map[string][]answer{"FilterLogEvents": append(answers, logPage("", "a"))}}
	l := scripted(t, s, Options{
		Sources: []string{SourceLogs}, Groups: GroupChoice{Names: []string{"g"}}, Overlap: time.Nanosecond,
		AWS: aws.Config{Retryer: func() aws.Retryer { return aws.NopRetryer{} }},
	})
	var waits []time.Duration
	l.(*logs).wait = func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		return nil
	}
	w := fleet.Window{Start: noon.Add(-time.Minute), End: noon}
	if got := collect(t.Context(), l, w); got.ids() != "a" || got.summary() != "through 12:00, complete" {
		t.Errorf("got %q, %q, %v", got.ids(), got.summary(), got.err)
	}
	if len(waits) != refusals || slices.Max(waits) > maxBackoff || slices.Min(waits) < firstBackoff {
		t.Errorf("waited %v", waits)
	}
}

func TestAWindowThatAWSForgotIsLostAndNotComplete(t *testing.T) {
	s := &script{answers: map[string][]answer{"LookupEvents": {{body: `{"Events":[]}`}}}}
	w := fleet.Window{Start: noon.AddDate(-1, 0, 0), End: noon.AddDate(0, -6, 0)}
	got := collect(t.Context(), scripted(t, s, Options{Sources: []string{SourceCloudTrail}}), w)
	if got.err != nil || len(got.ledger) != 1 || got.ledger[0].Reason != "retention" || !got.ledger[0].Window.End.Equal(w.End) {
		t.Errorf("got %+v, %v", got.ledger, got.err)
	}
	if n := len(s.calls("LookupEvents")); n != 0 {
		t.Errorf("made %d calls for nothing", n)
	}
}

func TestAStartBeforeTheUsualReachIsKept(t *testing.T) {
	s := &script{answers: map[string][]answer{"FilterLogEvents": {logPage("")}}}
	w := fleet.Window{Start: noon.AddDate(-1, 0, 0), End: noon}
	got := collect(t.Context(), scripted(t, s, Options{Sources: []string{SourceLogs}, Groups: GroupChoice{Names: []string{"g"}}}), w)
	if first := int64(s.calls("FilterLogEvents")[0]["startTime"].(float64)); first != w.Start.Add(-logsOverlap).UnixMilli() {
		t.Errorf("asked from %d, %v", first, got.err)
	}
}

func TestLookupSlowsDownOnceAWSInsists(t *testing.T) {
	event := `{"Events":[{"EventId":"e-1","CloudTrailEvent":"` + strings.ReplaceAll(event1, `"`, `\"`) + `"}],"NextToken":"1"}`
	s := &script{answers: map[string][]answer{"LookupEvents": {{body: event}, throttled(), {body: `{"Events":[]}`}}}}
	limiter := NewLimiter(0, nil)
	l := scripted(t, s, Options{Sources: []string{SourceCloudTrail}, Overlap: time.Nanosecond, Limiter: limiter})
	w := fleet.Window{Start: noon.Add(-time.Minute), End: noon}
	if got := collect(t.Context(), l, w); got.ids() != "e-1" || got.summary() != "through 12:00, complete" {
		t.Errorf("got %q, %q, %v", got.ids(), got.summary(), got.err)
	}
	if at := limiter.pace(paceKey{testAccount, testRegion, "cloudtrail:LookupEvents"}).limiter.Limit(); at > 1 {
		t.Errorf("the pace is %v calls a second after throttling", at)
	}
}

func TestConfigReadsAWeekAtATime(t *testing.T) {
	item := `{"configurationItems":[{"resourceType":"AWS::SQS::Queue","resourceId":"q","configurationItemCaptureTime":1767323045,"configurationItemStatus":"OK","configurationStateId":"7","configuration":"{\"a\":1}"}]}`
	s := &script{answers: map[string][]answer{
		"ListDiscoveredResources": {{body: `{"resourceIdentifiers":[{"resourceType":"AWS::SQS::Queue","resourceId":"q"}]}`}},
		"GetResourceConfigHistory": {
			{body: `{"configurationItems":[],"nextToken":"1"}`},
			{body: item},
			{body: `{"configurationItems":[]}`},
			failing(400, "ResourceNotDiscoveredException"),
		},
	}}
	c := scripted(t, s, Options{Sources: []string{SourceConfig}, ConfigTypes: []string{"AWS::SQS::Queue"}})
	got := collect(t.Context(), c, fleet.Window{Start: noon.AddDate(0, 0, -20), End: noon})
	if got.ids() != "AWS::SQS::Queue/q@7" || got.summary() != "through 12:00, complete" {
		t.Errorf("got %q, %q, %v", got.ids(), got.summary(), got.err)
	}
	if in := s.calls("ListDiscoveredResources")[0]; in["includeDeletedResources"] != true {
		t.Errorf("deleted resources were not asked for: %v", in)
	}
	for _, in := range s.calls("GetResourceConfigHistory") {
		if d := in["laterTime"].(float64) - in["earlierTime"].(float64); d > configSpan.Seconds() {
			t.Errorf("a call spans %v s", d)
		}
	}
	if r := got.records[0]; r.Attributes.Get("configuration.a") != "1" || !strings.Contains(string(r.Raw), `"configuration":{"a":1}`) {
		t.Errorf("got %+v\n%s", r.Attributes, r.Raw)
	}
}

func TestConfigSkipsATypeThatIsUnknownHere(t *testing.T) {
	s := &script{answers: map[string][]answer{"ListDiscoveredResources": {
		failing(400, "ValidationException"), {body: `{"resourceIdentifiers":[]}`},
	}}}
	c := scripted(t, s, Options{Sources: []string{SourceConfig}, ConfigTypes: []string{"AWS::No::Such", "AWS::SQS::Queue"}})
	if got := collect(t.Context(), c, lastHour); got.summary() != "through 12:00, complete" || len(s.calls("ListDiscoveredResources")) != 2 {
		t.Errorf("got %q, %v", got.summary(), got.err)
	}
}
