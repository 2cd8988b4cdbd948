package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"muster/fleet"
)

func anyIDOpensTheDossier(t *testing.T, s Store) {
	trace := traceAt(noon, 1)
	root := span(trace, 1, noon)
	root.Seen.Request, root.Seen.Scope = "REQ-1", fleet.ScopeAWS
	root = resolved(root)
	line := logLine("log-1", noon.Add(time.Second), fleet.Keys{Trace: trace, Messages: []string{"msg-1"}})
	call := apiCall("event-1", noon.Add(2*time.Second), fleet.Keys{Request: "REQ-1", Scope: fleet.ScopeAWS})
	call.Keys.Trace, call.Keys.TraceLink = trace, fleet.Link{Via: fleet.RungRequest, Sure: fleet.Exact}
	late := change("sg@1", noon.Add(50*time.Hour)) // beyond the days that the trace id names
	late.Keys.Trace, late.Keys.TraceLink = trace, fleet.Link{Via: fleet.RungRequest, Sure: fleet.Inferred}
	stranger := span(traceAt(noon, 2), 9, noon)
	commit(t, s, []fleet.Record{root, line, call, late, stranger}, fleet.Commit{})
	about := fleet.Finding{Fingerprint: "about", Policy: "p", Severity: fleet.High, Status: fleet.StatusNew, Trace: trace}
	evident := fleet.Finding{Fingerprint: "evident", Policy: "p", Severity: fleet.Low, Status: fleet.StatusNew, Evidence: []string{call.ID}}
	other := fleet.Finding{Fingerprint: "other", Policy: "p", Severity: fleet.Low, Status: fleet.StatusNew, Trace: traceAt(noon, 2)}
	if err := s.SaveFindings(t.Context(), fleet.Run{ID: "run"}, []fleet.Finding{about, evident, other}); err != nil {
		t.Fatal(err)
	}

	for _, id := range []string{
		trace, fleet.FormatTraceID(trace), strings.ToUpper(trace), "REQ-1", "msg-1", root.ID, root.Seen.Span, line.ID, call.ID,
	} {
		got, err := s.Trace(t.Context(), id)
		if err != nil {
			t.Errorf("Trace(%q): %v", id, err)
			continue
		}
		same(t, "trace of "+id, trace, got.ID)
		same(t, "first records of "+id, ids([]fleet.Record{root, line, call}), ids(got.Records)[:3])
		same(t, "findings of "+id, []fleet.Finding{about, evident}, got.Findings)
	}
	got, err := s.Trace(t.Context(), late.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "records of the late change's trace", []fleet.Record{root, line, call, late}, got.Records)
	for _, id := range []string{"nobody", traceAt(noon, 3), "' or true --", "%"} {
		if _, err := s.Trace(t.Context(), id); !errors.Is(err, fleet.ErrNotFound) {
			t.Errorf("Trace(%q): got error %v, want ErrNotFound", id, err)
		}
	}
}

func recordWithoutTraceOpensAlone(t *testing.T, s Store) {
	login, twin, moved := apiCall("login", noon, fleet.Keys{}), apiCall("twin", noon, fleet.Keys{}), change("moved@1", noon)
	commit(t, s, []fleet.Record{login, twin, moved}, fleet.Commit{})
	f := fleet.Finding{Fingerprint: "f", Severity: fleet.Critical, Status: fleet.StatusNew, Evidence: []string{"login"}}
	if err := s.SaveFindings(t.Context(), fleet.Run{ID: "run"}, []fleet.Finding{f}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Trace(t.Context(), "login")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "API call", fleet.Trace{Records: []fleet.Record{login}, Findings: []fleet.Finding{f}}, got)
	if got, err = s.Trace(t.Context(), "moved@1"); err != nil {
		t.Fatal(err)
	}
	same(t, "change", fleet.Trace{Records: []fleet.Record{moved}}, got)
	if got, err = s.Trace(t.Context(), "AWS::DynamoDB::Table/orders"); err != nil {
		t.Fatal(err)
	}
	same(t, "resource", []string{"login", "twin"}, ids(got.Records))
}

func correlationOpensTheJourney(t *testing.T, s Store) {
	one, two := traceAt(noon, 1), traceAt(noon.Add(time.Minute), 2)
	first := logLine("first", noon, fleet.Keys{Trace: one, Correlation: "order-7"})
	second := logLine("second", noon.Add(time.Minute), fleet.Keys{Trace: two, Correlation: "order-7"})
	loose := logLine("loose", noon.Add(time.Hour), fleet.Keys{Correlation: "order-7"})
	other := logLine("other", noon, fleet.Keys{Trace: one, Correlation: "order-8"})
	commit(t, s, []fleet.Record{second, first, loose, other}, fleet.Commit{})

	got, err := s.Trace(t.Context(), "order-7")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "journey", fleet.Trace{ID: one, Correlation: "order-7", Records: []fleet.Record{first, second, loose}, Related: []string{two}}, got)
	if got, err = s.Trace(t.Context(), two); err != nil {
		t.Fatal(err)
	}
	same(t, "its second trace", fleet.Trace{ID: two, Correlation: "order-7", Records: []fleet.Record{second}, Related: []string{one}}, got)
}

func dossierFollowsAmendment(t *testing.T, s Store) {
	call := apiCall("call", noon, fleet.Keys{Request: "R", Scope: fleet.ScopeAWS})
	commit(t, s, []fleet.Record{call}, fleet.Commit{})
	trace := traceAt(noon, 1)
	root := span(trace, 1, noon)
	call.Keys.Trace, call.Keys.TraceLink = trace, fleet.Link{Via: fleet.RungRequest, Sure: fleet.Exact}
	commit(t, s, []fleet.Record{root}, fleet.Commit{Amendments: []fleet.Amendment{{Ref: ref(call), Keys: call.Keys}}})
	got, err := s.Trace(t.Context(), "call")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "dossier", fleet.Trace{ID: trace, Records: []fleet.Record{root, call}}, got)
}
