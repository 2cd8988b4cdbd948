package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"muster/fleet"
)

// timeValue is a flag that takes a moment: RFC 3339, a date, or how long ago
// ("15m", "36h", "7d").
type timeValue struct {
	now  func() time.Time
	time time.Time
	text string
}

func (v *timeValue) String() string { return v.text }
func (v *timeValue) Type() string   { return "time" }

func (v *timeValue) Set(s string) error {
	t, err := parseTime(s, v.now())
	if err != nil {
		return err
	}
	v.time, v.text = t, s
	return nil
}

// or is the moment given, or that long ago when none was.
func (v *timeValue) or(ago time.Duration) time.Time {
	if v.time.IsZero() {
		return v.now().Add(-ago)
	}
	return v.time
}

func parseTime(s string, now time.Time) (time.Time, error) {
	if d, err := parseAgo(s); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	if s == "now" {
		return now, nil
	}
	return time.Time{}, fmt.Errorf("%q is no time: give how long ago (15m, 36h, 7d) or a moment (2026-11-24T09:00:00Z)", s)
}

// parseAgo is time.ParseDuration with days.
func parseAgo(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		return time.Duration(n * float64(24*time.Hour)), err
	}
	return time.ParseDuration(s)
}

// windowFlags are --since and --until.
type windowFlags struct {
	since, until timeValue
}

func newWindowFlags(now func() time.Time) *windowFlags {
	return &windowFlags{since: timeValue{now: now}, until: timeValue{now: now}}
}

func (w *windowFlags) window() fleet.Window {
	return fleet.Window{Start: w.since.time, End: w.until.time}
}
