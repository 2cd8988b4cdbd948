package localaws

import (
	"regexp"
	"strings"
)

// Of DynamoDB's expressions the stand-in understands what the fleet writes:
//
//	condition: term [AND term]…
//	term:      (condition) | name = :value | begins_with(name, :value) |
//	           attribute_exists(name) | attribute_not_exists(name)
//	update:    SET name = :value [, name = :value]…
//
// where a name may be #placeholder. Anything else is a ValidationException,
// never ignored.

// test is one term of a condition.
type test struct {
	name     string
	operator string // "=", "begins_with", "attribute_exists", "attribute_not_exists"
	value    attributeValue
}

// holds reports whether the term is true of an item; nil is no item.
func (t test) holds(i item) bool {
	v, ok := i[t.name]
	switch t.operator {
	case "attribute_exists":
		return ok
	case "attribute_not_exists":
		return !ok
	case "begins_with":
		return ok && v.hasPrefix(t.value)
	}
	return ok && v.equal(t.value)
}

// expression is the text of an expression and what its placeholders stand for.
type expression struct {
	names  map[string]string
	values map[string]attributeValue

	tokens []string // what is left to read
}

// token is a name, a placeholder or a sign. What it does not match is skipped
// blank, or else a token of its own that nothing accepts.
var token = regexp.MustCompile(`[#:]?\w[\w.-]*|\S`)

// conditions reads a condition: the terms that must all hold.
func (x expression) conditions(text string) ([]test, error) {
	x.tokens = token.FindAllString(text, -1)
	tests, err := x.all()
	if err == nil && len(x.tokens) > 0 {
		err = x.unexpected()
	}
	return tests, err
}

// assignments reads an update.
func (x expression) assignments(text string) (item, error) {
	x.tokens = token.FindAllString(text, -1)
	if !strings.EqualFold(x.next(), "SET") {
		return nil, invalid("Invalid UpdateExpression: the stand-in knows SET only")
	}
	out := make(item)
	for {
		t, err := x.comparison(x.next())
		if err != nil {
			return nil, err
		}
		out[t.name] = t.value
		switch x.next() {
		case "":
			return out, nil
		case ",":
		default:
			return nil, invalid("Invalid UpdateExpression: the stand-in knows SET name = :value only")
		}
	}
}

func (x *expression) next() string {
	if len(x.tokens) == 0 {
		return ""
	}
	head := x.tokens[0]
	x.tokens = x.tokens[1:]
	return head
}

func (x *expression) unexpected() error {
	return invalid("Invalid expression: Syntax error; token: %q", x.next())
}

func (x *expression) all() ([]test, error) {
	var out []test
	for {
		tests, err := x.term()
		if err != nil {
			return nil, err
		}
		out = append(out, tests...)
		if len(x.tokens) == 0 || !strings.EqualFold(x.tokens[0], "AND") {
			return out, nil
		}
		x.next()
	}
}

func (x *expression) term() ([]test, error) {
	switch head := x.next(); head {
	case "(":
		tests, err := x.all()
		if err == nil && x.next() != ")" {
			err = invalid("Invalid expression: Syntax error; a parenthesis is not closed")
		}
		return tests, err
	case "attribute_exists", "attribute_not_exists", "begins_with":
		t, err := x.function(head)
		return []test{t}, err
	default:
		t, err := x.comparison(head)
		return []test{t}, err
	}
}

func (x *expression) comparison(head string) (test, error) {
	name, err := x.name(head)
	if err != nil {
		return test{}, err
	}
	if sign := x.next(); sign != "=" {
		return test{}, invalid("Invalid expression: the stand-in does not know the operator %q", sign)
	}
	value, err := x.value(x.next())
	return test{name: name, operator: "=", value: value}, err
}

func (x *expression) function(operator string) (test, error) {
	t := test{operator: operator}
	open := x.next()
	var err error
	if t.name, err = x.name(x.next()); err != nil {
		return t, err
	}
	if operator == "begins_with" {
		comma := x.next()
		if t.value, err = x.value(x.next()); err != nil || comma != "," {
			return t, invalid("Invalid expression: begins_with needs a name and a value")
		}
	}
	if open != "(" || x.next() != ")" {
		return t, invalid("Invalid expression: Syntax error; %s needs its arguments in parentheses", operator)
	}
	return t, nil
}

// plainName is an attribute's name that needs no placeholder.
var plainName = regexp.MustCompile(`^\w[\w-]*$`)

func (x *expression) name(tok string) (string, error) {
	if strings.HasPrefix(tok, "#") {
		name, ok := x.names[tok]
		if !ok {
			return "", invalid("An expression attribute name used in the document path is not defined; attribute name: %s", tok)
		}
		return name, nil
	}
	if !plainName.MatchString(tok) {
		return "", invalid("Invalid expression: Syntax error; token: %q", tok)
	}
	return tok, nil
}

func (x *expression) value(tok string) (attributeValue, error) {
	v, ok := x.values[tok]
	if !ok {
		return nil, invalid("An expression attribute value used in expression is not defined; attribute value: %s", tok)
	}
	return v, nil
}
