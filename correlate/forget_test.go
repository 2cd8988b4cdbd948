package correlate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"muster/fleet"
)

// TestResolverForgetsOnlyWhatIsOver streams thirty slots of a quarter of the
// horizon, each record up to half a horizon late.
func TestResolverForgetsOnlyWhatIsOver(t *testing.T) {
	const horizon, slots, perSlot = 4 * time.Hour, 30, 60
	seeds(t, 20, func(t *testing.T, s *sets) {
		type arrival struct {
			record fleet.Record
			when   time.Time
		}
		var stream []arrival
		for slot := range slots {
			rs := s.records(perSlot)
			inSlot(rs, slot, horizon/4)
			for _, r := range rs {
				stream = append(stream, arrival{r, r.Time.Add(time.Duration(s.Int64N(int64(horizon / 2))))})
			}
		}
		slices.SortFunc(stream, func(a, b arrival) int { return a.when.Compare(b.when) })
		kept := &store{t, map[string]fleet.Record{}}
		r := NewResolver(horizon, Bound{})
		most := 0
		for len(stream) > 0 {
			var batch []fleet.Record
			n := min(1+s.IntN(30), len(stream))
			for _, a := range stream[:n] {
				batch = append(batch, a.record)
			}
			stream = stream[n:]
			kept.add(r, batch)
			most = max(most, r.Len())
		}
		got := kept.all()
		if diff := diffKeys(resolved(got), got); diff != "" {
			t.Errorf("Resolve (-) and Resolver (+) differ:\n%s", diff)
		}
		if r.Len()+r.Forgotten() != slots*perSlot {
			t.Errorf("%d remembered and %d forgotten, want %d in all", r.Len(), r.Forgotten(), slots*perSlot)
		}
		// Four slots in a horizon, two that are late, one begun, and one for the steps.
		if limit := 8 * perSlot; most > limit {
			t.Errorf("%d records remembered at a time, want no more than %d", most, limit)
		}
	})
}

// traffic is what else goes on: spans of no interest, one a minute.
func traffic(from time.Time, d time.Duration) []fleet.Record {
	var rs []fleet.Record
	for when := from; when.Before(from.Add(d)); when = when.Add(time.Minute) {
		id := fmt.Sprintf("%032x", when.Unix())
		rs = append(rs, fleet.Record{ID: fleet.SpanID(id, "s"), Kind: fleet.KindSpan, Time: when, Seen: fleet.Keys{Trace: id, Span: "s"}})
	}
	return rs
}

func TestATraceThatGoesOnKeepsItsDonor(t *testing.T) {
	const horizon = time.Hour
	r := NewResolver(horizon, Bound{})
	first := with(span("first", "10:00:00", traceA), func(k *fleet.Keys) { k.Correlation = "C1" })
	r.Add([]fleet.Record{first})
	for minute := 10; minute <= 180; minute += 10 {
		next := span(fmt.Sprintf("s%d", minute), "10:00:00", traceA)
		next.Time = next.Time.Add(time.Duration(minute) * time.Minute)
		batch := append(traffic(next.Time, 10*time.Minute), next)
		if amended := r.Add(batch); len(amended) > 0 {
			t.Fatalf("minute %d: amendments %v, want none", minute, amended)
		}
		if got := batch[len(batch)-1].Keys.Correlation; got != "C1" {
			t.Errorf("minute %d: correlation %q, want C1", minute, got)
		}
	}
	if r.Forgotten() < 60 {
		t.Errorf("%d records forgotten, want the traffic of an hour and more", r.Forgotten())
	}
	// Once it is over, all of it goes, also what waited for the rest.
	r.Add(traffic(at("13:00:00"), 3*time.Hour))
	again := []fleet.Record{span("again", "16:00:00", traceA)}
	r.Add(again)
	if got := again[0].Keys.Correlation; got != "" {
		t.Errorf("correlation %q of a trace that is forgotten, want none", got)
	}
	if limit := 60 + 60/ageSteps + 2*strays; r.Len() > limit {
		t.Errorf("%d records remembered, want no more than %d", r.Len(), limit)
	}
}

