package pattern

import (
	"strings"
	"unicode"
)

// terms is an unstructured pattern: every required one must be in the message,
// none of the excluded ones, and at least one of the optional ones.
type terms struct{ required, excluded, optional []term }

// term is in a message, or not.
type term interface{ in(message string) bool }

// word is a term or phrase as text, case-sensitive. That a term also matches
// inside of a longer word is what CloudWatch Logs does; its page does not say so.
type word string

func (w word) in(message string) bool { return strings.Contains(message, string(w)) }

func (t *terms) match(message string) bool {
	for _, r := range t.required {
		if !r.in(message) {
			return false
		}
	}
	for _, e := range t.excluded {
		if e.in(message) {
			return false
		}
	}
	for _, o := range t.optional {
		if o.in(message) {
			return true
		}
	}
	return len(t.optional) == 0
}

func parseTerms(text string) (matcher, error) {
	t := &terms{}
	for rest := text; rest != ""; rest = strings.TrimLeftFunc(rest, unicode.IsSpace) {
		kind := &t.required
		switch rest[0] {
		case '-':
			kind, rest = &t.excluded, rest[1:]
		case '?':
			kind, rest = &t.optional, rest[1:]
		}
		one, after, err := cutTerm(rest)
		if err != nil {
			return nil, err
		}
		*kind, rest = append(*kind, one), after
	}
	// AWS: beside other terms the optional ones are ignored and have no effect.
	if len(t.required)+len(t.excluded) > 0 {
		t.optional = nil
	}
	return t, nil
}

// cutTerm splits behind the term that a text begins with.
func cutTerm(text string) (one term, rest string, err error) {
	switch {
	case strings.HasPrefix(text, `"`):
		phrase, rest, err := cutQuoted(text)
		return word(phrase), rest, err
	case strings.HasPrefix(text, "%"):
		return cutRegex(text)
	}
	end := strings.IndexFunc(text, unicode.IsSpace)
	if end < 0 {
		end = len(text)
	}
	plain := text[:end]
	if plain == "" || strings.ContainsFunc(plain, special) {
		return nil, "", errorf("Invalid character(s) in term '%s'", plain)
	}
	return word(plain), text[end:], nil
}

// special characters must be in quotes.
func special(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// cutQuoted splits behind the closing quote of a text that begins with one; a
// backslash protects a quote or another backslash.
func cutQuoted(text string) (phrase, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return b.String(), text[i+1:], nil
		case text[i] == '\\' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\'):
			i++
		}
		b.WriteByte(text[i])
	}
	return "", "", errorf("a quote is not closed: %s", text)
}
