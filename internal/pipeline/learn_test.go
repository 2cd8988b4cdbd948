package pipeline

import (
	"context"
	"iter"
	"testing"
	"time"

	"muster/fleet"
)

// ticking is a lake with a record at each tick until busyUntil, and none later.
type ticking struct {
	*memory
	tick      time.Duration
	busyUntil time.Time
	parts     []int // records of each answer
}

func (l *ticking) Records(_ context.Context, q fleet.Query) iter.Seq2[fleet.Record, error] {
	return func(yield func(fleet.Record, error) bool) {
		l.parts = append(l.parts, 0)
		for at := q.Window.Start.Truncate(l.tick); at.Before(q.Window.End) && at.Before(l.busyUntil); at = at.Add(l.tick) {
			if at.Before(q.Window.Start) {
				continue
			}
			l.parts[len(l.parts)-1]++
			if !yield(fleet.Record{Time: at}, nil) {
				return
			}
		}
	}
}

// TestLakeIsReadBackInParts: every record of a window once and in order, where
// there are many in parts of a bounded number, and where there are none at once.
func TestLakeIsReadBackInParts(t *testing.T) {
	const busy = 30 * time.Minute
	l := &ticking{memory: newMemory(), tick: 2 * time.Millisecond, busyUntil: epoch.Add(busy)}
	line := &Line{Lake: l}
	w := fleet.Window{Start: epoch, End: epoch.Add(24 * time.Hour)}
	next := epoch
	for r, err := range line.readBack(t.Context(), w) {
		if err != nil {
			t.Fatal(err)
		}
		if !r.Time.Equal(next) {
			t.Fatalf("got a record of %v, want %v", r.Time, next)
		}
		next = next.Add(l.tick)
	}
	if !next.Equal(l.busyUntil) {
		t.Errorf("the records end at %v, want %v", next, l.busyUntil)
	}
	for i, n := range l.parts[2:] { // by then it has found out
		if n > partRecords {
			t.Errorf("part %d has %d records", i+2, n)
		}
	}
	if len(l.parts) > 30 {
		t.Errorf("the lake was asked %d times: %d", len(l.parts), l.parts)
	}
}

// TestReadingBackStopsWhenAsked leaves in the middle of a part.
func TestReadingBackStopsWhenAsked(t *testing.T) {
	l := &ticking{memory: newMemory(), tick: time.Second, busyUntil: epoch.Add(time.Hour)}
	line := &Line{Lake: l}
	n := 0
	for _, err := range line.readBack(t.Context(), fleet.Window{Start: epoch, End: epoch.Add(time.Hour)}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 10 {
			break
		}
	}
	if len(l.parts) != 1 || l.parts[0] != 10 {
		t.Errorf("got %d of its parts, want 10 of the first", l.parts)
	}
}
