package explore

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mostMarks is how many combining marks may follow each other. Real scripts
// stack three or four; hundreds would draw over the lines above and below.
const mostMarks = 4

// clean makes text from outside fit for one line of a terminal: what would
// move the cursor, colour, reorder, hide or break text is spelled out instead.
// Control characters become their pictures (␛, ␊), other invisible ones
// <U+202E>, and bytes that are not UTF-8 <xFF>. Every text that muster did not
// write itself goes through here, and only through here.
func clean(s string) string {
	if printable(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/4)
	marks := 0
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, "<x%02X>", s[i])
			marks = 0
		case unicode.IsMark(r) && b.Len() == 0:
			// A mark needs a base of its own, or it would join the cell before.
			b.WriteString("◌" + spell(r))
			marks = 1
		case unicode.IsMark(r):
			if marks++; marks > mostMarks {
				fmt.Fprintf(&b, "<U+%04X>", r)
			} else {
				b.WriteString(spell(r))
			}
		default:
			b.WriteString(spell(r))
			marks = 0
		}
		i += n
	}
	return b.String()
}

// printable reports whether s is printable ASCII, as nearly all evidence is.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// spell is how one rune is shown.
func spell(r rune) string {
	switch {
	case r < ' ':
		return string('␀' + r)
	case r == 0x7f:
		return "␡"
	case !unicode.IsGraphic(r) || invisible(r):
		return fmt.Sprintf("<U+%04X>", r)
	}
	return string(r)
}

// invisible reports whether a graphic rune shows nothing: fillers that hide
// text, and variation selectors, on whose width terminals disagree.
func invisible(r rune) bool {
	return r > unicode.MaxLatin1 &&
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
