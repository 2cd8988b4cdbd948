//go:build !noduckdb

package lake

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// TestCutWindowBoundsItsParts: dense and empty stretches, and a file of all day.
func TestCutWindowBoundsItsParts(t *testing.T) {
	us := func(d time.Duration) int64 { return noon.Add(d).UnixMicro() }
	day := fleet.Window{Start: noon, End: noon.Add(24 * time.Hour)}
	spans := []rowSpan{
		{us(12 * time.Hour), us(13 * time.Hour), 600_000},
		{us(0), us(24*time.Hour - 1000), 240_000},
		{us(-48 * time.Hour), us(-47 * time.Hour), 1_000_000}, // amends something in the window
	}
	parts := cutWindow(day, spans)
	next := day.Start
	for _, p := range parts {
		if !p.Start.Equal(next) || !p.Start.Before(p.End) {
			t.Errorf("a part from %v to %v, want one from %v", p.Start, p.End, next)
		}
		next = p.End
	}
	if !next.Equal(day.End) {
		t.Errorf("the parts end at %v, want %v", next, day.End)
	}
	if n := len(parts); n < 16 || n > 22 { // 840,000 rows
		t.Errorf("got %d parts", n)
	}
	if diff := cmp.Diff([]fleet.Window{day}, cutWindow(day, nil)); diff != "" {
		t.Errorf("without files, want (-) and got (+):\n%s", diff)
	}
	open := cutWindow(fleet.Window{}, spans[:1])
	if len(open) < 12 || !open[0].Start.IsZero() || !open[len(open)-1].End.IsZero() {
		t.Errorf("an open window: got %d parts, %v", len(open), open)
	}
}

// TestRecordsInPartsAreThoseOfTheWindow reads more than a part, lean and not.
func TestRecordsInPartsAreThoseOfTheWindow(t *testing.T) {
	l := openLake(t, t.TempDir())
	const size = partRows*2 + 10
	add(t, l, logLines(0, size), nil)
	w := fleet.Window{Start: noon.Add(5 * time.Millisecond), End: noon.Add((size - 5) * time.Millisecond)}
	parts, err := l.timeParts(t.Context(), &fleet.Query{Window: w})
	if err != nil || len(parts) < 2 {
		t.Fatalf("got parts %v, error %v", parts, err)
	}
	next := 5
	for r, err := range l.Records(t.Context(), fleet.Query{Window: w, Lean: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if want := logLines(next, 1)[0].ID; r.ID != want {
			t.Fatalf("got %s, want %s", r.ID, want)
		}
		next++
	}
	if next != size-5 {
		t.Errorf("the records end before %d, want %d", next, size-5)
	}
}
