package explore

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"muster/fleet"
)

// clockWidth is the width of every time in a column: "15:04:05.000".
const clockWidth = 12

// clock shows a time in clockWidth cells: to the millisecond on the day of now,
// else with its day, and with its year when that is another one. UTC, as all
// evidence is.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	switch {
	case t.IsZero():
		return "-"
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		return t.Format("15:04:05.000")
	case t.Year() == now.Year():
		return t.Format("Jan 02 15:04")
	}
	return t.Format("2006-01-02")
}

// instant shows a time in full.
func instant(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05.000000 UTC")
}

// took shows a duration in at most seven cells.
func took(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + took(-d)
	case d == 0:
		return "0"
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + "µs"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	case d < time.Minute:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// tally shows a count, and nothing for none, so that columns stay quiet.
func tally(n int) string {
	switch {
	case n == 0:
		return "·"
	case n < 10_000:
		return strconv.Itoa(n)
	}
	return strconv.Itoa(n/1000) + "k"
}

// plural is "1 span" or "2 spans".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// share says how much of a text has been shown.
func share(shown, all int) string {
	return fmt.Sprintf("%d/%d lines · %d%%", min(shown, all), all, 100*min(shown, all)/max(all, 1))
}

// sign is the mark of a kind of evidence, and the role it is shown in.
func sign(k fleet.Kind) piece {
	switch k {
	case fleet.KindSpan:
		return own(service, "●")
	case fleet.KindLog:
		return own(logKind, "≡")
	case fleet.KindAPICall:
		return own(callKind, "→")
	case fleet.KindChange:
		return own(changeKind, "Δ")
	case fleet.KindVerdict:
		return own(changeKind, "§")
	}
	return own(plain, "?")
}

// kindName is what people call a kind, for one and for many.
func kindName(k fleet.Kind, n int) string {
	switch k {
	case fleet.KindSpan:
		return plural(n, "span", "spans")
	case fleet.KindLog:
		return plural(n, "log line", "log lines")
	case fleet.KindAPICall:
		return plural(n, "API call", "API calls")
	case fleet.KindChange:
		return plural(n, "change", "changes")
	case fleet.KindVerdict:
		return plural(n, "verdict", "verdicts")
	}
	return strconv.Itoa(n) + " " + clean(string(k))
}

// severityRole is how bad a severity looks.
func severityRole(s fleet.Severity) role {
	switch {
	case s.Rank() >= fleet.High.Rank():
		return bad
	case s == fleet.Medium:
		return caution
	}
	return plain
}

// shout is a severity in capitals. It is cleaned first, since changing the case
// would pass bytes that are not UTF-8 off as a character.
func shout(s fleet.Severity) string { return strings.ToUpper(clean(string(s))) }
