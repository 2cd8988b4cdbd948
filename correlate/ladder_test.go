package correlate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

func sureLink(via fleet.Rung, sure fleet.Certainty) fleet.Link {
	return fleet.Link{Via: via, Sure: sure}
}

// resolveOne resolves records and gives the keys of the last one handed in.
func resolveOne(rs ...fleet.Record) fleet.Keys {
	Resolve(rs)
	return rs[len(rs)-1].Keys
}

func log(id, clock string) fleet.Record {
	return fleet.Record{ID: id, Kind: fleet.KindLog, Time: at(clock)}
}

// asked shows request R1 of a scope.
func asked(scope fleet.Scope) func(*fleet.Keys) {
	return func(k *fleet.Keys) { k.Scope, k.Request = scope, "R1" }
}

func messages(ids ...string) func(*fleet.Keys) {
	return func(k *fleet.Keys) { k.Messages = ids }
}

func correlated(id string) func(*fleet.Keys) {
	return func(k *fleet.Keys) { k.Correlation = id }
}

func TestTouchTakesTheLatestWriteBeforeTheChange(t *testing.T) {
	elsewhere, other, failed, data, reading, lambda := write("w9", "10:14:00", "R9"), write("w9", "10:14:00", "R9"),
		write("w9", "10:14:00", "R9"), write("w9", "10:14:00", "R9"), write("w9", "10:14:00", "R9"), write("w9", "10:14:00", "R9")
	elsewhere.Region = "eu-west-1"
	other.Resources = []string{"AWS::DynamoDB::Table/payments", "arn:aws:dynamodb:us-east-1:111122223333:table/orders"}
	failed.Error = "AccessDenied"
	data.Attributes = fleet.AttributesOf(fleet.AttrEventCategory, "Data")
	reading.Attributes = fleet.AttributesOf(fleet.AttrReadOnly, "true")
	lambda.Seen.Scope = fleet.ScopeLambda
	early := write("w1", "10:00:00", "R1")
	tests := []struct {
		name    string
		records []fleet.Record
		want    string
	}{
		{"the only one", []fleet.Record{early}, "R1"},
		{"the latest", []fleet.Record{write("w2", "10:10:00", "R2"), early}, "R2"},
		{"of two at once the smaller id", []fleet.Record{write("w0", "10:00:00", "R0"), early}, "R0"},
		{"at the moment of the change", []fleet.Record{write("w3", "10:15:00", "R3"), early}, "R3"},
		{"not after it", []fleet.Record{write("w4", "10:15:01", "R4"), early}, "R1"},
		{"not more than 15 minutes before", []fleet.Record{write("w5", "09:59:59", "R5")}, ""},
		{"not in another region", []fleet.Record{elsewhere, early}, "R1"},
		{"not on another resource, nor by ARN", []fleet.Record{other, early}, "R1"},
		{"not one that was refused", []fleet.Record{failed, early}, "R1"},
		{"not a data event", []fleet.Record{data, early}, "R1"},
		{"not one that reads", []fleet.Record{reading, early}, "R1"},
		{"not one without an AWS request id", []fleet.Record{lambda, early}, "R1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, kind := range []fleet.Kind{fleet.KindChange, fleet.KindVerdict} {
				c := change("10:15:00")
				c.Kind = kind
				want := fleet.Keys{}
				if tt.want != "" {
					want = fleet.Keys{Request: tt.want, Scope: fleet.ScopeAWS, RequestLink: sureLink(fleet.RungTouch, fleet.Inferred)}
				}
				if diff := cmp.Diff(want, resolveOne(append(slices.Clone(tt.records), c)...)); diff != "" {
					t.Errorf("%s, want (-) and got (+):\n%s", kind, diff)
				}
			}
		})
	}
}

func TestRequestLeadsToTheTraceOfTheEarliestSpan(t *testing.T) {
	a := with(span("a", "10:00:00", traceA), asked(fleet.ScopeAWS))
	b := with(span("b", "10:00:00", traceB), asked(fleet.ScopeAWS))
	call := with(write("call", "10:00:01", ""), asked(fleet.ScopeAWS))
	byRequest := sureLink(fleet.RungRequest, fleet.Exact)
	tests := []struct {
		name      string
		records   []fleet.Record
		wantTrace string
		wantLink  fleet.Link
	}{
		{"an API call", []fleet.Record{b, a, call}, traceA, byRequest},
		{"a log line of the same scope", []fleet.Record{a, with(log("l", "09:00:00"), asked(fleet.ScopeAWS))}, traceA, byRequest},
		{"not a log line of another scope", []fleet.Record{a, with(log("l", "10:00:00"), asked(fleet.ScopeLambda))}, "", fleet.Link{}},
		{"not a span", []fleet.Record{a, with(span("s", "10:00:00", ""), asked(fleet.ScopeAWS))}, "", fleet.Link{}},
		{"not what has a trace", []fleet.Record{a, with(call, func(k *fleet.Keys) { k.Trace = traceB })}, traceB, sureLink(fleet.RungSeen, fleet.Exact)},
		{"not by way of a log line", []fleet.Record{with(log("l", "10:00:00"), func(k *fleet.Keys) { k.Trace = traceA; asked(fleet.ScopeAWS)(k) }), call}, "", fleet.Link{}},
		{"a change, as sure as its request", []fleet.Record{a, call, change("10:05:00")}, traceA, sureLink(fleet.RungRequest, fleet.Inferred)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := resolveOne(tt.records...)
			if got.Trace != tt.wantTrace || got.TraceLink != tt.wantLink {
				t.Errorf("trace %q %v, want %q %v", got.Trace, got.TraceLink, tt.wantTrace, tt.wantLink)
			}
		})
	}
}

