package document

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Value is a value of a document.
type Value struct {
	d *Document
	i int32
}

// Kind is what the value is.
func (v Value) Kind() Kind {
	if v.d == nil || int(v.i) >= len(v.d.nodes) {
		return Null
	}
	return v.d.nodes[v.i].kind
}

// Text is a string without its quotes and escapes, a number or truth value as it
// is written, "" for null, and of an object or array its JSON without white
// space.
func (v Value) Text() string {
	if v.d == nil || int(v.i) >= len(v.d.nodes) {
		return ""
	}
	n := &v.d.nodes[v.i]
	s := v.d.text[n.start:n.end]
	switch {
	case n.kind == String && n.escaped:
		return unquote(s)
	case n.kind == Null:
		return ""
	case n.kind >= Array && v.d.spaced:
		var b bytes.Buffer
		if json.Compact(&b, []byte(s)) == nil {
			return b.String()
		}
	}
	return s
}

// Scalar is the Text of a string, number or truth value; false for others.
func (v Value) Scalar() (string, bool) {
	if int(v.i) >= len(v.d.nodes) {
		return "", false
	}
	n := &v.d.nodes[v.i]
	switch n.kind {
	case String:
		if n.escaped {
			return unquote(v.d.text[n.start:n.end]), true
		}
	case Number, Bool:
	default:
		return "", false
	}
	return v.d.text[n.start:n.end], true
}

// Inner is Text, but the strings in an object or array are without escapes, so
// that JSON in a string of JSON reads as it was meant. It is no JSON then.
func (v Value) Inner() string {
	if v.Kind() < Array {
		return v.Text()
	}
	n := &v.d.nodes[v.i]
	if strings.IndexByte(v.d.text[n.start:n.end], '\\') < 0 {
		return v.Text()
	}
	var b strings.Builder
	v.inner(&b)
	return b.String()
}

func (v Value) inner(b *strings.Builder) {
	n := &v.d.nodes[v.i]
	switch n.kind {
	case Object, Array:
		b.WriteByte(v.d.text[n.start])
		for i := v.i + 1; i < n.next; i = v.d.nodes[i].next {
			if i > v.i+1 {
				b.WriteByte(',')
			}
			if n.kind == Object {
				b.WriteByte('"')
				b.WriteString(v.d.key(i))
				b.WriteString(`":`)
			}
			Value{v.d, i}.inner(b)
		}
		b.WriteByte(v.d.text[n.end-1])
	case String:
		b.WriteByte('"')
		b.WriteString(v.Text())
		b.WriteByte('"')
	default:
		b.WriteString(v.d.text[n.start:n.end])
	}
}

func (d *Document) key(i int32) string {
	n := &d.nodes[i]
	if s := d.text[n.keyStart:n.keyEnd]; !n.keyEscaped {
		return s
	}
	return unquote(d.text[n.keyStart:n.keyEnd])
}

// Member is the member of an object with that name, the last one if there are
// several, as encoding/json has it.
func (v Value) Member(name string) (Value, bool) { return v.member(name, hashOf(name)) }

func (v Value) member(name string, hash uint32) (Value, bool) {
	if v.Kind() != Object {
		return Value{}, false
	}
	nodes, found := v.d.nodes, int32(-1)
	if v.i == 0 {
		for _, t := range v.d.top {
			if t.hash == hash && v.d.key(t.node) == name {
				found = t.node
			}
		}
		return Value{v.d, found}, found >= 0
	}
	for i, end := v.i+1, nodes[v.i].next; i < end; i = nodes[i].next {
		if nodes[i].hash == hash && v.d.key(i) == name {
			found = i
		}
	}
	return Value{v.d, found}, found >= 0
}

// Some reports whether something is true of an element of an array, or of the
// value of a member of an object; other values have none.
func (v Value) Some(is func(Value) bool) bool {
	if v.Kind() < Array {
		return false
	}
	for i, end := v.i+1, v.d.nodes[v.i].next; i < end; i = v.d.nodes[i].next {
		if is(Value{v.d, i}) {
			return true
		}
	}
	return false
}

// Element is an element of an array, from 0.
func (v Value) Element(index int) (Value, bool) {
	if v.Kind() != Array {
		return Value{}, false
	}
	i, end := v.i+1, v.d.nodes[v.i].next
	for ; i < end && index > 0; index-- {
		i = v.d.nodes[i].next
	}
	return Value{v.d, i}, i < end
}
