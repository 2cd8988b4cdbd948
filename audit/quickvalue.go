package audit

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"muster/fleet"
)

// int is nil for what a closure cannot tell: it knows literals, the parts of a
// record's time in UTC, and the lengths of lists.
func (q *quick) int(e ast.Expr) *quickInt {
	switch e.Kind() {
	case ast.LiteralKind:
		if n, ok := e.AsLiteral().Value().(int64); ok {
			return &quickInt{func(*record) int64 { return n }, 0}
		}
	case ast.CallKind:
		c := e.AsCall()
		if c.FunctionName() == "size" {
			return q.size(append(slices.Clone(c.Args()), c.Target())[0])
		}
		if !c.IsMemberFunction() || len(c.Args()) != 0 || !isField(c.Target(), "time") {
			return nil
		}
		switch c.FunctionName() {
		case "getHours":
			return &quickInt{func(r *record) int64 { return int64(r.src.Time.UTC().Hour()) }, costField}
		case "getMinutes":
			return &quickInt{func(r *record) int64 { return int64(r.src.Time.UTC().Minute()) }, costField}
		case "getDayOfWeek":
			return &quickInt{func(r *record) int64 { return int64(r.src.Time.UTC().Weekday()) }, costField}
		}
	}
	return nil
}

func (q *quick) size(of ast.Expr) *quickInt {
	if list, ok := q.list(of); ok {
		return &quickInt{func(*record) int64 { return int64(len(list)) }, 0}
	}
	each := q.each(of)
	if each == nil {
		return nil
	}
	return &quickInt{func(r *record) int64 {
		n := int64(0)
		each.of(r)(func(string) bool {
			n++
			return true
		})
		return n
	}, each.cost}
}

// list is a list that is the same for every record.
func (q *quick) list(e ast.Expr) ([]string, bool) {
	if e.Kind() == ast.IdentKind {
		all, ok := q.lists[e.AsIdent()]
		return all, ok
	}
	if e.Kind() != ast.ListKind || len(e.AsList().OptionalIndices()) > 0 {
		return nil, false
	}
	var all []string
	for _, e := range e.AsList().Elements() {
		s, ok := q.literal(e)
		if !ok {
			return nil, false
		}
		all = append(all, s)
	}
	return all, true
}

// each is nil for what is no list of a record: its resources, or values in its
// evidence.
func (q *quick) each(e ast.Expr) *quickList {
	if isField(e, "resources") {
		return &quickList{func(r *record) func(func(string) bool) { return slices.Values(r.src.Resources) }, costLookup}
	}
	if p, ok := q.place(e, "values"); ok {
		return &quickList{func(r *record) func(func(string) bool) {
			return func(do func(string) bool) { r.each(p, do) }
		}, 2 * costEvidence}
	}
	return nil
}

// place is that which a method of a record is called with.
func (q *quick) place(e ast.Expr, method string) (place, bool) {
	path, ok := q.called(e, method)
	return newPlace(path), ok
}

// called is the constant with which a method of a record is called.
func (q *quick) called(e ast.Expr, method string) (string, bool) {
	if e.Kind() != ast.CallKind {
		return "", false
	}
	c := e.AsCall()
	if !c.IsMemberFunction() || c.FunctionName() != method || len(c.Args()) != 1 || !ofRecord(c.Target()) {
		return "", false
	}
	return q.literal(c.Args()[0])
}

