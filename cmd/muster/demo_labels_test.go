package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"muster/fleet"
	"muster/samples"
	"muster/samples/truth"
)

// evidenceOf is what the labels of a run are looked up in.
type evidenceOf struct {
	ids           map[string]bool // traces, journeys, requests, messages and resources, as records show them
	spans         map[string]bool // services with a span
	traced        map[string]bool // traces with a span
	lines         map[string]bool // services with a log line
	consoleLogins []string        // principals of sign-ins to the console
}

func readEvidence(t *testing.T, store string) evidenceOf {
	t.Helper()
	a := &app{store: store, getenv: os.Getenv, stderr: t.Output()}
	lake, err := a.openLake(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer lake.Close()
	e := evidenceOf{ids: map[string]bool{}, spans: map[string]bool{}, traced: map[string]bool{}, lines: map[string]bool{}}
	for r, err := range lake.Records(t.Context(), fleet.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range slices.Concat(r.Seen.Messages, r.CanonicalResources(), []string{r.Seen.Trace, r.Seen.Request, r.Seen.Correlation}) {
			e.ids[id] = true
		}
		switch r.Kind {
		case fleet.KindSpan:
			e.spans[r.Service], e.traced[r.Seen.Trace] = true, true
		case fleet.KindLog:
			e.lines[r.Service] = true
		case fleet.KindAPICall:
			if r.Attributes.Get(fleet.AttrEventName) == "ConsoleLogin" {
				e.consoleLogins = append(e.consoleLogins, r.Principal)
			}
		case fleet.KindChange, fleet.KindVerdict:
		}
	}
	return e
}

// checkLabels holds each label of a run to what muster has stored: every id
// that a label names is there, and what a label says is absent is not.
func checkLabels(t *testing.T, store string, file *truth.File) {
	t.Helper()
	e := readEvidence(t, store)
	unsure := map[string]bool{}
	for _, c := range file.Calls {
		unsure[c.Request] = c.Unsure
	}
	labelled := map[string]bool{}
	for _, l := range file.Labels {
		labelled[l.Name] = true
		for _, id := range slices.Concat(l.Traces, l.Journeys, l.Requests, l.Messages, l.Resources) {
			if !e.ids[id] && !unsure[id] {
				t.Errorf("%s of %s: nothing in the lake shows %s", l.Name, l.Subject, id)
			}
		}
		switch l.Name {
		case "service-without-logs":
			if !e.spans[l.Subject] || e.lines[l.Subject] {
				t.Errorf("%s: %s has spans: %v, lines: %v", l.Name, l.Subject, e.spans[l.Subject], e.lines[l.Subject])
			}
		case samples.UnsampledRequest:
			if e.traced[l.Traces[0]] {
				t.Errorf("%s: trace %s of %s has spans", l.Name, l.Traces[0], l.Subject)
			}
		case "registered-without-traffic":
			if e.spans[l.Subject] {
				t.Errorf("%s: %s has spans", l.Name, l.Subject)
			}
		case string(samples.RootConsoleLogin), string(samples.ConsoleLoginWithoutMFA):
			if !slices.ContainsFunc(e.consoleLogins, func(p string) bool { return strings.HasSuffix(p, l.Subject) }) {
				t.Errorf("%s: %s did not sign in: %v", l.Name, l.Subject, e.consoleLogins)
			}
		}
	}
	for _, name := range slices.Concat(file.Faults, file.Incidents, []string{samples.UnsampledRequest}) {
		if !labelled[name] {
			t.Errorf("%s was on and has no label", name)
		}
	}
}
