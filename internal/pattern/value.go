package pattern

import (
	"strconv"
	"strings"
)

// value is what a field is compared with.
type value struct {
	text   string
	quoted bool
	number float64
	isNum  bool     // an unquoted number
	pieces []string // of a text with wildcards, between them; nil without
	regex  term     // nil: no regular expression
}

// newValue reads an unquoted or quoted text. Stars are wildcards in both.
func newValue(text string, quoted bool) value {
	v := value{text: text, quoted: quoted}
	if strings.Contains(text, "*") {
		v.pieces = strings.Split(text, "*")
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && !quoted {
		v.number, v.isNum = n, true
	}
	return v
}

// equal compares a text.
func (v value) equal(text string) bool {
	switch {
	case v.regex != nil:
		return v.regex.in(text)
	case v.pieces != nil:
		return wildcard(v.pieces, text)
	case v.isNum:
		n, err := strconv.ParseFloat(text, 64)
		return text == v.text || err == nil && n == v.number
	}
	return text == v.text
}

// wildcard reports whether a text is made of the pieces with anything between.
func wildcard(pieces []string, text string) bool {
	first, last := pieces[0], pieces[len(pieces)-1]
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, piece := range pieces[1 : len(pieces)-1] {
		at := strings.Index(text, piece)
		if at < 0 {
			return false
		}
		text = text[at+len(piece):]
	}
	return true
}

// order is a numeric operator.
func order(operator string, a, b float64) bool {
	switch operator {
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	case ">=":
		return a >= b
	}
	return false
}
