package outliers

import (
	"cmp"
	"math"
	"slices"
)

// Fisher is the two-sided p of Fisher's exact test: how likely it is, if a of
// aOf and b of bOf have the same share, that they are as far apart as this or
// farther. All shares of equal or less likelihood count.
func Fisher(a, aOf, b, bOf int) float64 {
	have, all := a+b, aOf+bOf
	whole := choose(all, have)
	at := func(k int) float64 { return choose(aOf, k) + choose(bOf, have-k) - whole }
	seen := at(a)
	// Equal likelihoods differ in their last digits when they are computed.
	const rounding = 1e-7
	p := 0.0
	for k := max(0, have-bOf); k <= min(have, aOf); k++ {
		if x := at(k); x <= seen+rounding {
			p += math.Exp(x)
		}
	}
	return min(p, 1)
}

// choose is the logarithm of how many ways there are to choose k of n.
func choose(n, k int) float64 {
	return factorial(n) - factorial(k) - factorial(n-k)
}

func factorial(n int) float64 {
	x, _ := math.Lgamma(float64(n) + 1)
	return x
}

// RankSum compares the sizes of two samples by Mann and Whitney's test: how much
// likelier one of a is greater than one of b than smaller, from -1 to 1, and the
// two-sided p by the normal approximation with its corrections for ties and for
// whole ranks, which is close from some eight values each on and errs to the
// cautious side below.
func RankSum(a, b []float64) (effect, p float64) {
	type value struct {
		x float64
		a bool
	}
	all := make([]value, 0, len(a)+len(b))
	for _, x := range a {
		all = append(all, value{x, true})
	}
	for _, x := range b {
		all = append(all, value{x, false})
	}
	slices.SortFunc(all, func(v, w value) int { return cmp.Compare(v.x, w.x) })
	n, m := float64(len(a)), float64(len(b))
	ranks, ties := 0.0, 0.0
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].x == all[i].x {
			j++
		}
		t := float64(j - i)
		ties += t*t*t - t
		for _, v := range all[i:j] {
			if v.a {
				ranks += float64(i+j+1) / 2 // the middle of ranks i+1 to j
			}
		}
		i = j
	}
	u := ranks - n*(n+1)/2
	effect = 2*u/(n*m) - 1
	size := n + m
	variance := n * m / 12 * (size + 1 - ties/(size*(size-1)))
	if !(variance > 0) { // all are equal, or there is but one
		return effect, 1
	}
	const wholeRanks = 0.5
	z := max(math.Abs(u-n*m/2)-wholeRanks, 0) / math.Sqrt(variance)
	return effect, math.Erfc(z / math.Sqrt2)
}
