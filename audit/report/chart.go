package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/fleet"
)

// A chart is rows of bars beside a label and a figure. Bars are on a scale from
// 0 to 1000, so that they fit whatever width the page has.
type (
	chart struct {
		Title    string
		Rows     []chartRow
		From, To string // of an axis of time; "" for none
	}
	chartRow struct {
		Label, Value, Indent string
		Marked               bool
		Bars                 []bar
	}
	bar struct {
		Class, Title string
		X, Y, W, H   float64
	}
)

// scale is the width of a row's drawing.
const scale = 1000.0

// mark is the least width of a bar that can be seen: 2 pixels on a narrow page.
const mark = 5.0

// barOf is a bar from one share of the row to another.
func barOf(class, title string, from, to float64) bar {
	x := math.Round(math.Min(math.Max(from, 0)*scale, scale-mark))
	w := math.Round(math.Max(mark, math.Min(to*scale-x, scale-x)))
	return bar{Class: class, Title: title, X: x, Y: 0, W: w, H: 14}
}

func charts(r *Report) []chart {
	if len(r.Findings) == 0 {
		return nil
	}
	return []chart{bySeverity(r), byPolicy(r), overTime(r)}
}

func standing(r *Report) []fleet.Finding {
	return slices.DeleteFunc(sorted(r.Findings), func(f fleet.Finding) bool { return f.Status == fleet.StatusResolved })
}

func bySeverity(r *Report) chart {
	count, most := map[fleet.Severity]int{}, 1
	for _, f := range standing(r) {
		count[f.Severity]++
		most = max(most, count[f.Severity])
	}
	c := chart{Title: "Findings by severity"}
	for _, s := range slices.Backward(fleet.Severities()) {
		row := chartRow{Label: string(s), Value: strconv.Itoa(count[s])}
		if n := count[s]; n > 0 {
			row.Bars = []bar{barOf(string(s), fmt.Sprintf("%d %s", n, s), 0, float64(n)/float64(most))}
		}
		c.Rows = append(c.Rows, row)
	}
	return c
}

// policyRows is how many policies the chart of policies has.
const policyRows = 8

func byPolicy(r *Report) chart {
	count, worst := map[string]int{}, map[string]fleet.Severity{}
	for _, f := range standing(r) {
		count[f.Policy] += max(f.Count, 1)
		if f.Severity.Rank() > worst[f.Policy].Rank() {
			worst[f.Policy] = f.Severity
		}
	}
	ids := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), strings.Compare(a, b))
	})
	c := chart{Title: "Occurrences by policy"}
	for _, id := range ids[:min(len(ids), policyRows)] {
		label := fleet.Printable(id)
		c.Rows = append(c.Rows, chartRow{Label: label, Value: strconv.Itoa(count[id]), Bars: []bar{
			barOf(string(worst[id]), label, 0, float64(count[id])/float64(count[ids[0]])),
		}})
	}
	if left := len(ids) - policyRows; left > 0 {
		c.Title += fmt.Sprintf(", the first %d of %d", policyRows, len(ids))
	}
	return c
}

// overTime shows when the findings were seen: from first to last faintly, each
// record of the evidence as a mark.
func overTime(r *Report) chart {
	fs := standing(r)
	if len(fs) == 0 {
		return chart{Title: "Findings over time"}
	}
	from, to := fs[0].FirstSeen, fs[0].LastSeen
	for i := range fs {
		if fs[i].FirstSeen.Before(from) {
			from = fs[i].FirstSeen
		}
		to = latest(to, fs[i].LastSeen)
	}
	share := shares(from, to)
	c := chart{Title: "Findings over time", From: spellTime(from), To: spellTime(to)}
	for _, s := range slices.Backward(fleet.Severities()) {
		row := chartRow{Label: string(s)}
		for i := range fs {
			f := &fs[i]
			if f.Severity != s {
				continue
			}
			about := fleet.Printable(what(f))
			row.Bars = append(row.Bars, barOf(string(s)+" faint", about, share(f.FirstSeen), share(f.LastSeen)))
			for _, rec := range r.scene(f).Records {
				row.Bars = append(row.Bars, barOf(string(s), spellTime(rec.Time)+" "+about, share(rec.Time), 0))
			}
		}
		if row.Bars != nil {
			c.Rows = append(c.Rows, row)
		}
	}
	return c
}

// shares tells how far between two times a time lies, 0 to 1.
func shares(from, to time.Time) func(time.Time) float64 {
	all := to.Sub(from)
	if all <= 0 {
		return func(time.Time) float64 { return 0 }
	}
	return func(t time.Time) float64 { return float64(t.Sub(from)) / float64(all) }
}
