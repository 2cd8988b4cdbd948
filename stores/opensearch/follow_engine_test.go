//go:build engines

package opensearch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// add commits records to the lake alone.
func (f *followed) add(t *testing.T, rs []fleet.Record, amendments ...fleet.Amendment) {
	t.Helper()
	fresh, err := f.lake.Fresh(t.Context(), rs)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.lake.Commit(t.Context(), fleet.Commit{
		Base: fresh.Base, Records: fresh.Records, Revised: fresh.Revised, Amendments: amendments,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (f *followed) mustSee(t *testing.T) {
	t.Helper()
	if err := f.see(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// same fails the test unless OpenSearch holds each record of the lake once, and
// as it is there.
func (f *followed) same(t *testing.T) {
	t.Helper()
	want, err := collect(f.lake.Records(t.Context(), fleet.Query{}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := collect(f.Records(t.Context(), fleet.Query{}))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("got %d records, want %d", len(got), len(want))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%.2000s", diff)
	}
}

// fleetRecords are n traces of six records each: three spans, two log lines and
// an API call, spread over two days.
func fleetRecords(from, n int) []fleet.Record {
	var out []fleet.Record
	for i := from; i < from+n; i++ {
		at := noon.Add(time.Duration(i) * 11 * time.Second)
		trace := fmt.Sprintf("%08x%024x", at.Unix(), i+1)
		keys := fleet.Keys{Trace: trace, TraceLink: fleet.Link{Via: fleet.RungSeen, Sure: fleet.Exact}}
		for j := range 3 {
			s := span(trace, j, at.Add(time.Duration(j)*time.Millisecond), fmt.Sprint("op-", i%7))
			if i%5 == 0 && j == 2 {
				s.Error = "fault"
			}
			out = append(out, s)
		}
		for j := range 2 {
			out = append(out, fleet.Record{
				ID: fmt.Sprintf("log-%d-%d", i, j), Kind: fleet.KindLog, Time: at.Add(time.Duration(20+j) * time.Millisecond), Service: "payments",
				Name: "INFO", Message: fmt.Sprintf("line %d of order %d", j, i), Seen: fleet.Keys{Trace: trace}, Keys: keys, Raw: []byte(`{"a":"b"}`),
			})
		}
		out = append(out, fleet.Record{
			ID: fmt.Sprint("call-", i), Kind: fleet.KindAPICall, Time: at.Truncate(time.Second), Service: "dynamodb", Name: "dynamodb:PutItem",
			Resources: []string{"AWS::DynamoDB::Table/orders"}, Seen: fleet.Keys{Trace: trace}, Keys: keys,
		})
	}
	return out
}

// span is the n-th span of a trace; the first has no parent.
func span(trace string, n int, at time.Time, name string) fleet.Record {
	r := fleet.Record{
		Revision: 1, Kind: fleet.KindSpan, Time: at, Duration: 10 * time.Millisecond, Service: "orders", Name: name,
		Seen: fleet.Keys{Trace: trace, Span: fmt.Sprintf("%016x", n+1)}, Raw: []byte(`{}`),
	}
	if n > 0 {
		r.Seen.Parent = fmt.Sprintf("%016x", n)
	}
	r.ID = fleet.SpanID(trace, r.Seen.Span)
	r.Keys = r.Seen
	r.Keys.TraceLink = fleet.Link{Via: fleet.RungSeen, Sure: fleet.Exact}
	return r
}

func TestAnswersAsTheLakeDoes(t *testing.T) {
	f := openFollowed(t)
	f.add(t, fleetRecords(0, 2500)) // more than a page of every kind of scan
	f.mustSee(t)
	f.same(t)
	queries := map[string]fleet.Query{
		"everything":   {},
		"limit":        {Limit: 7},
		"a page more":  {Limit: pageHits + 1},
		"many":         {Limit: 1200},
		"errors":       {Errors: true, Limit: 40},
		"service":      {Service: "payments", Limit: 10},
		"window":       {Window: fleet.Window{Start: noon.Add(time.Hour), End: noon.Add(2 * time.Hour)}},
		"text":         {Text: "ORDER 77", Kinds: []fleet.Kind{fleet.KindLog}},
		"text, limit":  {Text: "order 1", Limit: 5},
		"resource":     {Resource: "AWS::DynamoDB::Table/orders", Limit: 3},
		"nothing":      {Service: "nobody"},
		"nothing, few": {Service: "nobody", Limit: 3},
	}
	for name, q := range queries {
		t.Run(name, func(t *testing.T) {
			wantTraces, err1 := collect(f.lake.Traces(t.Context(), q))
			gotTraces, err2 := collect(f.Traces(t.Context(), q))
			wantRecords, err3 := collect(f.lake.Records(t.Context(), q))
			gotRecords, err4 := collect(f.Records(t.Context(), q))
			if err := errors.Join(err1, err2, err3, err4); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wantTraces, gotTraces); diff != "" {
				t.Errorf("traces (-want +got):\n%.2000s", diff)
			}
			if diff := cmp.Diff(wantRecords, gotRecords); diff != "" {
				t.Errorf("records (-want +got):\n%.2000s", diff)
			}
		})
	}
}

// TestKilledEngineLosesAndDoublesNothing kills the engine while it is written
// to, several times, and starts it again.
func TestKilledEngineLosesAndDoublesNothing(t *testing.T) {
	f := openFollowed(t)
	for i := range 2 {
		f.add(t, fleetRecords(1500*i, 1500))
		done := make(chan error, 1)
		go func() {
			_, err := f.CatchUp(t.Context(), f.lake)
			done <- err
		}()
		waitForDocuments(t, f, 9000*i)
		if err := testEngine.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := testEngine.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("the run that was hit ended with: %v", <-done) // it may have come through
		f.mustSee(t)
		f.same(t)
	}
}

// waitForDocuments waits until the engine has more documents than so many. An
// index that is being made does not answer.
func waitForDocuments(t *testing.T, f *followed, n int) {
	t.Helper()
	for {
		var answer struct {
			Count int `json:"count"`
		}
		all := "/" + strings.Join(patterns(nil), ",")
		err := f.refresh(t.Context(), patterns(nil)...)
		if err == nil {
			err = f.do(t.Context(), http.MethodGet, all+"/_count?ignore_unavailable=true", nil, &answer)
		}
		if err == nil && answer.Count > n {
			return
		}
		if err := wait(t.Context(), time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBlockedIndexIsNamedAndCatchesUp(t *testing.T) {
	for _, tt := range []struct{ block, want, remedy string }{
		{"index.blocks.write", "index write", "set index.blocks.write to null"},         // 403, as for a user who may not
		{"index.blocks.read_only", "read-only", "to null"},                              // by hand
		{"index.blocks.read_only_allow_delete", "disk usage exceed", "free disk space"}, // by a full disk
	} {
		t.Run(tt.block, func(t *testing.T) {
			f := openFollowed(t)
			f.add(t, fleetRecords(0, 10))
			f.mustSee(t)
			index := indexOf(fleet.KindLog, noon)
			set := func(value any) {
				if err := f.doJSON(t.Context(), http.MethodPut, "/"+index+"/_settings", map[string]any{tt.block: value}, nil); err != nil {
					t.Fatal(err)
				}
			}
			set(true)
			f.add(t, fleetRecords(10, 10))
			w, err := f.CatchUp(t.Context(), f.lake)
			blocked, ok := errors.AsType[*BlockedError](err)
			if !ok || len(blocked.Reasons) != 1 || !strings.Contains(blocked.Reasons[index], tt.want) || !strings.Contains(err.Error(), tt.remedy) {
				t.Errorf("got error %v, want one that names %s alone, says %q and what to do: %q", err, index, tt.want, tt.remedy)
			}
			t.Log(err)
			if err := f.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			// The others are not held up, and what is behind is not lost sight of.
			others, err := collect(f.Records(t.Context(), fleet.Query{Kinds: []fleet.Kind{fleet.KindSpan, fleet.KindAPICall}}))
			if err != nil || len(others) != 20*4 || w.Sent != 10*6 {
				t.Errorf("got %d records of other kinds of %+v, %v, want 80", len(others), w, err)
			}
			f.add(t, fleetRecords(20, 10))
			if w, err = f.CatchUp(t.Context(), f.lake); err == nil || w.Sent < 10*4 || w.Sent > 10*4+10*6 {
				t.Errorf("again: got %+v, %v, want that the others get what is new", w, err)
			}
			// A new process knows it too.
			anew := newStoreAt(t, testEngine.URL(), "", "", nil)
			anew.refused = f.refused
			f.Store = anew
			set(nil)
			f.mustSee(t)
			f.same(t)
			if ids := refusedIDs(t, f.Store); ids != nil {
				t.Errorf("refused %v, want none", ids)
			}
		})
	}
}

func TestMappingConflictGoesToTheRefused(t *testing.T) {
	f := openFollowed(t)
	mapping := map[string]any{"mappings": map[string]any{"properties": map[string]any{
		"body": map[string]any{"type": "integer"}, // of somebody else, who was first
	}}}
	if err := f.doJSON(t.Context(), http.MethodPut, "/"+indexOf(fleet.KindLog, noon), mapping, nil); err != nil {
		t.Fatal(err)
	}
	f.add(t, fleetRecords(0, 2))
	w, err := f.CatchUp(t.Context(), f.lake)
	if err != nil || w.Sent != 12 || w.Refused != 4 {
		t.Fatalf("got %+v, %v, want 4 of 12 refused", w, err)
	}
	if err := f.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := collect(f.Records(t.Context(), fleet.Query{}))
	if err != nil || len(got) != 8 {
		t.Errorf("got %d records, error %v, want the other 8", len(got), err)
	}
	if w, err = f.CatchUp(t.Context(), f.lake); err != nil || w.Sent != 0 {
		t.Errorf("again: got %+v, %v, want that nothing is left to do", w, err)
	}
}

func TestLostOpenSearchIsFilledAgain(t *testing.T) {
	f := openFollowed(t)
	f.add(t, fleetRecords(0, 20))
	if err := f.lake.SaveFindings(t.Context(), fleet.Run{ID: "r"}, []fleet.Finding{{Fingerprint: "f", Severity: fleet.Low}}); err != nil {
		t.Fatal(err)
	}
	f.mustSee(t)
	empty := newStore(t) // deletes what is there
	f.Store = empty
	f.mustSee(t)
	f.same(t)
	if fs, err := collect(f.Findings(t.Context(), fleet.Query{})); err != nil || len(fs) != 1 {
		t.Errorf("got %d findings, error %v, want 1", len(fs), err)
	}
}

func TestFollowGoesOnUntilItsContextEnds(t *testing.T) {
	f := openFollowed(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Follow(ctx, f.lake, time.Millisecond) }()
	f.add(t, fleetRecords(0, 5))
	waitForDocuments(t, f, 29)
	f.add(t, fleetRecords(5, 5))
	waitForDocuments(t, f, 59)
	cancel()
	if err := <-done; err != nil {
		t.Errorf("got error %v, want none", err)
	}
}
