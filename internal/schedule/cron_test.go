package schedule

import (
	"strings"
	"testing"
	"time"
)

func at(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestNextIsTheFirstTimeThatFits(t *testing.T) {
	for _, tt := range []struct{ cron, from, want string }{
		{"15 2 * * *", "2026-03-14 02:14", "2026-03-14 02:15"},
		{"15 2 * * *", "2026-03-14 02:15", "2026-03-15 02:15"},
		{"*/20 * * * *", "2026-03-14 23:41", "2026-03-15 00:00"},
		{"0 9-17/4 * * mon-fri", "2026-03-13 13:00", "2026-03-13 17:00"},
		{"0 9-17/4 * * mon-fri", "2026-03-13 17:00", "2026-03-16 09:00"},
		{"0 0 13 * fri", "2026-03-01 00:00", "2026-03-06 00:00"},
		{"0 0 31 * *", "2026-04-01 00:00", "2026-05-31 00:00"},
		{"0 0 29 feb *", "2026-03-01 00:00", "2028-02-29 00:00"},
		{"30 5 1,15 * *", "2026-01-01 05:30", "2026-01-15 05:30"},
		{"0 0 * * 7", "2026-03-14 00:00", "2026-03-15 00:00"},
		{"5/25 * * * *", "2026-03-14 00:06", "2026-03-14 00:30"},
		{"@hourly", "2026-12-31 23:30", "2027-01-01 00:00"},
		{"@monthly", "2026-12-31 23:30", "2027-01-01 00:00"},
	} {
		c, err := Parse(tt.cron)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Next(at(tt.from)); !got.Equal(at(tt.want)) {
			t.Errorf("%s after %s: %s, want %s", tt.cron, tt.from, got, tt.want)
		}
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for _, tt := range []struct{ cron, want string }{
		{"", "0 fields"},
		{"* * * *", "4 fields"},
		{"60 * * * *", "give 0 to 59"},
		{"* * 0 * *", "give 1 to 31"},
		{"* * * foo *", `month "foo"`},
		{"5-2 * * * *", "smaller"},
		{"*/0 * * * *", "step"},
		{"0 0 30 2 *", "no such day"},
		{"1,, * * * *", "give 0 to 59"},
	} {
		if _, err := Parse(tt.cron); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %s", tt.cron, err, tt.want)
		}
	}
}

func FuzzNextFitsAndComesAfter(f *testing.F) {
	f.Add("*/5 1-3 * jan sun", int64(1_700_000_000))
	f.Add("0 0 29 2 *", int64(1_700_000_000))
	f.Fuzz(func(t *testing.T, text string, unix int64) {
		c, err := Parse(text)
		if err != nil {
			return
		}
		from := time.Unix(unix%4_000_000_000, 0).UTC()
		next := c.Next(from)
		if next.IsZero() {
			return // the 29th of February around a century that has none
		}
		if !next.After(from) || c.minute&(1<<next.Minute()) == 0 || c.hour&(1<<next.Hour()) == 0 || c.month&(1<<next.Month()) == 0 || !c.fitsDay(next) {
			t.Errorf("%q after %s: %s", text, from, next)
		}
	})
}

func TestDueIsTheNewestOfThoseMissed(t *testing.T) {
	c, err := Parse("0 2 * * *")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ last, now, want string }{
		{"2026-03-10 02:00", "2026-03-11 01:59", ""},
		{"2026-03-10 02:00", "2026-03-11 02:00", "2026-03-11 02:00"},
		{"2026-03-10 02:00", "2026-03-14 12:00", "2026-03-14 02:00"},
		{"1970-01-01 00:00", "2026-03-14 12:00", "2026-03-14 02:00"},
	} {
		got := c.Due(at(tt.last), at(tt.now))
		if tt.want == "" && !got.IsZero() || tt.want != "" && !got.Equal(at(tt.want)) {
			t.Errorf("after %s, at %s: %s, want %s", tt.last, tt.now, got, tt.want)
		}
	}
}

func TestJitterIsStableAndBounded(t *testing.T) {
	seen := map[time.Duration]bool{}
	for i := range 100 {
		when := at("2026-03-14 02:00").Add(time.Duration(i) * time.Hour)
		j := Jitter("nightly", when, time.Minute)
		if j < 0 || j >= time.Minute || j != Jitter("nightly", when, time.Minute) {
			t.Fatalf("%s", j)
		}
		seen[j] = true
	}
	if len(seen) < 90 || Jitter("nightly", at("2026-03-14 02:00"), 0) != 0 {
		t.Errorf("%d values of 100", len(seen))
	}
}
