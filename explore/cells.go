package explore

import (
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// All widths are in terminal cells. The functions of this file take cleaned
// text (see clean), which holds no control characters.

// bytesPerCell bounds how much of a long text is looked at to fill a cell: a
// base rune, its marks, and room for what clean spells out.
const bytesPerCell = 32

// cut shortens a text to at most w cells and marks the cut with "…".
func cut(s string, w int) string {
	s, _ = cutCells(s, w)
	return s
}

// cutCells is cut, and how many cells are left.
func cutCells(s string, w int) (string, int) {
	if w <= 0 {
		return "", 0
	}
	all, n := reach(s, w)
	if all == len(s) {
		return s, n
	}
	kept, n := reach(s, w-1)
	return s[:kept] + "…", n + 1
}

// fit makes a text exactly w cells wide.
func fit(s string, w int) string {
	s, n := cutCells(s, w)
	return s + blanks(w-n)
}

// fitRight is fit with the text at the right edge.
func fitRight(s string, w int) string {
	s, n := cutCells(s, w)
	return blanks(w-n) + s
}

// squeeze shortens an id to at most w cells by taking out its middle, since
// both ends of an id tell it from others.
func squeeze(s string, w int) string {
	n := cellWidth(s)
	if n <= w || w < 5 {
		return cut(s, w)
	}
	tail := (w - 1) / 2
	end := ansi.TruncateLeft(s, n-tail, "")
	if cellWidth(end) > tail { // the cut fell into a wide rune
		end = ansi.TruncateLeft(s, n-tail+1, "")
	}
	return ansi.Truncate(s, w-1-tail, "") + "…" + end
}

// cleaned is a text from outside, cleaned as far as w cells of it can show: what
// is cut to w cells looks as if all of it had been cleaned.
func cleaned(s string, w int) string {
	w = max(w, 1)
	for n := 2*w + bytesPerCell; n < len(s) && n < w*bytesPerCell; n *= 4 {
		// What is cut off may have belonged to the last character, which has two
		// cells at most; one more tells that there is more.
		if c := clean(head(s, n)); cellWidth(c) > w+2 {
			return c
		}
	}
	return clean(clip(s, w))
}

// clip drops what could never show in w cells, so that a log line of megabytes
// costs no more than a short one. It takes text as it came, not cleaned.
func clip(s string, w int) string { return head(s, max(w, 1)*bytesPerCell) }

// head is at most the first n bytes of a text, without half a rune at the end.
func head(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// wrap breaks a text into lines of at most w cells, at spaces where it can, else
// between the parts of an id, and keeps its indentation on every line. Widths
// below four cells are not served.
func wrap(s string, w int) []string {
	if w < 4 || cellWidth(s) <= w {
		return []string{s}
	}
	rest := strings.TrimLeft(s, " ")
	// Half the width is the deepest indentation that leaves room to read.
	indent := blanks(min(len(s)-len(rest), w/2))
	w -= len(indent)
	var out []string
	for rest != "" {
		l := ansi.Truncate(clip(rest, w), w, "")
		if l == "" { // not even one character fits
			return append(out, indent+rest)
		}
		if len(l) < len(rest) && rest[len(l)] != ' ' {
			l = l[:breakAt(l)]
		}
		out = append(out, indent+l)
		rest = strings.TrimLeft(rest[len(l):], " ")
	}
	return out
}

// breakAt is where a full line is best broken. A line that would be less than
// half full is better broken in a word.
func breakAt(l string) int {
	if at := strings.LastIndexByte(l, ' '); at > len(l)/2 {
		return at
	}
	if at := strings.LastIndexAny(l, "/:,"); at > len(l)/2 {
		return at + 1
	}
	return len(l)
}

// space is as many blanks as most lines are wide.
const space = "                                                                                                                        "

func blanks(n int) string {
	switch {
	case n <= 0:
		return ""
	case n <= len(space):
		return space[:n]
	}
	return strings.Repeat(" ", n)
}

// cutLeft takes n cells off the left of a text and marks the cut with "…".
func cutLeft(s string, n int) string { return ansi.TruncateLeft(s, n, "…") }
