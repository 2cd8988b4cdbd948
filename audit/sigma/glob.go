package sigma

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// glob is a text of a rule: literal pieces, and wildcards between them.
type glob []piece

// piece is a literal text, or with a wildcard one of these.
type piece struct {
	text string
	wild wildcard
}

type wildcard byte

const (
	anything     wildcard = '*' // also nothing
	anyCharacter wildcard = '?'
	anyDash      wildcard = '-' // one of what windash takes for one another
)

// dashRunes are what windash takes for one another: hyphen, slash, en dash, em
// dash, horizontal bar.
const dashRunes = "-/\u2013\u2014\u2015"

// parseGlob reads a text with the wildcards * and ?. A backslash makes them, and
// itself, literal; before anything else it is literal.
func parseGlob(s string) glob {
	var g glob
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			g = append(g, piece{text: b.String()})
			b.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && strings.IndexByte(`*?\`, s[i+1]) >= 0:
			i++
			b.WriteByte(s[i])
		case c == '*' || c == '?':
			flush()
			if c == '?' || len(g) == 0 || g[len(g)-1].wild != anything {
				g = append(g, piece{wild: wildcard(c)})
			}
		default:
			b.WriteByte(c)
		}
	}
	flush()
	return g
}

// plain is the text of a glob without wildcards.
func (g glob) plain() (string, bool) {
	switch {
	case len(g) == 0:
		return "", true
	case len(g) == 1 && g[0].wild == 0:
		return g[0].text, true
	}
	return "", false
}

// within adds the wildcards of contains, startswith and endswith.
func (g glob) within(how string) glob {
	star := piece{wild: anything}
	if (how == "contains" || how == "startswith") && (len(g) == 0 || g[len(g)-1] != star) {
		g = append(slices.Clip(g), star)
	}
	if (how == "contains" || how == "endswith") && (len(g) == 0 || g[0] != star) {
		g = append(glob{star}, g...)
	}
	return g
}

// dashes replaces the dashes that begin an option by any dash.
func (g glob) dashes() glob {
	var out glob
	before := ' '
	for _, p := range g {
		if p.wild != 0 {
			out, before = append(out, p), ' '
			continue
		}
		from := 0
		for i, r := range p.text {
			after, _ := utf8.DecodeRuneInString(p.text[i+utf8.RuneLen(r):])
			if strings.ContainsRune(dashRunes, r) && !wordRune(before) && wordRune(after) {
				if i > from {
					out = append(out, piece{text: p.text[from:i]})
				}
				out = append(out, piece{wild: anyDash})
				from = i + utf8.RuneLen(r)
			}
			before = r
		}
		if from < len(p.text) {
			out = append(out, piece{text: p.text[from:]})
		}
	}
	return out
}

func wordRune(r rune) bool {
	return r != utf8.RuneError && (r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r))
}

// matcher is the test on texts; without regard to case unless cased.
func (g glob) matcher(cased bool) func(string) bool {
	star := piece{wild: anything}
	switch {
	case len(g) == 0:
		return func(s string) bool { return s == "" }
	case len(g) == 1 && g[0] == star:
		return func(string) bool { return true }
	case len(g) == 1 && g[0].wild == 0:
		return equal(g[0].text, cased)
	case len(g) == 2 && g[0] == star && g[1].wild == 0:
		return suffix(g[1].text, cased)
	case len(g) == 2 && g[1] == star && g[0].wild == 0:
		return prefix(g[0].text, cased)
	case len(g) == 3 && g[0] == star && g[2] == star && g[1].wild == 0:
		return within(g[1].text, cased)
	}
	if cased {
		return g.match
	}
	lower := make(glob, len(g))
	for i, p := range g {
		lower[i] = piece{strings.ToLower(p.text), p.wild}
	}
	return func(s string) bool { return lower.match(strings.ToLower(s)) }
}

// match reports whether the whole text fits. It goes back to the last star only,
// which is enough, so its time is at most the product of the lengths.
func (g glob) match(s string) bool {
	at, star, from := 0, -1, 0
	for i := 0; ; {
		if at < len(g) && g[at].wild == anything {
			star, from = at, i
			at++
			continue
		}
		if at == len(g) && i == len(s) {
			return true
		}
		if at < len(g) {
			if n, ok := g[at].take(s[i:]); ok {
				i += n
				at++
				continue
			}
		}
		if star < 0 || from >= len(s) {
			return false
		}
		_, n := utf8.DecodeRuneInString(s[from:])
		from += n
		at, i = star+1, from
	}
}

// take says how many bytes of a text one piece takes.
func (p piece) take(s string) (int, bool) {
	if p.wild == 0 {
		return len(p.text), strings.HasPrefix(s, p.text)
	}
	r, n := utf8.DecodeRuneInString(s)
	return n, n > 0 && (p.wild == anyCharacter || strings.ContainsRune(dashRunes, r))
}
