package sigma

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"muster/internal/document"
)

// detection is the condition over the selections.
func (p *parser) detection(n *yaml.Node) document.Condition {
	pairs, ok := p.pairs(n, "detection")
	if !ok {
		return nil
	}
	selections := map[string]document.Condition{}
	var condition *yaml.Node
	for _, kv := range pairs {
		switch kv.key.Value {
		case "condition":
			condition = kv.value
		case "timeframe":
			p.problem(kv.key, "write a correlation with a timespan", "timeframe is of Sigma 1")
		default:
			selections[kv.key.Value] = p.selection(kv.value, kv.key.Value)
		}
	}
	if condition == nil {
		p.problem(n, "add a condition over the selections", "detection has no condition")
		return nil
	}
	if len(selections) == 0 {
		p.problem(n, "add a selection", "detection has no selection")
		return nil
	}
	var any document.Either
	for _, one := range p.elements(condition) {
		c, err := parseCondition(p.text(one), selections)
		if err != nil {
			p.problem(one, "", "condition: %v", err)
		}
		any = append(any, c)
	}
	return any
}

// maxDepth is how deep conditions may be nested.
const maxDepth = 100

// expression reads a condition: or binds least, then and, then not.
type expression struct {
	tokens     []string
	depth      int
	selections map[string]document.Condition
}

func parseCondition(text string, selections map[string]document.Condition) (document.Condition, error) {
	if strings.TrimSpace(text) == "" {
		return nil, fmt.Errorf("it is empty")
	}
	if strings.Contains(text, "|") {
		return nil, fmt.Errorf("aggregations with | are of Sigma 1: write a correlation instead")
	}
	e := &expression{selections: selections, tokens: tokens(text)}
	c, err := e.either()
	if err == nil && len(e.tokens) > 0 {
		err = fmt.Errorf("%q is not expected there: and, or, or the end is", e.tokens[0])
	}
	return c, err
}

func tokens(text string) []string {
	return strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text))
}

// word takes a keyword, in any case.
func (e *expression) word(w string) bool {
	if len(e.tokens) == 0 || !strings.EqualFold(e.tokens[0], w) {
		return false
	}
	e.tokens = e.tokens[1:]
	return true
}

func (e *expression) either() (document.Condition, error) {
	var parts document.Either
	for {
		c, err := e.all()
		if err != nil {
			return nil, err
		}
		if parts = append(parts, c); !e.word("or") {
			return parts, nil
		}
	}
}

func (e *expression) all() (document.Condition, error) {
	var parts document.All
	for {
		c, err := e.not()
		if err != nil {
			return nil, err
		}
		if parts = append(parts, c); !e.word("and") {
			return parts, nil
		}
	}
}

func (e *expression) not() (document.Condition, error) {
	if e.depth++; e.depth > maxDepth {
		return nil, fmt.Errorf("it is nested more than %d deep", maxDepth)
	}
	defer func() { e.depth-- }()
	switch {
	case e.word("not"):
		c, err := e.not()
		return document.Not{Of: c}, err
	case e.word("("):
		c, err := e.either()
		if err == nil && !e.word(")") {
			err = fmt.Errorf("a ) is missing")
		}
		return c, err
	}
	return e.named()
}

// named takes the name of a selection, or "1 of" and "all of" several.
func (e *expression) named() (document.Condition, error) {
	if len(e.tokens) == 0 {
		return nil, fmt.Errorf("it ends where a selection is wanted")
	}
	name := e.tokens[0]
	e.tokens = e.tokens[1:]
	if len(e.tokens) > 0 && strings.EqualFold(e.tokens[0], "of") {
		e.tokens = e.tokens[1:]
		return e.several(name)
	}
	if c, ok := e.selections[name]; ok {
		return c, nil
	}
	if strings.Contains(name, "*") {
		return nil, fmt.Errorf("%q names several selections: write \"1 of %s\" or \"all of %s\"", name, name, name)
	}
	return nil, fmt.Errorf("there is no selection %q: there are %s", name, e.names())
}

func (e *expression) several(quantity string) (document.Condition, error) {
	if len(e.tokens) == 0 {
		return nil, fmt.Errorf("it ends where the selections of %q are wanted", quantity+" of")
	}
	which := e.tokens[0]
	e.tokens = e.tokens[1:]
	var parts []document.Condition
	for _, name := range slices.Sorted(maps.Keys(e.selections)) {
		matched, err := path.Match(which, name)
		if err != nil {
			return nil, fmt.Errorf("%q is no pattern of names", which)
		}
		if which == "them" {
			matched = !strings.HasPrefix(name, "_")
		}
		if matched {
			parts = append(parts, e.selections[name])
		}
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("no selection is called %q: there are %s", which, e.names())
	}
	switch strings.ToLower(quantity) {
	case "1", "any":
		return document.Either(parts), nil
	case "all":
		return document.All(parts), nil
	}
	return nil, fmt.Errorf("%q of: only 1, any and all of selections can be asked for", quantity)
}

func (e *expression) names() string {
	return strings.Join(slices.Sorted(maps.Keys(e.selections)), ", ")
}
