//go:build unix

package sigma

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"muster/internal/document"
	"muster/internal/pattern"
)

// sixty is conditions over and over until they are sixty. Copies are harder on
// the index than a catalogue of sixty different ones: all of them are
// candidates of the same events, and hit the same.
func sixty(cs []document.Condition) []document.Condition {
	var out []document.Condition
	for len(out) < 60 {
		out = append(out, cs[len(out)%len(cs)])
	}
	return out
}

func BenchmarkSixtyRules(b *testing.B) { measure(b, sixty(conditions(published(b)))) }

// BenchmarkSixtyPatterns takes the CIS benchmark's patterns and those variants
// of them that can be read.
func BenchmarkSixtyPatterns(b *testing.B) {
	var cs []document.Condition
	for _, name := range []string{"cis_1_5_section4.json", "variants.json"} {
		raw, err := os.ReadFile(filepath.Join(corpus(b, "cis-metric-filters"), name))
		if err != nil {
			b.Fatal(err)
		}
		var list []struct{ Pattern string }
		if err := json.Unmarshal(raw, &list); err != nil {
			b.Fatal(err)
		}
		for _, one := range list {
			if p, err := pattern.Parse(one.Pattern); err == nil && len(cs) < 60 {
				cs = append(cs, p.Condition())
			}
		}
	}
	measure(b, sixty(cs))
}

// measure reports events per second on one core, over the recorded events: on
// documents that were read before, and with reading them.
func measure(b *testing.B, cs []document.Condition) {
	events := recorded(b)
	bytes := 0
	docs := make([]document.Document, len(events))
	for i, e := range events {
		bytes += len(e.raw)
		if err := docs[i].Parse(e.raw); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("decoded", func(b *testing.B) {
		set := document.NewSet("eventSource", "eventName", cs)
		hits, n, begun := 0, 0, cpu(b)
		b.ReportAllocs()
		for b.Loop() {
			set.Match(&docs[n%len(docs)], func(int) { hits++ })
			n++
		}
		report(b, begun, n, hits)
	})
	b.Run("raw", func(b *testing.B) {
		set := document.NewSet("eventSource", "eventName", cs)
		var d document.Document
		hits, n, begun := 0, 0, cpu(b)
		b.SetBytes(int64(bytes / len(events)))
		b.ReportAllocs()
		for b.Loop() {
			if err := d.Parse(events[n%len(events)].raw); err != nil {
				b.Fatal(err)
			}
			set.Match(&d, func(int) { hits++ })
			n++
		}
		report(b, begun, n, hits)
	})
}

// cpu is what this process has used of the processors. Events per second are
// told by it, since the machine may have other things to do.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func report(b *testing.B, begun time.Duration, n, hits int) {
	b.Helper()
	b.ReportMetric(float64(n)/(cpu(b)-begun).Seconds(), "events/cpu-s")
	b.ReportMetric(float64(hits)/float64(n), "hits/event")
}
