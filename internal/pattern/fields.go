package pattern

import (
	"strconv"
	"strings"
	"unicode"
)

// fields is a space-delimited pattern: conditions on the first and, behind an
// ellipsis, on the last fields of a message.
type fields struct {
	head, tail []field
	ellipsis   bool // between head and tail; without one the numbers must agree
}

// field holds alternatives, each a conjunction; none of them is a field of any
// content.
type field [][]fieldTest

type fieldTest struct {
	operator string
	value    value
}

func (f *fields) match(message string) bool {
	found := split(message)
	if len(found) < len(f.head)+len(f.tail) || !f.ellipsis && len(found) != len(f.head) {
		return false
	}
	for i, one := range f.head {
		if !one.holds(found[i]) {
			return false
		}
	}
	for i, one := range f.tail {
		if !one.holds(found[len(found)-len(f.tail)+i]) {
			return false
		}
	}
	return true
}

func (f field) holds(text string) bool {
	for _, tests := range f {
		ok := true
		for _, t := range tests {
			ok = ok && t.holds(text)
		}
		if ok {
			return true
		}
	}
	return len(f) == 0
}

func (t fieldTest) holds(text string) bool {
	switch t.operator {
	case "=":
		return t.value.equal(text)
	case "!=":
		return !t.value.equal(text)
	}
	n, err := strconv.ParseFloat(text, 64)
	return err == nil && order(t.operator, n, t.value.number)
}

// split cuts a message at its spaces; what stands in brackets or quotes is one
// field, without them.
func split(message string) []string {
	var out []string
	for rest := strings.TrimLeftFunc(message, unicode.IsSpace); rest != ""; rest = strings.TrimLeftFunc(rest, unicode.IsSpace) {
		if closing := map[byte]string{'"': `"`, '[': "]"}[rest[0]]; closing != "" {
			if inside, after, ok := strings.Cut(rest[1:], closing); ok {
				out, rest = append(out, inside), after
				continue
			}
		}
		end := strings.IndexFunc(rest, unicode.IsSpace)
		if end < 0 {
			end = len(rest)
		}
		out, rest = append(out, rest[:end]), rest[end:]
	}
	return out
}

func parseFields(text string) (matcher, error) {
	l := &lexer{rest: text[1:]}
	if l.take("]") && strings.TrimSpace(l.rest) == "" {
		return nil, nil // as AWS takes it
	}
	f := &fields{}
	for {
		if l.take("...") {
			if f.ellipsis {
				return nil, errorf("a pattern has at most one ellipsis")
			}
			f.ellipsis = true
		} else {
			one, err := l.field()
			if err != nil {
				return nil, err
			}
			if f.ellipsis {
				f.tail = append(f.tail, one)
			} else {
				f.head = append(f.head, one)
			}
		}
		if l.take(",") {
			continue
		}
		if !l.take("]") {
			return nil, errorf("a , or ] is missing before %q", l.rest)
		}
		if l.space(); l.rest != "" {
			return nil, errorf("there is more behind the closing ]: %q", l.rest)
		}
		return f, nil
	}
}

// field takes name, name=value, or several of these joined with && and ||, where
// && binds first. All name the same field: that is not checked, as the place and
// not the name decides.
func (l *lexer) field() (field, error) {
	f := field{nil}
	plain := true
	for {
		l.space()
		end := strings.IndexFunc(l.rest, func(r rune) bool { return special(r) && r != '-' && r != '.' })
		if end < 0 {
			end = len(l.rest)
		}
		if end == 0 {
			return nil, errorf("a field's name is missing before %q", l.rest)
		}
		l.rest = l.rest[end:]
		if operator, ok := l.operator(); ok {
			v, err := l.value(",]&|")
			if err != nil {
				return nil, err
			}
			if operator != "=" && operator != "!=" && !v.isNum {
				return nil, errorf("%s compares with numbers only, not with %q", operator, v.text)
			}
			f[len(f)-1] = append(f[len(f)-1], fieldTest{operator, v})
			plain = false
		}
		switch {
		case l.take("&&"):
		case l.take("||"):
			f = append(f, nil)
		case plain:
			return nil, nil
		default:
			return f, nil
		}
	}
}
