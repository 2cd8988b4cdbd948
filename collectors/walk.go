package collectors

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"muster/fleet"
)

// maxDepth bounds nesting, so that hostile input cannot exhaust the stack. AWS's
// own documents stay below 20.
const maxDepth = 200

// scalar is one value of a JSON document that is neither object nor array.
type scalar struct {
	kind byte   // 's' string, 'n' number, 't' true, 'f' false, '0' null
	text []byte // as spelled; a string without its quotes
}

// String is the scalar as text: a string unescaped, null as "".
func (s scalar) String() string {
	switch {
	case s.kind == '0':
		return ""
	case s.kind == 's' && hasEscape(s.text):
		var out string
		if json.Unmarshal(quoted(s.text), &out) == nil {
			return out
		}
	}
	if !utf8.Valid(s.text) {
		return strings.ToValidUTF8(string(s.text), "\ufffd")
	}
	return asString(s.text)
}

func hasEscape(b []byte) bool { return bytes.IndexByte(b, '\\') >= 0 }

func quoted(b []byte) []byte {
	q := make([]byte, 0, len(b)+2)
	return append(append(append(q, '"'), b...), '"')
}

// walker goes over one JSON document without building it.
type walker struct {
	doc  []byte
	pos  int
	path []byte // dotted, array elements by index; reused
	// visit is told of every scalar: its path, the nearest object key (as
	// spelled), and its value. Both slices are valid during the call only.
	visit func(path, key []byte, v scalar)
}

// eachScalar visits every scalar of doc in order, up to where it stops being
// JSON. doc must never be written to again: the strings of scalars share it.
func eachScalar(doc []byte, visit func(path, key []byte, v scalar)) {
	w := walker{doc: doc, visit: visit}
	w.whole()
}

// whole walks the document and reports whether it was one JSON value.
func (w *walker) whole() bool {
	if !w.value(nil, 0) {
		return false
	}
	w.space()
	return w.pos == len(w.doc)
}

func (w *walker) space() {
	for w.pos < len(w.doc) && isSpace(w.doc[w.pos]) {
		w.pos++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func (w *walker) value(key []byte, depth int) bool {
	w.space()
	if w.pos >= len(w.doc) || depth > maxDepth {
		return false
	}
	switch w.doc[w.pos] {
	case '{':
		return w.object(depth)
	case '[':
		return w.array(key, depth)
	case '"':
		text, ok := w.str()
		if ok {
			w.visit(w.path, key, scalar{'s', text})
		}
		return ok
	}
	return w.literal(key)
}

func (w *walker) object(depth int) bool {
	w.pos++ // {
	w.space()
	if w.take('}') {
		return true
	}
	for {
		w.space()
		key, ok := w.str()
		if !ok {
			return false
		}
		w.space()
		if !w.take(':') {
			return false
		}
		n := len(w.path)
		w.enter(key)
		if !w.value(key, depth+1) {
			return false
		}
		w.path = w.path[:n]
		w.space()
		if w.take('}') {
			return true
		}
		if !w.take(',') {
			return false
		}
	}
}

func (w *walker) array(key []byte, depth int) bool {
	w.pos++ // [
	w.space()
	if w.take(']') {
		return true
	}
	for i := 0; ; i++ {
		n := len(w.path)
		w.enter(strconv.AppendInt(nil, int64(i), 10))
		if !w.value(key, depth+1) {
			return false
		}
		w.path = w.path[:n]
		w.space()
		if w.take(']') {
			return true
		}
		if !w.take(',') {
			return false
		}
	}
}

func (w *walker) enter(key []byte) {
	if len(w.path) > 0 {
		w.path = append(w.path, '.')
	}
	w.path = append(w.path, key...)
}

func (w *walker) take(c byte) bool {
	if w.pos < len(w.doc) && w.doc[w.pos] == c {
		w.pos++
		return true
	}
	return false
}

// str reads a string and returns what is between its quotes.
func (w *walker) str() ([]byte, bool) {
	if !w.take('"') {
		return nil, false
	}
	start := w.pos
	for w.pos < len(w.doc) {
		switch w.doc[w.pos] {
		case '\\':
			w.pos++
		case '"':
			w.pos++
			return w.doc[start : w.pos-1], true
		}
		w.pos++
	}
	return nil, false
}

func (w *walker) literal(key []byte) bool {
	start := w.pos
	for w.pos < len(w.doc) && !isSpace(w.doc[w.pos]) && strings.IndexByte(",]}", w.doc[w.pos]) < 0 {
		w.pos++
	}
	text := w.doc[start:w.pos]
	kind := byte('n')
	switch string(text) {
	case "true":
		kind = 't'
	case "false":
		kind = 'f'
	case "null":
		kind = '0'
	default:
		if len(text) == 0 || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
			return false
		}
	}
	w.visit(w.path, key, scalar{kind, text})
	return true
}

// Bounds on what is kept as attributes. Raw holds everything; attributes are
// for asking, and columns of a lake should not carry documents.
const (
	maxAttributes     = 96   // per record and prefix; the longest public request has 61
	maxAttributeBytes = 1024 // a bucket policy's first statements still fit
)

// flatten adds the scalars of doc to attributes as "<prefix><path>", up to the
// bounds above. Nulls are left out.
func flatten(attributes *fleet.Attributes, prefix string, doc []byte) {
	n := 0
	eachScalar(doc, func(path, _ []byte, v scalar) {
		if v.kind == '0' || n >= maxAttributes {
			return
		}
		n++
		attributes.Set(prefix+printable(path), clip(v.String(), maxAttributeBytes))
	})
}

// printable makes a JSON path a safe attribute name.
func printable(path []byte) string {
	return clean(string(path))
}

// clip cuts s to at most n bytes, at a rune's boundary, and marks the cut.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const mark = "…"
	n -= len(mark)
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n] + mark
}

// maxMessageBytes bounds Record.Message: a line for people.
const maxMessageBytes = 500

// oneLine makes s a line for people: the first line of it, valid and not long.
func oneLine(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		s = s[:i]
	}
	return clip(clean(s), maxMessageBytes)
}
