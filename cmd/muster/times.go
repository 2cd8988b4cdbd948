package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

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
	if v.text == "" {
		return v.now().Add(-ago)
	}
	return v.time
}

func parseTime(s string, now time.Time) (time.Time, error) {
	if d, err := parseAgo(s); err == nil && d >= 0 {
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
	days, ok := strings.CutSuffix(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseFloat(days, 64)
	if err != nil {
		return 0, err
	}
	if ns := n * float64(24*time.Hour); ns >= 0 && ns < math.MaxInt64 { // no NaN either
		return time.Duration(ns), nil
	}
	return 0, strconv.ErrRange
}

// durationValue is a flag that takes a length of time of at least least.
type durationValue struct {
	value *time.Duration
	least time.Duration
}

func (v durationValue) String() string {
	if v.value == nil || *v.value == 0 {
		return ""
	}
	return v.value.String()
}
func (v durationValue) Type() string { return "duration" }

func (v durationValue) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is no length of time: give one such as 90s, 15m or 36h", s)
	}
	if d < v.least {
		return fmt.Errorf("give %s or more", v.least)
	}
	*v.value = d
	return nil
}

// atLeast adds a flag for a length of time that is not below least.
func atLeast(fs *pflag.FlagSet, value *time.Duration, name string, least, standard time.Duration, usage string) {
	*value = standard
	fs.Var(durationValue{value, least}, name, usage)
}

// windowFlags are --since and --until.
type windowFlags struct {
	since, until timeValue
}

func newWindowFlags(now func() time.Time) *windowFlags {
	return &windowFlags{since: timeValue{now: now}, until: timeValue{now: now}}
}

// window is what the flags say; it is an error when nothing can lie in it.
func (w *windowFlags) window() (fleet.Window, error) {
	return w.from(w.since.time)
}

// from is the window from a moment to --until.
func (w *windowFlags) from(since time.Time) (fleet.Window, error) {
	if end := w.until.time; w.until.text != "" && !since.Before(end) {
		return fleet.Window{}, fmt.Errorf("nothing lies between %s and --until %s: give an earlier --since or a later --until",
			fleet.FormatTime(since), fleet.FormatTime(end))
	}
	return fleet.Window{Start: since, End: w.until.time}, nil
}
