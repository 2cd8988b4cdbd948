package explore

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/fleet"
)

// Expressions are X-Ray filter expressions, which the explorer knows nothing of
// itself. The zero value is none.
type Expressions struct {
	// Parse reads one.
	Parse func(string) (fleet.Filter, error)
	// Complete offers whole lines for the beginning of one.
	Complete func(string) []string
}

// isExpression reports whether a line begins as a filter expression does: with a
// keyword of the language, a service, an edge, a bracket or a not.
func isExpression(s string) bool {
	s = strings.ToLower(strings.TrimLeft(s, "!( "))
	for _, k := range append(fleet.Keywords(), "service(", "edge(", "not ") {
		rest, is := strings.CutPrefix(s, string(k))
		if is && (strings.ContainsAny(string(k), "( ") || rest == "" || strings.ContainsAny(rest[:1], " =!<>.[(")) {
			return true
		}
	}
	return false
}

// query is what the list asks for. The error says what is wrong with an
// expression, or with a time.
func (l *list) query(limit int) (fleet.Query, error) {
	f := l.filter
	q := fleet.Query{Text: f.text, Service: f.service, Errors: f.errors, Limit: limit}
	var err error
	now := l.env.now()
	if q.Window.Start, err = momentBack(f.since, now); err != nil {
		return q, err
	}
	if q.Window.End, err = momentBack(f.until, now); err != nil {
		return q, err
	}
	if l.env.expressions.Parse != nil && isExpression(f.text) {
		q.Text = ""
		if q.Filter, err = l.env.expressions.Parse(f.text); err != nil {
			return q, fmt.Errorf("filter %s: %w", f.text, err)
		}
	}
	return q, nil
}

// momentBack reads "15m", "36h", "7d" as a time before now, or a moment such as
// 2026-11-24T11:00; "" is none.
func momentBack(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if days, is := strings.CutSuffix(s, "d"); is {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n <= 36500 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("since and until take 15m, 36h, 7d, or a moment such as 2026-11-24T11:00 (UTC), not " + s)
}

// completeFilter offers whole lines for what was typed of a filter: the words of
// the filter bar, the services in the list, and expressions.
func (l *list) completeFilter(s string) []string {
	at := strings.LastIndexByte(s, ' ') + 1
	before, word := s[:at], s[at:]
	offers := []string{"errors", "since:15m", "since:1h", "since:24h", "since:7d", "until:1h"}
	for i := range l.rows {
		for _, name := range l.rows[i].Services {
			if o := "service:" + name; !slices.Contains(offers, o) {
				offers = append(offers, o)
			}
		}
	}
	var out []string
	for _, o := range offers {
		if word != "" && strings.HasPrefix(o, word) && o != word {
			out = append(out, before+o)
		}
	}
	if l.env.expressions.Complete != nil {
		out = append(out, l.env.expressions.Complete(s)...)
	}
	return out
}

// The orders of the list.
const (
	byNewest = iota
	bySlowest
	byErrors
	bySpans
	orders
)

// sortNames are the orders as they are kept over a restart.
var sortNames = [orders]string{"", "slowest", "errors", "spans"}

var orderNames = [orders]string{"", "slowest first", "most errors first", "most spans first"}

// arrange orders what was read, and keeps the newest where all else is alike.
func (l *list) arrange() {
	slices.SortStableFunc(l.rows, func(a, b fleet.Summary) int {
		switch l.order {
		case bySlowest:
			return cmp.Or(cmp.Compare(b.Duration, a.Duration), b.Start.Compare(a.Start))
		case byErrors:
			return cmp.Or(cmp.Compare(b.Errors, a.Errors), b.Start.Compare(a.Start))
		case bySpans:
			return cmp.Or(cmp.Compare(b.Spans, a.Spans), b.Start.Compare(a.Start))
		}
		return 0 // as the store gave them: the newest first
	})
}

// leastForCharts is from how many lines on the list has charts above it: below
// that the traces need the room.
const leastForCharts = 30

// charts are the latency histogram and the errors over time of what was read.
func (l *list) charts(w int) []line {
	const label = len(" latency ")
	n := max(min(w/3, 60), 8)
	ds := make([]time.Duration, 0, len(l.rows))
	first, last := l.rows[0].Start, l.rows[0].Start
	failed := 0
	for i := range l.rows {
		s := &l.rows[i]
		ds = append(ds, s.Duration)
		if s.Start.Before(first) {
			first = s.Start
		}
		if s.Start.After(last) {
			last = s.Start
		}
		if s.Errors > 0 || s.Error != "" {
			failed++
		}
	}
	slices.Sort(ds)
	least, most := max(ds[0], time.Microsecond), max(ds[len(ds)-1], time.Microsecond)
	shape, errs := make([]int, n), make([]int, n)
	for _, d := range ds {
		shape[logBucket(max(d, time.Microsecond), least, most, n)]++
	}
	for i := range l.rows {
		if s := &l.rows[i]; s.Errors > 0 || s.Error != "" {
			errs[bucketOf(s.Start, first, last, n)]++
		}
	}
	how := faint
	if failed > 0 {
		how = bad
	}
	return []line{
		line{
			own(faint, fit(" latency", label)), own(faint, fitRight(took(least), 8)+" "), own(service, sparkline(shape)), own(faint, " "+fit(took(most), 8)),
			own(plain, "  median "+took(ds[len(ds)/2])+"  95% "+took(ds[(len(ds)-1)*95/100])),
		}.fit(w),
		line{
			own(faint, fit(" errors", label)), own(faint, fitRight(first.UTC().Format("15:04"), 8)+" "), own(how, sparkline(errs)), own(faint, " "+fit(last.UTC().Format("15:04"), 8)),
			own(how, fmt.Sprintf("  %d of %d traces", failed, len(l.rows))),
		}.fit(w),
	}
}

// logBucket is which of n parts, each as many times as long as the one before, a
// duration is in.
func logBucket(d, least, most time.Duration, n int) int {
	all := math.Log(float64(most) / float64(least))
	if all <= 0 {
		return 0
	}
	return max(0, min(n-1, int(math.Log(float64(d)/float64(least))/all*float64(n))))
}
