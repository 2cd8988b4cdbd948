package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Behind tells how long ago the time was up to which each source is complete. It
// is worked out when it is asked for, so that it grows while a pass hangs. Safe for
// concurrent use.
type Behind struct {
	seconds *prometheus.Desc
	now     func() time.Time

	mu    sync.Mutex
	marks map[string]time.Time // by source, of its slowest stream
}

func newBehind(reg prometheus.Registerer) *Behind {
	b := &Behind{
		seconds: prometheus.NewDesc("muster_behind_seconds", "How far a source's slowest stream is behind the present.", []string{"source"}, nil),
		now:     time.Now,
	}
	reg.MustRegister(b)
	return b
}

func (b *Behind) note(slowest map[string]time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.marks = slowest
}

// Describe names the metric.
func (b *Behind) Describe(out chan<- *prometheus.Desc) { out <- b.seconds }

// Collect works it out.
func (b *Behind) Collect(out chan<- prometheus.Metric) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for source, mark := range b.marks {
		out <- prometheus.MustNewConstMetric(b.seconds, prometheus.GaugeValue, now.Sub(mark).Seconds(), source)
	}
}
