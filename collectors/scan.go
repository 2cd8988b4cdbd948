package collectors

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// scanner reads a JSON document in one pass, in which it checks it, finds its
// end, hands over its values, and notes whether anything in it may have to be
// masked. Whatever a scanner refuses, the careful way (encoding/json and the
// walker) decides about: it may refuse a valid document, but must never accept
// what encoding/json does not, nor overlook what mask would change.
type scanner struct {
	// doc is never written to again: the strings taken from it share its bytes.
	doc []byte
	pos int
	// short says that doc ended before the document did.
	short bool
	// spaced says that there was white space between tokens.
	spaced bool
	// secret says that mask would change the document.
	secret bool
	// visit is walker.visit; nil asks for nothing.
	visit func(path, key []byte, v scalar)
	path  []byte
	base  int // depth of the values of a struct's fields
}

// begin starts a scanner over on a document, and keeps its room.
func (s *scanner) begin(doc []byte) {
	*s = scanner{doc: doc, path: s.path[:0], base: scannedDepth}
}

// mark is what is noticed about the bytes of a string while its end is sought.
type mark byte

const (
	marksSeparator mark = 1 << iota // ':' or '=', behind the name of a secret
	marksSpace                      // behind "Bearer" or "-----BEGIN"
	marksJ                          // of "eyJ", a web token
	marksI                          // of "AKIA" and "ASIA"
	marksHigh                       // no ASCII
	marksEscape
	stops // quotes, escapes and control characters
)

var marks = func() (of [256]mark) {
	of[':'], of['='], of[' '], of['J'], of['I'] = marksSeparator, marksSeparator, marksSpace, marksJ, marksI
	for c := range of {
		if c < ' ' || c == '"' || c == '\\' {
			of[c] = stops
		}
		if c >= utf8.RuneSelf {
			of[c] = marksHigh
		}
	}
	return of
}()

// asString is b without a copy. Nothing may write to b any more.
func asString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// str reads the rest of a string, whose quote was taken.
func (s *scanner) str() (text []byte, seen mark, ok bool) {
	doc, i := s.doc, s.pos
	for i < len(doc) {
		m := marks[doc[i]]
		if m&stops == 0 {
			seen |= m
			i++
			continue
		}
		if doc[i] == '"' {
			text = doc[s.pos:i]
			s.pos = i + 1
			return text, seen, true
		}
		n := escapeLength(doc[i:])
		if n == 0 {
			s.short = i+len(`\u0000`) > len(doc)
			return nil, 0, false
		}
		seen |= marksEscape
		i += n
	}
	s.short = true
	return nil, 0, false
}

// escapeLength is how long the escape is that b begins with, 0 for none.
func escapeLength(b []byte) int {
	if len(b) < 2 || b[0] != '\\' {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		const length = len(`\u0000`)
		if len(b) < length {
			return 0
		}
		for _, c := range b[2:length] {
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return 0
			}
		}
		return length
	}
	return 0
}

// text is a string's value as encoding/json reads it.
func (s *scanner) text(spelled []byte, seen mark) string {
	if seen&marksEscape != 0 || seen&marksHigh != 0 && !utf8.Valid(spelled) {
		var out string
		if json.Unmarshal(quoted(spelled), &out) == nil {
			return out
		}
	}
	return asString(spelled)
}

// peek skips white space and is the byte behind it, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.doc) {
		c := s.doc[s.pos]
		if c > ' ' || !isSpace(c) {
			return c
		}
		s.spaced = true
		s.pos++
	}
	s.short = true
	return 0
}

func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

// name reads a member's name and the colon behind it.
func (s *scanner) name() (key []byte, seen mark, ok bool) {
	if !s.take('"') {
		return nil, 0, false
	}
	if key, seen, ok = s.str(); !ok {
		return nil, 0, false
	}
	return key, seen, s.take(':')
}

// object reads an object, calling member for the value of each of its members.
// Names that are not plain ASCII are refused: encoding/json folds their case.
func (s *scanner) object(member func(key []byte) bool) bool {
	if !s.take('{') {
		return false
	}
	if s.peek() == '}' {
		s.pos++
		return true
	}
	for {
		key, seen, ok := s.name()
		if !ok || seen&(marksEscape|marksHigh) != 0 || !member(key) {
			return false
		}
		switch s.peek() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			return true
		default:
			return false
		}
	}
}

