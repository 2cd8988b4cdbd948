// Package metrics holds muster's own Prometheus metrics. Each room that is
// measured has a struct of its own, built with the Registerer that it is
// served from, so that none is forgotten. Label values come from closed sets.
package metrics

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"muster/fleet"
)

// Line are the metrics of the pipeline.
type Line struct {
	Records      *prometheus.CounterVec // by kind
	Revised      prometheus.Counter
	Amended      prometheus.Counter
	Dropped      prometheus.Counter
	Conflicts    prometheus.Counter
	CommitTime   prometheus.Histogram
	StreamErrors *prometheus.CounterVec   // by source
	Watermark    *prometheus.GaugeVec     // by source, the oldest of its streams
	Lateness     *prometheus.HistogramVec // by source
	Whole        *prometheus.CounterVec   // by source: readings of streams that were complete
	Gaps         *prometheus.CounterVec   // by source: those that were not
	Completeness *prometheus.GaugeVec     // by source: the share of its streams whose last reading was complete
	Behind       *Behind
	Findings     *prometheus.GaugeVec // by severity
	AuditTime    prometheus.Gauge
	AuditEvery   prometheus.Gauge
	NotJudged    prometheus.Gauge

	Remembered      prometheus.Gauge
	RememberedBytes prometheus.Gauge
	Forgotten       *prometheus.CounterVec // by reason
}

// NewLine registers the pipeline's metrics.
func NewLine(reg prometheus.Registerer) *Line {
	f := promauto.With(reg)
	m := &Line{
		Records: f.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_records_total", Help: "New records committed to the lake.",
		}, []string{"kind"}),
		Revised: f.NewCounter(prometheus.CounterOpts{
			Name: "muster_records_revised_total", Help: "Records replaced by a newer revision of themselves.",
		}),
		Amended: f.NewCounter(prometheus.CounterOpts{
			Name: "muster_records_amended_total", Help: "Records whose joins later evidence has changed.",
		}),
		Dropped: f.NewCounter(prometheus.CounterOpts{
			Name: "muster_records_dropped_total", Help: "Records read again that the lake already held.",
		}),
		Conflicts: f.NewCounter(prometheus.CounterOpts{
			Name: "muster_commit_conflicts_total", Help: "Commits tried again because another writer was faster.",
		}),
		CommitTime: f.NewHistogram(prometheus.HistogramOpts{
			Name: "muster_commit_seconds", Help: "Time to join and commit one batch.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 12), // 10 ms to 20 s
		}),
		StreamErrors: f.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_stream_errors_total", Help: "Collections of a stream that ended in an error.",
		}, []string{"source"}),
		Watermark: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "muster_watermark_timestamp_seconds", Help: "Time up to which a source's slowest stream is complete.",
		}, []string{"source"}),
		Lateness: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "muster_lateness_seconds", Help: "How long after they happened new records of followed streams were first seen, the time between passes included.",
			Buckets: []float64{10, 60, 300, 900, 3600, 7200, 21600, 86400},
		}, []string{"source"}),
		Whole: f.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_stream_readings_complete_total", Help: "Readings of a stream by which nothing is missing.",
		}, []string{"source"}),
		Gaps: f.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_stream_readings_incomplete_total", Help: "Readings of a stream that the ledger has a gap of.",
		}, []string{"source"}),
		Completeness: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "muster_completeness_ratio", Help: "Share of a source's streams by whose reading in the last pass nothing is missing.",
		}, []string{"source"}),
		Behind: newBehind(reg),
		Findings: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "muster_findings", Help: "Findings of the last audit that are not resolved.",
		}, []string{"severity"}),
		AuditTime: f.NewGauge(prometheus.GaugeOpts{
			Name: "muster_audit_timestamp_seconds", Help: "When the last audit that came to its end began; at first, when muster started.",
		}),
		AuditEvery: f.NewGauge(prometheus.GaugeOpts{
			Name: "muster_audit_interval_seconds", Help: "Time from one audit to the next, as configured.",
		}),
		NotJudged: f.NewGauge(prometheus.GaugeOpts{
			Name: "muster_audit_not_judged", Help: "Policies that the last audit could not judge.",
		}),
		Remembered: f.NewGauge(prometheus.GaugeOpts{
			Name: "muster_join_remembered_records", Help: "Records that later evidence can still be joined to.",
		}),
		RememberedBytes: f.NewGauge(prometheus.GaugeOpts{
			Name: "muster_join_remembered_bytes", Help: "Memory that remembering records takes.",
		}),
		Forgotten: f.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_join_forgotten_total", Help: "Records forgotten though later evidence may belong to them.",
		}, []string{"reason"}),
	}
	for _, reason := range []string{"bound", "horizon"} {
		m.Forgotten.WithLabelValues(reason)
	}
	for _, k := range fleet.Kinds() {
		m.Records.WithLabelValues(string(k))
	}
	return m
}

