package audit

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

// The names under which an expression finds its subject and its element.
const (
	recordVariable  = "r"
	traceVariable   = "t"
	journeyVariable = "j"
	requestVariable = "q"
	messageVariable = "m"

	deliveryVariable = "d"
	groupVariable    = "g"
	fleetVariable    = "f"
	// Of a verdict r is its own record, and these what led to it.
	callVariable   = "call"
	changeVariable = "change"

	elementVariable = "it"
)

// reserved names cannot be defined by a policy.
var reserved = []string{
	recordVariable, traceVariable, journeyVariable, requestVariable, messageVariable, deliveryVariable, groupVariable,
	fleetVariable, callVariable, changeVariable, elementVariable,
}

var (
	recordType = cel.ObjectType("audit.record")
	storyType  = cel.ObjectType("audit.story")
	fleetType  = cel.ObjectType("audit.fleetView")

	routeType     = cel.ObjectType("audit.route")
	routeHourType = cel.ObjectType("audit.routeHour")
)

// variableOf is the name and type of a subject in the expressions about it.
func variableOf(on Subject) (string, *cel.Type) {
	switch on {
	case OnTrace:
		return traceVariable, storyType
	case OnJourney:
		return journeyVariable, storyType
	case OnRequest:
		return requestVariable, storyType
	case OnMessage:
		return messageVariable, storyType
	case OnDelivery:
		return deliveryVariable, storyType
	case OnGroup:
		return groupVariable, storyType
	case OnFleet:
		return fleetVariable, fleetType
	default:
		return recordVariable, recordType
	}
}

// environment is what the expressions of a policy may use: the fields of
// record, story, dependency and repeat, whose names are checked when a policy
// is loaded, CEL's own functions, and its extensions for strings, addresses,
// local bindings and maps.
func environment(on Subject) (*cel.Env, error) {
	name, typ := variableOf(on)
	options := []cel.EnvOption{
		ext.NativeTypes(append(nativeTypes(), ext.ParseStructTags(true))...),
		ext.Strings(), ext.Lists(), ext.Network(), ext.Bindings(), ext.TwoVarComprehensions(),
		cel.CrossTypeNumericComparisons(true),
		cel.Function("attr", cel.MemberOverload("record_attr",
			[]*cel.Type{recordType, cel.StringType}, cel.StringType,
			cel.BinaryBinding(lookup((*record).attr)))),
		cel.Function("json", cel.MemberOverload("record_json",
			[]*cel.Type{recordType, cel.StringType}, cel.StringType,
			cel.BinaryBinding(lookup((*record).json)))),
		cel.Function("values", cel.MemberOverload("record_values",
			[]*cel.Type{recordType, cel.StringType}, cel.ListType(cel.StringType),
			cel.BinaryBinding(lookup((*record).values)))),
		cel.Function("slower", cel.MemberOverload("route_hour_slower",
			[]*cel.Type{routeHourType, cel.DoubleType}, cel.IntType,
			cel.BinaryBinding(measure(func(h *routeHour, seconds float64) int64 { return h.durations.above(seconds) })))),
		cel.Function("larger", cel.MemberOverload("route_larger",
			[]*cel.Type{routeType, cel.DoubleType}, cel.IntType,
			cel.BinaryBinding(measure(func(t *route, bytes float64) int64 { return t.sizes.above(bytes / megabyte) })))),
		cel.Variable(name, typ),
	}
	if on == OnVerdict {
		options = append(options, cel.Variable(callVariable, recordType), cel.Variable(changeVariable, recordType))
	}
	return cel.NewEnv(options...)
}

// lookup makes a CEL function of a method of record that finds texts by name.
func lookup[T any](find func(*record, string) T) func(r, name ref.Val) ref.Val {
	return func(r, name ref.Val) ref.Val {
		rec, ok := r.Value().(*record)
		if !ok {
			return types.MaybeNoSuchOverloadErr(r)
		}
		s, ok := name.Value().(string)
		if !ok {
			return types.MaybeNoSuchOverloadErr(name)
		}
		return types.DefaultTypeAdapter.NativeToValue(find(rec, s))
	}
}

// measure makes a CEL function of one that counts what is above a number.
func measure[T any](count func(*T, float64) int64) func(of, least ref.Val) ref.Val {
	return func(of, least ref.Val) ref.Val {
		v, ok := of.Value().(*T)
		if !ok {
			return types.MaybeNoSuchOverloadErr(of)
		}
		n, ok := least.Value().(float64)
		if !ok {
			return types.MaybeNoSuchOverloadErr(least)
		}
		return types.Int(count(v, n))
	}
}
