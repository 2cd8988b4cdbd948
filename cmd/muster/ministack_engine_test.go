//go:build engines && !noduckdb

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"muster/fleet"
	"muster/internal/localaws"
	"muster/samples"
	"muster/samples/truth"
)

// TestDemoOnMinistack runs the fleet on an AWS that others wrote, and holds what
// muster collected from it to what the fleet did.
func TestDemoOnMinistack(t *testing.T) {
	temp, store := t.TempDir(), filepath.Join(t.TempDir(), "lake")
	t.Setenv("TMPDIR", temp)
	stdout, stderr, code := muster(t, "demo", "--headless", "--aws", "ministack", "--for", "10s", "--store", store)
	if code != exitOK || !strings.Contains(stdout, "everything is as the truth has it") {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	at := regexp.MustCompile(`ministack on (http://\S+) serves`).FindStringSubmatch(stderr)
	if at == nil {
		t.Fatalf("it does not say who serves what:\n%s", stderr)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at[1], http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		t.Errorf("ministack runs on: %s", resp.Status)
		_ = resp.Body.Close()
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("%v: it left %v", err, left)
	}
	file, err := truth.Read(filepath.Join(store, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(file.Faults) != len(samples.Faults()) || len(file.Incidents) != 0 {
		t.Errorf("faults %v, incidents %v", file.Faults, file.Incidents)
	}
	checkMinistackCalls(t, store, file)
	checkCouriers(t, store)
	if n := count(t, store, "select count(*) from logs"); n != len(file.Lines) {
		t.Errorf("%d lines in the lake, %d were written", n, len(file.Lines))
	}
	if n := count(t, store, "select count(*) - count(distinct id) from records"); n != 0 {
		t.Errorf("%d records are there twice", n)
	}
	if n := count(t, store, "select count(*) from spans where not "+ofStepFunctions); n != len(file.Spans) {
		t.Errorf("%d spans in the lake, %d were sent", n, len(file.Spans))
	}
}

// checkMinistackCalls holds each call that ministack recorded to who made it:
// those of the fleet are there once, joined by their request id where the span
// shows the recorded one, and the rest are muster's own.
func checkMinistackCalls(t *testing.T, store string, file *truth.File) {
	t.Helper()
	made, times := make(map[string]truth.Call), make(map[string]int)
	for _, c := range file.Calls {
		made[c.Request] = c
	}
	a := &app{store: store, getenv: os.Getenv, stderr: t.Output()}
	lake, err := a.openLake(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer lake.Close()
	joined, hidden, dark := 0, 0, 0
	for r, err := range lake.Records(t.Context(), fleet.Query{Kinds: []fleet.Kind{fleet.KindAPICall}}) {
		if err != nil {
			t.Fatal(err)
		}
		times[r.Seen.Request]++
		c, known := made[r.Seen.Request]
		switch {
		case !known && (strings.HasPrefix(r.Name, "logs:") || strings.HasPrefix(r.Name, "states:")) && r.Seen.AccessKey == localaws.DefaultAccount: // muster reads
		case !known && r.Name == "ecs:UpdateService": // refused, as the service was not there yet
		case !known:
			t.Errorf("nobody made %s %s", r.Name, r.Seen.Request)
		case c.Hidden: // which is so of S3 alone
			hidden++
			if r.Service != "s3" || r.Keys.Trace != "" {
				t.Errorf("%s is joined to %q", r.Name, r.Keys.Trace)
			}
		case c.Trace != "" && c.Span == "" && !c.Retried: // its request is not sampled, so that no span shows it
			dark++
			if r.Keys.Trace != "" {
				t.Errorf("%s, of which no span was sent, is joined to %q", r.Name, r.Keys.Trace)
			}
		case c.Trace != "" && !c.Retried:
			joined++
			if r.Keys.Trace != c.Trace || r.Keys.TraceLink.Via != fleet.RungRequest {
				t.Errorf("%s of trace %s is joined to %q via %s", r.Name, c.Trace, r.Keys.Trace, r.Keys.TraceLink.Via)
			}
		}
	}
	for id, c := range made {
		if times[id] != 1 {
			t.Errorf("%s:%s %s was recorded %d times", c.Service, c.Operation, id, times[id])
		}
	}
	if joined == 0 || hidden == 0 || dark == 0 {
		t.Errorf("%d calls joined, %d hidden, %d not sampled", joined, hidden, dark)
	}
}

// ofStepFunctions are the spans of executions.
const ofStepFunctions = "coalesce(element_at(attributes, 'origin'), '') = 'AWS::StepFunctions::StateMachine'"

// checkCouriers holds the saga that ministack's Step Functions ran: one for each
// order that EventBridge told of, and each ended, with its compensation or its
// confirmation before that.
func checkCouriers(t *testing.T, store string) {
	t.Helper()
	lines := func(where string) int {
		return count(t, store, "select count(*) from logs where service = 'shipping' and raw like '%book-courier%' and "+where)
	}
	announced := count(t, store, "select count(*) from logs where message = 'event on the bus' and raw like '%order_placed%'")
	began, done, failed := lines("message = 'saga started'"), lines("message = 'saga completed'"), lines("message = 'saga failed'")
	if announced == 0 || began != announced || done+failed != began || done == 0 || failed == 0 {
		t.Errorf("%d orders announced, %d bookings began, %d went well and %d did not", announced, began, done, failed)
	}
	if n := lines(`raw like '%"saga_step":"Confirm"%'`); n != done {
		t.Errorf("%d bookings were confirmed, %d went well", n, done)
	}
	if n := lines(`raw like '%"saga_step":"Release"%'`); n != failed {
		t.Errorf("%d bookings were taken back, %d failed", n, failed)
	}
	// The history of each is there once, in the journey of the order, to which the
	// execution's name leads: it begins with the event's id.
	runs := ofStepFunctions + " and element_at(attributes, 'state_type') = 'execution' and "
	if n := count(t, store, "select count(*) from spans where "+runs+"element_at(attributes, 'status') = 'SUCCEEDED' and correlation_id != ''"); n != done {
		t.Errorf("%d executions went well in a journey, %d bookings", n, done)
	}
	if n := count(t, store, "select count(*) from spans where "+runs+"element_at(attributes, 'exception_type') = 'Uninsured' and correlation_id != ''"); n != failed {
		t.Errorf("%d executions failed in a journey, %d bookings", n, failed)
	}
	if n := count(t, store, "select count(*) from spans where "+ofStepFunctions+" and name = 'Release' and error = ''"); n != failed {
		t.Errorf("%d executions were taken back, %d bookings", n, failed)
	}
	// The event's id ties the booking's trace to the order's, in one journey.
	if n := lines("message = 'saga started' and correlation_id = ''"); n != 0 {
		t.Errorf("%d bookings belong to no journey", n)
	}
	if n := count(t, store, "select count(*) from api_calls where name = 'states:StartExecution' and trace_id != ''"); n != began {
		t.Errorf("%d executions were started on traces, %d bookings began", n, began)
	}
}
