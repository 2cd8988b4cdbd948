package filter

import (
	"strings"

	"muster/fleet"
)

// node reads service(name) { filter } or edge(from, to) { filter }.
func (p *parser) node(which string) (fleet.Filter, error) {
	if p.inside != "" {
		return nil, p.fail("%s() within %s() { } asks one span for another: combine them with AND outside of the braces", which, p.inside)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.expect("(", which); err != nil {
		return nil, err
	}
	var from, to fleet.FilterNode
	var err error
	if which == "edge" {
		if from, err = p.nodeName(); err != nil {
			return nil, err
		}
		if err = p.expect(",", "the service that calls"); err != nil {
			return nil, err
		}
	}
	if which == "edge" || !p.now.is(")") {
		if to, err = p.nodeName(); err != nil {
			return nil, err
		}
	}
	if err = p.expect(")", which+"("); err != nil {
		return nil, err
	}
	where, err := p.braces(which)
	if which == "edge" {
		return fleet.FilterEdge{From: from, To: to, Where: where}, err
	}
	return fleet.FilterService{Node: to, Where: where}, err
}

// braces reads the filter of a node's spans, nil when there is none.
func (p *parser) braces(which string) (fleet.Filter, error) {
	open, err := p.accept("{")
	if err != nil || !open {
		return nil, err
	}
	if closed, err := p.accept("}"); err != nil || closed {
		return nil, err
	}
	p.inside = which
	defer func() { p.inside = "" }()
	f, err := p.either()
	if err != nil {
		return nil, err
	}
	return f, p.expect("}", "the filter of "+which+"()")
}

// nodeName reads "name" or id(name: "…", type: "…", account.id: "…").
func (p *parser) nodeName() (fleet.FilterNode, error) {
	var n fleet.FilterNode
	if p.now.kind == tokenText {
		n.Name = p.now.text
		return n, p.advance()
	}
	if !p.now.word("id") {
		return n, p.fail(`a name in quotation marks or id(name: "…", type: "…") belongs here, not %s`, p.now.spelled())
	}
	if err := p.advance(); err != nil {
		return n, err
	}
	if err := p.expect("(", "id"); err != nil {
		return n, err
	}
	for {
		if err := p.nodePart(&n); err != nil {
			return n, err
		}
		if more, err := p.accept(","); err != nil || !more {
			if err == nil {
				err = p.expect(")", "id(")
			}
			return n, err
		}
	}
}

// nodePart reads one argument of id().
func (p *parser) nodePart(n *fleet.FilterNode) error {
	parts := map[string]*string{"name": &n.Name, "type": &n.Type, "account.id": &n.Account}
	part := parts[strings.ToLower(p.now.text)]
	if p.now.kind != tokenWord || part == nil {
		return p.fail("id() takes name:, type: and account.id:, not %s", p.now.spelled())
	}
	if *part != "" {
		return p.fail("%s is given twice", p.now.text)
	}
	name := p.now.text
	if err := p.advance(); err != nil {
		return err
	}
	if err := p.expect(":", name); err != nil {
		return err
	}
	if p.now.kind != tokenText {
		return p.fail("%s is text: put %s in quotation marks", name, p.now.spelled())
	}
	*part = p.now.text
	return p.advance()
}
