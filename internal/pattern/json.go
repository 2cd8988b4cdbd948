package pattern

import (
	"strconv"
	"strings"
	"sync"
	"unicode"

	"muster/internal/document"
)

// structured is a JSON pattern. A message that is no JSON object or array never
// matches.
type structured struct{ condition document.Condition }

// parsed keeps the memory of documents between messages.
var parsed = sync.Pool{New: func() any { return new(document.Document) }}

func (s structured) match(message string) bool {
	// Most lines are no JSON: the first byte tells without parsing.
	if m := strings.TrimLeftFunc(message, unicode.IsSpace); m == "" || m[0] != '{' && m[0] != '[' {
		return false
	}
	doc, ok := parsed.Get().(*document.Document)
	if !ok {
		return false // cannot be: the pool makes nothing else
	}
	defer parsed.Put(doc)
	return doc.Parse(message) == nil && s.condition.Holds(doc)
}

// Condition is what the pattern asks of a document, for one that many patterns
// are held against. A pattern of terms or fields looks at its text.
func (p *Pattern) Condition() document.Condition {
	switch m := p.matcher.(type) {
	case nil:
		return document.Always(true)
	case structured:
		return m.condition
	default:
		return document.Test{Match: func(v document.Value) bool { return m.match(v.Text()) }}
	}
}

// comparison holds a property against a value. A property that is not there, or
// is an object or array, fits no operator, != included.
type comparison struct {
	operator string
	value    value
}

func (c comparison) holds(found document.Value) bool {
	switch found.Kind() {
	case document.String:
		v := found.Text()
		switch c.operator {
		case "=":
			return c.value.equal(v)
		case "!=":
			return !c.value.equal(v)
		}
		n, err := strconv.ParseFloat(v, 64)
		return err == nil && order(c.operator, n, c.value.number)
	case document.Number:
		n, err := strconv.ParseFloat(found.Text(), 64)
		return err == nil && c.number(n)
	case document.Bool:
		return c.operator == "=" && c.value.equal(found.Text()) || c.operator == "!=" && !c.value.equal(found.Text())
	}
	return false
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

// property asks what the property of a path is: "EXISTS", "NOT EXISTS", "NULL",
// "TRUE", "FALSE".
func property(p document.Path, is string) document.Condition {
	there := document.Test{Path: p, Match: func(document.Value) bool { return true }}
	switch is {
	case "EXISTS":
		return there
	case "NOT EXISTS":
		return document.Not{Of: there}
	case "NULL":
		return document.Test{Path: p, Match: func(v document.Value) bool { return v.Kind() == document.Null }}
	}
	text := strings.ToLower(is)
	return document.Test{Path: p, Match: func(v document.Value) bool {
		return v.Kind() == document.Bool && v.Text() == text
	}}
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
	return structured{c}, nil
}

func (l *lexer) disjunction() (document.Condition, error) {
	var parts document.Either
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

func (l *lexer) conjunction() (document.Condition, error) {
	var parts document.All
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

func (l *lexer) condition() (document.Condition, error) {
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
		return property(p, is), nil
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
	return document.Test{Path: p, Match: comparison{operator, v}.holds}, nil
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
