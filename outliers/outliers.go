// Package outliers says in which attributes some traces differ most from others,
// and how sure that is. It is pure: values in, differences out.
package outliers

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
)

// Item is one trace: what it has, and whether it is of those that are to be
// explained.
type Item struct {
	Selected bool
	// Values are what the trace has of each attribute, each value once.
	Values map[string][]string
}

// Difference is an attribute in which the selected differ from the rest.
type Difference struct {
	Attribute string
	// Value is what the counts are of; "" where the attribute is a number whose
	// sizes differ.
	Value string
	// Selected of SelectedOf, and Rest of RestOf, have the value. Of a number
	// these are how many have one.
	Selected, SelectedOf int
	Rest, RestOf         int
	// Middle and RestMiddle are a number's medians.
	Middle, RestMiddle float64
	// Effect is how much they differ, from -1 to 1: the difference of the shares;
	// of a number, how much likelier a selected one is greater than one of the
	// rest than that it is smaller (Cliff's delta). It is what differences are
	// ordered by.
	Effect float64
	// P is how likely a difference so great, or greater, is by chance where there
	// is none; Q the same with regard to how many were looked at.
	P, Q float64
}

// Number reports whether the sizes of a number differ.
func (d *Difference) Number() bool { return d.Value == "" }

const (
	// Level is the share of what is told that may be chance: one in twenty, as is
	// customary.
	Level = 0.05
	// leastHaving is from how many traces on a value is tested: what one or two
	// have, ids above all, can tell nothing and would blunt the other tests. It
	// does not depend on who is selected, and so does not bias them.
	leastHaving = 3
	// leastNumbers is from how many different numbers on an attribute is one of
	// sizes, and not of kinds: a status or a version has fewer.
	leastNumbers = 10
)

// Of compares the selected with the rest and gives the differences that are
// surely none of chance, the greatest first.
//
// A value is tested by Fisher's exact test, which is exact for few traces too; an
// attribute with at least ten different values, all of them numbers, by Mann and
// Whitney's rank test, which asks nothing of how they are spread. Since many are
// tested, Benjamini and Hochberg's procedure keeps the share of false ones among
// those told below Level.
func Of(items []Item) []Difference {
	selected := 0
	for i := range items {
		if items[i].Selected {
			selected++
		}
	}
	rest := len(items) - selected
	if selected == 0 || rest == 0 {
		return nil
	}
	var tested []Difference
	byAttribute := collect(items)
	for _, name := range slices.Sorted(maps.Keys(byAttribute)) {
		a := byAttribute[name]
		if d, is := a.ranks(name, items); is {
			tested = append(tested, d)
			continue
		}
		for _, v := range slices.Sorted(maps.Keys(a.values)) {
			n := a.values[v]
			if n.selected+n.rest < leastHaving || n.selected+n.rest == len(items) {
				continue
			}
			tested = append(tested, Difference{
				Attribute: name, Value: v, Selected: n.selected, SelectedOf: selected, Rest: n.rest, RestOf: rest,
				Effect: float64(n.selected)/float64(selected) - float64(n.rest)/float64(rest),
				P:      Fisher(n.selected, selected, n.rest, rest),
			})
		}
	}
	control(tested)
	tested = slices.DeleteFunc(tested, func(d Difference) bool { return d.Q > Level })
	slices.SortStableFunc(tested, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Effect), math.Abs(a.Effect)), cmp.Compare(b.Effect, a.Effect), cmp.Compare(a.P, b.P))
	})
	return tested
}

// having counts the traces with a value.
type having struct{ selected, rest int }

// attribute is what all traces have of one.
type attribute struct {
	values  map[string]having
	numbers bool // all of them
}

func collect(items []Item) map[string]*attribute {
	out := map[string]*attribute{}
	for i := range items {
		for name, vs := range items[i].Values {
			a := out[name]
			if a == nil {
				a = &attribute{values: map[string]having{}, numbers: true}
				out[name] = a
			}
			for _, v := range vs {
				n := a.values[v]
				if items[i].Selected {
					n.selected++
				} else {
					n.rest++
				}
				a.values[v] = n
				if _, is := number(v); !is {
					a.numbers = false
				}
			}
		}
	}
	return out
}

// number reads a finite decimal.
func number(s string) (float64, bool) {
	x, err := strconv.ParseFloat(s, 64)
	return x, err == nil && !math.IsInf(x, 0) && !math.IsNaN(x)
}

// ranks tests an attribute of numbers by their sizes; of a trace with several,
// the greatest counts. It is none where fewer than ten
// different ones are known.
func (a *attribute) ranks(name string, items []Item) (Difference, bool) {
	if !a.numbers || len(a.values) < leastNumbers {
		return Difference{}, false
	}
	var selected, rest []float64
	for i := range items {
		most, has := math.Inf(-1), false
		for _, v := range items[i].Values[name] {
			x, _ := number(v)
			most, has = max(most, x), true
		}
		switch {
		case !has:
		case items[i].Selected:
			selected = append(selected, most)
		default:
			rest = append(rest, most)
		}
	}
	d := Difference{
		Attribute: name, Selected: len(selected), SelectedOf: len(selected), Rest: len(rest), RestOf: len(rest), P: 1,
	}
	if len(selected)+len(rest) < leastHaving || len(selected) == 0 || len(rest) == 0 {
		return d, true
	}
	d.Effect, d.P = RankSum(selected, rest)
	d.Middle, d.RestMiddle = middle(selected), middle(rest)
	return d, true
}

func middle(xs []float64) float64 {
	slices.Sort(xs)
	n := len(xs)
	if n%2 == 1 {
		return xs[n/2]
	}
	return (xs[n/2-1] + xs[n/2]) / 2
}

// control sets Q.
func control(ds []Difference) {
	ps := make([]float64, len(ds))
	for i := range ds {
		ps[i] = ds[i].P
	}
	for i, q := range FalseShares(ps) {
		ds[i].Q = q
	}
}

// FalseShares turns the p of several tests into the smallest level at which
// Benjamini and Hochberg's procedure would still tell each: told up to a level,
// no larger share than that is expected to be chance.
func FalseShares(ps []float64) []float64 {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(ps[i], ps[j]) })
	out := make([]float64, len(ps))
	least := 1.0
	for rank := len(order); rank > 0; rank-- {
		i := order[rank-1]
		least = min(least, ps[i]*float64(len(ps))/float64(rank))
		out[i] = least
	}
	return out
}
