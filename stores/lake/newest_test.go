//go:build !noduckdb

package lake

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// TestWalkingBackFindsTheNewestTraces holds the traces that are found in slices
// of time equal to those that SQL finds in all files, over random lakes in which
// traces last from seconds to a day, clocks are behind and records of no trace
// lie among the others.
func TestWalkingBackFindsTheNewestTraces(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			l := later(t, t.TempDir())
			var all []fleet.Record
			sliced := 0
			for hour := range 14 {
				all = append(all, hourOfTraces(t, l, random, all, hour)...)
			}
			sliced += walkedEqualsScanned(t, l, random)
			compactAll(t, l, Compaction{})
			hourOfTraces(t, l, random, all, 14)
			sliced += walkedEqualsScanned(t, l, random)
			if sliced < 2 {
				t.Errorf("only %d queries were answered by slices", sliced)
			}
		})
	}
}

// hourOfTraces commits the records of an hour, some of them of earlier traces,
// and amends a few earlier ones.
func hourOfTraces(t *testing.T, l *Lake, random *rand.Rand, before []fleet.Record, hour int) []fleet.Record {
	t.Helper()
	fresh, err := l.Fresh(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := fleet.Commit{Base: fresh.Base}
	start := noon.Add(time.Duration(hour) * 20 * time.Hour) // most of them of another day
	for n := range 20 {
		at := start.Add(time.Duration(n) * 3 * time.Minute)
		id := fmt.Sprintf("%08x%024x", at.Unix(), random.Uint64())
		if hour == 3 && random.IntN(4) == 0 {
			id = fmt.Sprintf("%016x%016x", random.Uint64(), random.Uint64()) // of another maker
		}
		for i := range 1 + random.IntN(5) {
			r := fleet.Record{
				ID: fmt.Sprintf("%d-%d-%d", hour, n, i), Kind: fleet.Kinds()[random.IntN(3)], Time: at.Add(time.Duration(random.IntN(4000)) * time.Millisecond),
				Service: fmt.Sprint("service-", random.IntN(3)), Name: "n", Keys: fleet.Keys{Trace: id},
			}
			switch random.IntN(40) {
			case 0:
				r.Time = r.Time.Add(-time.Duration(random.IntN(1500)) * time.Minute) // by a clock that is behind
			case 1:
				r.Time = r.Time.Add(time.Duration(random.IntN(1500)) * time.Minute) // it lasts
			case 2, 3, 4, 5, 6:
				r.Keys.Trace = ""
			}
			if random.IntN(8) == 0 {
				r.Error = "fault"
			}
			if r.Kind == fleet.KindSpan {
				r.Attributes = fleet.AttributesOf(
					fleet.AttrAnnotationPrefix+"tier", []string{"gold", "golden", "tin"}[random.IntN(3)],
					fleet.AttrAnnotationPrefix+"order", fmt.Sprintf("%d-%d", hour, n/2), // of two traces
				)
				if random.IntN(2) == 0 {
					r.Seen.Span = fmt.Sprint(n, i)
				}
				r.Duration = time.Duration(random.IntN(3000)) * time.Millisecond
			}
			c.Records = append(c.Records, r)
		}
	}
	for _, i := range random.Perm(len(before))[:min(len(before), 4)] {
		r := before[i]
		r.Keys.Trace = before[max(0, i-random.IntN(60))].Keys.Trace
		if i%2 == 0 { // as if a span had ended since
			r.Revision, r.Error, r.Duration = hour+1, "fault", 2*time.Second
			c.Revised = append(c.Revised, r)
			continue
		}
		c.Amendments = append(c.Amendments, fleet.Amendment{Ref: fleet.Ref{ID: r.ID, Kind: r.Kind, Time: r.Time}, Keys: r.Keys})
	}
	if _, err := l.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return c.Records
}

// withinTrace is a time in the first seconds of a trace of hourOfTraces.
func withinTrace(random *rand.Rand) time.Time {
	return noon.Add(time.Duration(random.IntN(14))*20*time.Hour + time.Duration(random.IntN(20))*3*time.Minute +
		time.Duration(random.IntN(4000))*time.Millisecond)
}

// walkedEqualsScanned returns how many queries slices answered.
func walkedEqualsScanned(t *testing.T, l *Lake, random *rand.Rand) (sliced int) {
	t.Helper()
	slow := fleet.FilterTest{Keyword: fleet.KeyDuration, Op: fleet.OpMore, Value: 2.0}
	long := fleet.FilterTest{Keyword: fleet.KeyResponseTime, Op: fleet.OpMore, Value: 1.5}
	gold := fleet.FilterTest{Keyword: fleet.KeyAnnotation, Key: "tier", Op: fleet.OpEqual, Value: "gold"}
	for n := range 64 {
		q := fleet.Query{Limit: 1 + random.IntN(20)}
		switch n % 8 {
		case 1:
			q.Errors = true
		case 2:
			q.Service, q.Kinds = "service-1", fleet.Kinds()[1:2]
		case 3:
			q.Filter = slow
		case 4:
			q.Filter = fleet.FilterAll{fleet.FilterNot{Of: gold}, long}
		case 5:
			q.Filter, q.Errors = fleet.FilterService{Where: long}, random.IntN(2) == 0
		case 6:
			q.Filter, q.Kinds = gold, fleet.Kinds()[:2]
		case 7:
			q.Filter = fleet.FilterTest{
				Keyword: fleet.KeyAnnotation, Key: "order", Op: fleet.OpEqual, Value: fmt.Sprintf("%d-%d", random.IntN(16), random.IntN(10)),
			}
		}
		if n%3 > 0 {
			q.Window.Start, q.Window.End = withinTrace(random), withinTrace(random)
			if q.Window.End.Before(q.Window.Start) {
				q.Window.Start, q.Window.End = q.Window.End, q.Window.Start
			}
		}
		walked, err := l.newest(t.Context(), &q, 40)
		if errors.Is(err, errAll) && n%8 != 7 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		sliced++
		scanned, err := collect(l.summaries(t.Context(), l.engine(), &q, beginning))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(scanned, walked); diff != "" {
			t.Fatalf("%+v (-scanned +walked):\n%s", q, diff)
		}
	}
	return sliced
}
