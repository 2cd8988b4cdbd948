package dashboards

import (
	_ "embed"
	"slices"
)

// prometheusRules alert on muster's own metrics.
//
//go:embed prometheus/muster.rules.yml
var prometheusRules []byte

// PrometheusRules is a file of rules for Prometheus.
func PrometheusRules() []byte { return slices.Clone(prometheusRules) }
