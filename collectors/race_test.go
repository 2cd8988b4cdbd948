//go:build race

package collectors

// raceSlows is by how much less a test does under the race detector.
const raceSlows = 10
