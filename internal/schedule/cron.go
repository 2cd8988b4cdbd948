// Package schedule tells when a job is due: cron expressions, their jitter, and
// what was missed.
package schedule

import (
	"fmt"
	"hash/fnv"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Cron is a time pattern as cron(8) has it: minute, hour, day of the month, month
// and day of the week, in UTC. The zero Cron is never due.
type Cron struct {
	text                         string
	minute, hour, day, month, on uint64 // bit n is set where n fits
	anyDay, anyWeekday           bool
}

// names of whole patterns.
var names = map[string]string{
	"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
	"@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}

// field is one of the five, with what may stand in it.
type field struct {
	name        string
	least, most int
	words       []string // for least and what follows it
}

var (
	months   = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
	weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	fields   = []field{
		{"minute", 0, 59, nil},
		{"hour", 0, 23, nil},
		{"day of the month", 1, 31, nil},
		{"month", 1, 12, months},
		{"day of the week", 0, 7, weekdays}, // 7 is Sunday, too
	}
)

// Parse reads a cron expression: five fields of numbers, names, ranges (1-5),
// steps (*/15) and lists (1,3), or one of @hourly, @daily, @weekly, @monthly, @yearly.
func Parse(text string) (Cron, error) {
	spelled := strings.TrimSpace(text)
	if s, ok := names[strings.ToLower(spelled)]; ok {
		spelled = s
	}
	parts := strings.Fields(spelled)
	if len(parts) != len(fields) {
		return Cron{}, fmt.Errorf("cron expression %q has %d fields: give minute, hour, day of the month, month and day of the week, such as \"15 2 * * mon-fri\", or @daily", text, len(parts))
	}
	c := Cron{text: strings.TrimSpace(text)}
	for i, to := range []*uint64{&c.minute, &c.hour, &c.day, &c.month, &c.on} {
		set, err := fields[i].set(parts[i])
		if err != nil {
			return Cron{}, fmt.Errorf("cron expression %q: %w", text, err)
		}
		*to = set
	}
	if c.on&(1<<7) != 0 {
		c.on = c.on&^(1<<7) | 1
	}
	c.anyDay, c.anyWeekday = strings.HasPrefix(parts[2], "*"), strings.HasPrefix(parts[4], "*")
	if c.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Cron{}, fmt.Errorf("cron expression %q: there is no such day", text)
	}
	return c, nil
}

func (f field) set(text string) (uint64, error) {
	var all uint64
	for part := range strings.SplitSeq(text, ",") {
		span, step, stepped := strings.Cut(part, "/")
		every := 1
		if stepped {
			var err error
			if every, err = strconv.Atoi(step); err != nil || every < 1 {
				return 0, fmt.Errorf("%s %q: the step must be a number from 1", f.name, part)
			}
		}
		from, to := f.least, f.most
		if span != "*" {
			low, high, ranged := strings.Cut(span, "-")
			var err error
			if from, err = f.number(low); err != nil {
				return 0, err
			}
			to = from
			if ranged {
				if to, err = f.number(high); err != nil {
					return 0, err
				}
			} else if stepped {
				to = f.most
			}
		}
		if to < from {
			return 0, fmt.Errorf("%s %q: a range goes from the smaller to the larger", f.name, part)
		}
		for n := from; n <= to; n += every {
			all |= 1 << n
		}
	}
	return all, nil
}

func (f field) number(text string) (int, error) {
	for i, w := range f.words {
		if strings.EqualFold(text, w) {
			return f.least + i, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.least || n > f.most {
		return 0, fmt.Errorf("%s %q: give %d to %d", f.name, text, f.least, f.most)
	}
	return n, nil
}

// String is the expression as it was written.
func (c Cron) String() string { return c.text }

// horizon is how far ahead a time is looked for: the 29th of February may be
// eight years away.
const horizon = 9 * 366 * 24 * time.Hour

// Next is the first time after t that fits, in UTC; zero for none.
func (c Cron) Next(t time.Time) time.Time {
	t = t.UTC().Truncate(time.Minute).Add(time.Minute)
	for end := t.Add(horizon); t.Before(end); {
		switch {
		case c.month&(1<<t.Month()) == 0:
			t = time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		case !c.fitsDay(t):
			t = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, time.UTC)
		case c.hour&(1<<t.Hour()) == 0:
			t = t.Truncate(time.Hour).Add(time.Hour)
		default:
			rest := c.minute >> t.Minute()
			if rest == 0 {
				t = t.Truncate(time.Hour).Add(time.Hour)
				continue
			}
			return t.Add(time.Duration(bits.TrailingZeros64(rest)) * time.Minute)
		}
	}
	return time.Time{}
}

// fitsDay reports whether a day fits: as in cron, one of the two fields is enough
// when both narrow.
func (c Cron) fitsDay(t time.Time) bool {
	day, weekday := c.day&(1<<t.Day()) != 0, c.on&(1<<t.Weekday()) != 0
	if c.anyDay || c.anyWeekday {
		return day && weekday
	}
	return day || weekday
}

// Due is the newest time that fits after the last one that was seen to and not
// after now; zero for none. Of several that were missed only the newest counts:
// whoever sees to it looks back to the last.
func (c Cron) Due(last, now time.Time) time.Time {
	var due time.Time
	if now.Sub(last) > catchUp {
		last = now.Add(-catchUp) // a pattern of minutes has millions of them
	}
	for t := c.Next(last); !t.IsZero() && !t.After(now); t = c.Next(t) {
		due = t
	}
	return due
}

// catchUp is how far back missed times are counted one by one; none is farther
// apart from the next than this, but for the 29th of February.
const catchUp = 367 * 24 * time.Hour

// Jitter is a part of the most that a job may be late, the same for the same
// name and time, so that many machines do not begin at once.
func Jitter(name string, at time.Time, most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%d", name, at.Unix())
	return time.Duration(h.Sum64() % uint64(most))
}