func TestATraceThatNeverEndsIsCutAndKeepsItsName(t *testing.T) {
	const horizon, minutes = time.Hour, 24 * 60
	r := NewResolver(horizon, Bound{})
	for minute := range minutes {
		s := span(fmt.Sprintf("s%04d", minute), "00:00:00", traceA)
		s.Time = s.Time.Add(time.Duration(minute) * time.Minute)
		if minute == 5 {
			s.Seen.Correlation = "C1"
		}
		batch := []fleet.Record{s}
		if amended := r.Add(batch); minute > 5 && len(amended) > 0 {
			t.Fatalf("minute %d: amendments %v, want none", minute, amended)
		}
		if got := batch[0].Keys.Correlation; minute > 5 && got != "C1" {
			t.Fatalf("minute %d: correlation %q, want C1", minute, got)
		}
	}
	// Four horizons, one more at the longest until it is looked at again, and strays.
	if limit := 5*60 + 2*strays; r.Len() > limit {
		t.Errorf("%d records remembered, want no more than %d", r.Len(), limit)
	}
}

// A worker that polls a queue in one endless trace ties the traces of all
// senders together; each of those is forgotten once the tie to it is.
func TestWhatAnEndlessTraceHeldTogetherIsForgotten(t *testing.T) {
	const horizon, minutes = time.Hour, 24 * 60
	r := NewResolver(horizon, Bound{})
	for minute := range minutes {
		sender := with(span(fmt.Sprintf("sent%04d", minute), "00:00:00", fmt.Sprintf("%032x", minute+1)), messages(fmt.Sprint("M", minute)))
		worker := with(span(fmt.Sprintf("work%04d", minute), "00:00:00", traceA), messages(fmt.Sprint("M", minute)))
		sender.Time = sender.Time.Add(time.Duration(minute) * time.Minute)
		worker.Time = sender.Time.Add(time.Second)
		r.Add([]fleet.Record{worker, sender})
	}
	if limit := 2 * (6*60 + strays); r.Len() > limit {
		t.Errorf("%d records remembered, want no more than %d", r.Len(), limit)
	}
}

func TestAKeyIsRememberedForAsLongAsItLives(t *testing.T) {
	const horizon = time.Hour
	issue := fleet.Record{ID: "issue", Kind: fleet.KindAPICall, Time: at("00:00:00"), Principal: "alice", Seen: fleet.Keys{IssuedKey: "ASIA1"}}
	for _, tt := range []struct {
		after time.Duration
		want  string
	}{{30 * time.Hour, "alice"}, {40 * time.Hour, ""}} {
		r := NewResolver(horizon, Bound{})
		r.Add([]fleet.Record{issue})
		r.Add(traffic(issue.Time, tt.after))
		if limit := 60 + 60/ageSteps + 2*strays + 24; r.Len() > limit { // 24: a hundredth of 40 hours
			t.Errorf("%d records remembered, want no more than %d", r.Len(), limit)
		}
		use := []fleet.Record{{ID: "use", Kind: fleet.KindAPICall, Time: issue.Time.Add(tt.after), Seen: fleet.Keys{AccessKey: "ASIA1"}}}
		r.Add(use)
		if got := use[0].Keys.Origin; got != tt.want {
			t.Errorf("after %v: origin %q, want %q", tt.after, got, tt.want)
		}
	}
}

func TestAClockGoneWrongForgetsNothing(t *testing.T) {
	r := NewResolver(time.Hour, Bound{})
	r.Add(traffic(at("10:00:00"), time.Hour))
	stray := span("stray", "10:00:00", traceB)
	stray.Time = stray.Time.AddDate(70, 0, 0)
	r.Add([]fleet.Record{stray})
	if got, want := r.Len(), 61; got != want {
		t.Errorf("%d records remembered, want %d", got, want)
	}
}

func TestWithoutHorizonNothingIsForgotten(t *testing.T) {
	r := NewResolver(0, Bound{})
	r.Add(traffic(at("10:00:00"), 48*time.Hour))
	if got, want := r.Len(), 48*60; got != want || r.Forgotten() != 0 {
		t.Errorf("%d records remembered and %d forgotten, want %d and none", got, r.Forgotten(), want)
	}
}

// empty fails unless nothing is left of anything.
func empty(t *testing.T, r *Resolver) {
	t.Helper()
	got := map[string]int{
		"entries": r.entries.live(), "extras": r.extras.live(), "shown": r.shown.live(), "placed": r.placed.live(),
		"spots": r.spots.live(), "nodes": r.nodes.live(), "text bytes": r.texts.bytes(), "known": r.known.live,
		"node hashes": r.nodesBy.live, "issuers": len(r.issuers), "dirtied": len(r.dirtied), "loose": len(r.loose), "Len": r.Len(),
	}
	for what, n := range got {
		if n != 0 {
			t.Errorf("%d %s are left", n, what)
		}
	}
	for i := uint32(1); i < r.nodes.next; i++ {
		if n := r.nodes.at(i); n.text != 0 {
			t.Errorf("left is %q of space %d, referred to %d times", r.spelled(i), n.space, n.refs)
		}
	}
}

