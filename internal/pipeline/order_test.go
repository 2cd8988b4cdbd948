package pipeline

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/correlate"
	"muster/fleet"
)

// stories is evidence of small stories over some days, each of them within a
// time that a horizon covers: two traces that a message ties, a call and a log line
// that only show a request, and a correlation id on one of them.
func stories(r *rand.Rand, count int, over, within time.Duration) []fleet.Record {
	var all []fleet.Record
	for n := range count {
		start := epoch.Add(time.Duration(r.Int64N(int64(over))))
		when := func() time.Time {
			return start.Add(time.Duration(r.Int64N(int64(within)))).Truncate(time.Microsecond)
		}
		add := func(id string, kind fleet.Kind, k fleet.Keys) {
			all = append(all, fleet.Record{ID: fmt.Sprintf("%s-%d", id, n), Kind: kind, Time: when(), Seen: k})
		}
		first, second := fmt.Sprintf("%032x", 2*n+1), fmt.Sprintf("%032x", 2*n+2)
		asked, message := fmt.Sprint("request-", n), fmt.Sprint("message-", n)
		add("producer", fleet.KindSpan, fleet.Keys{Trace: first, Span: "a", Request: asked, Scope: fleet.ScopeAWS})
		add("consumer", fleet.KindSpan, fleet.Keys{Trace: second, Span: "b", Messages: []string{message}})
		add("sent", fleet.KindLog, fleet.Keys{Trace: first, Messages: []string{message}})
		add("call", fleet.KindAPICall, fleet.Keys{Request: asked, Scope: fleet.ScopeAWS})
		add("line", fleet.KindLog, fleet.Keys{Request: asked, Scope: fleet.ScopeAWS})
		add("named", fleet.KindLog, fleet.Keys{Trace: first, Correlation: fmt.Sprint("journey-", n)})
	}
	return all
}

// TestTakeInAnyOrderAnswersAsOneRunOverEverything hands evidence of many days to
// lines in whatever order and portions, of one source after the other or mixed,
// in and out of the order of time, with restarts in between.
func TestTakeInAnyOrderAnswersAsOneRunOverEverything(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		all := stories(r, 40, 12*24*time.Hour, 20*time.Hour)
		want := slices.Clone(all)
		correlate.Resolve(want)
		fleet.Sort(want)

		switch r.IntN(4) {
		case 0:
			fleet.Sort(all)
		case 1:
			slices.SortStableFunc(all, func(a, b fleet.Record) int { return len(a.Kind) - len(b.Kind) })
		case 2:
			fleet.Sort(all)
			slices.SortStableFunc(all, func(a, b fleet.Record) int { return len(b.Kind) - len(a.Kind) })
		default:
			r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		}
		m := newMemory()
		l := newLine(m)
		portion := 1 + r.IntN(len(all))
		for batch := range slices.Chunk(all, portion) {
			if r.IntN(5) == 0 {
				l = newLine(m) // a restart
			}
			if _, err := l.Take(t.Context(), Step{Records: batch}); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, m.all(t)); diff != "" {
			t.Fatalf("seed %d, %d records at a time: one run (-) and the lake (+) differ:\n%s", seed, portion, diff)
		}
	}
}

// all is what is live, in order.
func (m *memory) all(t *testing.T) []fleet.Record {
	var got []fleet.Record
	for rec, err := range m.Records(t.Context(), fleet.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rec)
	}
	return got
}

// TestABoundThatIsTooSmallLooksLessFar imports one source after the other, each
// in the order of time, and far more of it than may be remembered.
func TestABoundThatIsTooSmallLooksLessFar(t *testing.T) {
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 2))
		all := stories(r, 200, 48*time.Hour, 30*time.Minute)
		want := slices.Clone(all)
		correlate.Resolve(want)
		fleet.Sort(want)
		fleet.Sort(all)
		slices.SortStableFunc(all, func(a, b fleet.Record) int { return len(a.Kind) - len(b.Kind) })
		m := newMemory()
		l := newLine(m)
		l.MaxEntries = 300 // of 1200
		for batch := range slices.Chunk(all, 100+r.IntN(100)) {
			if r.IntN(5) == 0 {
				was := l.narrowed
				l = newLine(m) // a restart
				l.MaxEntries, l.narrowed = 300, was*time.Duration(r.IntN(2))
			}
			if _, err := l.Take(t.Context(), Step{Records: batch}); err != nil {
				t.Fatal(err)
			}
			if l.resolver.Len() > l.MaxEntries {
				t.Fatalf("%d records remembered, want no more than %d", l.resolver.Len(), l.MaxEntries)
			}
		}
		if diff := cmp.Diff(want, m.all(t)); diff != "" {
			t.Fatalf("seed %d: one run (-) and the lake (+) differ:\n%s", seed, diff)
		}
		if len(m.ledger) == 0 {
			t.Errorf("seed %d: the ledger does not say that it looked less far", seed)
		}
	}
}

