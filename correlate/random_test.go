package correlate

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// sets makes random evidence in which keys collide, times tie and chains form,
// all the time: every key comes from a handful.
type sets struct {
	*rand.Rand
	keys   int           // how many of each kind of key there are
	spread time.Duration // how far apart in time records lie, in steps of step
	step   time.Duration
	dense  float64 // how likely a record shows each key that its kind may show
}

var epoch = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func newSets(seed uint64) *sets {
	r := rand.New(rand.NewPCG(seed, 7))
	spreads := []struct{ spread, step time.Duration }{
		{5 * time.Microsecond, time.Microsecond},       // all but equal
		{3 * time.Millisecond, 250 * time.Microsecond}, // equal once cut to milliseconds
		{40 * time.Minute, time.Minute},                // in and out of the touch window, to the minute
		{20 * time.Minute, time.Microsecond},
	}
	s := spreads[r.IntN(len(spreads))]
	return &sets{
		Rand: r, keys: 2 + r.IntN(12), spread: s.spread, step: s.step, dense: 0.2 + 0.7*r.Float64(),
	}
}

// records makes n records with ids of their own.
func (s *sets) records(n int) []fleet.Record {
	rs := make([]fleet.Record, n)
	for i, j := range s.Perm(n) {
		rs[i] = s.record(fmt.Sprintf("r%03d", j))
	}
	return rs
}

func (s *sets) record(id string) fleet.Record {
	kind := fleet.Kinds()[s.IntN(len(fleet.Kinds()))]
	r := fleet.Record{
		ID: id, Kind: kind,
		Time:      epoch.Add(time.Duration(s.Int64N(int64(s.spread/s.step))) * s.step),
		Account:   s.pick("11112222333", 2),
		Region:    "us-east-" + s.maybe(0.2, "", 2),
		Principal: s.maybe(0.9, "arn:aws:iam::1:role/", 9),
	}
	traced := map[fleet.Kind]float64{fleet.KindSpan: 1, fleet.KindLog: 1, fleet.KindAPICall: 0.3, fleet.KindChange: 0.1, fleet.KindVerdict: 0.1}
	r.Seen = fleet.Keys{
		Trace:       s.maybe(s.dense*traced[kind], fmt.Sprintf("%031d", 0), s.keys),
		Span:        s.maybe(0.8, "span", 99),
		Parent:      s.maybe(0.5, "span", 99),
		Correlation: s.maybe(s.dense/4, "c", s.keys),
		AccessKey:   s.maybe(s.dense, "AKIA", s.keys),
		IssuedKey:   s.maybe(s.dense/3, "AKIA", s.keys),
	}
	if kind == fleet.KindSpan && s.Float64() < 0.8 {
		r.Seen.Trace = s.pick(fmt.Sprintf("%031d", 0), s.keys)
	}
	shows := map[fleet.Kind]float64{fleet.KindAPICall: 1, fleet.KindChange: 0.1, fleet.KindVerdict: 0.1}
	if s.Float64() < max(shows[kind], 0.1) || shows[kind] == 0 && s.Float64() < s.dense {
		scopes := []fleet.Scope{fleet.ScopeAWS, fleet.ScopeAWS, fleet.ScopeAWS, fleet.ScopeLambda, fleet.ScopeApp}
		r.Seen.Request, r.Seen.Scope = s.pick("req", s.keys), scopes[s.IntN(len(scopes))]
	}
	for range s.IntN(3) {
		r.Seen.Messages = append(r.Seen.Messages, s.maybe(0.95, "m", 2*s.keys))
	}
	for range s.IntN(4) {
		r.Resources = append(r.Resources, s.resource())
	}
	if s.Float64() < 0.1 {
		r.Error = "AccessDenied"
	}
	if s.Float64() < 0.1 {
		r.Attributes.Set(fleet.AttrReadOnly, "true")
	}
	if kind == fleet.KindAPICall {
		r.Attributes.Set(fleet.AttrEventCategory, []string{"Management", "Management", "Data", ""}[s.IntN(4)])
	}
	return r
}

func (s *sets) resource() string {
	name := s.pick("orders", 1+s.keys/3)
	if s.Float64() < 0.2 {
		return "arn:aws:dynamodb:us-east-1:1:table/" + name
	}
	return fleet.ResourceName("AWS::DynamoDB::Table", name)
}

func (s *sets) pick(prefix string, n int) string { return fmt.Sprintf("%s%x", prefix, 1+s.IntN(n)) }

func (s *sets) maybe(p float64, prefix string, n int) string {
	if s.Float64() < p {
		return s.pick(prefix, n)
	}
	return ""
}

// resolved is a copy of records with their Keys set.
func resolved(rs []fleet.Record) []fleet.Record {
	out := make([]fleet.Record, len(rs))
	copy(out, rs)
	Resolve(out)
	return out
}

// diffKeys says how the keys of two runs over the same records differ.
func diffKeys(want, got []fleet.Record) string {
	for i := range want {
		if !reflect.DeepEqual(want[i], got[i]) { // far faster than cmp.Diff, over millions of records
			return want[i].ID + ":\n" + cmp.Diff(want[i], got[i])
		}
	}
	return ""
}

// seeds runs a test over n random sets, naming the seed in each failure.
func seeds(t *testing.T, n int, test func(t *testing.T, s *sets)) {
	t.Helper()
	for seed := range uint64(n) {
		test(t, newSets(seed))
		if t.Failed() {
			t.Fatalf("that was seed %d", seed)
		}
	}
}

// inSlot moves records into a stretch of time of their own, with keys of their own.
func inSlot(rs []fleet.Record, slot int, length time.Duration) {
	own := func(key *string) {
		if *key != "" {
			*key = fmt.Sprintf("%s.%d", *key, slot)
		}
	}
	for i := range rs {
		r := &rs[i]
		r.Time = r.Time.Add(time.Duration(slot) * length)
		for _, key := range []*string{
			&r.ID, &r.Account, &r.Seen.Trace, &r.Seen.Request, &r.Seen.Correlation, &r.Seen.AccessKey, &r.Seen.IssuedKey,
		} {
			own(key)
		}
		for m := range r.Seen.Messages {
			own(&r.Seen.Messages[m])
		}
	}
}
