package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// RunQueries asks a store n questions, of filters of every kind, windows, text,
// limits and pages, and compares each answer with that of plain Go over the same
// records. The questions are the same on every run. Open returns an empty store.
func RunQueries(t *testing.T, open func(t *testing.T) Store, n int) {
	t.Helper()
	s := open(t)
	w := newFleet()
	w.commit(t, s)
	asked := tally{}
	for i := range n {
		a := newAsker(i, w)
		q, text := a.query()
		name := fmt.Sprintf("question %d: %s, %s", i, text, spelled(q))
		asked.count(compareTraces(t, s, w, q, name), len(w.summaries(fleet.Query{})))
		compareRecords(t, s, w, q, name)
		if i%5 == 0 {
			comparePages(t, s, w, q, name)
			compareDossier(t, s, w, a.id(), name)
		}
		if t.Failed() {
			t.Fatal("stopped at the first question that is answered otherwise")
		}
	}
	asked.check(t, n)
}

// tally sees to it that the questions tell stores apart.
type tally struct{ none, some, all int }

func (c *tally) count(got, all int) {
	switch got {
	case 0:
		c.none++
	case all:
		c.all++
	default:
		c.some++
	}
}

func (c *tally) check(t *testing.T, n int) {
	t.Helper()
	t.Logf("of %d questions, %d found no trace, %d some and %d every one", n, c.none, c.some, c.all)
	if c.some*3 < n {
		t.Errorf("only %d of %d questions find a part of the traces", c.some, n)
	}
}

// spelled is a query as a person would repeat it.
func spelled(q fleet.Query) string {
	q.Filter = nil
	return fmt.Sprintf("%+v", q)
}

func compareTraces(t *testing.T, s Store, w *fleetOfTests, q fleet.Query, name string) int {
	t.Helper()
	got := all(t, s.Traces(t.Context(), q))
	want := w.summaries(q)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("traces of %s: want %d, got %d (-want +got):\n%.3000s", name, len(want), len(got), diff)
	}
	return len(want)
}

func compareRecords(t *testing.T, s Store, w *fleetOfTests, q fleet.Query, name string) {
	t.Helper()
	want, got := ids(w.find(q)), ids(records(t, s, q))
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("records of %s: want %d, got %d (-want +got):\n%.3000s", name, len(want), len(got), diff)
	}
}

// comparePages reads a query's records page by page, newest first: each page
// ends where the one before began.
func comparePages(t *testing.T, s Store, w *fleetOfTests, q fleet.Query, name string) {
	t.Helper()
	const page, pages = 7, 4
	q.Limit = page
	for range pages {
		want := w.find(q)
		same(t, "a page of "+name, ids(want), ids(records(t, s, q)))
		if len(want) < page {
			return
		}
		q.Window.End = want[0].Time
	}
}

// compareDossier opens an id.
func compareDossier(t *testing.T, s Store, w *fleetOfTests, id, name string) {
	t.Helper()
	got, err := s.Trace(t.Context(), id)
	want, found := w.dossier(id)
	if !found {
		if !errors.Is(err, fleet.ErrNotFound) {
			t.Errorf("%s: Trace(%q): got error %v, want ErrNotFound", name, id, err)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: Trace(%q): %v", name, id, err)
		return
	}
	type opened struct {
		ID, Correlation  string
		Records, Related []string
	}
	same(t, name+": dossier of "+cmp.Or(id, `""`),
		opened{want.ID, want.Correlation, ids(want.Records), want.Related},
		opened{got.ID, got.Correlation, ids(got.Records), got.Related})
}
