//go:build engines

package dashboards

import (
	"os/exec"
	"testing"

	"muster/internal/engines"
)

func TestPrometheusTakesTheRules(t *testing.T) {
	promtool, err := engines.Promtool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"check", "rules", "--lint=all", "--lint-fatal", "muster.rules.yml"},
		{"test", "rules", "muster.test.yml"},
	} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = "prometheus"
		out, err := cmd.CombinedOutput()
		t.Logf("promtool %v: %s", args, out)
		if err != nil {
			t.Errorf("promtool %v: %v", args, err)
		}
	}
}
