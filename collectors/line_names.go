package collectors

import (
	"slices"

	"muster/fleet"
)

// maxNames and maxNameBytes bound the names that are remembered: a fleet's lines
// have some hundreds of them, and more only where they hold ids.
const (
	maxNames     = 1000
	maxNameBytes = 100
)

// attributeNames remembers as what attributes the fields of lines are kept, by their
// paths. Nil remembers nothing, for a line by itself. Not concurrent.
type attributeNames map[string]string

// reservedAttributes have a meaning of muster's own; a log field of that name
// is kept under another.
var reservedAttributes = []string{
	fleet.AttrEventSource, fleet.AttrEventName, fleet.AttrReadOnly, fleet.AttrLogGroup, fleet.AttrHTTPStatus,
	fleet.AttrEventCategory, fleet.AttrInProgress, fleet.AttrNamespace, fleet.AttrSpanType, fleet.AttrUnreadable,
}

// of is the name of the attribute that a field with a value is kept as.
func (n attributeNames) of(path []byte, value string) string {
	if string(path) == fleet.AttrHTTPStatus && isDigits(value) {
		return fleet.AttrHTTPStatus
	}
	if name, ok := n[string(path)]; ok {
		return name
	}
	name := printable(path)
	if slices.Contains(reservedAttributes, name) {
		name = "field." + name
	}
	if n != nil && len(n) < maxNames && len(path) <= maxNameBytes {
		n[string(path)] = name
	}
	return name
}
