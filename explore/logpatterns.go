package explore

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"

	"muster/fleet"
)

// logPattern is the log lines of one service that say the same but for numbers,
// ids and quoted texts.
type logPattern struct {
	service, level, text string
	lines                int
	first, last          time.Time
	example              *fleet.Record
	errors               int
}

// mostPattern bounds how much of a line makes its pattern, in bytes: lines that
// agree so far are the same kind of line.
const mostPattern = 300

// patternOf is a message with what differs from line to line taken out: every
// word with a digit, and what stands in quotes.
func patternOf(message string) string {
	s := clean(head(message, mostPattern))
	var b strings.Builder
	var word strings.Builder
	star := func() {
		if t := b.String(); !strings.HasSuffix(t, "*") {
			b.WriteByte('*')
		}
	}
	flush := func() {
		w := word.String()
		word.Reset()
		switch {
		case w == "":
		case strings.ContainsFunc(w, unicode.IsDigit):
			star()
		default:
			b.WriteString(w)
		}
	}
	quoted := false
	for _, r := range s {
		switch {
		case r == '"':
			flush()
			if quoted {
				star()
			}
			b.WriteRune(r)
			quoted = !quoted
		case quoted:
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '_', r == '-', r == '.':
			word.WriteRune(r)
		default:
			flush()
			b.WriteRune(r)
		}
	}
	flush()
	return strings.TrimSpace(b.String())
}

// patternsOf groups lines, the most frequent pattern first.
func patternsOf(lines []*fleet.Record) []logPattern {
	type key struct{ service, level, text string }
	at := map[key]int{}
	var out []logPattern
	for _, r := range lines {
		k := key{r.Service, r.Name, patternOf(r.Message)}
		i, had := at[k]
		if !had {
			i = len(out)
			at[k] = i
			out = append(out, logPattern{service: k.service, level: k.level, text: k.text, first: r.Time, last: r.Time, example: r})
		}
		p := &out[i]
		p.lines++
		if r.Error != "" {
			p.errors++
		}
		if r.Time.Before(p.first) {
			p.first = r.Time
		}
		if !r.Time.Before(p.last) {
			p.last, p.example = r.Time, r
		}
	}
	slices.SortStableFunc(out, func(a, b logPattern) int {
		return cmp.Or(cmp.Compare(b.lines, a.lines), cmp.Compare(a.text, b.text))
	})
	return out
}

// sparks are the heights of a sparkline, in eighths of a cell.
var sparks = []rune(" ▁▂▃▄▅▆▇█")

// sparkline draws counts, the greatest as a full cell; what is there at all has
// an eighth at least.
func sparkline(counts []int) string {
	most := slices.Max(append([]int{1}, counts...))
	var b strings.Builder
	for _, n := range counts {
		h := n * (len(sparks) - 1) / most
		if n > 0 {
			h = max(h, 1)
		}
		b.WriteRune(sparks[h])
	}
	return b.String()
}
