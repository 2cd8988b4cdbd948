package audit

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// objects are the types that expressions see, the ones that variables have in
// front.
func objects() []reflect.Type {
	return []reflect.Type{
		reflect.TypeFor[record](), reflect.TypeFor[story](), reflect.TypeFor[dependency](), reflect.TypeFor[repeat](),
		reflect.TypeFor[fan](), reflect.TypeFor[gap](), reflect.TypeFor[fleetView](), reflect.TypeFor[service](), reflect.TypeFor[hour](),
		reflect.TypeFor[edge](), reflect.TypeFor[use](), reflect.TypeFor[change](), reflect.TypeFor[traffic](),
		reflect.TypeFor[session](), reflect.TypeFor[firstCall](), reflect.TypeFor[route](), reflect.TypeFor[routeHour](),
		reflect.TypeFor[channel](), reflect.TypeFor[claim](),
	}
}

func nativeTypes() []any {
	var out []any
	for _, t := range objects() {
		out = append(out, t)
	}
	return out
}

// Variable is a name that the expressions of a policy on a subject may use.
type Variable struct {
	On         Subject
	Name, Type string
}

// Object is a type of the values in expressions.
type Object struct {
	Name   string
	Fields []Field
}

// Field is a field of an object.
type Field struct{ Name, Type, Doc string }

// Schema is what expressions see: the variables by subject, and their types.
func Schema() ([]Variable, []Object) {
	var variables []Variable
	for _, on := range Subjects() {
		name, typ := variableOf(on)
		variables = append(variables, Variable{on, name, objectName(typ.TypeName())})
		if on == OnVerdict {
			variables = append(variables, Variable{on, callVariable, "record"}, Variable{on, changeVariable, "record"})
		}
	}
	var all []Object
	for _, t := range objects() {
		o := Object{Name: objectName(t.Name())}
		for f := range t.Fields() {
			if name := f.Tag.Get("cel"); name != "" {
				o.Fields = append(o.Fields, Field{name, typeName(f.Type), f.Tag.Get("doc")})
			}
		}
		all = append(all, o)
	}
	return variables, all
}

// objectName is a type's name as people read it.
func objectName(s string) string {
	s = strings.TrimPrefix(s, "audit.")
	switch s {
	case "fleetView":
		return "fleet"
	case "firstCall":
		return "first"
	case "routeHour":
		return "route_hour"
	}
	return s
}

// typeName is a type as CEL has it.
func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "timestamp"
	case t == reflect.TypeFor[*attributes]():
		return "map(string, string)"
	case t.Kind() == reflect.Pointer:
		return typeName(t.Elem())
	case t.Kind() == reflect.Slice:
		return "list(" + typeName(t.Elem()) + ")"
	case t.Kind() == reflect.Map:
		return "map(" + typeName(t.Key()) + ", " + typeName(t.Elem()) + ")"
	case t.Kind() == reflect.Struct:
		return objectName(t.Name())
	case t.Kind() == reflect.Float64:
		return "double"
	case t.Kind() == reflect.Int64:
		return "int"
	}
	return t.Kind().String()
}

// fieldNames lists every field that an expression can name, each once.
func fieldNames() []string {
	var out []string
	_, all := Schema()
	for _, o := range all {
		for _, f := range o.Fields {
			if !slices.Contains(out, f.Name) {
				out = append(out, f.Name)
			}
		}
	}
	return out
}
