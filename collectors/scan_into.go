package collectors

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// The methods below read values into the fields of a struct as encoding/json
// does. What they do not know how encoding/json reads, they refuse.

// scannedDepth stands for the depth of the values in a struct's fields: deeper
// than any of them lies in a struct that holds none of its own kind, so that a
// scanner refuses what is too deep for a walker.
const scannedDepth = 8

// stringInto reads a string; null changes nothing.
func (s *scanner) stringInto(p *string) bool {
	switch s.peek() {
	case '"':
		s.pos++
		text, seen, ok := s.str()
		if !ok {
			return false
		}
		s.look(text, seen)
		*p = s.text(text, seen)
		return true
	case 'n':
		return s.literal(nil)
	}
	return false
}

// boolInto reads true or false; null changes nothing.
func (s *scanner) boolInto(p *bool) bool {
	switch s.peek() {
	case 't', 'f':
		*p = s.doc[s.pos] == 't'
		return s.literal(nil)
	case 'n':
		return s.literal(nil)
	}
	return false
}

// number reads a number; null is refused.
func (s *scanner) number() (spelled string, ok bool) {
	c := s.peek()
	if c != '-' && (c < '0' || c > '9') {
		return "", false
	}
	start := s.pos
	if !s.literal(nil) {
		return "", false
	}
	return asString(s.doc[start:s.pos]), true
}

// floatInto reads a number.
func (s *scanner) floatInto(p *float64) bool {
	spelled, ok := s.number()
	if !ok {
		return false
	}
	f, err := strconv.ParseFloat(spelled, 64)
	*p = f
	return err == nil
}

// intInto reads a whole number.
func (s *scanner) intInto(p *int64) bool {
	spelled, ok := s.number()
	if !ok {
		return false
	}
	n, err := strconv.ParseInt(spelled, 10, 64)
	*p = n
	return err == nil
}

// rawInto reads any value and keeps its spelling.
func (s *scanner) rawInto(key []byte, p *json.RawMessage) bool {
	s.peek()
	start := s.pos
	if !s.value(key, s.base) {
		return false
	}
	*p = s.doc[start:s.pos]
	return true
}

// objectInto reads an object; null changes nothing.
func (s *scanner) objectInto(member func(key []byte) bool) bool {
	if s.peek() == 'n' {
		return s.literal(nil)
	}
	return s.object(member)
}

// other reads the value of a member that no field is for, unless encoding/json
// would take it for one by folding its case.
func (s *scanner) other(key []byte, fields *fieldNames) bool {
	return !fields.fold(key) && s.value(key, s.base)
}

// fieldNames are the names of a struct's fields in JSON.
type fieldNames struct {
	names   []string
	lengths uint64 // a bit for each length that there is
}

// namesOf lists the names of a struct's fields.
func namesOf[T any]() *fieldNames {
	var f fieldNames
	for field := range reflect.TypeFor[T]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		f.names = append(f.names, name)
		f.lengths |= 1 << len(name)
	}
	return &f
}

// fold reports whether a name is that of a field in any case.
func (f *fieldNames) fold(key []byte) bool {
	if len(key) > 63 || f.lengths>>len(key)&1 == 0 {
		return false
	}
	for _, n := range f.names {
		if len(n) == len(key) && strings.EqualFold(n, asString(key)) {
			return true
		}
	}
	return false
}

// telling reports whether a member may say that a document is of another format.
func telling(key []byte) bool {
	_, tells := memberBits[string(key)]
	return tells || wrappers[string(key)]
}
