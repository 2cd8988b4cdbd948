package explore

import (
	"strconv"
	"strings"
	"unicode"

	"muster/fleet"
)

// mostMarks is how many combining marks may follow each other. Real scripts
// stack three or four; hundreds would draw over the lines above and below.
const mostMarks = 4

// clean makes text from outside fit for a cell of the screen: printable, and
// taking the room that it is measured to take. What is spelled out beyond
// fleet.Printable would be printable but breaks a grid: runes that show
// nothing, variation selectors, on whose width terminals disagree, and marks
// without a base or in heaps. Every text that muster did not write itself goes
// through here.
func clean(s string) string {
	if s = fleet.Printable(s); ascii(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/4)
	marks := 0
	for _, r := range s {
		mark := unicode.IsMark(r)
		switch {
		case !mark:
			marks = 0
		case b.Len() == 0:
			b.WriteRune('◌') // else it would join the cell before
			marks = 1
		default:
			marks++
		}
		if invisible(r) || marks > mostMarks {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// ascii reports whether a printable text is ASCII, as nearly all evidence is:
// then its width is its length.
func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// invisible reports whether a printable rune shows nothing or has no width of
// its own.
func invisible(r rune) bool {
	return r > unicode.MaxLatin1 &&
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
