//go:build !unix

package correlate

import "time"

var started = time.Now()

// cpuTime falls back on the time on the wall.
func cpuTime() time.Duration { return time.Since(started) }

// peakBytes is not known here.
func peakBytes() int64 { return 0 }
