package samples_test

import (
	"os"
	"strings"
	"testing"

	"muster/samples"
	"muster/samples/faults"
	"muster/samples/week"
)

// TestDocumentationListsEverything keeps docs/fleet.md to what there is.
func TestDocumentationListsEverything(t *testing.T) {
	b, err := os.ReadFile("../docs/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	for _, f := range append(faults.All(), faults.Simulated()...) {
		if !strings.Contains(doc, "| `"+string(f.Fault)+"` | "+f.Does+" | "+f.Evidence+" |") {
			t.Errorf("fault %s is not there as it is declared", f.Fault)
		}
	}
	for _, i := range samples.AllIncidents() {
		if !strings.Contains(doc, "| `"+string(i.Incident)+"` | "+i.Does+" | "+i.Evidence+" |") {
			t.Errorf("incident %s is not there as it is declared", i.Incident)
		}
	}
	for _, n := range samples.Noises() {
		if !strings.Contains(doc, "| `"+n+"` |") {
			t.Errorf("noise %s is not there", n)
		}
	}
	for _, n := range append(week.Incidents(), week.Release) { // of simulated days, beyond those above
		if !strings.Contains(doc, "| `"+n+"` |") {
			t.Errorf("label %s of simulated days is not there", n)
		}
	}
	for _, s := range samples.Services() {
		if !strings.Contains(doc, "| `"+s+"` |") {
			t.Errorf("service %s is not there", s)
		}
	}
}