// TestWhatTheBoundMissedIsInTheLedger imports evidence in no order at all:
// joins are lost, none is wrong, and the ledger names the time of each.
func TestWhatTheBoundMissedIsInTheLedger(t *testing.T) {
	missed := 0
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 3))
		all := stories(r, 120, 48*time.Hour, 30*time.Minute)
		want := slices.Clone(all)
		correlate.Resolve(want)
		fleet.Sort(want)
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		m := newMemory()
		l := newLine(m)
		l.MaxEntries = 90
		for batch := range slices.Chunk(all, 60) {
			if _, err := l.Take(t.Context(), Step{Records: batch}); err != nil {
				t.Fatal(err)
			}
		}
		for i, got := range m.all(t) {
			if cmp.Equal(want[i], got) {
				continue
			}
			missed++
			if got.Keys.Trace != "" && got.Keys.Trace != want[i].Keys.Trace {
				t.Errorf("seed %d: %s is joined to %s, want %s", seed, got.ID, got.Keys.Trace, want[i].Keys.Trace)
			}
			named := func(e fleet.LedgerEntry) bool {
				return e.Stream == JoinStream && e.Coverage == fleet.Partial && e.Window.Contains(got.Time)
			}
			if !slices.ContainsFunc(m.ledger, named) {
				t.Errorf("seed %d: %s of %v is not joined as it might be, and no ledger entry says so", seed, got.ID, got.Time)
			}
		}
	}
	if missed == 0 {
		t.Error("no join was missed: the bound was not reached, and this proves nothing")
	}
}

// readBack counts what is read back of a lake for joining.
type readBack struct {
	*memory
	records int
}

func (r *readBack) Records(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Record, error] {
	return func(yield func(fleet.Record, error) bool) {
		for rec, err := range r.memory.Records(ctx, q) {
			r.records++
			if !yield(rec, err) {
				return
			}
		}
	}
}

// TestLookingLessFarReadsNothingBackOfAStream takes in the evidence of two days
// in the order of time, far more than may be remembered.
func TestLookingLessFarReadsNothingBackOfAStream(t *testing.T) {
	stream := stories(rand.New(rand.NewPCG(1, 5)), 300, 24*time.Hour, 10*time.Minute)
	fleet.Sort(stream)
	want := slices.Clone(stream)
	correlate.Resolve(want)
	for _, most := range []int{500, 200} { // of 1800
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			all := slices.Clone(stream)
			m := &readBack{memory: newMemory()}
			l := newLine(m.memory)
			l.Lake, l.MaxEntries = m, most
			for batch := range slices.Chunk(all, 20) {
				if _, err := l.Take(t.Context(), Step{Records: batch}); err != nil {
					t.Fatal(err)
				}
				if l.resolver.Len() > most {
					t.Fatalf("%d records remembered, want no more than %d", l.resolver.Len(), most)
				}
			}
			if l.narrowed == 0 {
				t.Fatal("the whole horizon is looked at, with more in it than may be remembered")
			}
			if m.records != 0 {
				t.Errorf("%d records were read back, though all of them had just come", m.records)
			}
			if diff := cmp.Diff(want, m.all(t)); diff != "" {
				t.Errorf("one run (-) and the lake (+) differ:\n%s", diff)
			}
		})
	}
}

func TestTheHorizonIsWholeAgainWhereLessLies(t *testing.T) {
	all := stories(rand.New(rand.NewPCG(1, 4)), 100, 6*time.Hour, 30*time.Minute)
	fleet.Sort(all)
	m := newMemory()
	l := newLine(m)
	l.MaxEntries = 300 // of 600 in six hours
	for batch := range slices.Chunk(all, 100) {
		if _, err := l.Take(t.Context(), Step{Records: batch}); err != nil {
			t.Fatal(err)
		}
	}
	if l.narrowed == 0 {
		t.Fatal("the whole horizon is looked at, with more in it than may be remembered")
	}
	later := callWith("later", epoch.Add(10*24*time.Hour))
	if _, err := l.Take(t.Context(), Step{Records: []fleet.Record{later}}); err != nil {
		t.Fatal(err)
	}
	if l.looks() != l.reach() {
		t.Errorf("ten days later %v are looked at, want %v", l.looks(), l.reach())
	}
}
