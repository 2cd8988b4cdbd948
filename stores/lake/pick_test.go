//go:build !noduckdb

package lake

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// TestPickingIsScanning holds what is picked from pages equal to what SQL says,
// over random lakes with late records, newer revisions, amended keys, compaction
// and erasure.
func TestPickingIsScanning(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			l := later(t, t.TempDir())
			var all []fleet.Record
			for range 3 {
				all = append(all, randomCommit(t, l, random, all)...)
				pickedEqualsScanned(t, l, random)
			}
			compactAll(t, l, Compaction{})
			pickedEqualsScanned(t, l, random)
			randomCommit(t, l, random, all) // amends what was compacted
			if _, err := l.Erase(t.Context(), Erasure{Subject: "customer-1"}); err != nil {
				t.Fatal(err)
			}
			pickedEqualsScanned(t, l, random)
		})
	}
}

const (
	randomTraces   = 12
	randomJourneys = 5
)

func randomTrace(random *rand.Rand) string {
	n := random.IntN(randomTraces + 1)
	if n == randomTraces {
		return ""
	}
	if n%2 == 0 {
		return fmt.Sprintf("%08x%024d", noon.Unix()+int64(n), n) // of X-Ray
	}
	return fmt.Sprintf("%032x", uint64(n)*0x9e3779b97f4a7c15) // of another maker
}

func randomKeys(random *rand.Rand) fleet.Keys {
	k := fleet.Keys{Trace: randomTrace(random)}
	if k.Trace != "" {
		k.TraceLink = fleet.Link{Via: fleet.RungSeen, Sure: fleet.Exact}
	}
	if n := random.IntN(2 * randomJourneys); n < randomJourneys {
		k.Correlation, k.CorrelationLink = fmt.Sprint("journey-", n), fleet.Link{Via: fleet.RungTrace, Sure: fleet.Inferred}
	}
	return k
}

// randomCommit adds records, newer revisions of some that are there, and other
// keys for others. It returns the new records.
func randomCommit(t *testing.T, l *Lake, random *rand.Rand, before []fleet.Record) []fleet.Record {
	t.Helper()
	fresh, err := l.Fresh(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := fleet.Commit{Base: fresh.Base}
	for n := range 150 {
		r := fleet.Record{
			ID: fmt.Sprintf("%d-%d", len(before), n), Kind: fleet.Kinds()[random.IntN(3)],
			Time:    noon.Add(time.Duration(random.IntN(3*24*60)) * time.Minute).Add(-day), // around midnights, many at once
			Service: fmt.Sprint("service-", random.IntN(3)), Name: "n", Message: fmt.Sprint("by customer-", random.IntN(20)),
			Resources: []string{"AWS::S3::Bucket/b"}, Keys: randomKeys(random), Raw: fmt.Appendf(nil, `{"n":%d}`, n),
			Attributes: fleet.AttributesOf("k", fmt.Sprint(n), fleet.AttrHTTPStatus, "200"),
		}
		if random.IntN(4) == 0 {
			r.Error = "fault"
		}
		r.Seen.Trace = r.Keys.Trace
		c.Records = append(c.Records, r)
	}
	for i, at := range random.Perm(len(before))[:min(len(before), 60)] {
		r := before[at]
		r.Keys = randomKeys(random)
		if i%2 == 0 {
			r.Revision = len(before) // greater than any before
			c.Revised = append(c.Revised, r)
		} else {
			c.Amendments = append(c.Amendments, fleet.Amendment{Ref: fleet.Ref{ID: r.ID, Kind: r.Kind, Time: r.Time}, Keys: r.Keys})
		}
	}
	if _, err := l.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return c.Records
}

func pickedEqualsScanned(t *testing.T, l *Lake, random *rand.Rand) {
	t.Helper()
	found := 0
	for range 10 {
		q := fleet.Query{}
		if random.IntN(2) == 0 {
			q.Trace = randomTrace(random)
		}
		if q.Trace == "" || random.IntN(4) == 0 {
			q.Correlation = fmt.Sprint("journey-", random.IntN(randomJourneys))
		}
		switch random.IntN(6) {
		case 0:
			q.Kinds = fleet.Kinds()[:2]
		case 1:
			q.Window = fleet.Window{Start: noon.Add(-3 * time.Hour), End: noon.Add(20 * time.Hour)}
		case 2:
			q.Errors, q.Lean = true, true
		case 3:
			q.Service, q.Limit = "service-1", 2
		}
		if !l.picks(&q) {
			t.Fatalf("%+v is not picked", q)
		}
		picked, err := l.pick(t.Context(), &q)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		scanned, err := collect(l.scan(t.Context(), q))
		if err != nil {
			t.Fatal(err)
		}
		if len(picked) == 0 {
			picked = nil
		}
		if !reflect.DeepEqual(scanned, picked) {
			t.Fatalf("%+v (-scanned +picked):\n%s", q, cmp.Diff(scanned, picked))
		}
		found += len(picked)
		related := fleet.Query{Correlation: fmt.Sprint("journey-", random.IntN(randomJourneys)), Window: q.Window}
		pickedTraces, err := l.pickRelated(t.Context(), &related, q.Trace)
		if err != nil {
			t.Fatal(err)
		}
		scannedTraces, err := l.scanRelated(t.Context(), &related, q.Trace)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(scannedTraces, pickedTraces); diff != "" {
			t.Fatalf("%+v, other traces (-scanned +picked):\n%s", related, diff)
		}
	}
	if found < 20 {
		t.Errorf("found %d records, too few to tell anything", found)
	}
}

// TestPickingLeavesDeletedRowsToSQL commits a delete of another engine, which
// only SQL applies.
func TestPickingLeavesDeletedRowsToSQL(t *testing.T) {
	l := openLake(t, t.TempDir())
	rs := logLines(0, 40)
	add(t, l, rs, nil)
	q := fleet.Query{Trace: rs[0].Keys.Trace}
	before, err := collect(l.Records(t.Context(), q))
	if err != nil || len(before) < 2 {
		t.Fatalf("got %d records, error %v", len(before), err)
	}
	deleteRows(t, l, iceberg.EqualTo(iceberg.Reference("id"), before[0].ID))
	after, err := collect(l.Records(t.Context(), q))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before[1:], after); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
