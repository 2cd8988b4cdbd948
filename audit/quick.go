package audit

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"muster/fleet"
)

// What most conditions ask first (that a call went well, that a name has some
// text in it) is compiled to plain closures besides, and asked before CEL is. A
// closure knows only what cannot fail; where it says no, CEL would, too, so that
// the language stays CEL and its evaluation bounded.

// answer is what a closure knows of a condition.
type answer uint8

const (
	unknown answer = iota // ask CEL
	no
	yes
)

func answered(is bool) answer {
	if is {
		return yes
	}
	return no
}

// A closure tells something of a record; nil for an expression that none can be
// made of.
type closure[T any] struct {
	of func(*record) T
	// cost is about what it takes, in tens of nanoseconds, so that parts are asked
	// in the order of what they cost: none of them can fail, or change anything.
	cost int
}

type (
	quickTruth = closure[answer]
	quickText  = closure[string]
	quickInt   = closure[int64]
	// quickList calls a function for each element, in any order, until that says no.
	quickList = closure[func(do func(string) bool)]
)

// What the parts cost: to compare a field, to look an attribute up, to look for a
// text in another, to match a pattern, and to read something in the evidence,
// which may have to be parsed.
const (
	costField    = 1
	costLookup   = 3
	costContains = 4
	costMatch    = 30
	costEvidence = 100
)

// maxUnrolled is how many elements of a constant list are asked for one by one.
const maxUnrolled = 256

// quick compiles expressions over one record. Its maps are what a policy defines,
// and the variables of comprehensions.
type quick struct {
	truths    map[string]*quickTruth
	texts     map[string]*quickText
	lists     map[string][]string // that are the same for every record
	constants map[string]string
	within    bool // a comprehension over the values of a record
}

func newQuick() *quick {
	return &quick{
		truths: map[string]*quickTruth{}, texts: map[string]*quickText{}, lists: map[string][]string{}, constants: map[string]string{},
	}
}

// hasten compiles what can be of a policy on single records.
func (p *Policy) hasten() {
	if p.On != OnAPICall && p.On != OnChange || p.each != nil {
		return
	}
	q := newQuick()
	for _, d := range p.define {
		q.define(d)
	}
	p.quick = q.truth(p.when.ast.NativeRep().Expr())
	p.plain = p.found == nil && p.count == nil
	for _, t := range []template{p.message, p.service, p.scope, p.key} {
		for i := range t {
			if t[i].expr != nil {
				t[i].quick = q.spelled(t[i].expr.ast.NativeRep().Expr())
				p.plain = p.plain && t[i].quick != nil
			}
		}
	}
}

// define makes a name known, if its expression can be compiled.
func (q *quick) define(d definition) {
	e := d.expr.ast.NativeRep().Expr()
	if t := q.text(e); t != nil {
		q.texts[d.name] = t
	} else if t := q.truth(e); t != nil {
		q.truths[d.name] = t
	} else if isStrings.ok(d.expr.typ) && d.constant != nil {
		if list, err := texts(d.constant); err == nil {
			q.lists[d.name] = list
		}
	}
}

// truth is nil for what a closure cannot tell.
func (q *quick) truth(e ast.Expr) *quickTruth {
	switch e.Kind() {
	case ast.LiteralKind:
		if b, ok := e.AsLiteral().Value().(bool); ok {
			return &quickTruth{func(*record) answer { return answered(b) }, 0}
		}
	case ast.IdentKind:
		return q.truths[e.AsIdent()]
	case ast.SelectKind:
		if s := e.AsSelect(); ofRecord(s.Operand()) && !s.IsTestOnly() && s.FieldName() == "read_only" {
			return &quickTruth{func(r *record) answer { return answered(r.src.Attributes.Get(fleet.AttrReadOnly) == "true") }, costLookup}
		}
	case ast.CallKind:
		return q.call(e.AsCall())
	case ast.ComprehensionKind:
		return q.exists(e.AsComprehension())
	}
	return nil
}

