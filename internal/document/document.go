// Package document reads JSON evidence in place: a document is parsed once,
// without building maps, and then answers many conditions. Set holds conditions
// behind an index, so that an event meets only those that can be true of it.
package document

import (
	"encoding/json"
	"fmt"
)

// Kind is what a value is.
type Kind uint8

// The kinds of values.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// maxDepth is how deep values may be nested; CloudTrail's deepest have about 15.
const maxDepth = 1000

// maxText is the longest document in bytes. Positions are 32 bits wide; an event
// of CloudTrail has at most 256 KB.
const maxText = 1 << 30

// node is one value. The nodes of what it holds follow it, up to next.
type node struct {
	kind             Kind
	escaped          bool // a string with escapes
	keyEscaped       bool
	hash             uint32 // of the key
	keyStart, keyEnd int32  // the key of a member, without quotes
	start, end       int32  // in the text; of a string without quotes
	next             int32  // the node behind the value and all that it holds
}

// topMember is where a member of the root is.
type topMember struct {
	hash uint32
	node int32
}

// Document is one parsed JSON text. The zero Document is empty; Parse may be
// called again and reuses its memory. Values stay valid until then. It is safe
// for concurrent reading.
type Document struct {
	text  string
	nodes []node
	// top are the members of the root, side by side: events are asked for these
	// most, and their nodes lie far apart.
	top    []topMember
	spaced bool // there is white space between the values
}

// Parse reads a text, which must be one JSON value.
func (d *Document) Parse(text string) error {
	d.text, d.nodes, d.top, d.spaced = text, d.nodes[:0], d.top[:0], false
	if len(text) > maxText {
		d.text = ""
		return fmt.Errorf("the document has %d bytes, and may have %d", len(text), maxText)
	}
	p := parser{d: d, text: text, nodes: d.nodes}
	err := p.whole()
	d.nodes = p.nodes
	if err != nil {
		d.text, d.nodes, d.top = "", d.nodes[:0], d.top[:0]
	}
	return err
}

// Root is the value of the document; of an empty one it is null.
func (d *Document) Root() Value { return Value{d, 0} }

// unquote resolves the escapes of a string's inside, as encoding/json does.
func unquote(inside string) string {
	var s string
	if err := json.Unmarshal([]byte(`"`+inside+`"`), &s); err != nil {
		return inside // cannot happen: the parser took it
	}
	return s
}