// TestForgettingLeavesNothing adds, revises, loads, and at last forgets all.
func TestForgettingLeavesNothing(t *testing.T) {
	seeds(t, 300, func(t *testing.T, s *sets) {
		r := NewResolver(time.Hour, Bound{})
		rs := s.revised(s.records(5 + s.IntN(100)))
		for _, b := range s.batches(rs) {
			if s.IntN(4) == 0 {
				loaded := resolved(b)
				r.Load(loaded)
			} else {
				r.Add(b)
			}
		}
		r.hold()
		r.bound.Entries = 1
		r.forgetBeyond()
		r.forgetBefore(1<<60, 1<<60)
		r.forgetIssuers(1 << 60)
		r.holdDirty()
		r.collect()
		empty(t, r)
	})
}

// TestTheBoundForgetsTheOldest keeps a number of entries, says what it forgot,
// and takes no answer back.
func TestTheBoundForgetsTheOldest(t *testing.T) {
	for _, bound := range []Bound{{Entries: 400}, {Bytes: 60_000}} {
		r := NewResolver(24*time.Hour, bound)
		kept := &store{t, map[string]fleet.Record{}}
		var lost []Loss
		all := typical(5000)
		most, bytes := 0, 0
		for b := range slices.Chunk(all, 50) {
			kept.add(r, b)
			most, bytes = max(most, r.Len()), max(bytes, r.Bytes())
			lost = append(lost, r.Losses()...)
		}
		if bound.Entries > 0 && most > bound.Entries || bound.Bytes > 0 && bytes > bound.Bytes {
			t.Errorf("%d entries of %d bytes remembered, want no more than %+v", most, bytes, bound)
		}
		forgotten := 0
		for i, l := range lost {
			forgotten += l.Records
			if l.Reason != LossBound || !l.Window.Start.Before(l.Window.End) {
				t.Errorf("loss %+v, want a window lost to the bound", l)
			}
			if i > 0 && l.Window.Start.Before(lost[i-1].Window.Start) {
				t.Errorf("what happened from %v on was forgotten after that from %v on", l.Window.Start, lost[i-1].Window.Start)
			}
		}
		if forgotten != r.Forgotten() || forgotten+r.Len() != len(all) || len(lost) < 10 {
			t.Errorf("%d losses of %d records; %d forgotten and %d remembered, of %d", len(lost), forgotten, r.Forgotten(), r.Len(), len(all))
		}
		// The oldest that it remembers is not older than what it forgot last.
		last := lost[len(lost)-1].Window.End
		for i := uint32(1); i < r.entries.next; i++ {
			if e := r.entries.at(i); e.id != 0 && e.timeUS < last.UnixMicro()-1 {
				t.Fatalf("an entry of %v is there, forgotten was up to %v", time.UnixMicro(e.timeUS).UTC(), last)
			}
		}
		// In order of time, what a trace of a second joins was never far.
		got := kept.all()
		if diff := diffKeys(resolved(got), got); diff != "" {
			t.Errorf("Resolve (-) and Resolver (+) differ:\n%s", diff)
		}
	}
}

// TestTheBoundTakesNothingBack adds evidence in any order to a Resolver that is
// far too small: whatever an answer was, only evidence that came makes it another.
func TestTheBoundTakesNothingBack(t *testing.T) {
	seeds(t, 300, func(t *testing.T, s *sets) {
		kept := &store{t, map[string]fleet.Record{}}
		r := NewResolver(24*time.Hour, Bound{Entries: 12})
		before := map[string]fleet.Keys{}
		for _, b := range s.batches(s.records(5 + s.IntN(100))) {
			kept.add(r, b)
			for id, rec := range kept.records {
				was := before[id]
				if was.Trace != "" && rec.Keys.Trace == "" || was.Request != "" && rec.Keys.Request == "" {
					t.Errorf("%s was %+v and is %+v", id, was, rec.Keys)
				}
				before[id] = rec.Keys
			}
			if r.Len() > 12 {
				t.Errorf("%d records remembered, want no more than 12", r.Len())
			}
		}
	})
}
