package insights

import (
	"strings"
	"unicode"
)

// token is a piece of a query.
type token struct {
	kind tokenKind
	text string // without quotes or slashes
}

type tokenKind int

const (
	end    tokenKind = iota
	name             // a word, a field, or `anything quoted so`
	text             // "…" or '…'
	digits           // a number, with a unit behind it perhaps: 5m
	regex            // /…/
	symbol
)

// maxQuery is the most characters of a query.
const maxQuery = 10_000

// scan cuts a query into tokens.
func scan(query string) ([]token, error) {
	if len(query) > maxQuery {
		return nil, errorf("a query has at most %d characters", maxQuery)
	}
	var out []token
	for rest := strings.TrimSpace(query); rest != ""; rest = strings.TrimLeftFunc(rest, unicode.IsSpace) {
		t, n, err := next(rest, out)
		if err != nil {
			return nil, err
		}
		if n == 0 { // a comment
			_, rest, _ = strings.Cut(rest, "\n")
			continue
		}
		out, rest = append(out, t), rest[n:]
	}
	return out, nil
}

// next reads the token that a text begins with, and its length; 0 is a comment.
func next(rest string, before []token) (token, int, error) {
	switch c := rest[0]; {
	case c == '#':
		return token{}, 0, nil
	case c == '"' || c == '\'' || c == '`':
		inside, n := quoted(rest, c)
		if n == 0 {
			return token{}, 0, errorf("a quote is not closed: %.40s", rest)
		}
		if c == '`' {
			return token{name, inside}, n, nil
		}
		return token{text, inside}, n, nil
	case c == '/' && expectsRegex(before):
		at := 1
		for ; at < len(rest) && rest[at] != '/'; at++ {
			if rest[at] == '\\' {
				at++
			}
		}
		if at >= len(rest) {
			return token{}, 0, errorf("a regular expression is not closed: %.40s", rest)
		}
		return token{regex, rest[1:at]}, at + 1, nil
	case c >= '0' && c <= '9':
		n := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && !unicode.IsDigit(r) && !unicode.IsLetter(r) })
		if n < 0 {
			n = len(rest)
		}
		return token{digits, rest[:n]}, n, nil
	case c == '@' || c == '_' || unicode.IsLetter(rune(c)):
		n := strings.IndexFunc(rest[1:], func(r rune) bool {
			return r != '_' && r != '.' && r != '@' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
		}) + 1
		if n == 0 {
			n = len(rest)
		}
		return token{name, rest[:n]}, n, nil
	}
	for _, s := range []string{"!=", "<=", ">=", "=~", "=", "<", ">", "|", ",", "(", ")", "[", "]", "+", "-", "*", "/", "%"} {
		if strings.HasPrefix(rest, s) {
			return token{symbol, s}, len(s), nil
		}
	}
	return token{}, 0, errorf("unexpected symbol found %.1s", rest)
}

// expectsRegex tells a regular expression from a division: it stands behind like,
// =~, and the field that parse looks into.
func expectsRegex(before []token) bool {
	n := len(before)
	if n == 0 {
		return false
	}
	last := before[n-1]
	return last.kind == symbol && last.text == "=~" || last.kind == name && strings.EqualFold(last.text, "like") ||
		n > 1 && before[n-2].kind == name && strings.EqualFold(before[n-2].text, "parse")
}

func quoted(s string, quote byte) (inside string, length int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return b.String(), i + 1
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == quote || s[i+1] == '\\'):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", 0
}
