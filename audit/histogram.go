package audit

import "math"

// add counts a duration in seconds. The first step ends at 0.1 ms; the 96th,
// which takes all that is longer, begins above an hour.
func (h *histogram) add(seconds float64) {
	i := 0
	if seconds > leastStep {
		i = min(int(math.Log(seconds/leastStep)/math.Log(stepFactor))+1, len(h)-1)
	}
	h[i]++
}

const (
	leastStep  = 0.0001
	stepFactor = 1.2
)

// quantile is the end of the step in which that share of the durations is over.
func (h *histogram) quantile(share float64) float64 {
	var all, so int64
	for _, n := range h {
		all += n
	}
	for i, n := range h {
		if so += n; all > 0 && float64(so) >= share*float64(all) {
			return leastStep * math.Pow(stepFactor, float64(i))
		}
	}
	return 0
}

// above counts the durations that are longer for certain: those of the steps
// that begin there or later.
func (h *histogram) above(seconds float64) int64 {
	var n int64
	for i := 1; i < len(h); i++ {
		if leastStep*math.Pow(stepFactor, float64(i-1)) >= seconds {
			n += h[i]
		}
	}
	return n
}
