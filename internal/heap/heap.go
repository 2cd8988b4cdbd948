// Package heap sets how much memory muster's processes take in exchange for
// time. GOGC and GOMEMLIMIT, where the environment has them, decide instead.
package heap

import (
	"os"
	"runtime/debug"
)

const (
	// softLimit is from where on, in bytes, the runtime collects garbage rather
	// than growing. What muster remembers for joining is bounded below it and has
	// few pointers, so that collecting is cheap. An import of a million records
	// stays below a gigabyte with it, the program's text and all else included.
	// DuckDB has a limit of its own.
	softLimit = 830 << 20
	// growth is by how many per cent of what is in use a heap grows until garbage
	// is collected. With the runtime's own 100 a search of a large lake takes a
	// fifth more CPU time, and an import up to an eighth.
	growth = 400
	// sharedGrowth is the runtime's own.
	sharedGrowth = 100
)

// Bound is for a program that a person waits for: it takes memory up to a limit.
func Bound() {
	setGrowth(growth)
	setLimit(softLimit)
}

// Share is for a service, which works a little all day: it takes twice what it
// has in use.
func Share() { setGrowth(sharedGrowth) }

// Raise raises the limit of Bound by some bytes.
func Raise(bytes int64) { setLimit(softLimit + bytes) }

func setGrowth(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

func setLimit(bytes int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(bytes)
	}
}
