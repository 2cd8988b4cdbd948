package sigma

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"muster/internal/document"
)

// selection is a mapping, all of whose fields must fit, a keyword, or a list of
// these, one of which must.
func (p *parser) selection(n *yaml.Node, name string) document.Condition {
	switch n = p.follow(n); n.Kind {
	case yaml.MappingNode:
		return p.fields(n, name)
	case yaml.SequenceNode:
		var any document.Either
		for _, e := range p.elements(n) {
			switch e.Kind {
			case yaml.MappingNode:
				any = append(any, p.fields(e, name))
			case yaml.ScalarNode:
				any = append(any, p.field(pair{&yaml.Node{Kind: yaml.ScalarNode, Line: e.Line}, e}))
			default:
				p.problem(e, "write fields or texts", "selection %s has a list in a list", name)
			}
		}
		if len(any) == 0 {
			p.problem(n, "fill it or remove it", "selection %s is empty", name)
		}
		return any
	}
	if isNull(n) || n.Kind != yaml.ScalarNode {
		p.problem(n, "write fields and their values", "selection %s is empty", name)
		return document.Either{}
	}
	return p.field(pair{&yaml.Node{Kind: yaml.ScalarNode, Line: n.Line}, n})
}

func (p *parser) fields(n *yaml.Node, name string) document.Condition {
	pairs, ok := p.pairs(n, "selection "+name)
	if ok && len(pairs) == 0 {
		p.problem(n, "fill it or remove it", "selection %s is empty", name)
	}
	var all document.All
	for _, kv := range pairs {
		all = append(all, p.field(kv))
	}
	return all
}

// field is one field with its modifiers and values; without a name it looks for
// keywords.
func (p *parser) field(kv pair) document.Condition {
	name, chain, _ := strings.Cut(kv.key.Value, "|")
	f := &field{p: p, key: kv.key, path: document.Field(name), keyword: name == ""}
	if chain != "" {
		f.modifiers = strings.Split(chain, "|")
	}
	if !f.know() {
		return document.Either{}
	}
	var values []document.Condition
	elements := p.elements(kv.value)
	for _, e := range elements {
		if e.Kind != yaml.ScalarNode {
			p.problem(e, "write a text, number, truth value or null", "%s has a value that is none", f.spelt())
			continue
		}
		if c := f.value(e); c != nil {
			values = append(values, c)
		}
	}
	if len(elements) == 0 {
		p.problem(kv.key, "give it a value, or remove it", "%s has no values", f.spelt())
	}
	switch {
	case f.has("neq"):
		return document.Not{Of: document.Either(values)}
	case f.has("all"):
		return document.All(values)
	}
	return document.Either(values)
}

// anywhere makes a condition of a test on texts: that some text below the path
// passes it. Objects are seen whole, see the package's comment.
func anywhere(path document.Path, is func(string) bool) document.Condition {
	var match func(document.Value) bool
	match = func(v document.Value) bool {
		if s, ok := v.Scalar(); ok {
			return is(s)
		}
		switch v.Kind() {
		case document.Array:
			return v.Some(match)
		case document.Object:
			return is(v.Text()) || is(v.Inner())
		}
		return false
	}
	return document.Test{Path: path, Match: match}
}

// anyValue is true when a text, number or truth value somewhere in the event
// passes the test.
func anyValue(is func(string) bool) document.Condition {
	var match func(document.Value) bool
	match = func(v document.Value) bool {
		if s, ok := v.Scalar(); ok {
			return is(s)
		}
		return v.Some(match)
	}
	return document.Test{Match: match}
}

func notNull(path document.Path) document.Condition {
	return document.Test{Path: path, Match: func(v document.Value) bool { return v.Kind() != document.Null }}
}

func present(path document.Path) document.Condition {
	return document.Test{Path: path, Match: func(document.Value) bool { return true }}
}
