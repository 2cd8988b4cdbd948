package pattern

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
)

// document is a JSON pattern. A message that is no JSON object or array never
// matches.
type document struct{ condition condition }

// condition is true of a decoded document, or not.
type condition interface{ holds(doc any) bool }

func (d document) match(message string) bool {
	// Most lines are no JSON: the first byte tells without parsing.
	if m := strings.TrimLeftFunc(message, unicode.IsSpace); m == "" || m[0] != '{' && m[0] != '[' {
		return false
	}
	var doc any
	if json.Unmarshal([]byte(message), &doc) != nil {
		return false
	}
	return d.condition.holds(doc)
}

type (
	all    []condition
	either []condition
	// comparison: a property that is not there, or is an object or array, fits
	// no operator, != included.
	comparison struct {
		path     path
		operator string
		value    value
	}
	// property asks what a property is: "EXISTS", "NOT EXISTS", "NULL", "TRUE",
	// "FALSE".
	property struct {
		path path
		is   string
	}
)

func (cs all) holds(doc any) bool {
	for _, c := range cs {
		if !c.holds(doc) {
			return false
		}
	}
	return true
}

func (cs either) holds(doc any) bool {
	for _, c := range cs {
		if c.holds(doc) {
			return true
		}
	}
	return false
}

func (c comparison) holds(doc any) bool {
	return c.path.some(doc, func(found any) bool {
		switch v := found.(type) {
		case string:
			switch c.operator {
			case "=":
				return c.value.equal(v)
			case "!=":
				return !c.value.equal(v)
			}
			n, err := strconv.ParseFloat(v, 64)
			return err == nil && order(c.operator, n, c.value.number)
		case float64:
			return c.number(v)
		case bool:
			text := strconv.FormatBool(v)
			return c.operator == "=" && c.value.equal(text) || c.operator == "!=" && !c.value.equal(text)
		}
		return false
	})
}

func (c comparison) number(n float64) bool {
	equal := c.value.isNum && n == c.value.number
	if !c.value.isNum { // wildcards and quoted texts see the number as it is written
		equal = c.value.equal(strconv.FormatFloat(n, 'f', -1, 64))
	}
	switch c.operator {
	case "=":
		return equal
	case "!=":
		return !equal
	}
	return order(c.operator, n, c.value.number)
}

func (p property) holds(doc any) bool {
	there := p.path.some(doc, func(any) bool { return true })
	switch p.is {
	case "EXISTS":
		return there
	case "NOT EXISTS":
		return !there
	}
	return p.path.some(doc, func(found any) bool {
		switch p.is {
		case "NULL":
			return found == nil
		case "TRUE":
			return found == true
		}
		return found == false
	})
}

func parseDocument(text string) (matcher, error) {
	l := &lexer{rest: text[1:]}
	c, err := l.disjunction()
	if err != nil {
		return nil, err
	}
	if !l.take("}") {
		return nil, errorf("a } is missing before %q", l.rest)
	}
	if l.space(); l.rest != "" {
		return nil, errorf("there is more behind the closing }: %q", l.rest)
	}
	return document{c}, nil
}

func (l *lexer) disjunction() (condition, error) {
	var parts either
	for {
		c, err := l.conjunction()
		if err != nil {
			return nil, err
		}
		if parts = append(parts, c); !l.take("||") {
			return parts, nil
		}
	}
}

func (l *lexer) conjunction() (condition, error) {
	var parts all
	for {
		c, err := l.condition()
		if err != nil {
			return nil, err
		}
		if parts = append(parts, c); !l.take("&&") {
			return parts, nil
		}
	}
}

func (l *lexer) condition() (condition, error) {
	if l.take("(") {
		if l.depth++; l.depth > maxDepth {
			return nil, errorf("parentheses are nested more than %d deep", maxDepth)
		}
		c, err := l.disjunction()
		if err != nil {
			return nil, err
		}
		l.depth--
		if !l.take(")") {
			return nil, errorf("a ) is missing before %q", l.rest)
		}
		return c, nil
	}
	p, err := l.path()
	if err != nil {
		return nil, err
	}
	if is, ok := l.predicate(); ok {
		return property{p, is}, nil
	}
	operator, ok := l.operator()
	if !ok {
		return nil, errorf("an operator is missing before %q", l.rest)
	}
	v, err := l.value(")}&|")
	if err != nil {
		return nil, err
	}
	if operator != "=" && operator != "!=" && !v.isNum {
		return nil, errorf("%s compares with numbers only, not with %q", operator, v.text)
	}
	return comparison{p, operator, v}, nil
}

// predicate takes IS NULL, IS TRUE, IS FALSE, EXISTS or NOT EXISTS.
func (l *lexer) predicate() (string, bool) {
	if l.word("NOT") {
		return "NOT EXISTS", l.word("EXISTS")
	}
	if l.word("EXISTS") {
		return "EXISTS", true
	}
	if !l.word("IS") {
		return "", false
	}
	for _, is := range []string{"NULL", "TRUE", "FALSE"} {
		if l.word(is) {
			return is, true
		}
	}
	return "", false
}
