package audit

import (
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
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

type (
	quickTruth func(*record) answer
	quickText  func(*record) string
	quickInt   func(*record) int64
)

// quick compiles expressions over one record. Its maps are what a policy defines.
type quick struct {
	truths map[string]quickTruth
	texts  map[string]quickText
	lists  map[string][]string // that are the same for every record
}

func newQuick() *quick {
	return &quick{map[string]quickTruth{}, map[string]quickText{}, map[string][]string{}}
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
	for _, t := range []template{p.message, p.service, p.scope, p.key} {
		for i := range t {
			if t[i].expr != nil {
				t[i].quick = q.text(t[i].expr.ast.NativeRep().Expr())
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
func (q *quick) truth(e ast.Expr) quickTruth {
	switch e.Kind() {
	case ast.LiteralKind:
		if b, ok := e.AsLiteral().Value().(bool); ok {
			return func(*record) answer { return answered(b) }
		}
	case ast.IdentKind:
		return q.truths[e.AsIdent()]
	case ast.SelectKind:
		if s := e.AsSelect(); ofRecord(s.Operand()) && !s.IsTestOnly() && s.FieldName() == "read_only" {
			return func(r *record) answer { return answered(r.ReadOnly) }
		}
	case ast.CallKind:
		return q.call(e.AsCall())
	}
	return nil
}

func (q *quick) call(c ast.CallExpr) quickTruth {
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
		return func(r *record) answer { return [...]answer{unknown: unknown, no: yes, yes: no}[of(r)] }
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
		return q.compare(c.Args()[0], c.Args()[1], func(a, b string) bool { return a == b })
	case operators.NotEquals:
		return q.compare(c.Args()[0], c.Args()[1], func(a, b string) bool { return a != b })
	case operators.In:
		return q.among(c.Args()[0], c.Args()[1])
	}
	if !c.IsMemberFunction() || len(c.Args()) != 1 {
		return nil
	}
	switch c.FunctionName() {
	case "contains":
		return q.compare(c.Target(), c.Args()[0], strings.Contains)
	case "startsWith":
		return q.compare(c.Target(), c.Args()[0], strings.HasPrefix)
	case "endsWith":
		return q.compare(c.Target(), c.Args()[0], strings.HasSuffix)
	case "matches":
		return q.matches(c.Target(), c.Args()[0])
	}
	return nil
}

// join is true or false as soon as one part is the decisive answer, whatever the
// others are or fail with: as CEL has it.
func (q *quick) join(parts []ast.Expr, decisive answer) quickTruth {
	var known []quickTruth
	for _, p := range parts {
		if t := q.truth(p); t != nil {
			known = append(known, t)
		}
	}
	if len(known) == 0 {
		return nil
	}
	whole := unknown // what is left when no part decides
	if len(known) == len(parts) {
		whole = [...]answer{no: yes, yes: no}[decisive]
	}
	return func(r *record) answer {
		out := whole
		for _, t := range known {
			switch t(r) {
			case decisive:
				return decisive
			case unknown:
				out = unknown
			}
		}
		return out
	}
}

func (q *quick) compare(a, b ast.Expr, is func(a, b string) bool) quickTruth {
	x, y := q.text(a), q.text(b)
	if x == nil || y == nil {
		return nil
	}
	return func(r *record) answer { return answered(is(x(r), y(r))) }
}

func (q *quick) among(of, list ast.Expr) quickTruth {
	if n := q.int(of); n != nil && list.Kind() == ast.ListKind && len(list.AsList().Elements()) > 0 {
		var all []quickInt
		for _, e := range list.AsList().Elements() {
			m := q.int(e)
			if m == nil {
				return nil
			}
			all = append(all, m)
		}
		return func(r *record) answer {
			have := n(r)
			return answered(slices.ContainsFunc(all, func(m quickInt) bool { return m(r) == have }))
		}
	}
	x := q.text(of)
	if list.Kind() == ast.IdentKind && x != nil {
		all, ok := q.lists[list.AsIdent()]
		if !ok {
			return nil
		}
		return func(r *record) answer { return answered(slices.Contains(all, x(r))) }
	}
	if x == nil || list.Kind() != ast.ListKind || len(list.AsList().OptionalIndices()) > 0 {
		return nil
	}
	all := map[string]bool{}
	for _, e := range list.AsList().Elements() {
		s, ok := literal(e)
		if !ok {
			return nil
		}
		all[s] = true
	}
	return func(r *record) answer { return answered(all[x(r)]) }
}

func (q *quick) order(of []ast.Expr, is func(a, b int64) bool) quickTruth {
	a, b := q.int(of[0]), q.int(of[1])
	if a == nil || b == nil {
		return nil
	}
	return func(r *record) answer { return answered(is(a(r), b(r))) }
}

// int is nil for what a closure cannot tell: it knows literals, the parts of a
// record's time in UTC, and the lengths of constant lists.
func (q *quick) int(e ast.Expr) quickInt {
	switch e.Kind() {
	case ast.LiteralKind:
		if n, ok := e.AsLiteral().Value().(int64); ok {
			return func(*record) int64 { return n }
		}
	case ast.CallKind:
		c := e.AsCall()
		if c.FunctionName() == "size" {
			of := append(slices.Clone(c.Args()), c.Target())[0]
			if of.Kind() != ast.IdentKind {
				return nil
			}
			list, ok := q.lists[of.AsIdent()]
			if !ok {
				return nil
			}
			return func(*record) int64 { return int64(len(list)) }
		}
		if !c.IsMemberFunction() || len(c.Args()) != 0 || c.Target().Kind() != ast.SelectKind {
			return nil
		}
		s := c.Target().AsSelect()
		if !ofRecord(s.Operand()) || s.IsTestOnly() || s.FieldName() != "time" {
			return nil
		}
		switch c.FunctionName() {
		case "getHours":
			return func(r *record) int64 { return int64(r.Time.UTC().Hour()) }
		case "getMinutes":
			return func(r *record) int64 { return int64(r.Time.UTC().Minute()) }
		case "getDayOfWeek":
			return func(r *record) int64 { return int64(r.Time.UTC().Weekday()) }
		}
	}
	return nil
}

func (q *quick) matches(of, pattern ast.Expr) quickTruth {
	x := q.text(of)
	s, ok := literal(pattern)
	if x == nil || !ok {
		return nil
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil // CEL says so
	}
	return func(r *record) answer { return answered(re.MatchString(x(r))) }
}

// text is nil for what a closure cannot tell, or what is no text.
func (q *quick) text(e ast.Expr) quickText {
	switch e.Kind() {
	case ast.LiteralKind:
		if s, ok := literal(e); ok {
			return func(*record) string { return s }
		}
	case ast.IdentKind:
		return q.texts[e.AsIdent()]
	case ast.SelectKind:
		if s := e.AsSelect(); ofRecord(s.Operand()) && !s.IsTestOnly() {
			return quickFields[s.FieldName()]
		}
	case ast.CallKind:
		c := e.AsCall()
		if c.FunctionName() == operators.Add {
			a, b := q.text(c.Args()[0]), q.text(c.Args()[1])
			if a == nil || b == nil {
				return nil
			}
			return func(r *record) string { return a(r) + b(r) }
		}
		if !c.IsMemberFunction() || len(c.Args()) != 1 || !ofRecord(c.Target()) {
			return nil
		}
		s, ok := literal(c.Args()[0])
		switch {
		case ok && c.FunctionName() == "json":
			return func(r *record) string { return r.json(s) }
		case ok && c.FunctionName() == "attr":
			return func(r *record) string { return r.attr(s) }
		}
	}
	return nil
}

func ofRecord(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == recordVariable }

func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().Value().(string)
	return s, ok
}

// quickFields are the texts of a record by their names in expressions.
var quickFields = map[string]quickText{
	"id":             func(r *record) string { return r.ID },
	"kind":           func(r *record) string { return r.Kind },
	"account":        func(r *record) string { return r.Account },
	"region":         func(r *record) string { return r.Region },
	"service":        func(r *record) string { return r.Service },
	"name":           func(r *record) string { return r.Name },
	"principal":      func(r *record) string { return r.Principal },
	"origin":         func(r *record) string { return r.Origin },
	"error":          func(r *record) string { return r.Error },
	"message":        func(r *record) string { return r.Message },
	"trace_id":       func(r *record) string { return r.TraceID },
	"span_id":        func(r *record) string { return r.SpanID },
	"parent_id":      func(r *record) string { return r.ParentID },
	"request_id":     func(r *record) string { return r.RequestID },
	"correlation_id": func(r *record) string { return r.CorrelationID },
	"event_source":   func(r *record) string { return r.EventSource },
	"event_name":     func(r *record) string { return r.EventName },
	"source_ip":      func(r *record) string { return r.SourceIP },
	"user_agent":     func(r *record) string { return r.UserAgent },
	"http_method":    func(r *record) string { return r.HTTPMethod },
	"log_group":      func(r *record) string { return r.LogGroup },
}