func (q *quick) call(c ast.CallExpr) *quickTruth {
	switch c.FunctionName() {
	case operators.LogicalAnd:
		return q.join(c.Args(), no)
	case operators.LogicalOr:
		return q.join(c.Args(), yes)
	case operators.LogicalNot:
		of := q.truth(c.Args()[0])
		if of == nil {
			return nil
		}
		return &quickTruth{func(r *record) answer { return [...]answer{unknown: unknown, no: yes, yes: no}[of.of(r)] }, of.cost}
	case operators.Less:
		return q.order(c.Args(), func(a, b int64) bool { return a < b })
	case operators.LessEquals:
		return q.order(c.Args(), func(a, b int64) bool { return a <= b })
	case operators.Greater:
		return q.order(c.Args(), func(a, b int64) bool { return a > b })
	case operators.GreaterEquals:
		return q.order(c.Args(), func(a, b int64) bool { return a >= b })
	case operators.Equals:
		if t := q.order(c.Args(), func(a, b int64) bool { return a == b }); t != nil {
			return t
		}
		return q.compare(c.Args()[0], c.Args()[1], costField, func(a, b string) bool { return a == b })
	case operators.NotEquals:
		return q.compare(c.Args()[0], c.Args()[1], costField, func(a, b string) bool { return a != b })
	case operators.In:
		return q.among(c.Args()[0], c.Args()[1])
	}
	if !c.IsMemberFunction() || len(c.Args()) != 1 {
		return nil
	}
	switch c.FunctionName() {
	case "contains":
		return q.compare(c.Target(), c.Args()[0], costContains, strings.Contains)
	case "startsWith":
		return q.compare(c.Target(), c.Args()[0], costField, strings.HasPrefix)
	case "endsWith":
		return q.compare(c.Target(), c.Args()[0], costField, strings.HasSuffix)
	case "matches":
		return q.matches(c.Target(), c.Args()[0])
	}
	return nil
}

// join is true or false as soon as one part is the decisive answer, whatever the
// others are or fail with: as CEL has it.
func (q *quick) join(parts []ast.Expr, decisive answer) *quickTruth {
	var known []*quickTruth
	for _, p := range parts {
		if t := q.truth(p); t != nil {
			known = append(known, t)
		}
	}
	return joined(known, len(known) == len(parts), decisive)
}

func joined(known []*quickTruth, all bool, decisive answer) *quickTruth {
	if len(known) == 0 {
		return nil
	}
	whole := unknown // what is left when no part decides
	if all {
		whole = [...]answer{no: yes, yes: no}[decisive]
	}
	slices.SortStableFunc(known, func(a, b *quickTruth) int { return cmp.Compare(a.cost, b.cost) })
	cost := 0
	var parts []func(*record) answer
	for _, t := range known {
		parts, cost = append(parts, t.of), cost+t.cost
	}
	return &quickTruth{func(r *record) answer {
		out := whole
		for _, t := range parts {
			switch t(r) {
			case decisive:
				return decisive
			case unknown:
				out = unknown
			}
		}
		return out
	}, cost}
}

func (q *quick) compare(a, b ast.Expr, cost int, is func(a, b string) bool) *quickTruth {
	x, y := q.text(a), q.text(b)
	if x == nil || y == nil {
		return nil
	}
	cost += x.cost + y.cost
	if s, ok := q.literal(b); ok {
		return &quickTruth{func(r *record) answer { return answered(is(x.of(r), s)) }, cost}
	}
	return &quickTruth{func(r *record) answer { return answered(is(x.of(r), y.of(r))) }, cost}
}

func (q *quick) among(of, list ast.Expr) *quickTruth {
	if n := q.int(of); n != nil {
		return q.amongInts(n, list)
	}
	x := q.text(of)
	if x == nil {
		return nil
	}
	if all, ok := q.list(list); ok {
		return &quickTruth{func(r *record) answer { return answered(slices.Contains(all, x.of(r))) }, x.cost + costLookup}
	}
	each := q.each(list)
	if each == nil {
		return nil
	}
	return &quickTruth{func(r *record) answer {
		s, out := x.of(r), no
		each.of(r)(func(element string) bool {
			if element == s {
				out = yes
			}
			return out == no
		})
		return out
	}, x.cost + each.cost}
}

