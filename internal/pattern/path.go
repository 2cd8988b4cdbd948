package pattern

import (
	"strconv"
	"strings"
	"unicode"
)

// path names a property of a document: $.a.b[0]['c'][*].
type path []step

// step goes to a member, to an element, or with every to all elements.
type step struct {
	member string
	index  int // of an element; -1: a member
	every  bool
}

// some reports whether a condition is true of what a path leads to; with [*] of
// some of it.
func (p path) some(doc any, condition func(any) bool) bool {
	if len(p) == 0 {
		return condition(doc)
	}
	switch s := p[0]; {
	case s.every:
		list, _ := doc.([]any) // nil has no elements
		for _, e := range list {
			if p[1:].some(e, condition) {
				return true
			}
		}
		return false
	case s.index >= 0:
		list, _ := doc.([]any)
		return s.index < len(list) && p[1:].some(list[s.index], condition)
	default:
		object, _ := doc.(map[string]any)
		value, ok := object[s.member]
		return ok && p[1:].some(value, condition)
	}
}

// path takes a selector.
func (l *lexer) path() (path, error) {
	if !l.take("$") {
		return nil, errorf("a selector $.name is missing before %q", l.rest)
	}
	var p path
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
				return nil, errorf("a name is missing behind the dot in %q", l.rest)
			}
			p = append(p, step{member: l.rest[1:end], index: -1})
			l.rest = l.rest[end:]
		case strings.HasPrefix(l.rest, "["):
			s, err := l.bracket()
			if err != nil {
				return nil, err
			}
			p = append(p, s)
		case len(p) == 0:
			return nil, errorf("a selector names a property: $.name, before %q", l.rest)
		default:
			return p, nil
		}
	}
}

// bracket takes [0], [*], ['name'] or ["name"].
func (l *lexer) bracket() (step, error) {
	inside, rest, ok := strings.Cut(l.rest[1:], "]")
	if inside = strings.TrimSpace(inside); !ok || inside == "" {
		return step{}, errorf("a ] or what stands before it is missing in %q", l.rest)
	}
	l.rest = rest
	if inside == "*" {
		return step{every: true, index: -1}, nil
	}
	if q := inside[0]; len(inside) > 2 && (q == '\'' || q == '"') && inside[len(inside)-1] == q {
		return step{member: inside[1 : len(inside)-1], index: -1}, nil
	}
	n, err := strconv.Atoi(inside)
	if err != nil || n < 0 {
		return step{}, errorf("[%s] is no index", inside)
	}
	return step{index: n}, nil
}
