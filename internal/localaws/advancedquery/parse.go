package advancedquery

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// parser holds what is left of a query.
type parser struct {
	rest  string
	depth int
}

// Parse reads a query; the error is a *SyntaxError.
func Parse(expression string) (*Query, error) {
	if n := len([]rune(expression)); n == 0 || n > MaxExpression {
		return nil, errorf("the expression has %d characters and may have 1 to %d", n, MaxExpression)
	}
	p := &parser{rest: strings.TrimSuffix(strings.TrimSpace(expression), ";")}
	q := &Query{}
	if !p.keyword("SELECT") {
		return nil, errorf("Error: mismatched input '%.20s' expecting SELECT", p.rest)
	}
	if err := p.fields(q); err != nil {
		return nil, err
	}
	var err error
	if p.keyword("WHERE") {
		if q.where, err = p.disjunction(); err != nil {
			return nil, err
		}
	}
	if p.keyword("GROUP") {
		if !p.keyword("BY") {
			return nil, p.unexpected("BY")
		}
		if q.group, err = p.names(); err != nil {
			return nil, err
		}
	}
	if p.keyword("ORDER") {
		if !p.keyword("BY") {
			return nil, p.unexpected("BY")
		}
		if err := p.orderings(q); err != nil {
			return nil, err
		}
	}
	if p.space(); p.rest != "" {
		return nil, p.unexpected("the end")
	}
	return q, q.check()
}

// check refuses a count beside properties that are not grouped by.
func (q *Query) check() error {
	counted := slices.Contains(q.Fields, count)
	for _, f := range q.Fields {
		if f != count && (counted || len(q.group) > 0) && !slices.Contains(q.group, f) {
			return errorf("Error: %s must be in GROUP BY", f)
		}
	}
	if len(q.group) > 0 && !counted {
		return errorf("Error: GROUP BY needs COUNT(*)")
	}
	return nil
}

func (p *parser) unexpected(wanted string) error {
	return errorf("Error: mismatched input '%.20s' expecting %s", p.rest, wanted)
}

func (p *parser) space() { p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace) }

// keyword takes a word, in any case.
func (p *parser) keyword(k string) bool {
	p.space()
	if len(p.rest) < len(k) || !strings.EqualFold(p.rest[:len(k)], k) {
		return false
	}
	if after := p.rest[len(k):]; after != "" && word([]rune(after)[0]) {
		return false
	}
	p.rest = p.rest[len(k):]
	return true
}

func (p *parser) symbol(s string) bool {
	p.space()
	after, ok := strings.CutPrefix(p.rest, s)
	if ok {
		p.rest = after
	}
	return ok
}

func (p *parser) name() (string, error) {
	p.space()
	end := strings.IndexFunc(p.rest, func(r rune) bool { return !word(r) })
	if end < 0 {
		end = len(p.rest)
	}
	if end == 0 {
		return "", p.unexpected("a property")
	}
	name := p.rest[:end]
	p.rest = p.rest[end:]
	return name, nil
}

func (p *parser) names() ([]string, error) {
	var out []string
	for {
		n, err := p.name()
		if err != nil {
			return nil, err
		}
		if out = append(out, n); !p.symbol(",") {
			return out, nil
		}
	}
}

func (p *parser) fields(q *Query) error {
	for {
		f, err := p.field()
		if err != nil {
			return err
		}
		if q.Fields = append(q.Fields, f); !p.symbol(",") {
			return nil
		}
	}
}

func (p *parser) field() (string, error) {
	if p.symbol("*") {
		return "*", nil
	}
	n, err := p.name()
	if err != nil || !p.symbol("(") {
		return n, err
	}
	if !strings.EqualFold(n, "COUNT") || !p.symbol("*") || !p.symbol(")") {
		return "", errorf("Error: of the aggregates this stand-in has COUNT(*) only, not %s", n)
	}
	return count, nil
}

func (p *parser) orderings(q *Query) error {
	for {
		f, err := p.field()
		if err != nil {
			return err
		}
		o := ordering{field: f}
		if p.keyword("DESC") {
			o.descending = true
		} else {
			p.keyword("ASC")
		}
		if q.order = append(q.order, o); !p.symbol(",") {
			return nil
		}
	}
}