// Committed notes one commit of the pipeline.
func (m *Line) Committed(byKind map[fleet.Kind]int, revised, amended, dropped int, took time.Duration) {
	for k, n := range byKind {
		m.Records.WithLabelValues(string(k)).Add(float64(n))
	}
	m.Revised.Add(float64(revised))
	m.Amended.Add(float64(amended))
	m.Dropped.Add(float64(dropped))
	m.CommitTime.Observe(took.Seconds())
}

// Complete notes whether a reading of a source's stream was whole.
func (m *Line) Complete(source string, whole bool) {
	if whole {
		m.Whole.WithLabelValues(source).Inc()
		return
	}
	m.Gaps.WithLabelValues(source).Inc()
}

// Pass notes for each source how many of its streams a pass has read, and how
// many of them wholly.
func (m *Line) Pass(read, whole map[string]int) {
	for source, n := range read {
		m.Completeness.WithLabelValues(source).Set(float64(whole[source]) / float64(n))
	}
}

// Audits notes how often audits run, and when the counting of them began.
func (m *Line) Audits(every time.Duration, from time.Time) {
	m.AuditEvery.Set(every.Seconds())
	m.AuditTime.Set(float64(from.UnixMicro()) / 1e6)
}

// Audited notes an audit that began at a time: the findings that stand after
// it, and how many policies it could not judge.
func (m *Line) Audited(began time.Time, fs []fleet.Finding, notJudged int) {
	m.AuditTime.Set(float64(began.UnixMicro()) / 1e6)
	m.NotJudged.Set(float64(notJudged))
	counts := map[fleet.Severity]int{}
	for i := range fs {
		if fs[i].Status != fleet.StatusResolved {
			counts[fs[i].Severity]++
		}
	}
	for _, s := range fleet.Severities() {
		m.Findings.WithLabelValues(string(s)).Set(float64(counts[s]))
	}
}

// Watermarks notes, for each source, how far its slowest stream is complete.
func (m *Line) Watermarks(marks map[string]time.Time) {
	slowest := map[string]time.Time{}
	for stream, t := range marks {
		source, _, _ := strings.Cut(stream, "/")
		if s, ok := slowest[source]; !ok || t.Before(s) {
			slowest[source] = t
		}
	}
	for source, t := range slowest {
		m.Watermark.WithLabelValues(source).Set(float64(t.UnixMicro()) / 1e6)
	}
	m.Behind.note(slowest)
}

// AWS are the metrics of the calls that collectors make. Actions are a closed
// set: the IAM names of those calls.
type AWS struct {
	Calls     *prometheus.CounterVec // by action
	Throttles *prometheus.CounterVec // by action
	Errors    *prometheus.CounterVec // by action; throttles too
	Bytes     *prometheus.CounterVec // by action
	Waited    *prometheus.CounterVec // by action
}

// NewAWS registers the metrics of calls.
func NewAWS(reg prometheus.Registerer) *AWS {
	f := promauto.With(reg)
	by := func(name, help string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"action"})
	}
	return &AWS{
		Calls:     by("muster_aws_calls_total", "Attempts of calls of AWS."),
		Throttles: by("muster_aws_throttles_total", "Attempts that AWS throttled."),
		Errors:    by("muster_aws_errors_total", "Attempts that did not go well, throttled ones too."),
		Bytes:     by("muster_aws_answer_bytes_total", "Size of the answers, where AWS says it."),
		Waited:    by("muster_aws_quota_wait_seconds_total", "Time that calls waited for their share of a quota."),
	}
}

// Called notes one attempt.
func (m *AWS) Called(action string, throttled bool, err error, bytes int64, waited time.Duration) {
	m.Calls.WithLabelValues(action).Inc()
	m.Bytes.WithLabelValues(action).Add(float64(bytes))
	m.Waited.WithLabelValues(action).Add(waited.Seconds())
	if throttled {
		m.Throttles.WithLabelValues(action).Inc()
	}
	if err != nil {
		m.Errors.WithLabelValues(action).Inc()
	}
}
