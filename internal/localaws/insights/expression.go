package insights

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// expression computes a value of a row; false is none.
type expression func(r *row) (any, bool)

// maxDepth is how deep expressions may be nested, so that a query of maxQuery
// parentheses cannot exhaust the stack.
const maxDepth = 100

func (p *parser) expression() (expression, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, errorf("the expression is nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	left, err := p.conjunction()
	for err == nil && p.word("or") {
		var right expression
		if right, err = p.conjunction(); err == nil {
			a, b := left, right
			left = func(r *row) (any, bool) { return truth(a, r) || truth(b, r), true }
		}
	}
	return left, err
}

func truth(e expression, r *row) bool {
	v, ok := e(r)
	if n, isNumber := v.(float64); ok && isNumber {
		return n != 0
	}
	b, _ := v.(bool) // no value is not true
	return ok && b
}

func (p *parser) conjunction() (expression, error) {
	left, err := p.negation()
	for err == nil && p.word("and") {
		var right expression
		if right, err = p.negation(); err == nil {
			a, b := left, right
			left = func(r *row) (any, bool) { return truth(a, r) && truth(b, r), true }
		}
	}
	return left, err
}

func (p *parser) negation() (expression, error) {
	if !p.word("not") {
		return p.comparison()
	}
	if p.depth++; p.depth > maxDepth {
		return nil, errorf("the expression is nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	e, err := p.negation()
	return func(r *row) (any, bool) { return !truth(e, r), true }, err
}

func (p *parser) comparison() (expression, error) {
	left, err := p.sum()
	if err != nil {
		return nil, err
	}
	not := p.word("not")
	switch {
	case p.word("like") || p.symbol("=~"):
		e, err := p.like(left)
		return negated(e, not), err
	case p.word("in"):
		e, err := p.in(left)
		return negated(e, not), err
	case not:
		return nil, p.unexpected()
	}
	for _, operator := range []string{"!=", "<=", ">=", "=", "<", ">"} {
		if p.symbol(operator) {
			right, err := p.sum()
			return func(r *row) (any, bool) { return compare(operator, left, right, r), true }, err
		}
	}
	return left, nil
}

func negated(e expression, not bool) expression {
	if !not || e == nil {
		return e
	}
	return func(r *row) (any, bool) { return !truth(e, r), true }
}

// compare: numbers where both are, else texts. What has no value is unequal.
func compare(operator string, left, right expression, r *row) bool {
	a, okA := left(r)
	b, okB := right(r)
	if !okA || !okB {
		return operator == "!=" && okA != okB
	}
	order := strings.Compare(show("", a), show("", b))
	if x, ok := number(a); ok {
		if y, ok := number(b); ok {
			order = 0
			if x < y {
				order = -1
			} else if x > y {
				order = 1
			}
		}
	}
	switch operator {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

func (p *parser) like(left expression) (expression, error) {
	t := p.take()
	switch t.kind {
	case regex:
		re, err := regexp.Compile(t.text)
		if err != nil {
			return nil, errorf("the regular expression /%s/ cannot be read: %v", t.text, err)
		}
		return func(r *row) (any, bool) {
			v, ok := left(r)
			return ok && re.MatchString(show("", v)), true
		}, nil
	case text:
		return func(r *row) (any, bool) {
			v, ok := left(r)
			return ok && strings.Contains(show("", v), t.text), true
		}, nil
	}
	return nil, errorf("like needs a text or a /regular expression/, not %q", t.text)
}

func (p *parser) in(left expression) (expression, error) {
	if !p.symbol("[") {
		return nil, p.unexpected()
	}
	var values []expression
	for {
		e, err := p.sum()
		if err != nil {
			return nil, err
		}
		values = append(values, e)
		if p.symbol("]") {
			break
		}
		if !p.symbol(",") {
			return nil, p.unexpected()
		}
	}
	return func(r *row) (any, bool) {
		return slices.ContainsFunc(values, func(e expression) bool { return compare("=", left, e, r) }), true
	}, nil
}

func (p *parser) sum() (expression, error) {
	return p.arithmetic((*parser).product, map[string]func(a, b float64) float64{
		"+": func(a, b float64) float64 { return a + b }, "-": func(a, b float64) float64 { return a - b },
	})
}

func (p *parser) product() (expression, error) {
	return p.arithmetic((*parser).operand, map[string]func(a, b float64) float64{
		"*": func(a, b float64) float64 { return a * b }, "/": func(a, b float64) float64 { return a / b }, "%": math.Mod,
	})
}

// arithmetic joins operands with operators of one rank, from the left.
func (p *parser) arithmetic(operand func(*parser) (expression, error), operators map[string]func(a, b float64) float64) (expression, error) {
	left, err := operand(p)
	for err == nil && p.peek().kind == symbol && operators[p.peek().text] != nil {
		compute := operators[p.take().text]
		var right expression
		if right, err = operand(p); err == nil {
			a, b := left, right
			left = func(r *row) (any, bool) {
				va, okA := a(r)
				vb, okB := b(r)
				x, numA := number(va)
				y, numB := number(vb)
				n := compute(x, y)
				return n, okA && okB && numA && numB && !math.IsNaN(n) && !math.IsInf(n, 0)
			}
		}
	}
	return left, err
}

func (p *parser) operand() (expression, error) {
	t := p.take()
	switch {
	case t.kind == text:
		return func(*row) (any, bool) { return t.text, true }, nil
	case t.kind == digits:
		n, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			return nil, errorf("%s is no number", t.text)
		}
		return func(*row) (any, bool) { return n, true }, nil
	case t.kind == symbol && t.text == "-":
		if p.depth++; p.depth > maxDepth {
			return nil, errorf("the expression is nested more than %d deep", maxDepth)
		}
		defer func() { p.depth-- }()
		e, err := p.operand()
		return func(r *row) (any, bool) {
			v, ok := e(r)
			n, isNumber := number(v)
			return -n, ok && isNumber
		}, err
	case t.kind == symbol && t.text == "(":
		e, err := p.expression()
		if err == nil && !p.symbol(")") {
			err = p.unexpected()
		}
		return e, err
	case t.kind == name && p.symbol("("):
		return p.function(t.text)
	case t.kind == name:
		return func(r *row) (any, bool) { return r.get(t.text) }, nil
	}
	return nil, errorf("unexpected symbol found %s", t.text)
}

// function reads the arguments of a call, whose name and parenthesis are taken.
func (p *parser) function(called string) (expression, error) {
	if strings.EqualFold(called, "bin") {
		width, err := p.period()
		if err == nil && !p.symbol(")") {
			err = p.unexpected()
		}
		return func(r *row) (any, bool) {
			v, ok := r.get("@timestamp")
			at, _ := number(v)
			return moment(math.Floor(at/width) * width), ok
		}, err
	}
	var args []expression
	for !p.symbol(")") {
		if len(args) > 0 && !p.symbol(",") {
			return nil, p.unexpected()
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		args = append(args, e)
	}
	f, ok := functions[strings.ToLower(called)]
	if !ok {
		return nil, errorf("unknown function %s", called)
	}
	if len(args) != f.arguments && (f.arguments >= 0 || len(args) == 0) {
		return nil, errorf("%s takes %d arguments, not %d", called, f.arguments, len(args))
	}
	return func(r *row) (any, bool) {
		values := make([]any, len(args))
		for i, a := range args {
			if v, ok := a(r); ok {
				values[i] = v
			}
		}
		return f.compute(values)
	}, nil
}

// period reads a width of time such as 5m, in milliseconds.
func (p *parser) period() (float64, error) {
	t := p.take()
	units := map[string]time.Duration{"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
	digitsEnd := strings.IndexFunc(t.text, func(r rune) bool { return r < '0' || r > '9' })
	if t.kind == digits && digitsEnd > 0 {
		n, err := strconv.Atoi(t.text[:digitsEnd])
		if unit := units[t.text[digitsEnd:]]; err == nil && n > 0 && unit > 0 {
			return float64(n) * float64(unit.Milliseconds()), nil
		}
	}
	return 0, errorf("bin needs a period such as 5m, not %q", t.text)
}

// functions by name; a negative number of arguments is any from one on. A value
// that is nil is not there.
var functions = map[string]struct {
	arguments int
	compute   func(args []any) (any, bool)
}{
	"ispresent":   {1, func(a []any) (any, bool) { return a[0] != nil, true }},
	"isempty":     {1, func(a []any) (any, bool) { return a[0] == nil || a[0] == "", true }},
	"isblank":     {1, func(a []any) (any, bool) { return a[0] == nil || strings.TrimSpace(show("", a[0])) == "", true }},
	"strlen":      {1, texts(func(s []string) any { return float64(len([]rune(s[0]))) })},
	"strcontains": {2, texts(func(s []string) any { return flag(strings.Contains(s[0], s[1])) })},
	"tolower":     {1, texts(func(s []string) any { return strings.ToLower(s[0]) })},
	"toupper":     {1, texts(func(s []string) any { return strings.ToUpper(s[0]) })},
	"trim":        {1, texts(func(s []string) any { return strings.TrimSpace(s[0]) })},
	"concat":      {-1, texts(func(s []string) any { return strings.Join(s, "") })},
	"replace":     {3, texts(func(s []string) any { return strings.ReplaceAll(s[0], s[1], s[2]) })},
	"coalesce": {-1, func(a []any) (any, bool) {
		for _, v := range a {
			if v != nil {
				return v, true
			}
		}
		return nil, false
	}},
	"abs":      {1, numbers(func(n []float64) float64 { return math.Abs(n[0]) })},
	"ceil":     {1, numbers(func(n []float64) float64 { return math.Ceil(n[0]) })},
	"floor":    {1, numbers(func(n []float64) float64 { return math.Floor(n[0]) })},
	"tomillis": {1, numbers(func(n []float64) float64 { return n[0] })},
	"frommillis": {1, func(a []any) (any, bool) {
		n, ok := number(a[0])
		return moment(n), ok
	}},
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func texts(f func([]string) any) func([]any) (any, bool) {
	return func(args []any) (any, bool) {
		s := make([]string, len(args))
		for i, a := range args {
			if a == nil {
				return nil, false
			}
			s[i] = show("", a)
		}
		return f(s), true
	}
}

func numbers(f func([]float64) float64) func([]any) (any, bool) {
	return func(args []any) (any, bool) {
		n := make([]float64, len(args))
		for i, a := range args {
			var ok bool
			if n[i], ok = number(a); !ok {
				return nil, false
			}
		}
		return f(n), true
	}
}
