package metrics

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/fleet"
)

// Every metric that the shipped rules name is one that is served.
func TestRulesNameMetricsThatAreServed(t *testing.T) {
	text, err := os.ReadFile("../../dashboards/prometheus/muster.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	m := NewLine(reg)
	m.StreamErrors.WithLabelValues("logs")
	m.Watermarks(map[string]time.Time{"logs/a": time.Unix(1, 0)})
	m.Audited(time.Unix(1, 0), []fleet.Finding{{Severity: fleet.High}}, 0)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for _, f := range families {
		served[f.GetName()] = true
	}
	named := regexp.MustCompile(`\bmuster_[a-z0-9_]+`).FindAllString(string(text), -1)
	if len(named) < 5 {
		t.Fatalf("only %v", named)
	}
	for _, n := range named {
		if !served[strings.TrimSuffix(n, "_bucket")] {
			t.Errorf("the rules name %s, which is not served", n)
		}
	}
}
