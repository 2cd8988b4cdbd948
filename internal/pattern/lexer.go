package pattern

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// lexer reads the inside of a JSON or space-delimited pattern.
type lexer struct {
	rest    string
	regexes int
	depth   int // of parentheses
}

// maxDepth is how deep parentheses may be nested. A pattern of maxLength
// characters of them must not exhaust the stack; AWS states no number.
const maxDepth = 50

func (l *lexer) space() { l.rest = strings.TrimLeftFunc(l.rest, unicode.IsSpace) }

// take takes a symbol behind white space.
func (l *lexer) take(symbol string) bool {
	l.space()
	after, ok := strings.CutPrefix(l.rest, symbol)
	if ok {
		l.rest = after
	}
	return ok
}

// word takes an upper-case keyword that ends where a word ends.
func (l *lexer) word(keyword string) bool {
	l.space()
	after, ok := strings.CutPrefix(l.rest, keyword)
	if !ok {
		return false
	}
	if r, _ := utf8.DecodeRuneInString(after); after != "" && !special(r) {
		return false
	}
	l.rest = after
	return true
}

// operators, the longer ones first.
var operators = []string{"!=", "<=", ">=", "=", "<", ">"}

func (l *lexer) operator() (string, bool) {
	for _, o := range operators {
		if l.take(o) {
			return o, true
		}
	}
	return "", false
}

// value takes what stands behind an operator: "quoted", %regex%, or up to white
// space or a character of stop.
func (l *lexer) value(stop string) (value, error) {
	l.space()
	switch {
	case strings.HasPrefix(l.rest, `"`):
		text, rest, err := cutQuoted(l.rest)
		l.rest = rest
		return newValue(text, true), err
	case strings.HasPrefix(l.rest, "%"):
		r, rest, err := cutRegex(l.rest)
		if l.regexes++; l.regexes > maxRegexes && err == nil {
			err = errorf("the pattern has more than %d regular expressions", maxRegexes)
		}
		l.rest = rest
		return value{regex: r}, err
	}
	end := strings.IndexFunc(l.rest, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(stop, r) })
	if end < 0 {
		end = len(l.rest)
	}
	text := l.rest[:end]
	if text == "" {
		return value{}, errorf("a value is missing before %q", l.rest)
	}
	l.rest = l.rest[end:]
	return newValue(text, false), nil
}