// array reads an array, calling element for each of its elements.
func (s *scanner) array(element func() bool) bool {
	if !s.take('[') {
		return false
	}
	if s.peek() == ']' {
		s.pos++
		return true
	}
	for {
		if !element() {
			return false
		}
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			return true
		default:
			return false
		}
	}
}

// value reads any value. key is the nearest member's name.
func (s *scanner) value(key []byte, depth int) bool {
	if depth > maxDepth {
		return false
	}
	switch s.peek() {
	case '{':
		return s.members(depth)
	case '[':
		return s.elements(key, depth)
	case '"':
		s.pos++
		text, seen, ok := s.str()
		if !ok {
			return false
		}
		if isSecretKey(key) && !isPlaceholder(text) {
			s.secret = true
		} else {
			s.look(text, seen)
		}
		s.tell(key, scalar{'s', text})
		return true
	}
	return s.literal(key)
}

func (s *scanner) members(depth int) bool {
	s.pos++ // {
	if s.peek() == '}' {
		s.pos++
		return true
	}
	for {
		key, _, ok := s.name()
		if !ok {
			return false
		}
		n := s.enter(key)
		if !s.value(key, depth+1) {
			return false
		}
		s.path = s.path[:n]
		switch s.peek() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			return true
		default:
			return false
		}
	}
}

func (s *scanner) elements(key []byte, depth int) bool {
	i := 0
	return s.array(func() bool {
		n := s.enterElement(i)
		i++
		ok := s.value(key, depth+1)
		s.path = s.path[:n]
		return ok
	})
}

func (s *scanner) tell(key []byte, v scalar) {
	if s.visit != nil {
		s.visit(s.path, key, v)
	}
}

// enter adds a name to the path, if anybody asks for it, and returns its
// length before.
func (s *scanner) enter(key []byte) int {
	n := len(s.path)
	if s.visit == nil {
		return n
	}
	if n > 0 {
		s.path = append(s.path, '.')
	}
	s.path = append(s.path, key...)
	return n
}

// literal reads a number, true, false or null.
func (s *scanner) literal(key []byte) bool {
	start := s.pos
	switch s.peek() {
	case 't':
		return s.word("true", 't', key)
	case 'f':
		return s.word("false", 'f', key)
	case 'n':
		return s.word("null", '0', key)
	}
	n := numberLength(s.doc[start:])
	if n == 0 || start+n == len(s.doc) {
		s.short = s.short || start+n == len(s.doc)
		return false
	}
	s.pos += n
	s.secret = s.secret || isSecretKey(key)
	s.tell(key, scalar{'n', s.doc[start:s.pos]})
	return true
}

func (s *scanner) word(w string, kind byte, key []byte) bool {
	rest := s.doc[s.pos:]
	if len(rest) < len(w) {
		s.short = strings.HasPrefix(w, string(rest))
		return false
	}
	if string(rest[:len(w)]) != w {
		return false
	}
	s.pos += len(w)
	s.tell(key, scalar{kind, rest[:len(w)]})
	return true
}

// numberLength is how long the number is that b begins with; 0 when it is none,
// or when b ends before that is certain.
func numberLength(b []byte) int {
	digits := func(i int) int {
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i
	}
	i := 0
	if i < len(b) && b[i] == '-' {
		i++
	}
	whole := i
	if i = digits(i); i == whole || b[whole] == '0' && i > whole+1 {
		return 0
	}
	if i < len(b) && b[i] == '.' {
		fraction := i + 1
		if i = digits(fraction); i == fraction {
			return 0
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		exponent := i
		if i = digits(exponent); i == exponent {
			return 0
		}
	}
	return i
}

// enterElement is enter for an element of an array.
func (s *scanner) enterElement(i int) int {
	n := len(s.path)
	if s.visit == nil {
		return n
	}
	if n > 0 {
		s.path = append(s.path, '.')
	}
	s.path = strconv.AppendInt(s.path, int64(i), 10)
	return n
}
