//go:build noduckdb

package lake

import (
	"errors"
	"testing"
	"time"

	"muster/fleet"
)

// TestBuildWithoutReaderWritesAndSaysWhatItLacks runs what a collector needs
// in a build without cgo.
func TestBuildWithoutReaderWritesAndSaysWhatItLacks(t *testing.T) {
	l := openLake(t, t.TempDir())
	rs := logLines(0, 10)
	add(t, l, rs, map[string]time.Time{"s": noon})
	fresh, err := l.Fresh(t.Context(), rs)
	if err != nil || fresh.Dropped != 10 {
		t.Errorf("Fresh: got %d dropped, error %v, want 10", fresh.Dropped, err)
	}
	amendment := fleet.Amendment{Ref: fleet.Ref{ID: rs[3].ID, Kind: rs[3].Kind, Time: rs[3].Time}, Keys: rs[3].Keys}
	if _, err := l.Commit(t.Context(), fleet.Commit{Base: fresh.Base, Amendments: []fleet.Amendment{amendment}}); err != nil {
		t.Error(err)
	}
	if marks, err := l.Checkpoints(t.Context()); err != nil || !marks["s"].Equal(noon) {
		t.Errorf("got checkpoints %v, error %v", marks, err)
	}
	if _, err := l.Trace(t.Context(), "x"); !errors.Is(err, errNoReader) {
		t.Errorf("Trace: got error %v, want %v", err, errNoReader)
	}
	if _, err := l.SQL(t.Context(), "select 1"); !errors.Is(err, errNoReader) {
		t.Errorf("SQL: got error %v, want %v", err, errNoReader)
	}
	for _, err := range l.Records(t.Context(), fleet.Query{}) {
		if !errors.Is(err, errNoReader) {
			t.Errorf("Records: got error %v, want %v", err, errNoReader)
		}
	}
	for _, err := range l.Traces(t.Context(), fleet.Query{}) {
		if !errors.Is(err, errNoReader) {
			t.Errorf("Traces: got error %v, want %v", err, errNoReader)
		}
	}
}