// text is nil for what a closure cannot tell, or what is no text.
func (q *quick) text(e ast.Expr) *quickText {
	if s, ok := q.literal(e); ok {
		return &quickText{func(*record) string { return s }, 0}
	}
	switch e.Kind() {
	case ast.IdentKind:
		return q.texts[e.AsIdent()]
	case ast.SelectKind:
		if s := e.AsSelect(); ofRecord(s.Operand()) && !s.IsTestOnly() && quickFields[s.FieldName()] != nil {
			return &quickText{quickFields[s.FieldName()], costField}
		}
	case ast.CallKind:
		if c := e.AsCall(); c.FunctionName() == operators.Add {
			a, b := q.text(c.Args()[0]), q.text(c.Args()[1])
			if a == nil || b == nil {
				return nil
			}
			return &quickText{func(r *record) string { return a.of(r) + b.of(r) }, a.cost + b.cost + costLookup}
		}
		if p, ok := q.place(e, "json"); ok {
			return &quickText{func(r *record) string { return r.scalar(p) }, costEvidence}
		}
		if name, ok := q.called(e, "attr"); ok {
			return &quickText{func(r *record) string { return r.attr(name) }, costLookup}
		}
	}
	return nil
}

// spelled is a value as templates write it, which may be another than a text.
func (q *quick) spelled(e ast.Expr) func(*record) string {
	if t := q.text(e); t != nil {
		return t.of
	}
	if isField(e, "time") {
		return func(r *record) string { return fleet.FormatTime(r.src.Time) }
	}
	if isField(e, "resources") {
		return func(r *record) string { return strings.Join(r.src.Resources, ", ") }
	}
	if path, ok := q.called(e, "values"); ok {
		return func(r *record) string { return strings.Join(r.values(path), ", ") }
	}
	return nil
}

// literal is a text that is the same for every record.
func (q *quick) literal(e ast.Expr) (string, bool) {
	switch e.Kind() {
	case ast.LiteralKind:
		s, ok := e.AsLiteral().Value().(string)
		return s, ok
	case ast.IdentKind:
		s, ok := q.constants[e.AsIdent()]
		return s, ok
	case ast.CallKind:
		if c := e.AsCall(); c.FunctionName() == operators.Add {
			a, first := q.literal(c.Args()[0])
			b, second := q.literal(c.Args()[1])
			return a + b, first && second
		}
	}
	return "", false
}

// isField reports whether an expression is a field of the record.
func isField(e ast.Expr, name string) bool {
	if e.Kind() != ast.SelectKind {
		return false
	}
	s := e.AsSelect()
	return ofRecord(s.Operand()) && !s.IsTestOnly() && s.FieldName() == name
}

// quickFields are the texts of a record by their names in expressions.
var quickFields = map[string]func(*record) string{
	"id":             func(r *record) string { return r.src.ID },
	"kind":           func(r *record) string { return string(r.src.Kind) },
	"account":        func(r *record) string { return r.src.Account },
	"region":         func(r *record) string { return r.src.Region },
	"service":        func(r *record) string { return r.src.Service },
	"name":           func(r *record) string { return r.src.Name },
	"principal":      func(r *record) string { return r.src.Principal },
	"origin":         func(r *record) string { return r.src.Keys.Origin },
	"error":          func(r *record) string { return r.src.Error },
	"message":        func(r *record) string { return r.src.Message },
	"trace_id":       func(r *record) string { return r.src.Keys.Trace },
	"span_id":        func(r *record) string { return r.src.Keys.Span },
	"parent_id":      func(r *record) string { return r.src.Keys.Parent },
	"request_id":     func(r *record) string { return r.src.Keys.Request },
	"correlation_id": func(r *record) string { return r.src.Keys.Correlation },
	"event_source":   func(r *record) string { return r.src.Attributes.Get(fleet.AttrEventSource) },
	"event_name":     func(r *record) string { return r.src.Attributes.Get(fleet.AttrEventName) },
	"source_ip":      func(r *record) string { return r.src.Attributes.Get(fleet.AttrSourceIP) },
	"user_agent":     func(r *record) string { return r.src.Attributes.Get(fleet.AttrUserAgent) },
	"http_method":    func(r *record) string { return r.src.Attributes.Get(fleet.AttrHTTPMethod) },
	"log_group":      func(r *record) string { return r.src.Attributes.Get(fleet.AttrLogGroup) },
}
