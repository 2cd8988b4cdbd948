//go:build !noduckdb

package lake

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// segmentOf is a span of a trace whose id says one time, recorded at another.
func segmentOf(n int, service string, id uint32, at time.Time, attributes map[string]string) fleet.Record {
	trace := fmt.Sprintf("%08x%024x", id, n)
	all := map[string]string{fleet.AttrSpanType: "segment", fleet.AttrOrigin: "AWS::ECS::Container"}
	maps.Copy(all, attributes)
	return fleet.Record{
		ID: fleet.SpanID(trace, fmt.Sprintf("%016x", n<<8+len(service))), Kind: fleet.KindSpan, Revision: 1, Time: at,
		Account: "111122223333", Region: "us-east-1", Service: service, Attributes: fleet.AttributesFrom(all),
		Seen: fleet.Keys{Trace: trace}, Keys: fleet.Keys{Trace: trace, TraceLink: fleet.Link{Via: fleet.RungSeen, Sure: fleet.Exact}},
	}
}

func TestSegmentsAreCountedByWhenTheirTraceBegan(t *testing.T) {
	countsSegments(t, openLake(t, t.TempDir()))
}

// countsSegments has an empty lake count segments of all sorts.
func countsSegments(t *testing.T, l *Lake) {
	t.Helper()
	w := fleet.Window{Start: noon, End: noon.Add(time.Hour)}
	in, before, after := uint32(noon.Unix()), uint32(noon.Unix())-1, uint32(noon.Unix())+3600
	const random = 0xd1ce0000 // an id of W3C's form, decades from now
	running := segmentOf(20, "stock", in, noon, map[string]string{fleet.AttrInProgress: "true"})
	running.Revision = 0
	add(t, l, []fleet.Record{running}, nil)
	finished := segmentOf(20, "stock", in, noon, nil)
	add(t, l, []fleet.Record{
		segmentOf(1, "orders", in, noon.Add(time.Millisecond), nil),
		segmentOf(2, "orders", in+3599, noon.Add(3*time.Hour), nil), // long after its request
		segmentOf(3, "orders", in, noon.Add(-time.Second), nil),     // by a clock that is slow
		segmentOf(4, "orders", before, noon.Add(-time.Second), nil),
		segmentOf(4, "late", before, noon.Add(time.Minute), nil), // of a trace that began before
		segmentOf(5, "orders", after, noon.Add(time.Hour), nil),
		segmentOf(6, "orders", random, noon.Add(time.Minute), nil),
		segmentOf(7, "orders", random, noon.Add(-time.Minute), nil),
		segmentOf(8, "orders", random, noon.Add(time.Hour), nil),
		segmentOf(9, "orders", in, noon, map[string]string{fleet.AttrSpanType: "subsegment"}),
		segmentOf(10, "saga", in, noon, map[string]string{"execution_arn": "arn:aws:states:us-east-1:111122223333:execution:saga:1"}),
		segmentOf(11, "table", in, noon, map[string]string{fleet.AttrInferred: "true", fleet.AttrOrigin: "AWS::DynamoDB::Table"}),
		segmentOf(12, "stock", in, noon, map[string]string{fleet.AttrInProgress: "true"}),
		segmentOf(13, "stock", in, noon, map[string]string{fleet.AttrOrigin: ""}),
		finished,
	}, nil)
	got, err := l.Segments(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	count := func(service, origin string, segments, inferred, inProgress int64) SegmentCount {
		return SegmentCount{"111122223333", "us-east-1", service, origin, segments, inferred, inProgress}
	}
	want := []SegmentCount{
		count("orders", "AWS::ECS::Container", 4, 0, 0),
		count("stock", "", 1, 0, 0),
		count("stock", "AWS::ECS::Container", 2, 0, 1),
		count("table", "AWS::DynamoDB::Table", 1, 1, 0),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSegmentsOfAnEmptyLake(t *testing.T) {
	got, err := openLake(t, t.TempDir()).Segments(t.Context(), fleet.Window{Start: noon, End: noon.Add(time.Hour)})
	if err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}
