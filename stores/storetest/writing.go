package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"muster/fleet"
)

func emptyStoreAnswers(t *testing.T, s Store) {
	ctx := t.Context()
	same(t, "records", 0, len(records(t, s, fleet.Query{})))
	same(t, "traces", 0, len(all(t, s.Traces(ctx, fleet.Query{}))))
	same(t, "findings", 0, len(all(t, s.Findings(ctx, fleet.Query{}))))
	same(t, "ledger", 0, len(all(t, s.Ledger(ctx, fleet.Window{}))))
	if _, err := s.Trace(ctx, traceAt(noon, 1)); !errors.Is(err, fleet.ErrNotFound) {
		t.Errorf("Trace: got error %v, want ErrNotFound", err)
	}
	marks, err := s.Checkpoints(ctx)
	if err != nil || len(marks) != 0 {
		t.Errorf("Checkpoints: got %v, %v, want none", marks, err)
	}
	fresh, err := s.Fresh(ctx, nil)
	if err != nil || fresh.Base != 0 || len(fresh.Records)+len(fresh.Revised) != 0 {
		t.Errorf("Fresh: got %+v, %v, want nothing on snapshot 0", fresh, err)
	}
}

func freshDropsWhatIsLive(t *testing.T, s Store) {
	first, second := logLine("a", noon, fleet.Keys{}), logLine("b", noon, fleet.Keys{})
	commit(t, s, []fleet.Record{first}, fleet.Commit{})
	other := first // the same id as another kind is another record
	other.Kind = fleet.KindAPICall
	revised := first
	revised.Revision = 3
	lower := revised
	lower.Revision = 2

	fresh, err := s.Fresh(t.Context(), []fleet.Record{first, second, other})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "new records", []fleet.Record{second, other}, fresh.Records)
	same(t, "dropped", 1, fresh.Dropped)
	if fresh.Base == 0 {
		t.Error("the snapshot of a store with a record is 0")
	}

	commit(t, s, []fleet.Record{revised}, fleet.Commit{})
	fresh, err = s.Fresh(t.Context(), []fleet.Record{lower})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a lower revision than the live one", 1, fresh.Dropped)
}

func freshKeepsHighestRevisionOfABatch(t *testing.T, s Store) {
	low, high := logLine("a", noon, fleet.Keys{}), logLine("a", noon, fleet.Keys{})
	high.Revision, high.Message = 1, "finished"
	again := high
	fresh, err := s.Fresh(t.Context(), []fleet.Record{low, high, again})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "records", []fleet.Record{high}, fresh.Records)
	same(t, "dropped", 2, fresh.Dropped)
}

func revisionReplacesRecord(t *testing.T, s Store) {
	open := span(traceAt(noon, 1), 1, noon)
	open.Revision, open.Duration = 0, 0
	open.Attributes = fleet.AttributesOf(fleet.AttrInProgress, "true")
	commit(t, s, []fleet.Record{open}, fleet.Commit{})
	done := span(traceAt(noon, 1), 1, noon)
	fresh, err := s.Fresh(t.Context(), []fleet.Record{done})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "revised", []fleet.Record{done}, fresh.Revised)
	commit(t, s, []fleet.Record{done}, fleet.Commit{})
	same(t, "records", []fleet.Record{done}, records(t, s, fleet.Query{}))
	traces := all(t, s.Traces(t.Context(), fleet.Query{}))
	if len(traces) != 1 || traces[0].Spans != 1 || traces[0].Duration != done.Duration {
		t.Errorf("Traces: got %+v, want one with the finished span alone", traces)
	}
}

func amendmentReplacesKeys(t *testing.T, s Store) {
	r := apiCall("call", noon, fleet.Keys{Request: "R1", Scope: fleet.ScopeAWS})
	bystander := apiCall("other", noon, fleet.Keys{Request: "R2", Scope: fleet.ScopeAWS})
	commit(t, s, []fleet.Record{r, bystander}, fleet.Commit{})
	for n := 1; n <= 3; n++ { // an amended row is amended again
		r.Keys.Trace = traceAt(noon, n)
		r.Keys.TraceLink = fleet.Link{Via: fleet.RungRequest, Sure: fleet.Exact}
		r.Keys.Origin, r.Keys.OriginLink = "arn:aws:iam::111122223333:user/deployer", fleet.Link{Via: fleet.RungSession, Sure: fleet.Exact}
		commit(t, s, nil, fleet.Commit{Amendments: []fleet.Amendment{{Ref: ref(r), Keys: r.Keys}}})
		same(t, "records", []fleet.Record{r, bystander}, records(t, s, fleet.Query{}))
	}
	same(t, "by the first trace", 0, len(records(t, s, fleet.Query{Trace: traceAt(noon, 1)})))
	same(t, "by the last trace", []fleet.Record{r}, records(t, s, fleet.Query{Trace: traceAt(noon, 3)}))

	r.Revision, r.Message = 1, "an addendum" // which starts without the amended keys
	r.Keys.Trace, r.Keys.TraceLink = "", fleet.Link{}
	commit(t, s, []fleet.Record{r}, fleet.Commit{})
	same(t, "after a revision", []fleet.Record{r, bystander}, records(t, s, fleet.Query{}))
	fresh, err := s.Fresh(t.Context(), []fleet.Record{r})
	if err != nil || fresh.Dropped != 1 {
		t.Errorf("Fresh: got %+v, %v, want the record dropped", fresh, err)
	}
}

