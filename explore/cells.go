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

// cellWidth is how many cells a text takes.
func cellWidth(s string) int {
	if n, plain := narrow(s); plain {
		return n
	}
	return ansi.StringWidth(s)
}

// narrow counts the runes of a text in which each takes one cell and none joins
// another: ASCII, Latin, and the punctuation, arrows and lines that muster draws
// with. All but wide and joined scripts is measured by it, many times as fast.
func narrow(s string) (n int, ok bool) {
	for i, r := range s {
		switch {
		case r < 0x7f:
		case r >= 0xa1 && r < 0x300 && r != 0xad: // to the first combining mark, without the soft hyphen
		case r >= 0x2010 && r <= 0x2027, r >= 0x2190 && r <= 0x22ff: // dashes and dots; arrows and signs of mathematics
		case r >= 0x2500 && r <= 0x25fc: // lines, blocks and shapes, to the first emoji
		case r == 0x2717, r == 0x203a, r == 0x2039: // ✗ › ‹
		default:
			return i, false
		}
		n++
	}
	return n, true
}

// cut shortens a text to at most w cells and marks the cut with "…".
func cut(s string, w int) string {
	if w <= 0 {
		return ""
	}
	if cellWidth(s) <= w {
		return s
	}
	return ansi.Truncate(s, w, "…")
}

// fit makes a text exactly w cells wide.
func fit(s string, w int) string {
	s = cut(s, w)
	return s + blanks(w-cellWidth(s))
}

// fitRight is fit with the text at the right edge.
func fitRight(s string, w int) string {
	s = cut(s, w)
	return blanks(w-cellWidth(s)) + s
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

func blanks(n int) string {
	if n <= 0 {
		return ""
	}
	return strings.Repeat(" ", n)
}

// cutLeft takes n cells off the left of a text and marks the cut with "…".
func cutLeft(s string, n int) string { return ansi.TruncateLeft(s, n, "…") }
