package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"muster/samples"
	"muster/samples/truth"
)

// TestDemoIsRight runs the whole line on the fleet, as the README's command
// does but shorter, and holds what it says against the ground truth.
func TestDemoIsRight(t *testing.T) {
	store := filepath.Join(t.TempDir(), "lake")
	out := mustMuster(t, "demo", "--headless", "--for", "12s", "--seed", "7", "--store", store)
	file, err := truth.Read(filepath.Join(store, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(file.Requests) == 0 || len(file.Faults) != len(samples.Faults()) || len(file.Incidents) != len(samples.Incidents()) {
		t.Fatalf("the truth knows %d requests, faults %v, incidents %v", len(file.Requests), file.Faults, file.Incidents)
	}
	for _, e := range file.Expected {
		if !strings.Contains(out, e.Policy) {
			t.Errorf("the summary does not speak of %s:\n%s", e.Policy, out)
		}
		if n := count(t, store, "select count(*) from findings where policy = '"+e.Policy+"'"); n == 0 {
			t.Errorf("no finding of %s", e.Policy)
		}
	}
	checkLabels(t, store, file)
	// Each request's own id, and its journey's, open its dossier.
	r := file.Requests[slices.IndexFunc(file.Requests, func(q truth.Request) bool { return q.Status == http.StatusCreated })]
	var byTrace, byJourney struct {
		Trace       string            `json:"trace_id"`
		Correlation string            `json:"correlation_id"`
		Records     []json.RawMessage `json:"records"`
	}
	for id, into := range map[string]any{r.Trace: &byTrace, r.Journey: &byJourney} {
		if err := json.Unmarshal([]byte(mustMuster(t, "trace", "--json", "--store", store, id)), into); err != nil {
			t.Fatal(err)
		}
	}
	if byTrace.Trace != r.Trace || byTrace.Correlation != r.Journey || byJourney.Correlation != r.Journey {
		t.Errorf("trace %s of journey %s opens %s of %s and %s", r.Trace, r.Journey, byTrace.Trace, byTrace.Correlation, byJourney.Correlation)
	}
	if len(byJourney.Records) <= len(byTrace.Records) || len(byTrace.Records) == 0 {
		t.Errorf("the journey has %d records, one trace of it %d", len(byJourney.Records), len(byTrace.Records))
	}
}

func TestDemoOfAHealthyFleetFindsNothing(t *testing.T) {
	store := filepath.Join(t.TempDir(), "lake")
	mustMuster(t, "demo", "--headless", "--for", "10s", "--fault", "none", "--incident", "none", "--store", store)
	if n := count(t, store, "select count(*) from findings where severity in ('medium', 'high', 'critical')"); n != 0 {
		t.Errorf("%d findings above low on a healthy fleet:\n%s", n, mustMuster(t, "findings", "--store", store, "--json"))
	}
	if n := count(t, store, "select count(*) from runs"); n == 0 {
		t.Error("nothing was judged")
	}
}

// TestDemoIsRightThoughItsSourcesAreInTrouble has every tenth read throttled,
// failing or empty, and every tenth piece of evidence late or there twice.
func TestDemoIsRightThoughItsSourcesAreInTrouble(t *testing.T) {
	store := filepath.Join(t.TempDir(), "lake")
	out := mustMuster(t, "demo", "--headless", "--for", "10s", "--seed", "11", "--trouble", "0.1", "--store", store)
	if n := count(t, store, "select count(*) - count(distinct id) from records"); n != 0 {
		t.Errorf("%d records are there twice:\n%s", n, out)
	}
}

// TestDemoThatIsWrongSaysSo takes the truth of a run and bends it: a score that
// cannot fail would be worth nothing.
func TestDemoThatIsWrongSaysSo(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "lake")
	mustMuster(t, "demo", "--headless", "--for", "10s", "--seed", "7", "--fault", "none", "--incident", "none", "--store", store)
	file, err := truth.Read(filepath.Join(store, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	a := &app{store: store, getenv: os.Getenv, stderr: t.Output()}
	lake, err := a.openLake(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer lake.Close()
	first, last := file.Traces[0].ID, file.Traces[len(file.Traces)-1].ID
	for i := range file.Calls {
		if file.Calls[i].Trace == first {
			file.Calls[i].Trace = last
		}
	}
	report, err := truth.Score(t.Context(), lake, file)
	if err != nil {
		t.Fatal(err)
	}
	if report.OK() || report.Exact.Wrong == 0 {
		t.Errorf("calls of %s are said to be of %s, and the score finds nothing wrong", first, last)
	}
}
