package explore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"muster/compare"
	"muster/fleet"
	"muster/outliers"
)

const (
	// aroundChange is how long before and after a change operations are compared:
	// a bad release shows within half an hour, and further on other things do.
	aroundChange = 30 * time.Minute
	// mostAround is how many spans of that time are looked at.
	mostAround = 100_000
	// mostWorse is how many operations are told: the first lines are what counts.
	mostWorse = 12
)

// worsened is an operation that fails more, or is slower, than before.
type worsened struct {
	service, name    string
	calls, callsWas  int
	errors, erredWas int
	p50, p50Was      time.Duration
	fails, slower    bool
	q                float64 // how likely it is chance, for as many as were looked at
}

func (x *worsened) lines(w int) []line {
	out := []line{line{own(plain, "  "), own(bad, "▲ "), foreign(service, x.service), own(plain, " "), foreignTo(plain, x.name, w)}.fit(w)}
	if x.fails {
		out = append(out, line{own(faint, "    fails   "), own(plain, fmt.Sprintf("%d of %d", x.erredWas, x.callsWas)), own(faint, " → "), own(bad, fmt.Sprintf("%d of %d", x.errors, x.calls))})
	}
	if x.slower {
		out = append(out, line{own(faint, "    median  "), own(plain, took(x.p50Was)), own(faint, " → "), own(bad, took(x.p50)), own(faint, fmt.Sprintf("  of %d and %d", x.callsWas, x.calls))})
	}
	return out
}

// readAftermath reads who made a change, and compares the operations of the time
// before it with those after it, up to the next change of the resource.
func readAftermath(ctx context.Context, r fleet.Reader, change *fleet.Record, until time.Time, j *job) *aftermath {
	a := &aftermath{
		before: fleet.Window{Start: change.Time.Add(-aroundChange), End: change.Time},
		after:  fleet.Window{Start: change.Time, End: change.Time.Add(aroundChange)},
	}
	if !until.IsZero() && until.Before(a.after.End) && until.After(change.Time.Add(time.Minute)) {
		a.after.End = until
	}
	if a.err = a.who(ctx, r, change, j); a.err != nil {
		return a
	}
	a.err = a.effects(ctx, r, j)
	return a
}

// who finds the call that shares the change's request, and where its credentials
// came from.
func (a *aftermath) who(ctx context.Context, r fleet.Reader, change *fleet.Record, j *job) error {
	if change.Keys.Request == "" {
		return nil
	}
	day := fleet.Window{Start: change.Time.Add(-24 * time.Hour), End: change.Time.Add(24 * time.Hour)}
	q := fleet.Query{Window: day, Kinds: []fleet.Kind{fleet.KindAPICall}, Request: change.Keys.Request}
	for x, err := range r.Records(ctx, q) {
		if err != nil {
			return err
		}
		j.read.Add(1)
		if a.call == nil || x.Keys.Scope == change.Keys.Scope {
			a.call = &x
		}
	}
	if a.call == nil {
		return nil
	}
	if o := a.call.Keys.Origin; o != "" && o != a.call.Principal {
		a.chain = append(a.chain, o)
	}
	return nil
}

// operation is what calls are compared by.
type operationKey struct{ service, name string }

// measured is what is known of an operation's calls on one side.
type measured struct {
	took   []float64
	errors int
}

// effects compares each operation's share of errors and its durations.
func (a *aftermath) effects(ctx context.Context, r fleet.Reader, j *job) error {
	both := fleet.Window{Start: a.before.Start, End: a.after.End}
	q := fleet.Query{Window: both, Kinds: []fleet.Kind{fleet.KindSpan}, Lean: true, Limit: mostAround}
	sides := map[operationKey]*[2]measured{}
	traces := map[string]bool{}
	for x, err := range r.Records(ctx, q) {
		if err != nil {
			return err
		}
		j.read.Add(1)
		k := operationKey{x.Service, compare.Route(x.Name)}
		s := sides[k]
		if s == nil {
			s = &[2]measured{}
			sides[k] = s
		}
		side := 0
		if !x.Time.Before(a.after.Start) {
			side = 1
		}
		s[side].took = append(s[side].took, float64(x.Duration))
		if x.Error != "" {
			s[side].errors++
		}
		traces[x.Keys.Trace] = true
	}
	a.requests = len(traces)
	a.worse = worse(sides)
	return nil
}

// worse are the operations that surely got worse, those that fail more first.
func worse(sides map[operationKey]*[2]measured) []worsened {
	type test struct {
		worsened
		p float64
	}
	var tests []test
	keys := slices.SortedFunc(maps.Keys(sides), func(a, b operationKey) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.name, b.name))
	})
	for _, k := range keys {
		was, is := &sides[k][0], &sides[k][1]
		if len(was.took) == 0 || len(is.took) == 0 {
			continue
		}
		x := worsened{
			service: k.service, name: k.name, calls: len(is.took), callsWas: len(was.took),
			errors: is.errors, erredWas: was.errors, p50: half(is.took), p50Was: half(was.took),
		}
		fails, slower := x, x
		fails.fails, slower.slower = true, true
		effect, p := outliers.RankSum(is.took, was.took)
		if effect > 0 {
			tests = append(tests, test{slower, p})
		}
		if is.errors*len(was.took) > was.errors*len(is.took) {
			tests = append(tests, test{fails, outliers.Fisher(is.errors, len(is.took), was.errors, len(was.took))})
		}
	}
	ps := make([]float64, len(tests))
	for i := range tests {
		ps[i] = tests[i].p
	}
	var out []worsened
	for i, q := range outliers.FalseShares(ps) {
		if q <= outliers.Level && (tests[i].fails || tests[i].p50 > tests[i].p50Was) {
			tests[i].q = q
			out = append(out, tests[i].worsened)
		}
	}
	slices.SortStableFunc(out, func(a, b worsened) int {
		if a.fails != b.fails {
			return map[bool]int{true: -1, false: 1}[a.fails]
		}
		return cmp.Or(cmp.Compare(b.p50-b.p50Was, a.p50-a.p50Was), cmp.Compare(a.q, b.q))
	})
	return out[:min(len(out), mostWorse)]
}

// half is the median of durations.
func half(ds []float64) time.Duration {
	s := slices.Sorted(slices.Values(ds))
	return time.Duration(s[len(s)/2])
}