func (q *quick) amongInts(n *quickInt, list ast.Expr) *quickTruth {
	if list.Kind() != ast.ListKind || len(list.AsList().Elements()) == 0 {
		return nil
	}
	var all []*quickInt
	for _, e := range list.AsList().Elements() {
		m := q.int(e)
		if m == nil {
			return nil
		}
		all = append(all, m)
	}
	return &quickTruth{func(r *record) answer {
		have := n.of(r)
		return answered(slices.ContainsFunc(all, func(m *quickInt) bool { return m.of(r) == have }))
	}, n.cost + costField}
}

func (q *quick) order(of []ast.Expr, is func(a, b int64) bool) *quickTruth {
	a, b := q.int(of[0]), q.int(of[1])
	if a == nil || b == nil {
		return nil
	}
	return &quickTruth{func(r *record) answer { return answered(is(a.of(r), b.of(r))) }, a.cost + b.cost}
}

func (q *quick) matches(of, pattern ast.Expr) *quickTruth {
	x := q.text(of)
	s, ok := q.literal(pattern)
	if x == nil || !ok {
		return nil
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil // CEL says so
	}
	return &quickTruth{func(r *record) answer { return answered(re.MatchString(x.of(r))) }, x.cost + costMatch}
}

// exists is whether something is true of an element of a list.
func (q *quick) exists(c ast.ComprehensionExpr) *quickTruth {
	condition, ok := existsOf(c)
	name := c.IterVar()
	if !ok || name == recordVariable {
		return nil
	}
	if all, ok := q.list(c.IterRange()); ok {
		return q.unrolled(all, name, condition)
	}
	each := q.each(c.IterRange())
	if each == nil || q.within {
		return nil
	}
	inner := *q
	inner.within = true
	inner.bind(name, &quickText{func(r *record) string { return r.bound }, costField})
	is := inner.truth(condition)
	if is == nil {
		return nil
	}
	return &quickTruth{func(r *record) answer {
		out := no
		each.of(r)(func(s string) bool {
			r.bound = s
			switch is.of(r) {
			case yes:
				out = yes
			case unknown:
				out = unknown
			}
			return out != yes
		})
		return out
	}, each.cost + is.cost}
}

// unrolled asks for each element of a constant list.
func (q *quick) unrolled(all []string, name string, condition ast.Expr) *quickTruth {
	if len(all) == 0 || len(all) > maxUnrolled {
		return nil
	}
	var known []*quickTruth
	for _, s := range all {
		inner := *q
		inner.bind(name, &quickText{func(*record) string { return s }, 0})
		inner.constants[name] = s
		if is := inner.truth(condition); is != nil {
			known = append(known, is)
		}
	}
	return joined(known, len(known) == len(all), yes)
}

// bind makes the variable of a comprehension known, in place of what else has
// its name.
func (q *quick) bind(name string, t *quickText) {
	q.truths, q.texts, q.lists, q.constants = maps.Clone(q.truths), maps.Clone(q.texts), maps.Clone(q.lists), maps.Clone(q.constants)
	delete(q.truths, name)
	delete(q.lists, name)
	delete(q.constants, name)
	q.texts[name] = t
}

// existsOf is the condition of a comprehension that is made of exists.
func existsOf(c ast.ComprehensionExpr) (ast.Expr, bool) {
	is := func(e ast.Expr, name string) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == name }
	init, step := c.AccuInit(), c.LoopStep()
	if c.HasIterVar2() || init.Kind() != ast.LiteralKind || init.AsLiteral().Value() != false || !is(c.Result(), c.AccuVar()) ||
		step.Kind() != ast.CallKind || step.AsCall().FunctionName() != operators.LogicalOr {
		return nil, false
	}
	of := step.AsCall().Args()
	if !is(of[0], c.AccuVar()) {
		return nil, false
	}
	return of[1], true
}

func ofRecord(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == recordVariable }
