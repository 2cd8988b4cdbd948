package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// allJoined checks the joins of a store against resolve.sql over all of it.
func allJoined(t *testing.T, store string) {
	t.Helper()
	out := mustMuster(t, "resolve", "--store", store, "--dry-run")
	if !strings.Contains(out, " looked at, 0 differ, 0 amended") {
		t.Errorf("computed anew, joins differ:\n%s", out)
	}
}

// TestHoweverItIsCollectedTheJoinsAreThoseOfOneRun collects one fleet's evidence
// by two processes at once, and by backfills in odd orders. Each store must hold
// what one undisturbed run leaves, joined as resolve.sql joins all of it.
func TestHoweverItIsCollectedTheJoinsAreThoseOfOneRun(t *testing.T) {
	source := recordedFleet(t)
	dir := t.TempDir()
	undisturbed := filepath.Join(dir, "undisturbed")
	source.collect(t, undisturbed, nil)
	allJoined(t, undisturbed)
	want := state(t, undisturbed)

	same := func(t *testing.T, store string) {
		t.Helper()
		allJoined(t, store)
		if diff := cmp.Diff(want, state(t, store)); diff != "" {
			t.Errorf("the lake differs from that of an undisturbed run:\n%s", diff)
		}
		source.collect(t, store, nil)
		if diff := cmp.Diff(want, state(t, store)); diff != "" {
			t.Errorf("collecting again changed the lake:\n%s", diff)
		}
	}
	t.Run("by two processes", func(t *testing.T) {
		store := filepath.Join(dir, "two")
		t.Run("at once", func(t *testing.T) {
			for range 2 {
				t.Run("collector", func(t *testing.T) {
					t.Parallel()
					source.collect(t, store, nil)
				})
			}
		})
		same(t, store)
	})
	length := source.until.Sub(source.since)
	part := func(i int) time.Time { return source.since.Add(time.Duration(i) * length / 4) }
	for _, order := range [][]int{{3, 2, 1, 0}, {1, 3, 0, 2}} {
		t.Run(fmt.Sprint("in parts ", order), func(t *testing.T) {
			store := filepath.Join(dir, fmt.Sprint("parts-", order[0]))
			for _, i := range order {
				s := source.of(part(i), part(i+1))
				s.collect(t, store, nil)
			}
			source.collect(t, store, nil)
			same(t, store)
		})
	}
}

// of is the same source, collected in another window.
func (s *source) of(since, until time.Time) *source {
	return &source{endpoint: s.endpoint, bucket: s.bucket, since: since, until: until}
}

// TestResolveJoinsWhatCameTooLate imports a call and, three days after it, the
// span of its request: further apart than collecting looks.
func TestResolveJoinsWhatCameTooLate(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "lake")
	files := map[string]string{
		"1-call.json": `{"Records":[{"eventVersion":"1.08","eventTime":"2026-03-14T12:00:00Z","eventSource":"dynamodb.amazonaws.com",
			"eventName":"PutItem","awsRegion":"us-east-1","requestID":"R1","eventID":"e-1","recipientAccountId":"111122223333"}]}`,
		"2-span.json": `{"trace_id":"1-69b92f00-aaaaaaaaaaaaaaaaaaaaaaaa","id":"00f067aa0ba902b7","name":"orders","start_time":1773748800.0,"end_time":1773748801.0,
			"subsegments":[{"id":"00f067aa0ba902b8","name":"DynamoDB","namespace":"aws","start_time":1773748800.1,"end_time":1773748800.2,
			"aws":{"operation":"PutItem","request_id":"R1"}}]}`,
	}
	for _, name := range []string{"1-call.json", "2-span.json"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(files[name]), 0o600); err != nil {
			t.Fatal(err)
		}
		mustMuster(t, "import", "--store", store, path)
	}
	const joined = "select count(*) from api_calls where trace_id = '69b92f00aaaaaaaaaaaaaaaaaaaaaaaa' and trace_via = 'request'"
	if got := count(t, store, joined); got != 0 {
		t.Fatalf("%d calls are joined already: the horizon has grown and this test lost its point", got)
	}
	out := mustMuster(t, "resolve", "--store", store, "--dry-run", "--json")
	var c keyChange
	if err := json.Unmarshal([]byte(out), &c); err != nil {
		t.Fatalf("not one object: %v\n%s", err, out)
	}
	want := keyChange{
		Time: "2026-03-14T12:00:00.000000Z", Kind: string(fleet.KindAPICall), ID: "e-1", Key: "trace_id",
		Is: "69b92f00aaaaaaaaaaaaaaaaaaaaaaaa", IsVia: "request, exact",
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("the difference, want (-) and got (+):\n%s", diff)
	}
	if got := count(t, store, joined); got != 0 {
		t.Error("a dry run has written")
	}
	if out := mustMuster(t, "resolve", "--store", store); !strings.Contains(out, "3 records looked at, 1 differ, 1 amended") || !strings.Contains(out, "e-1") {
		t.Errorf("resolve says %q", out)
	}
	if got := count(t, store, joined); got != 1 {
		t.Errorf("%d calls are joined, want 1", got)
	}
	allJoined(t, store)
}
