// Package filter reads X-Ray filter expressions: text to a fleet.Filter. It
// knows the whole language that AWS documents; of the parts that no evidence
// answers it says so.
package filter

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"muster/fleet"
)

const (
	// MaxBytes is how long an expression may be: far beyond what people write,
	// and short enough for every engine.
	MaxBytes = 4096
	// maxDepth bounds brackets in brackets, which the parser and the stores
	// follow by recursion.
	maxDepth = 32
	// maxTests bounds comparisons: each is a condition that an engine evaluates
	// for every span.
	maxTests = 200
)

var numberSyntax = regexp.MustCompile(`^-?[0-9]{1,15}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?$`)

// Error says what is wrong with an expression and where.
type Error struct {
	At      int // in characters, from 1
	Problem string
}

func (e *Error) Error() string { return fmt.Sprintf("filter, character %d: %s", e.At, e.Problem) }

func errorAt(text string, at int, format string, args ...any) error {
	return &Error{utf8.RuneCountInString(text[:at]) + 1, fmt.Sprintf(format, args...)}
}

// Parse reads an expression. Every error is an *Error.
func Parse(text string) (fleet.Filter, error) {
	if len(text) > MaxBytes {
		return nil, errorAt(text, MaxBytes, "an expression has at most %d bytes, and this one %d", MaxBytes, len(text))
	}
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)) {
			return nil, errorAt(text, i, "the expression is not valid UTF-8")
		}
	}
	p := parser{lexer: lexer{text: text}}
	f, err := p.whole()
	if err != nil {
		return nil, err
	}
	return f, nil
}

// parser reads an expression by recursive descent.
type parser struct {
	lexer
	now   token
	depth int
	tests int
	// inside is "service" or "edge" within its braces.
	inside string
}

func (p *parser) whole() (fleet.Filter, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.now.kind == tokenEnd {
		return nil, p.fail("the expression is empty: give one such as %s", `service("orders") { fault }`)
	}
	f, err := p.either()
	if err == nil && p.now.kind != tokenEnd {
		err = p.fail("unexpected %s", p.now.spelled())
	}
	return f, err
}

func (p *parser) advance() (err error) {
	p.now, err = p.next()
	return err
}

func (p *parser) fail(format string, args ...any) error {
	return errorAt(p.text, p.now.at, format, args...)
}

func (t token) spelled() string {
	switch t.kind {
	case tokenEnd:
		return "end"
	case tokenText:
		return fmt.Sprintf("%q", t.text)
	}
	return t.text
}

func (t token) is(sign string) bool { return t.kind == tokenSign && t.text == sign }

func (t token) word(w string) bool { return t.kind == tokenWord && strings.EqualFold(t.text, w) }

// accept reads a sign if it comes next.
func (p *parser) accept(sign string) (bool, error) {
	if !p.now.is(sign) {
		return false, nil
	}
	return true, p.advance()
}

func (p *parser) expect(sign, after string) error {
	ok, err := p.accept(sign)
	if err == nil && !ok {
		err = p.fail("%s is missing after %s, before %s", sign, after, p.now.spelled())
	}
	return err
}

// either reads parts with OR between them.
func (p *parser) either() (fleet.Filter, error) {
	first, err := p.all()
	if err != nil || !p.now.word("OR") {
		return first, err
	}
	parts := fleet.FilterAny{first}
	for p.now.word("OR") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		f, err := p.all()
		if err != nil {
			return nil, err
		}
		parts = append(parts, f)
	}
	return parts, nil
}

// all reads parts with AND or nothing between them.
func (p *parser) all() (fleet.Filter, error) {
	first, err := p.one()
	if err != nil || !p.another() {
		return first, err
	}
	parts := fleet.FilterAll{first}
	for p.another() {
		if p.now.word("AND") {
			if err := p.advance(); err != nil {
				return nil, err
			}
		}
		f, err := p.one()
		if err != nil {
			return nil, err
		}
		parts = append(parts, f)
	}
	return parts, nil
}

// another reports whether a further part of a conjunction comes next.
func (p *parser) another() bool {
	return p.now.kind == tokenWord && !p.now.word("OR") || p.now.is("!") || p.now.is("(")
}

// one reads a part: one in brackets, the negation of one, or a test.
func (p *parser) one() (fleet.Filter, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("brackets, NOT and braces are at most %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	switch {
	case p.now.is("!"), p.now.word("NOT"):
		if err := p.advance(); err != nil {
			return nil, err
		}
		f, err := p.one()
		if err != nil {
			return nil, err
		}
		return fleet.FilterNot{Of: f}, nil
	case p.now.is("("):
		if err := p.advance(); err != nil {
			return nil, err
		}
		f, err := p.either()
		if err != nil {
			return nil, err
		}
		return f, p.expect(")", "what it encloses")
	case p.now.kind != tokenWord:
		return nil, p.fail("a keyword is missing before %s", p.now.spelled())
	}
	if p.tests++; p.tests > maxTests {
		return nil, p.fail("an expression has at most %d comparisons", maxTests)
	}
	return p.keyword()
}
