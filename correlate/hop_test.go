package correlate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/fleet"
)

// hop is one journey: orders that publish to a topic, whose queue a consumer
// reads, which may publish again. What a record shows is what SNS, SQS and
// X-Ray let it show.
type hop struct {
	records []fleet.Record
	name    string // the correlation id that all of it must take; "" for none
}

// hops makes a journey of some hops. header says of each whether the trace
// header came with the message, so that the consumer goes on in the trace.
func (s *sets) hops(n int, header func() bool, named bool) hop {
	var h hop
	id := fmt.Sprintf("%08x", s.Uint32())
	when := epoch.Add(time.Duration(s.Int64N(int64(20 * time.Minute)))).Truncate(time.Microsecond)
	add := func(kind fleet.Kind, what string, k fleet.Keys) {
		when = when.Add(time.Duration(1+s.IntN(900)) * time.Millisecond)
		rec := fleet.Record{ID: fmt.Sprint(what, "-", id, "-", len(h.records)), Kind: kind, Time: when, Seen: k}
		if kind == fleet.KindSpan {
			rec.Seen.Span = fmt.Sprintf("%016x", s.Uint64())
			rec.ID = fleet.SpanID(k.Trace, rec.Seen.Span)
		}
		h.records = append(h.records, rec)
	}
	newTrace := func() string { return fmt.Sprintf("%s%024x", id, s.Uint64()) }
	trace, traces := newTrace(), 1
	root := fleet.Keys{Trace: trace}
	if h.name = ""; named {
		h.name = "order-" + id
		root.Correlation = h.name
	}
	first := trace
	add(fleet.KindSpan, "root", root)
	add(fleet.KindLog, "line", fleet.Keys{Trace: trace})
	for i := range n {
		topic, queue := fmt.Sprintf("%s-aaaa-4000-8000-%012x", id, i), fmt.Sprintf("%s-bbbb-4000-8000-%012x", id, i)
		request := fmt.Sprintf("%s-cccc-4000-8000-%012x", id, i)
		add(fleet.KindSpan, "publish", fleet.Keys{Trace: trace, Messages: []string{topic}, Request: request, Scope: fleet.ScopeAWS})
		add(fleet.KindAPICall, "Publish", fleet.Keys{Request: request, Scope: fleet.ScopeAWS})
		if !header() {
			trace = newTrace()
			traces++
		}
		// The consumer sees the queue's id, and in the body the topic's.
		add(fleet.KindSpan, "consumer", fleet.Keys{Trace: trace, Messages: []string{queue, topic}})
		add(fleet.KindLog, "received", fleet.Keys{Messages: []string{queue}})
		add(fleet.KindLog, "handled", fleet.Keys{Trace: trace})
	}
	if !named && traces > 1 {
		h.name = first
	}
	return h
}

// TestJourneysGoOverQueues holds journeys to what they are, with the trace
// header, without it, and mixed; resolved at once, and as they come, with
// restarts; in Go and in SQL.
func TestJourneysGoOverQueues(t *testing.T) {
	kinds := map[string]func(s *sets) func() bool{
		"with the trace header":    func(*sets) func() bool { return func() bool { return true } },
		"without the trace header": func(*sets) func() bool { return func() bool { return false } },
		"mixed":                    func(s *sets) func() bool { return func() bool { return s.IntN(2) == 0 } },
	}
	db := openDuckDB(t)
	for name, header := range kinds {
		t.Run(name, func(t *testing.T) {
			var inSQL []fleet.Record
			seeds(t, 40, func(t *testing.T, s *sets) {
				want := map[string]string{}
				var all []fleet.Record
				for range 1 + s.IntN(6) {
					h := s.hops(1+s.IntN(tieHops), header(s), s.IntN(2) == 0)
					for _, r := range h.records {
						want[r.ID] = h.name
					}
					all = append(all, h.records...)
				}
				check := func(how string, rs []fleet.Record) {
					for _, r := range rs {
						if r.Keys.Trace == "" || r.Keys.Correlation != want[r.ID] {
							t.Errorf("%s: %s has trace %q and correlation %q (%v), want %q", how, r.ID, r.Keys.Trace, r.Keys.Correlation, r.Keys.CorrelationLink, want[r.ID])
						}
						for _, l := range []fleet.Link{r.Keys.TraceLink, r.Keys.CorrelationLink} {
							if l.Via != "" && l.Sure != fleet.Exact {
								t.Errorf("%s: a link of %s is %v, want it exact", how, r.ID, l)
							}
						}
					}
				}
				check("at once", resolved(all))
				kept := &store{t, map[string]fleet.Record{}}
				r := NewResolver(time.Hour, Bound{})
				for _, b := range s.batches(slices.Clone(all)) {
					if s.IntN(6) == 0 {
						r = NewResolver(time.Hour, Bound{})
						r.Load(kept.all())
					}
					kept.add(r, b)
				}
				check("as it comes", kept.all())
				inSQL = append(inSQL, all...)
			})
			inGo := resolveInGo(inSQL)
			loadSeen(t, db, inSQL)
			if got := resolveInSQL(t, db); !slices.Equal(inGo, got) {
				t.Error("Go and SQL differ")
			}
		})
	}
}

