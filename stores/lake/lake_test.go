package lake

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"muster/fleet"
)

// noon is when the tests' records begin.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func openLake(t testing.TB, root string) *Lake {
	t.Helper()
	l, err := Open(t.Context(), root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// logLines are n records of one kind and day, ids from to from+n-1.
func logLines(from, n int) []fleet.Record {
	rs := make([]fleet.Record, n)
	for i := range rs {
		trace := fmt.Sprintf("%08x%024x", noon.Unix(), (from+i)/10)
		keys := fleet.Keys{Trace: trace, TraceLink: fleet.Link{Via: fleet.RungSeen, Sure: fleet.Exact}}
		rs[i] = fleet.Record{
			ID: fmt.Sprintf("line-%08d", from+i), Kind: fleet.KindLog, Time: noon.Add(time.Duration(from+i) * time.Millisecond),
			Service: "orders", Message: "a line of a log", Seen: fleet.Keys{Trace: trace}, Keys: keys,
			Raw: []byte(`{"msg":"a line of a log"}`),
		}
	}
	return rs
}

// add commits records as new.
func add(t testing.TB, l *Lake, rs []fleet.Record, marks map[string]time.Time) {
	t.Helper()
	for {
		fresh, err := l.Fresh(t.Context(), rs)
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.Commit(t.Context(), fleet.Commit{Base: fresh.Base, Records: fresh.Records, Revised: fresh.Revised, Checkpoints: marks})
		if err == nil {
			return
		}
		if !errors.Is(err, fleet.ErrConflict) { // else another writer was faster
			t.Fatal(err)
		}
	}
}