func (p *parser) disjunction() (condition, error) {
	left, err := p.conjunction()
	for err == nil && p.keyword("OR") {
		var right condition
		if right, err = p.conjunction(); err == nil {
			a, b := left, right
			left = func(r map[string]any) bool { return a(r) || b(r) }
		}
	}
	return left, err
}

func (p *parser) conjunction() (condition, error) {
	left, err := p.primary()
	for err == nil && p.keyword("AND") {
		var right condition
		if right, err = p.primary(); err == nil {
			a, b := left, right
			left = func(r map[string]any) bool { return a(r) && b(r) }
		}
	}
	return left, err
}

func (p *parser) primary() (condition, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, errorf("Error: conditions are nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	if p.keyword("NOT") {
		c, err := p.primary()
		return func(r map[string]any) bool { return !c(r) }, err
	}
	if p.symbol("(") {
		c, err := p.disjunction()
		if err == nil && !p.symbol(")") {
			err = p.unexpected(")")
		}
		return c, err
	}
	return p.comparison()
}

func (p *parser) comparison() (condition, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	path := strings.Split(name, ".")
	some := func(test func(v any) bool) condition {
		return func(r map[string]any) bool { return slices.ContainsFunc(values(r, path), test) }
	}
	not := p.keyword("NOT")
	var c condition
	switch {
	case p.keyword("LIKE"):
		pattern, err := p.value()
		if err != nil {
			return nil, err
		}
		c = some(func(v any) bool { return like(text(pattern), text(v)) })
	case p.keyword("IN"):
		list, err := p.list()
		if err != nil {
			return nil, err
		}
		c = some(func(v any) bool {
			return slices.ContainsFunc(list, func(one any) bool { return compare(v, one) == 0 })
		})
	case p.keyword("BETWEEN"):
		low, err := p.value()
		if err != nil {
			return nil, err
		}
		if !p.keyword("AND") {
			return nil, p.unexpected("AND")
		}
		high, err := p.value()
		if err != nil {
			return nil, err
		}
		c = some(func(v any) bool { return compare(v, low) >= 0 && compare(v, high) <= 0 })
	default:
		if not {
			return nil, p.unexpected("LIKE, IN or BETWEEN")
		}
		return p.operator(some)
	}
	if not {
		return func(r map[string]any) bool { return !c(r) }, nil
	}
	return c, nil
}

// operator takes an operator and a value. Of a property that has several values
// one must fit.
func (p *parser) operator(some func(func(any) bool) condition) (condition, error) {
	for _, o := range []struct {
		symbol string
		holds  func(order int) bool
	}{
		{"!=", func(n int) bool { return n != 0 }},
		{"<>", func(n int) bool { return n != 0 }},
		{"<=", func(n int) bool { return n <= 0 }},
		{">=", func(n int) bool { return n >= 0 }},
		{"=", func(n int) bool { return n == 0 }},
		{"<", func(n int) bool { return n < 0 }},
		{">", func(n int) bool { return n > 0 }},
	} {
		if p.symbol(o.symbol) {
			v, err := p.value()
			return some(func(got any) bool { return o.holds(compare(got, v)) }), err
		}
	}
	return nil, p.unexpected("an operator")
}

func (p *parser) list() ([]any, error) {
	if !p.symbol("(") {
		return nil, p.unexpected("(")
	}
	var out []any
	for {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if p.symbol(")") {
			return out, nil
		}
		if !p.symbol(",") {
			return nil, p.unexpected(")")
		}
	}
}

// value takes 'text', where two quotes are one, a number, TRUE or FALSE.
func (p *parser) value() (any, error) {
	p.space()
	if strings.HasPrefix(p.rest, "'") {
		var b strings.Builder
		for i := 1; i < len(p.rest); i++ {
			if p.rest[i] != '\'' {
				b.WriteByte(p.rest[i])
				continue
			}
			if i+1 < len(p.rest) && p.rest[i+1] == '\'' {
				b.WriteByte('\'')
				i++
				continue
			}
			p.rest = p.rest[i+1:]
			return b.String(), nil
		}
		return nil, errorf("Error: a quote is not closed")
	}
	switch {
	case p.keyword("TRUE"):
		return true, nil
	case p.keyword("FALSE"):
		return false, nil
	}
	n, err := p.name()
	if err != nil {
		return nil, p.unexpected("a value")
	}
	f, err := strconv.ParseFloat(n, 64)
	if err != nil {
		return nil, errorf("Error: %s is no value: texts are in single quotes", n)
	}
	return f, nil
}
