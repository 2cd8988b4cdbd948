package audit

import (
	"reflect"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"muster/fleet"
)

// attributes are a record's as a map of CEL's. What expressions ask for, a value
// by its name, is looked up where it is; for anything else a map is made.
type attributes fleet.Attributes

// attributesType is what the field is to expressions.
var attributesType = cel.MapType(cel.StringType, cel.StringType)

func (a *attributes) list() fleet.Attributes { return fleet.Attributes(*a) }

// Find implements traits.Mapper.
func (a *attributes) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	value, ok := a.list().Lookup(string(name))
	if !ok {
		return nil, false
	}
	return types.String(value), true
}

// Get implements traits.Indexer.
func (a *attributes) Get(key ref.Val) ref.Val {
	if value, ok := a.Find(key); ok {
		return value
	}
	return types.ValOrErr(key, "no such key: %v", key)
}

// Contains implements traits.Container.
func (a *attributes) Contains(key ref.Val) ref.Val {
	_, ok := a.Find(key)
	return types.Bool(ok)
}

// Size implements traits.Sizer.
func (a *attributes) Size() ref.Val { return types.Int(len(*a)) }

// Iterator implements traits.Iterable.
func (a *attributes) Iterator() traits.Iterator { return a.whole().Iterator() }

// ConvertToNative implements ref.Val.
func (a *attributes) ConvertToNative(t reflect.Type) (any, error) {
	return a.whole().ConvertToNative(t)
}

// ConvertToType implements ref.Val.
func (a *attributes) ConvertToType(t ref.Type) ref.Val { return a.whole().ConvertToType(t) }

// Equal implements ref.Val.
func (a *attributes) Equal(other ref.Val) ref.Val { return a.whole().Equal(other) }

// Type implements ref.Val.
func (a *attributes) Type() ref.Type { return attributesType }

// Value implements ref.Val.
func (a *attributes) Value() any { return a.list().Map() }

// whole is a map with all of them.
func (a *attributes) whole() traits.Mapper {
	return types.NewStringStringMap(types.DefaultTypeAdapter, a.list().Map())
}
