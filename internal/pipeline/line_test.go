package pipeline

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

const traceA = "5759e988bd862e3fe1be46a994272793"

func spanWith(request string, t time.Time) fleet.Record {
	return fleet.Record{
		ID: fleet.SpanID(traceA, "00f067aa0ba902b7"), Kind: fleet.KindSpan, Time: t,
		Seen: fleet.Keys{Trace: traceA, Span: "00f067aa0ba902b7", Request: request, Scope: fleet.ScopeAWS},
	}
}

func callWith(request string, t time.Time) fleet.Record {
	return fleet.Record{
		ID: "call-" + request, Kind: fleet.KindAPICall, Time: t,
		Seen: fleet.Keys{Request: request, Scope: fleet.ScopeAWS},
	}
}

func TestTakeAmendsWhatAnEarlierRunCommitted(t *testing.T) {
	m := newMemory()
	if _, err := newLine(m).Take(t.Context(), Step{Records: []fleet.Record{callWith("r1", at(5))}}); err != nil {
		t.Fatal(err)
	}
	// Another line, as after a restart: it has to read the call back to join it.
	totals, err := newLine(m).Take(t.Context(), Step{Records: []fleet.Record{spanWith("r1", at(3))}})
	if err != nil {
		t.Fatal(err)
	}
	if totals.Amended != 1 || m.live["call-r1"].Keys.Trace != traceA {
		t.Errorf("amended %d; the call's trace is %q", totals.Amended, m.live["call-r1"].Keys.Trace)
	}
}

func TestTakeReadsAgainWhenAnotherWriterWasFaster(t *testing.T) {
	m := newMemory()
	m.interfere = func(m *memory) {
		m.put(spanWith("r1", at(3)))
		m.head++
	}
	totals, err := newLine(m).Take(t.Context(), Step{
		Records:     []fleet.Record{callWith("r1", at(5)), spanWith("r1", at(3))},
		Checkpoints: map[string]time.Time{"s": at(9)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if totals.Stored != 1 || totals.Dropped != 1 {
		t.Errorf("stored %d, dropped %d; the other writer's span must not be written again", totals.Stored, totals.Dropped)
	}
	if got := m.live["call-r1"].Keys.Trace; got != traceA {
		t.Errorf("the call is joined to %q, not to the other writer's span", got)
	}
	if !m.marks["s"].Equal(at(9)) {
		t.Errorf("checkpoint %v", m.marks["s"])
	}
}

func TestTakeGivesUpOnALakeThatAlwaysMoves(t *testing.T) {
	m := newMemory()
	var again func(*memory)
	again = func(m *memory) { m.head++; m.interfere = again }
	m.interfere = again
	_, err := newLine(m).Take(t.Context(), Step{Records: []fleet.Record{callWith("r1", at(5))}})
	if !errors.Is(err, fleet.ErrConflict) || len(m.live) != 0 {
		t.Errorf("got %v with %d records", err, len(m.live))
	}
}

func TestTakeJoinsAgainAfterAFailedCommit(t *testing.T) {
	m := newMemory()
	l := newLine(m)
	if _, err := l.Take(t.Context(), Step{Records: []fleet.Record{callWith("r1", at(5))}}); err != nil {
		t.Fatal(err)
	}
	m.fail = errors.New("disk full")
	s := Step{Records: []fleet.Record{spanWith("r1", at(3))}}
	if _, err := l.Take(t.Context(), s); err == nil {
		t.Fatal("no error")
	}
	m.fail = nil
	if _, err := l.Take(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if got := m.live["call-r1"].Keys.Trace; got != traceA {
		t.Errorf("the amendment that failed was not made again: trace %q", got)
	}
}

func TestTakeJoinsEvidenceFromYearsApart(t *testing.T) {
	m := newMemory()
	l := newLine(m)
	old := at(0).AddDate(-3, 0, 0)
	for _, rs := range [][]fleet.Record{
		{callWith("old", old)}, {callWith("new", at(0))}, {spanWith("old", old.Add(time.Second))},
	} {
		if _, err := l.Take(t.Context(), Step{Records: rs}); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.live["call-old"].Keys.Trace; got != traceA {
		t.Errorf("the old call is joined to %q", got)
	}
}

func TestTotalsSayWhatHappened(t *testing.T) {
	totals := Totals{Read: 5, Stored: 3, Dropped: 2, ByKind: map[fleet.Kind]int{fleet.KindSpan: 1, fleet.KindLog: 2}}
	want := "5 records read, 3 new (span 1, log 2), 0 revised, 0 joins amended, 2 known already"
	if diff := cmp.Diff(want, totals.String()); diff != "" {
		t.Error(diff)
	}
}

// TestTakeLeavesTheMarksThatAnotherWorkerMoved has two workers on a stream that
// nobody has read before, with different starts: the slower one's plan must not
// claim what lies between.
func TestTakeLeavesTheMarksThatAnotherWorkerMoved(t *testing.T) {
	m := newMemory()
	late, early := newLine(m), newLine(m)
	for _, l := range []*Line{late, early} {
		mustPass(t, l, PassOptions{Since: at(0), Until: at(0)}) // reads the marks: there are none
	}
	step := func(from, to int) Step {
		return Step{
			Records:     []fleet.Record{callWith("r", at(to))},
			Checkpoints: map[string]time.Time{"s": at(to), startMark + "s": at(from)},
		}
	}
	if _, err := late.Take(t.Context(), step(100, 120)); err != nil {
		t.Fatal(err)
	}
	if _, err := early.Take(t.Context(), step(0, 20)); err != nil { // 20 to 100 is read by nobody
		t.Fatal(err)
	}
	want := map[string]time.Time{"s": at(120), startMark + "s": at(100)}
	if diff := cmp.Diff(want, m.marks); diff != "" {
		t.Error(diff)
	}
	if _, err := late.Take(t.Context(), step(100, 140)); err != nil {
		t.Fatal(err)
	}
	if !m.marks["s"].Equal(at(140)) {
		t.Errorf("the worker that is first does not go on: mark %v", m.marks["s"])
	}
}
