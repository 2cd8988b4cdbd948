package storetest

import (
	"fmt"
	"testing"
	"time"

	"muster/fleet"
)

func findingsKeepNewestState(t *testing.T, s Store) {
	f := fleet.Finding{
		Fingerprint: "fp", Policy: "n-plus-one", Title: "Many calls", Severity: fleet.Medium, Status: fleet.StatusNew,
		FirstSeen: noon, LastSeen: noon.Add(time.Minute), Count: 1, Message: "12 calls", Remedy: "one query",
		Resource: "AWS::DynamoDB::Table/orders", Service: "orders", Trace: traceAt(noon, 1), Evidence: []string{"b", "a"},
	}
	run := fleet.Run{
		ID: "run", Started: noon, Ended: noon.Add(time.Second), Window: fleet.Window{Start: noon.Add(-time.Hour), End: noon},
		Policies: 6, Findings: 1, NotJudged: map[string]string{"absence": "no data"},
	}
	other := fleet.Finding{Fingerprint: "other", Severity: fleet.Low, Status: fleet.StatusNew, LastSeen: noon}
	save := func(fs ...fleet.Finding) {
		t.Helper()
		if err := s.SaveFindings(t.Context(), run, fs); err != nil {
			t.Fatal(err)
		}
	}
	save(f, other)
	same(t, "first state", []fleet.Finding{f, other}, all(t, s.Findings(t.Context(), fleet.Query{})))
	// Many runs: the store must not grow tired, nor mix states up.
	for n := range 40 {
		f.Status, f.Count, f.LastSeen = fleet.StatusOpen, n+2, noon.Add(time.Duration(n)*time.Hour)
		run.ID = fmt.Sprint("run ", n)
		save(f)
	}
	save() // a run that found nothing
	same(t, "last state", []fleet.Finding{f, other}, all(t, s.Findings(t.Context(), fleet.Query{})))
}

func findingsAreFilteredAndSorted(t *testing.T, s Store) {
	make := func(fp string, sev fleet.Severity, status fleet.Status, seen time.Time) fleet.Finding {
		return fleet.Finding{Fingerprint: fp, Policy: "policy-" + fp, Title: "Title " + fp, Severity: sev, Status: status, LastSeen: seen, Message: "message " + fp, Service: "svc-" + fp}
	}
	low := make("low", fleet.Low, fleet.StatusNew, noon.Add(time.Hour))
	old := make("old", fleet.High, fleet.StatusOpen, noon)
	recent := make("recent", fleet.High, fleet.StatusResolved, noon.Add(time.Minute))
	worst := make("worst", fleet.Critical, fleet.StatusReopened, noon)
	worst.Trace, worst.Resource = traceAt(noon, 1), "AWS::S3::Bucket/b"
	if err := s.SaveFindings(t.Context(), fleet.Run{ID: "run"}, []fleet.Finding{low, old, recent, worst}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		q    fleet.Query
		want []fleet.Finding
	}{
		{"worst first, then newest", fleet.Query{}, []fleet.Finding{worst, recent, old, low}},
		{"severity", fleet.Query{MinSeverity: fleet.High}, []fleet.Finding{worst, recent, old}},
		{"status", fleet.Query{Status: []fleet.Status{fleet.StatusOpen, fleet.StatusNew}}, []fleet.Finding{old, low}},
		{"window", fleet.Query{Window: fleet.Window{Start: noon.Add(time.Second)}}, []fleet.Finding{recent, low}},
		{"trace", fleet.Query{Trace: fleet.FormatTraceID(worst.Trace)}, []fleet.Finding{worst}},
		{"resource", fleet.Query{Resource: worst.Resource}, []fleet.Finding{worst}},
		{"service", fleet.Query{Service: "svc-old"}, []fleet.Finding{old}},
		{"fingerprint", fleet.Query{IDs: []string{"low"}}, []fleet.Finding{low}},
		{"text", fleet.Query{Text: "MESSAGE REC"}, []fleet.Finding{recent}},
		{"limit", fleet.Query{Limit: 2}, []fleet.Finding{worst, recent}},
	}
	for _, tt := range tests {
		same(t, tt.name, tt.want, all(t, s.Findings(t.Context(), tt.q)))
	}
}
