package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/xray"

	"muster/internal/localaws"
)

// traced sends a request to the stand-in's X-Ray: a front door, checkout behind it,
// and the table that this asks.
func traced(t *testing.T, client *xray.Client, n int, at time.Time) {
	t.Helper()
	trace := fmt.Sprintf("1-%08x-%024x", at.Unix(), n)
	start := float64(at.Unix()) + 0.25
	segment := func(id int, name, rest string) string {
		return fmt.Sprintf(`{"trace_id":%q,"id":"%016x","name":%q,"origin":"AWS::ECS::Container","start_time":%f,"end_time":%f%s}`,
			trace, id, name, start, start+0.5, rest)
	}
	sub := func(id int, name, namespace, rest string) string {
		return fmt.Sprintf(`,"subsegments":[{"id":"%016x","name":%q,"namespace":%q,"start_time":%f,"end_time":%f%s}]`, id, name, namespace, start, start+0.4, rest)
	}
	out, err := client.PutTraceSegments(t.Context(), &xray.PutTraceSegmentsInput{TraceSegmentDocuments: []string{
		segment(16*n+1, "front", sub(16*n+2, "checkout", "remote", "")),
		segment(16*n+3, "checkout", fmt.Sprintf(`,"parent_id":"%016x"`, 16*n+2)+sub(16*n+4, "DynamoDB", "aws", `,"aws":{"operation":"GetItem"}`)),
	}})
	if err != nil || len(out.UnprocessedTraceSegments) > 0 {
		t.Fatalf("%v, %v", out, err)
	}
}

// graphChecks runs doctor and returns what it says of the graph, and how it ends.
func graphChecks(t *testing.T, args ...string) (said []string, remedy string, code int) {
	t.Helper()
	stdout, stderr, code := muster(t, append([]string{"doctor", "--json", "--source", "xray"}, args...)...)
	for line := range strings.Lines(stdout) {
		var c struct {
			Subject, State, Found, Remedy string
			Compared                      *struct {
				Service            string
				Requests, Segments int
			}
		}
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatalf("%v\n%s%s", err, stdout, stderr)
		}
		if c.Subject != "graph" {
			continue
		}
		text := c.State + " " + c.Found
		if c.Compared != nil {
			text = fmt.Sprintf("%s %s %d/%d", c.State, c.Compared.Service, c.Compared.Segments, c.Compared.Requests)
		}
		if said = append(said, text); c.State == "missing" {
			remedy = c.Remedy
		}
	}
	return said, remedy, code
}

func TestDoctorHoldsTheStoreAgainstXRaysCount(t *testing.T) {
	server, flags := account(t, localaws.Options{})
	client := xray.NewFromConfig(localConfig(server.Endpoint(), nil))
	if said, _, _ := graphChecks(t, flags...); len(said) != 1 || !strings.Contains(said[0], "there is nothing there yet") {
		t.Errorf("without a store it says %q", said)
	}
	// The same in each of the last hours: whichever is the newest that is settled.
	const requests, hours = 4, 6
	newest := time.Now().UTC().Truncate(time.Hour)
	n := 1
	for h := 1; h <= hours; h++ {
		for range requests {
			traced(t, client, n, newest.Add(-time.Duration(h)*time.Hour+30*time.Minute))
			n++
		}
	}
	collect := append([]string{"collect", "--source", "xray"}, flags...)
	mustMuster(t, append(collect, "--since", fmt.Sprintf("%dh", hours+1))...)
	said, _, _ := graphChecks(t, flags...)
	if len(said) != 3 || said[0] != "ok checkout 4/4" || said[1] != "ok front 4/4" ||
		!strings.HasSuffix(said[2], ": 2; 1 more are known by their callers alone and send no segments") {
		t.Errorf("all was collected, and it says %q", said)
	}
	window := []string{"--since", newest.Add(-hours * time.Hour).Format(time.RFC3339), "--until", newest.Format(time.RFC3339)}
	traced(t, client, n, newest.Add(-90*time.Minute)) // too late for the pass
	said, remedy, code := graphChecks(t, append(window, flags...)...)
	if code != exitFindings || len(said) != 3 || said[0] != "missing checkout 24/25" || said[1] != "missing front 24/25" {
		t.Errorf("one trace came late, exit %d: %q", code, said)
	}
	_, command, found := strings.Cut(remedy, "collect ")
	if !found {
		t.Fatalf("the remedy names no command: %s", remedy)
	}
	words := strings.Fields("collect " + command)
	mustMuster(t, append(words, flags...)...)
	if said, _, _ := graphChecks(t, append(window, flags...)...); len(said) != 3 || said[0] != "ok checkout 25/25" || said[1] != "ok front 25/25" {
		t.Errorf("after %q it says %q", remedy, said)
	}
	if !strings.Contains(remedy, "--overlap") {
		t.Errorf("what was read is read again as an overlap, not as %q", remedy)
	}
}
