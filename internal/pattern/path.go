package pattern

import (
	"strconv"
	"strings"
	"unicode"

	"muster/internal/document"
)

// path takes a selector: $.a.b[0]['c'][*].
func (l *lexer) path() (document.Path, error) {
	if !l.take("$") {
		return document.Path{}, errorf("a selector $.name is missing before %q", l.rest)
	}
	var steps []document.Step
	for {
		switch {
		case strings.HasPrefix(l.rest, ".["): // $.['a'] is $['a']
			l.rest = l.rest[1:]
		case strings.HasPrefix(l.rest, "."):
			end := strings.IndexFunc(l.rest[1:], func(r rune) bool {
				return unicode.IsSpace(r) || strings.ContainsRune(".[]=!<>(){}&|\"'%", r)
			}) + 1
			if end == 0 {
				end = len(l.rest)
			}
			if end == 1 {
				return document.Path{}, errorf("a name is missing behind the dot in %q", l.rest)
			}
			steps = append(steps, document.Step{Member: l.rest[1:end], Index: -1})
			l.rest = l.rest[end:]
		case strings.HasPrefix(l.rest, "["):
			s, err := l.bracket()
			if err != nil {
				return document.Path{}, err
			}
			steps = append(steps, s)
		case len(steps) == 0:
			return document.Path{}, errorf("a selector names a property: $.name, before %q", l.rest)
		default:
			return document.To(steps...), nil
		}
	}
}

// bracket takes [0], [*], ['name'] or ["name"].
func (l *lexer) bracket() (document.Step, error) {
	inside, rest, ok := strings.Cut(l.rest[1:], "]")
	if inside = strings.TrimSpace(inside); !ok || inside == "" {
		return document.Step{}, errorf("a ] or what stands before it is missing in %q", l.rest)
	}
	l.rest = rest
	if inside == "*" {
		return document.Step{Every: true, Index: -1}, nil
	}
	if q := inside[0]; len(inside) > 2 && (q == '\'' || q == '"') && inside[len(inside)-1] == q {
		return document.Step{Member: inside[1 : len(inside)-1], Index: -1}, nil
	}
	n, err := strconv.Atoi(inside)
	if err != nil || n < 0 {
		return document.Step{}, errorf("[%s] is no index", inside)
	}
	return document.Step{Index: n}, nil
}
