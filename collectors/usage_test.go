//go:build linux

package collectors

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// rusageThread is RUSAGE_THREAD of getrusage(2).
const rusageThread = 1

// cpuTime is the processor time that f takes, whatever else the machine does.
func cpuTime(t *testing.T, f func()) time.Duration {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	spent := func() time.Duration {
		var u syscall.Rusage
		must(t, syscall.Getrusage(rusageThread, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	began := spent()
	f()
	return spent() - began
}
