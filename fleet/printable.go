package fleet

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable makes text from outside safe to show on one line of a terminal or
// in a report: control characters, escape sequences, invisible and
// direction-changing characters and invalid UTF-8 are spelled out, so that they
// can neither move the cursor nor disguise what is written. Tabs and line ends
// become a space.
func Printable(s string) string {
	if clean(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteString(`\x` + hexByte(s[i]))
		case r == '\n' || r == '\t' || r == '\r':
			b.WriteByte(' ')
		case printable(r):
			b.WriteRune(r)
		case r < utf8.RuneSelf:
			b.WriteString(`\x` + hexByte(byte(r)))
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
		i += n
	}
	return b.String()
}

// clean is the common case: nothing but printable ASCII.
func clean(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// printable refuses what unicode.IsPrint refuses (controls, format characters
// such as the bidi overrides, unassigned and private ones) and spaces that are
// not a plain space, which could push text out of sight.
func printable(r rune) bool {
	return r == ' ' || (unicode.IsPrint(r) && !unicode.IsSpace(r))
}

func hexByte(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}