// TestNamesGoThroughNoNamedTrace has a consumer take messages of two journeys in
// one batch. It is a part of the earlier one; what the other journey sends on is
// that journey's all the same.
func TestNamesGoThroughNoNamedTrace(t *testing.T) {
	one, two, batch, after := testTrace("1"), testTrace("2"), testTrace("3"), testTrace("4")
	var rs []fleet.Record
	for i, k := range []fleet.Keys{
		{Trace: one, Correlation: "journey-1", Messages: []string{"m-1"}},
		{Trace: two, Correlation: "journey-2", Messages: []string{"m-2"}},
		{Trace: two, Messages: []string{"m-3"}},
		{Trace: batch, Messages: []string{"m-1", "m-2"}},
		{Trace: after, Messages: []string{"m-3"}},
	} {
		k.Span = fmt.Sprintf("%016x", i+1)
		rs = append(rs, fleet.Record{ID: fleet.SpanID(k.Trace, k.Span), Kind: fleet.KindSpan, Time: epoch.Add(time.Duration(i) * time.Second), Seen: k})
	}
	for i, want := range []string{"journey-1", "journey-2", "journey-2", "journey-1", "journey-2"} {
		if got := resolved(rs)[i].Keys.Correlation; got != want {
			t.Errorf("record %d is of %q, want %q", i, got, want)
		}
	}
	db := openDuckDB(t)
	loadSeen(t, db, rs)
	if got := resolveInSQL(t, db); !slices.Equal(resolveInGo(rs), got) {
		t.Errorf("Go and SQL differ:\n%v\n%v", resolveInGo(rs), got)
	}
}

func testTrace(digit string) string { return strings.Repeat(digit, 32) }

// TestForgettingAndRestartsAgreeWithResolve streams slots of evidence, each
// record late by up to half a horizon or a revision of one before, and starts
// over now and then from what the store holds of the last two and a half.
func TestForgettingAndRestartsAgreeWithResolve(t *testing.T) {
	const horizon, slots = 4 * time.Hour, 20
	restarts, forgotten := 0, 0
	seeds(t, 40, func(t *testing.T, s *sets) {
		type arrival struct {
			record fleet.Record
			when   time.Time
		}
		var stream []arrival
		for slot := range slots {
			rs := s.revised(s.records(20 + s.IntN(40)))
			inSlot(rs, slot, horizon/4)
			for _, r := range rs {
				late := time.Duration(s.Int64N(int64(horizon / 2))).Truncate(time.Microsecond)
				stream = append(stream, arrival{r, epoch.Add(time.Duration(slot)*horizon/4 + late)})
			}
		}
		slices.SortStableFunc(stream, func(a, b arrival) int { return a.when.Compare(b.when) })
		kept := &store{t, map[string]fleet.Record{}}
		r := NewResolver(horizon, Bound{})
		for len(stream) > 0 {
			n := min(1+s.IntN(30), len(stream))
			if s.IntN(12) == 0 {
				restarts++
				forgotten += r.Forgotten()
				r = NewResolver(horizon, Bound{})
				var near []fleet.Record
				for _, rec := range kept.all() {
					if rec.Time.After(stream[0].when.Add(-horizon * 5 / 2)) {
						near = append(near, rec)
					}
				}
				r.Load(near)
			}
			var batch []fleet.Record
			for _, a := range stream[:n] {
				batch = append(batch, a.record)
			}
			stream = stream[n:]
			kept.add(r, batch)
		}
		got := kept.all()
		if diff := diffKeys(resolved(got), got); diff != "" {
			t.Errorf("Resolve (-) and Resolver (+) differ:\n%s", diff)
		}
	})
	if restarts < 50 || forgotten < 1000 {
		t.Errorf("%d restarts and %d records forgotten, too few to prove anything", restarts, forgotten)
	}
}

// TestAMessageThatComesAgainAloneIsOfItsOwnJourney: a batch with messages of two
// journeys is of the earlier one's, and lends that to none of them.
func TestAMessageThatComesAgainAloneIsOfItsOwnJourney(t *testing.T) {
	at := func(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }
	trace := func(n int) string { return fmt.Sprintf("%032x", n) }
	all := []fleet.Record{
		{ID: "earlier", Kind: fleet.KindLog, Time: at(1), Seen: fleet.Keys{Trace: trace(1), Correlation: "earlier", Messages: []string{"good"}}},
		{ID: "later", Kind: fleet.KindLog, Time: at(2), Seen: fleet.Keys{Trace: trace(2), Correlation: "later", Messages: []string{"bad"}}},
		{ID: "batch", Kind: fleet.KindLog, Time: at(3), Seen: fleet.Keys{Trace: trace(3), Messages: []string{"good", "bad"}}},
		{ID: "again", Kind: fleet.KindLog, Time: at(4), Seen: fleet.Keys{Trace: trace(4), Messages: []string{"bad"}}},
		{ID: "beyond", Kind: fleet.KindLog, Time: at(5), Seen: fleet.Keys{Trace: trace(5), Messages: []string{"good", "more"}}},
		{ID: "last", Kind: fleet.KindLog, Time: at(6), Seen: fleet.Keys{Trace: trace(6), Messages: []string{"more"}}},
	}
	want := map[string]string{"earlier": "earlier", "later": "later", "batch": "earlier", "again": "later", "beyond": "earlier", "last": "earlier"}
	for _, r := range resolved(all) {
		if r.Keys.Correlation != want[r.ID] {
			t.Errorf("%s is in journey %q, want %q", r.ID, r.Keys.Correlation, want[r.ID])
		}
	}
	db := openDuckDB(t)
	loadSeen(t, db, all)
	if got := resolveInSQL(t, db); !slices.Equal(resolveInGo(all), got) {
		t.Errorf("Go and SQL differ: %v", got)
	}
}
