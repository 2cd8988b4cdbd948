package week

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// monday is the end of a Sunday.
var monday = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// simulate runs a week and calls each for its chunks; it returns the truth.
func simulate(t *testing.T, o Options, each func(Chunk)) []byte {
	t.Helper()
	dir := t.TempDir()
	tr, err := NewTruth(dir, o.Seed, o.From, o.Until)
	if err != nil {
		t.Fatal(err)
	}
	w, err := New(o, tr)
	if err != nil {
		t.Fatal(err)
	}
	for c, err := range w.Chunks(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		each(c)
	}
	path := filepath.Join(dir, "truth.json")
	if err := tr.Write(path); err != nil {
		t.Fatal(err)
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func evidence(t *testing.T, o Options) (all, truth []byte) {
	t.Helper()
	truth = simulate(t, o, func(c Chunk) {
		all = append(append(append(append(all, c.Segments...), c.Logs...), c.Trail...), c.Items...)
	})
	return all, truth
}

func TestSameSeedGivesTheSameBytes(t *testing.T) {
	o := Options{Seed: 3, From: monday.Add(-8 * time.Hour), Until: monday, Rate: 0.5}
	one, truthOne := evidence(t, o)
	two, truthTwo := evidence(t, o)
	if len(one) == 0 || !bytes.Equal(one, two) {
		t.Errorf("%d and %d bytes of evidence differ", len(one), len(two))
	}
	if !bytes.Equal(truthOne, truthTwo) {
		t.Errorf("%d and %d bytes of truth differ", len(truthOne), len(truthTwo))
	}
	o.Seed++
	if other, _ := evidence(t, o); bytes.Equal(one, other) {
		t.Error("another seed gives the same evidence")
	}
}

func TestMemoryDoesNotGrowWithTheDays(t *testing.T) {
	peak := func(days int) (most uint64) {
		o := Options{Seed: 3, From: monday.AddDate(0, 0, -days), Until: monday, Rate: 0.5}
		chunks := 0
		simulate(t, o, func(Chunk) {
			if chunks++; chunks%24 != 0 {
				return
			}
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		})
		return most
	}
	const labels = 4 << 20 // of the further days
	if one, six := peak(1), peak(6); six > one+labels {
		t.Errorf("six days hold %d bytes, one holds %d", six, one)
	}
}

func TestNightsAndWeekendsAreQuiet(t *testing.T) {
	at := func(days, hour int) float64 {
		return busy(monday.AddDate(0, 0, days).Add(time.Duration(hour) * time.Hour).UnixMicro())
	}
	if night, noon := at(0, 3), at(0, 12); noon < 3*night {
		t.Errorf("noon %g, night %g", noon, night)
	}
	if saturday, tuesday := at(5, 12), at(1, 12); saturday >= tuesday {
		t.Errorf("Saturday %g, Tuesday %g", saturday, tuesday)
	}
	sum := 0.0
	for h := range 7 * 24 {
		sum += at(0, h)
	}
	if mean := sum / (7 * 24); mean < 0.85 || mean > 1.15 {
		t.Errorf("the average load is %g, want about 1", mean)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"no time": {From: monday, Until: monday, Rate: 1}, "no load": {From: monday.Add(-time.Hour), Until: monday},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(o, nil); err == nil {
				t.Error("no error")
			}
		})
	}
}