func amendmentOfThisCommitsRecord(t *testing.T, s Store) {
	r := logLine("a", noon, fleet.Keys{})
	later := r.Keys
	later.Correlation, later.CorrelationLink = "C1", exact
	last := later
	last.Correlation = "C2"
	commit(t, s, []fleet.Record{r}, fleet.Commit{Amendments: []fleet.Amendment{{Ref: ref(r), Keys: later}}})
	r.Keys = later
	same(t, "records", []fleet.Record{r}, records(t, s, fleet.Query{}))
	commit(t, s, nil, fleet.Commit{Amendments: []fleet.Amendment{{Ref: ref(r), Keys: later}, {Ref: ref(r), Keys: last}}})
	r.Keys = last
	same(t, "after two amendments of one record", []fleet.Record{r}, records(t, s, fleet.Query{}))
}

func amendmentOfNothingIsRefused(t *testing.T, s Store) {
	r := logLine("a", noon, fleet.Keys{})
	mark := map[string]time.Time{"s": noon}
	_, err := s.Commit(t.Context(), fleet.Commit{
		Records: []fleet.Record{logLine("b", noon, fleet.Keys{})}, Checkpoints: mark,
		Amendments: []fleet.Amendment{{Ref: ref(r), Keys: r.Keys}},
	})
	if err == nil || errors.Is(err, fleet.ErrConflict) {
		t.Errorf("Commit: got error %v, want one that names the record", err)
	}
	same(t, "records", 0, len(records(t, s, fleet.Query{})))
}

func conflictChangesNothing(t *testing.T, s Store) {
	fresh, err := s.Fresh(t.Context(), []fleet.Record{logLine("late", noon, fleet.Keys{})})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, s, []fleet.Record{logLine("quick", noon, fleet.Keys{})}, fleet.Commit{Checkpoints: map[string]time.Time{"s": noon}})
	_, err = s.Commit(t.Context(), fleet.Commit{
		Base: fresh.Base, Records: fresh.Records, Checkpoints: map[string]time.Time{"s": noon.Add(time.Hour)},
		Ledger: []fleet.LedgerEntry{{Stream: "s", Coverage: fleet.Complete}},
	})
	if !errors.Is(err, fleet.ErrConflict) {
		t.Fatalf("Commit on an old snapshot: got error %v, want ErrConflict", err)
	}
	same(t, "records", []string{"quick"}, ids(records(t, s, fleet.Query{})))
	same(t, "ledger", 0, len(all(t, s.Ledger(t.Context(), fleet.Window{}))))
	marks, err := s.Checkpoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "checkpoints", map[string]time.Time{"s": noon}, marks)
}

func checkpointsComeWithRecords(t *testing.T, s Store) {
	odd := `logs/111122223333/us-east-1//muster/group "with" 'quotes' and ünïcode`
	first := map[string]time.Time{"a": noon, odd: noon.Add(time.Microsecond)}
	commit(t, s, []fleet.Record{logLine("x", noon, fleet.Keys{})}, fleet.Commit{Checkpoints: first})
	marks, err := s.Checkpoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "checkpoints", first, marks)
	// A commit may carry nothing but marks.
	commit(t, s, nil, fleet.Commit{Checkpoints: map[string]time.Time{"a": noon.Add(time.Minute)}})
	marks, err = s.Checkpoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first["a"] = noon.Add(time.Minute)
	same(t, "checkpoints after marks alone", first, marks)
	same(t, "records after marks alone", 1, len(records(t, s, fleet.Query{})))
}

func ledgerKeepsEntries(t *testing.T, s Store) {
	hour := func(n int) fleet.Window {
		return fleet.Window{Start: noon.Add(time.Duration(n) * time.Hour), End: noon.Add(time.Duration(n+1) * time.Hour)}
	}
	entries := []fleet.LedgerEntry{
		{Stream: "a", Window: hour(0), Coverage: fleet.Complete, Records: 3},
		{Stream: "b", Window: hour(2), Coverage: fleet.Partial, Reason: "throttled", Detail: "gave up after 5 tries"},
		{Stream: "c", Window: fleet.Window{End: noon}, Coverage: fleet.Partial, Reason: "retention"},
	}
	commit(t, s, nil, fleet.Commit{Ledger: entries})
	same(t, "whole ledger", []fleet.LedgerEntry{entries[2], entries[0], entries[1]}, all(t, s.Ledger(t.Context(), fleet.Window{})))
	same(t, "one hour", []fleet.LedgerEntry{entries[1]}, all(t, s.Ledger(t.Context(), hour(2))))
	same(t, "an hour that only touches", []fleet.LedgerEntry{entries[0]}, all(t, s.Ledger(t.Context(), hour(0))))
	same(t, "before all", []fleet.LedgerEntry{entries[2]}, all(t, s.Ledger(t.Context(), fleet.Window{End: noon.Add(-time.Hour)})))
}

// commitNamesItsSnapshot has what Commit returns serve as the next commit's
// base, also after the upkeep that some stores do: only another writer's commit
// leads to a conflict.
func commitNamesItsSnapshot(t *testing.T, s Store) {
	for i := range 30 { // more than any store waits before its upkeep
		fresh, err := s.Fresh(t.Context(), []fleet.Record{logLine(fmt.Sprintf("line-%d", i), noon, fleet.Keys{})})
		if err != nil {
			t.Fatalf("Fresh: %v", err)
		}
		next, err := s.Commit(t.Context(), fleet.Commit{Base: fresh.Base, Records: fresh.Records})
		if err != nil {
			t.Fatalf("Commit: %v", err)
		}
		again, err := s.Fresh(t.Context(), nil)
		if err != nil {
			t.Fatalf("Fresh: %v", err)
		}
		if again.Base != next {
			t.Fatalf("commit %d returned snapshot %d, and the store is at %d", i, next, again.Base)
		}
	}
}
