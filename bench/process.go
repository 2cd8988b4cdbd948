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
func output(ctx context.Context, program string, args ...string) (cost, []byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, nil, fmt.Errorf("%s: %w\n%s", program, err, append(out.Bytes(), complaints.Bytes()...))
	}
	c := cost{wall: time.Since(start), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.peakBytes = usage.Maxrss << 10 // Linux counts kilobytes
	}
	return c, out.Bytes(), nil
}
