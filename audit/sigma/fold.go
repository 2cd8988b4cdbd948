package sigma

import (
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// The tests on texts below know whether their text is ASCII, as nearly all are:
// then they compare bytes and make no copy. Else both sides are lowered.

func equal(text string, cased bool) func(string) bool {
	if cased {
		return func(s string) bool { return s == text }
	}
	if !ascii(text) {
		return lowered(text, func(s, t string) bool { return s == t })
	}
	lower := strings.ToLower(text)
	return func(s string) bool { return len(s) == len(lower) && sameFold(s, lower) }
}

func prefix(text string, cased bool) func(string) bool {
	if cased {
		return func(s string) bool { return strings.HasPrefix(s, text) }
	}
	if !ascii(text) {
		return lowered(text, strings.HasPrefix)
	}
	lower := strings.ToLower(text)
	return func(s string) bool { return len(s) >= len(lower) && sameFold(s[:len(lower)], lower) }
}

func suffix(text string, cased bool) func(string) bool {
	if cased {
		return func(s string) bool { return strings.HasSuffix(s, text) }
	}
	if !ascii(text) {
		return lowered(text, strings.HasSuffix)
	}
	lower := strings.ToLower(text)
	return func(s string) bool { return len(s) >= len(lower) && sameFold(s[len(s)-len(lower):], lower) }
}

func within(text string, cased bool) func(string) bool {
	if cased {
		return func(s string) bool { return strings.Contains(s, text) }
	}
	if !ascii(text) {
		return lowered(text, strings.Contains)
	}
	lower := strings.ToLower(text)
	return func(s string) bool { return containsFold(s, lower) }
}

func lowered(text string, is func(s, t string) bool) func(string) bool {
	lower := strings.ToLower(text)
	return func(s string) bool { return is(strings.ToLower(s), lower) }
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// sameFold compares texts of one length; lower is ASCII without capitals.
func sameFold(s, lower string) bool {
	for i := range len(lower) {
		if s[i] != lower[i] && (s[i] < 'A' || s[i] > 'Z' || s[i]|0x20 != lower[i]) {
			return false
		}
	}
	return true
}

// containsFold looks for ASCII without capitals. It goes from one place of the
// first byte to the next, in either case.
func containsFold(s, lower string) bool {
	first := lower[0]
	capital := first
	if first >= 'a' && first <= 'z' {
		capital -= 0x20
	}
	for i := 0; i+len(lower) <= len(s); i++ {
		if (s[i] == first || s[i] == capital) && sameFold(s[i:i+len(lower)], lower) {
			return true
		}
	}
	return false
}

// literal is the longest text that everything has that a regular expression
// fits; "" when none is certain. The expression is valid.
func literal(expression string) string {
	r, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return ""
	}
	return required(r.Simplify())
}

func required(r *syntax.Regexp) string {
	switch r.Op {
	case syntax.OpLiteral:
		if r.Flags&syntax.FoldCase == 0 {
			return string(r.Rune)
		}
	case syntax.OpCapture, syntax.OpPlus:
		return required(r.Sub[0])
	case syntax.OpConcat:
		longest := ""
		for _, sub := range r.Sub {
			if l := required(sub); len(l) > len(longest) {
				longest = l
			}
		}
		return longest
	}
	return ""
}
