package metrics

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// value is that of a metric for a source.
func value(t *testing.T, reg *prometheus.Registry, name, source string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == source {
				return m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no %s of %s", name, source)
	return 0
}

// TestBehindGrowsWithoutAPass: it is the slowest stream's, and of the moment.
func TestBehindGrowsWithoutAPass(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewLine(reg)
	now := time.Unix(1000, 0)
	m.Behind.now = func() time.Time { return now }
	m.Watermarks(map[string]time.Time{"logs/a": time.Unix(900, 0), "logs/b": time.Unix(700, 0), "xray/a": time.Unix(990, 0)})
	now = now.Add(time.Minute)
	if logs, xray := value(t, reg, "muster_behind_seconds", "logs"), value(t, reg, "muster_behind_seconds", "xray"); logs != 360 || xray != 70 {
		t.Errorf("logs are %v s behind, xray %v s", logs, xray)
	}
}

func TestCompletenessIsOfTheLastPass(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewLine(reg)
	for _, c := range []struct{ whole, read int }{{3, 4}, {4, 4}, {0, 4}} {
		m.Pass(map[string]int{"logs": c.read}, map[string]int{"logs": c.whole})
		if got, want := value(t, reg, "muster_completeness_ratio", "logs"), float64(c.whole)/float64(c.read); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}
