package explore

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"muster/fleet"
)

// mostUnfolded bounds the document that unfolds below a log line, in bytes: more
// is in the details.
const mostUnfolded = 16 << 10

// pretty is a document with its lines indented, or as it is.
func pretty(raw []byte) string {
	var b bytes.Buffer
	if len(raw) <= mostUnfolded && json.Indent(&b, raw, "", "  ") == nil {
		return b.String()
	}
	return head(string(raw), mostUnfolded)
}

func (l *logs) view(w, h int) []line {
	switch {
	case l.err != nil && len(l.all) == 0:
		return trouble("The log lines could not be read.", l.err, w, h)
	case !l.read:
		return waiting(l.job, l.env.now(), "log lines", w, h)
	case len(l.shown) == 0 && (l.filter.String() != "" || l.filter.pattern != ""):
		return centred([]line{
			text(strong, "No line matches."), nil, foreign(plain, "search: "+l.filter.String()).line(),
			foreign(faint, clip("groups: "+strings.Join(groupsOf(l.all), " "), max(w-4, 1))).line(),
		}, w, h)
	case len(l.shown) == 0:
		return centred([]line{
			text(strong, "There is no log line yet."), nil,
			text(plain, "muster collect --source logs    reads CloudWatch Logs"),
		}, w, h)
	}
	if l.inside && w < wideDossier {
		return fill(append([]line{{own(brand, " DETAILS "), own(faint, "  ↑↓ scroll, esc leaves")}}, l.detail.view()...), h)
	}
	if !l.inside {
		return l.table(w, h)
	}
	left, right := halvesOf(w)
	title := line{own(brand, " DETAILS "), own(faint, "  ↑↓ scroll, esc leaves")}
	return beside(l.table(left, h), append([]line{title}, l.detail.view()...), left, right, h)
}

// Columns of a log line.
const levelWidth, logServiceWidth = 5, 13

func (l *logs) table(w, h int) []line {
	if l.patterns != nil {
		return l.patternTable(w, h)
	}
	out := []line{text(faint, fit(" "+fit("TIME UTC", clockWidth)+" "+fit("LEVEL", levelWidth)+" "+fit("SERVICE", logServiceWidth)+"   MESSAGE", w))}
	from, to := l.at.shown()
	for i := from; i < to; i++ {
		out = append(out, logLine(&l.rows[i], l.env.now(), w, i == l.at.cursor))
	}
	return fill(out, h)
}

// logLine is a line, with a dot where it has a trace to jump to.
func logLine(row *logRow, now time.Time, w int, on bool) line {
	r := row.rec
	if row.inner != "" {
		l := append(line{mark(on), own(plain, blanks(clockWidth+levelWidth+3))}, foreignTo(faint, row.inner, w))
		if on {
			l = l.as(chosen)
		}
		return l.fit(w)
	}
	traced := own(plain, "  ")
	if r.Keys.Trace != "" {
		traced = own(service, "● ")
	}
	how := plain
	if r.Error != "" {
		how = bad
	}
	l := line{
		mark(on), own(faint, fit(clock(r.Time, now), clockWidth)), own(plain, " "),
		cell(levelRole(r), r.Name, levelWidth), own(plain, " "),
		cell(service, r.Service, logServiceWidth), own(plain, " "), traced,
		foreignTo(how, r.Message, w), own(plain, "  "), foreignTo(faint, folded(r), w),
	}
	if on {
		l = l.as(chosen)
	}
	return l.fit(w)
}

// folded is the rest of a line's document in one line: what it says beside its
// message.
func folded(r *fleet.Record) string {
	var parts []string
	for k, v := range r.Attributes.All() {
		switch k {
		case fleet.AttrLogGroup, "log_stream", "line":
			continue
		}
		parts = append(parts, k+"="+v)
	}
	return strings.Join(parts, " ")
}

// patternTable lists the patterns, with when their lines came.
func (l *logs) patternTable(w, h int) []line {
	sparkWidth := min(24, w/5)
	out := []line{text(faint, fit(" "+fitRight("LINES", 6)+" "+fit("WHEN", sparkWidth)+" "+fit("LEVEL", levelWidth)+" "+fit("SERVICE", logServiceWidth)+" PATTERN", w))}
	if len(l.shown) == 0 {
		return fill(out, h)
	}
	begin, end := l.shown[0].Time, l.shown[len(l.shown)-1].Time
	from, to := l.at.shown()
	var counts map[patternKey][]int
	if to > from {
		counts = l.whenever(l.patterns[from:to], begin, end, sparkWidth)
	}
	for i := from; i < to; i++ {
		p := &l.patterns[i]
		how := plain
		if p.errors > 0 {
			how = bad
		}
		row := line{
			mark(i == l.at.cursor), own(strong, fitRight(tally(p.lines), 6)), own(plain, " "),
			own(how, fit(sparkline(counts[p.key()]), sparkWidth)), own(plain, " "),
			cell(levelRole(&fleet.Record{Name: p.level}), p.level, levelWidth), own(plain, " "),
			cell(service, p.service, logServiceWidth), own(plain, " "), foreignTo(how, p.text, w),
		}
		if i == l.at.cursor {
			row = row.as(chosen)
		}
		out = append(out, row.fit(w))
	}
	return fill(out, h)
}

type patternKey struct{ service, level, text string }

func (p *logPattern) key() patternKey { return patternKey{p.service, p.level, p.text} }

// whenever counts the lines of the patterns in view over time.
func (l *logs) whenever(ps []logPattern, begin, end time.Time, n int) map[patternKey][]int {
	out := map[patternKey][]int{}
	for i := range ps {
		out[ps[i].key()] = make([]int, n)
	}
	for _, r := range l.shown {
		if c := out[patternKey{r.Service, r.Name, patternOf(r.Message)}]; c != nil {
			c[bucketOf(r.Time, begin, end, n)]++
		}
	}
	return out
}

// bucketOf is which of n parts of a time a moment is in.
func bucketOf(t, begin, end time.Time, n int) int {
	all := end.Sub(begin)
	if all <= 0 {
		return 0
	}
	return max(0, min(n-1, int(float64(t.Sub(begin))/float64(all)*float64(n))))
}
