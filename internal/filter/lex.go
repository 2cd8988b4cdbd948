package filter

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// token is a piece of an expression.
type token struct {
	kind tokenKind
	text string // a word as written, the value of a string, an operator
	at   int    // where it starts, in bytes
}

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenText
	tokenNumber
	tokenSign // an operator or a bracket
)

// operatorSigns are longest first.
var operatorSigns = []string{"!=", "<=", ">=", "=", "<", ">", "!", "(", ")", "{", "}", "[", "]", ",", ":"}

// strangers are what people write out of habit, and what it is here.
var strangers = map[string]string{
	"&&": "AND", "||": "OR", "==": "=", "<>": "!=", "~": "CONTAINS", "&": "AND", "|": "OR", "#": "text in quotation marks",
}

// lexer cuts an expression into tokens.
type lexer struct {
	text string
	at   int
}

func (l *lexer) next() (token, error) {
	l.at += len(l.text[l.at:]) - len(strings.TrimLeft(l.text[l.at:], " \t\r\n"))
	start, rest := l.at, l.text[l.at:]
	switch {
	case rest == "":
		return token{tokenEnd, "", start}, nil
	case rest[0] == '"' || rest[0] == '\'':
		return l.quoted(start)
	case isDigit(rest[0]), rest[0] == '-', rest[0] == '.' && len(rest) > 1 && isDigit(rest[1]):
		return l.number(start)
	case isWordStart(rest[0]):
		for l.at < len(l.text) && isWordPart(l.text[l.at]) {
			l.at++
		}
		return token{tokenWord, l.text[start:l.at], start}, nil
	}
	for s, instead := range strangers {
		if strings.HasPrefix(rest, s) && (len(s) > 1 || !strings.HasPrefix(rest, s+s)) {
			return token{}, errorAt(l.text, start, "%s is not part of the language: write %s", s, instead)
		}
	}
	for _, s := range operatorSigns {
		if strings.HasPrefix(rest, s) {
			l.at += len(s)
			return token{tokenSign, s, start}, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return token{}, errorAt(l.text, start, "unexpected %q", r)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWordStart(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

// isWordPart has what X-Ray allows in the key of an annotation.
func isWordPart(c byte) bool { return isWordStart(c) || isDigit(c) || c == '.' || c == '-' }

// number reads digits as JSON has them.
func (l *lexer) number(start int) (token, error) {
	for l.at < len(l.text) && (isWordPart(l.text[l.at]) || l.text[l.at] == '+') {
		l.at++
	}
	s := l.text[start:l.at]
	if !numberSyntax.MatchString(s) {
		return token{}, errorAt(l.text, start, "%s is no number: give one such as 2, 0.5 or 1e3, without a unit (times are in seconds)", s)
	}
	return token{tokenNumber, s, start}, nil
}

// quoted reads a string in either quotation marks.
func (l *lexer) quoted(start int) (token, error) {
	var b strings.Builder
	quote := l.text[start]
	for l.at = start + 1; l.at < len(l.text); {
		switch c := l.text[l.at]; c {
		case quote:
			l.at++
			return token{tokenText, b.String(), start}, nil
		case '\\':
			if err := l.escape(&b); err != nil {
				return token{}, err
			}
		default:
			b.WriteByte(c)
			l.at++
		}
	}
	return token{}, errorAt(l.text, start, "the text has no closing %c", quote)
}

// escape reads one escaped character.
func (l *lexer) escape(b *strings.Builder) error {
	const letters, meant = `\"'/nrt`, "\\\"'/\n\r\t"
	if l.at+1 < len(l.text) {
		if i := strings.IndexByte(letters, l.text[l.at+1]); i >= 0 {
			b.WriteByte(meant[i])
			l.at += 2
			return nil
		}
	}
	if rest := l.text[l.at:]; len(rest) >= 6 && rest[1] == 'u' {
		if n, err := strconv.ParseUint(rest[2:6], 16, 16); err == nil {
			b.WriteRune(rune(n)) // half of a surrogate pair becomes U+FFFD
			l.at += 6
			return nil
		}
	}
	return errorAt(l.text, l.at, `a backslash stands before \ " ' / n r t or u and four hex digits`)
}
