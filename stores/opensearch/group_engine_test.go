//go:build engines

package opensearch

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// groupsOf are the distinct trace groups of a trace's spans, with the duration.
func groupsOf(t *testing.T, f *followed, trace string) map[string]int {
	t.Helper()
	out := map[string]int{}
	for h, err := range f.scan(t.Context(), search{
		indices: []string{spanIndex + "*"}, query: filter{}.set("traceId", trace), order: byTime(), source: "*",
	}) {
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			Group  string `json:"traceGroup"`
			Fields struct {
				Nanos int64 `json:"durationInNanos"`
				Code  int   `json:"statusCode"`
			} `json:"traceGroupFields"`
		}
		if err := json.Unmarshal(h.Source, &d); err != nil {
			t.Fatal(err)
		}
		out[fmt.Sprintf("%s %s %d", d.Group, time.Duration(d.Fields.Nanos), d.Fields.Code)]++
	}
	return out
}

func TestTraceGroupFollowsTheRoot(t *testing.T) {
	f := openFollowed(t)
	trace := fmt.Sprintf("%08x%024x", noon.Unix(), 1)
	root, child, grandchild := span(trace, 0, noon, "POST /orders"), span(trace, 1, noon.Add(time.Millisecond), "charge"), span(trace, 2, noon.Add(2*time.Millisecond), "put")
	check := func(what, want string, spans int) {
		t.Helper()
		f.mustSee(t)
		if diff := cmp.Diff(map[string]int{want: spans}, groupsOf(t, f, trace)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		f.same(t)
	}
	f.add(t, []fleet.Record{grandchild})
	check("a span alone", "put 10ms 0", 1)
	f.add(t, []fleet.Record{child})
	check("an earlier span", "charge 10ms 0", 2)
	root.Revision, root.Duration = 0, 0
	f.add(t, []fleet.Record{root})
	check("the root, still running", "POST /orders 0s 0", 3)
	root.Revision, root.Duration, root.Error = 1, time.Second, "fault"
	f.add(t, []fleet.Record{root})
	check("the root, finished", "POST /orders 1s 2", 3)
	later := child.Keys
	later.Correlation, later.CorrelationLink = "order-1", fleet.Link{Via: fleet.RungTrace, Sure: fleet.Exact}
	f.add(t, nil, fleet.Amendment{Ref: fleet.Ref{ID: child.ID, Kind: child.Kind, Time: child.Time}, Keys: later})
	check("a child, amended", "POST /orders 1s 2", 3)
}
