package pipeline

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/fleet"
)

// latenessBounds are the upper ends of what lateness is counted by. They are
// what tells sources apart: logs need seconds, CloudTrail minutes, a cut off
// agent an hour; what is beyond the sweep is a day or more.
var latenessBounds = []time.Duration{
	10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 24 * time.Hour,
}

// Lateness counts by how much later than they happened records were first seen,
// of streams that are being followed. The time between passes is in it: nothing
// can be seen earlier than somebody looks.
type Lateness struct {
	Records int
	Most    time.Duration
	counts  [9]int // by latenessBounds; the last one is beyond all
}

func (l *Lateness) note(late time.Duration) {
	late = max(late, 0) // clocks differ
	i, _ := slices.BinarySearch(latenessBounds, late)
	l.counts[i]++
	l.Records++
	l.Most = max(l.Most, late)
}

func (l *Lateness) add(o Lateness) {
	l.Records += o.Records
	l.Most = max(l.Most, o.Most)
	for i := range l.counts {
		l.counts[i] += o.counts[i]
	}
}

// Within is a bound that at least a share of the records kept to, or the most
// that was seen where they are beyond every bound.
func (l *Lateness) Within(share float64) time.Duration {
	n := 0
	for i, bound := range latenessBounds {
		if n += l.counts[i]; float64(n) >= share*float64(l.Records) {
			return min(bound, l.Most)
		}
	}
	return l.Most
}

// observe tells a histogram with buckets at latenessBounds: each record counts at
// the upper end of where it is.
func (l *Lateness) observe(to prometheus.Observer) {
	for i, n := range l.counts {
		at := l.Most
		if i < len(latenessBounds) {
			at = min(latenessBounds[i], l.Most)
		}
		for range n {
			to.Observe(at.Seconds())
		}
	}
}

// String says it in a line for people.
func (l *Lateness) String() string {
	return fmt.Sprintf("%d records, half seen within %s, 95 %% within %s, the latest after %s", l.Records,
		l.Within(0.5).Round(time.Second), l.Within(0.95).Round(time.Second), l.Most.Round(time.Second))
}

// arrival is what is known of a record before it is known whether it is new.
type arrival struct {
	stream string
	swept  fleet.Window // of its stream: what was read at its full age before
}

// arrived notes the lateness of new records by source, and returns the ledger's
// word on those that came after the sweep of their hour: what was judged until
// then was judged without them.
func (s *Step) arrived(stored []fleet.Record, t *Totals) []fleet.LedgerEntry {
	if len(s.arrivals) == 0 {
		return nil
	}
	type hour struct {
		stream string
		start  time.Time
	}
	late := map[hour]*Lateness{}
	for i := range stored {
		r := &stored[i]
		a, ok := s.arrivals[r.ID]
		if !ok {
			continue
		}
		by := s.readAt.Sub(r.Time)
		t.lateness(source(a.stream)).note(by)
		if !r.Time.Before(a.swept.End) || r.Time.Before(a.swept.Start) {
			continue
		}
		h := hour{a.stream, r.Time.Truncate(time.Hour)}
		if late[h] == nil {
			late[h] = &Lateness{}
		}
		late[h].note(by)
	}
	var entries []fleet.LedgerEntry
	for h, l := range late {
		entries = append(entries, fleet.LedgerEntry{
			Stream: h.stream, Window: fleet.Window{Start: h.start, End: h.start.Add(time.Hour)},
			Coverage: fleet.Partial, Reason: "late", Records: l.Records,
			Detail: fmt.Sprintf("%d records came after this hour had been read again, the latest %s after it happened: "+
				"they are in the store, and what was judged before was judged without them", l.Records, l.Most.Round(time.Second)),
		})
	}
	slices.SortFunc(entries, func(a, b fleet.LedgerEntry) int {
		return cmp.Or(strings.Compare(a.Stream, b.Stream), a.Window.Start.Compare(b.Window.Start))
	})
	return entries
}

func (t *Totals) lateness(source string) *Lateness {
	if t.Lateness == nil {
		t.Lateness = map[string]*Lateness{}
	}
	if t.Lateness[source] == nil {
		t.Lateness[source] = &Lateness{}
	}
	return t.Lateness[source]
}

// LatenessLines say for each source how late its records were.
func (t *Totals) LatenessLines() []string {
	var lines []string
	for _, source := range slices.Sorted(maps.Keys(t.Lateness)) {
		lines = append(lines, fmt.Sprintf("%s: %s", source, t.Lateness[source]))
	}
	return lines
}