func TestMessageLeadsToTheTraceOfTheEarliestRecord(t *testing.T) {
	b := with(span("b", "10:00:01", traceB), messages("M2"))
	a := with(log("a", "10:00:02"), func(k *fleet.Keys) { k.Trace = traceA; k.Messages = []string{"M1"} })
	got := resolveOne(a, b, with(log("l", "09:00:00"), messages("M1", "M2")))
	if want := sureLink(fleet.RungMessage, fleet.Exact); got.Trace != traceB || got.TraceLink != want {
		t.Errorf("trace %q %v, want %q %v", got.Trace, got.TraceLink, traceB, want)
	}
	// A trace that was itself taken is not passed on.
	got = resolveOne(a, with(log("m", "10:00:03"), messages("M1", "M3")), with(log("n", "10:00:04"), messages("M3")))
	if got.Trace != "" {
		t.Errorf("trace %q taken at second hand, want none", got.Trace)
	}
}

func TestTraceTakesTheCorrelationOfItsEarliestDonor(t *testing.T) {
	late := with(span("late", "10:00:02", traceA), correlated("C2"))
	early := with(log("early", "10:00:01"), func(k *fleet.Keys) { k.Trace = traceA; k.Correlation = "C1" })
	got := resolveOne(late, early, span("s", "10:00:00", traceA))
	if want := sureLink(fleet.RungTrace, fleet.Exact); got.Correlation != "C1" || got.CorrelationLink != want {
		t.Errorf("correlation %q %v, want C1 %v", got.Correlation, got.CorrelationLink, want)
	}
	got = resolveOne(early, late)
	if want := sureLink(fleet.RungSeen, fleet.Exact); got.Correlation != "C2" || got.CorrelationLink != want {
		t.Errorf("correlation %q %v, want the one seen, C2 %v", got.Correlation, got.CorrelationLink, want)
	}
	// A donor whose own trace is inferred infers.
	a := with(span("a", "10:00:00", traceA), asked(fleet.ScopeAWS))
	got = resolveOne(write("w", "10:00:00", "R1"), with(change("10:00:01"), correlated("C3")), a)
	if want := sureLink(fleet.RungTrace, fleet.Inferred); got.Correlation != "C3" || got.CorrelationLink != want {
		t.Errorf("correlation %q %v, want C3 %v", got.Correlation, got.CorrelationLink, want)
	}
}

// chain makes n traces, each tied to the next by a message, the later in the
// chain the earlier in time, and gives their ids.
func chain(n int) (rs []fleet.Record, ids []string) {
	for i := range n {
		id := fmt.Sprintf("%032x", i+1)
		s := with(span(fmt.Sprint("s", i), "10:00:00", id), messages(fmt.Sprint("M", i), fmt.Sprint("M", i+1)))
		s.Time = s.Time.Add(-time.Duration(i) * time.Second)
		rs, ids = append(rs, s), append(ids, id)
	}
	return rs, ids
}

func TestJourneyIsNamedWithinFourTies(t *testing.T) {
	rs, ids := chain(8)
	rs[5].Seen.Correlation = "C1"
	Resolve(rs)
	var got []string
	for _, r := range rs {
		got = append(got, r.Keys.Correlation)
	}
	// Five ties away from the donor, the earliest trace in reach gives its id.
	if diff := cmp.Diff([]string{ids[4], "C1", "C1", "C1", "C1", "C1", "C1", "C1"}, got); diff != "" {
		t.Errorf("correlations along the chain, want (-) and got (+):\n%s", diff)
	}
	if want := sureLink(fleet.RungMessage, fleet.Exact); rs[0].Keys.CorrelationLink != want {
		t.Errorf("link %v, want %v", rs[0].Keys.CorrelationLink, want)
	}
}

func TestAMessageOfOneTraceNamesNothing(t *testing.T) {
	got := resolveOne(with(log("l", "10:00:00"), messages("M1")), with(span("a", "10:00:00", traceA), messages("M1")))
	if got.Correlation != "" {
		t.Errorf("correlation %q, want none: no other trace shows the message", got.Correlation)
	}
}

func TestSessionGoesFourStepsBack(t *testing.T) {
	var rs []fleet.Record
	for i := range 6 {
		rs = append(rs, fleet.Record{
			ID: fmt.Sprint("e", i), Kind: fleet.KindAPICall, Time: at("10:00:00"), Principal: fmt.Sprint("p", i),
			Seen: fleet.Keys{AccessKey: fmt.Sprint("K", i), IssuedKey: fmt.Sprint("K", i+1)},
		})
	}
	Resolve(rs)
	var got []string
	for _, r := range rs {
		got = append(got, r.Keys.Origin)
	}
	if diff := cmp.Diff([]string{"", "p0", "p0", "p0", "p0", "p1"}, got); diff != "" {
		t.Errorf("origins along the chain, want (-) and got (+):\n%s", diff)
	}
}

// TestResolveIsIndifferent to the order of records and to earlier answers.
func TestResolveIsIndifferent(t *testing.T) {
	seeds(t, 200, func(t *testing.T, s *sets) {
		once := resolved(s.records(80))
		again := slices.Clone(once)
		s.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		Resolve(again)
		for _, rs := range [][]fleet.Record{once, again} {
			slices.SortFunc(rs, func(a, b fleet.Record) int { return fleet.Compare(&a, &b) })
		}
		if diff := diffKeys(once, again); diff != "" {
			t.Errorf("once (-) and shuffled and resolved again (+) differ: %s", diff)
		}
	})
}
