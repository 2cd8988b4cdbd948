package truth_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/samples/truth"
)

func TestFileReadsAsItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "truth.json")
	want := known()
	for range 2 { // the second replaces the first
		if err := want.Write(path); err != nil {
			t.Fatal(err)
		}
	}
	got, err := truth.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if all, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); err != nil || len(all) != 1 {
		t.Errorf("the folder holds %q (%v), want the file alone", all, err)
	}
}

func TestReadRefuses(t *testing.T) {
	for name, text := range map[string]string{"another version": `{"version":1}`, "no JSON": `{"version":`} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "truth.json")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if f, err := truth.Read(path); err == nil {
				t.Errorf("read %+v, want an error", f)
			}
		})
	}
}

func TestWriteToNowhereLeavesAnError(t *testing.T) {
	if err := known().Write(filepath.Join(t.TempDir(), "absent", "truth.json")); err == nil {
		t.Error("no error")
	}
}

func TestRecorderTakesManyAtOnce(t *testing.T) {
	r := truth.NewRecorder(1, time.Now)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				r.Line(truth.Line{ID: "x"})
				r.Span(truth.Span{Trace: traceA, ID: spanA})
			}
		})
	}
	wg.Wait()
	if f := r.File(); len(f.Lines) != 800 || len(f.Spans) != 1 {
		t.Errorf("%d lines and %d spans, want 800 and 1", len(f.Lines), len(f.Spans))
	}
}

func TestNilRecorderRecordsNothing(*testing.T) { // it must not panic
	var r *truth.Recorder
	r.Line(truth.Line{ID: "x"})
	r.Expect("p", truth.Expected{})
	r.Published("m", traceA)
}

func TestWhatHappensAgainInAJourneyIsExpectedOnce(t *testing.T) {
	r := truth.NewRecorder(1, time.Now)
	for _, journey := range []string{"j-1", "j-1", "j-2"} {
		r.Expect("oversized-payload", truth.Expected{Traces: []string{traceA}, Journeys: []string{journey}})
		r.Expect("retry-storm", truth.Expected{Traces: []string{traceA}})
	}
	got := map[string]int{}
	for _, e := range r.File().Expected {
		got[e.Policy] = e.Times
	}
	if diff := cmp.Diff(map[string]int{"oversized-payload": 2, "retry-storm": 3}, got); diff != "" {
		t.Errorf("how often it happened (-want +got):\n%s", diff)
	}
}

func TestConsumerIsInTheProducersJourney(t *testing.T) {
	for _, tr := range known().Traces {
		if tr.Journey != "j-1" {
			t.Errorf("trace %s is in journey %q, want j-1", tr.ID, tr.Journey)
		}
	}
}
