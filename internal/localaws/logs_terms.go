package localaws

import (
	"strings"
	"unicode"
)

// maxFilterPattern is the most characters that a filter pattern has.
const maxFilterPattern = 1024

// parseLogTerms reads a filter pattern of plain terms and quoted phrases, all
// of which an event must contain, in any order and case-sensitively. The other
// kinds (JSON, space-delimited, regular expressions, -excluded and ?optional
// terms) are refused: an answer that ignored them would be a wrong one. An
// empty pattern has no terms and wants every event.
func parseLogTerms(pattern string) ([]string, error) {
	if len(pattern) > maxFilterPattern {
		return nil, logsInvalid("Value at 'filterPattern' failed to satisfy constraint: Member must have length less than or equal to %d", maxFilterPattern)
	}
	var terms []string
	rest := strings.TrimSpace(pattern)
	for rest != "" {
		var term string
		var ok bool
		if quoted, found := strings.CutPrefix(rest, `"`); found {
			term, rest, ok = cutQuoted(quoted)
		} else {
			term, rest, ok = cutWord(rest)
		}
		if !ok {
			return nil, failf("InvalidParameterException",
				"Invalid filter pattern: this stand-in matches terms and quoted phrases only, no JSON, space-delimited, regular expression, -excluded or ?optional terms.")
		}
		terms = append(terms, term)
		rest = strings.TrimLeftFunc(rest, unicode.IsSpace)
	}
	return terms, nil
}

// cutQuoted splits behind the closing quote; a backslash protects a quote.
func cutQuoted(s string) (phrase, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], b.Len() > 0
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// cutWord splits behind a term of letters, digits and underscores; anything
// else must be quoted.
func cutWord(s string) (word, rest string, ok bool) {
	end := strings.IndexFunc(s, unicode.IsSpace)
	if end < 0 {
		end = len(s)
	}
	word = s[:end]
	plain := strings.IndexFunc(word, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) < 0
	return word, s[end:], plain
}
