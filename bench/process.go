package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// cost is what a whole process took.
type cost struct {
	wall, cpu time.Duration
	peakBytes int64 // resident
}

// measure runs a program to its end.
func measure(ctx context.Context, program string, args ...string) (cost, error) {
	c, _, err := output(ctx, program, args...)
	return c, err
}

// output is measure that also gives what the program printed.
func output(ctx context.Context, program string, args ...string) (c cost, _ []byte, _ error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	start := time.Now()
	err := cmd.Start()
	if err == nil {
		stop := watchPeak(cmd.Process.Pid)
		err = cmd.Wait()
		c.wall, c.peakBytes = time.Since(start), stop()
	}
	if err != nil {
		return cost{}, nil, fmt.Errorf("%s: %w\n%s", program, err, append(out.Bytes(), complaints.Bytes()...))
	}
	c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	// Linux counts what the parent had in memory when it started a process as the
	// process's own, so that this figure is only good above the parent's.
	var own syscall.Rusage
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if ok && syscall.Getrusage(syscall.RUSAGE_SELF, &own) == nil && (usage.Maxrss > own.Maxrss || c.peakBytes == 0) {
		c.peakBytes = usage.Maxrss << 10 // Linux counts kilobytes
	}
	return c, out.Bytes(), nil
}

// watchPeak looks at a process's peak of memory until stop is called, which gives
// the last one seen, in bytes; 0 where there is no /proc to tell it.
func watchPeak(pid int) (stop func() int64) {
	done, peak := make(chan struct{}), make(chan int64)
	go func() {
		var last int64
		tick := time.NewTicker(peakEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				peak <- last
				return
			case <-tick.C:
				last = max(last, peakOf(pid))
			}
		}
	}()
	return func() int64 {
		close(done)
		return <-peak
	}
}

// peakEvery is short beside the time in which memory is filled.
const peakEvery = 20 * time.Millisecond
