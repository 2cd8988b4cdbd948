package collectors

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"muster/fleet"
)

var logNames = namesOf[logEvent]()

// logScan reads log events by a scanner. It keeps its room.
type logScan struct {
	scanner
	event   logEvent
	message []byte
	stamped bool
	scan    lineScan // of the message, by line
	line    scanner
	texts   arena
}

// read reads the event that doc begins with. What is refused is for the careful
// way.
func (l *logScan) read(doc []byte) (length int, ok bool) {
	l.begin(doc)
	l.event, l.message, l.stamped = logEvent{}, nil, false
	if l.scan.names == nil {
		l.scan.names = attributeNames{}
	}
	if !l.object(l.member) || l.message == nil || !l.stamped || carries(l.message) {
		return 0, false
	}
	return l.pos, true
}

func (l *logScan) member(key []byte) bool {
	e := &l.event
	switch string(key) {
	case "eventId":
		return l.stringInto(&e.EventID)
	case "logGroupName":
		return l.stringInto(&e.Group)
	case "logStreamName":
		return l.stringInto(&e.Stream)
	case "timestamp":
		l.stamped = true
		return l.intInto(&e.Timestamp)
	case "message":
		return l.messageInto()
	}
	return !telling(key) && l.other(key, logNames)
}

// messageInto reads the message, of which a secret is no concern yet.
func (l *logScan) messageInto() bool {
	if !l.take('"') {
		return false
	}
	spelled, seen, ok := l.str()
	if !ok {
		return false
	}
	switch {
	case seen&marksHigh != 0 && !utf8.Valid(spelled):
		return false
	case seen&marksEscape != 0:
		l.message = l.texts.keep(unescape(l.texts.room(len(spelled)), spelled))
	default:
		l.message = slices.Clip(spelled)
	}
	l.event.Message = asString(l.message)
	return true
}

// record is the record of the event that was read.
func (l *logScan) record(o origin) fleet.Record {
	return l.event.recordOf(l.message, o, &l.scan, &l.line)
}

// unescape appends what a string's spelling stands for, of valid UTF-8 and
// valid escapes.
func unescape(out, spelled []byte) []byte {
	for {
		i := bytes.IndexByte(spelled, '\\')
		if i < 0 {
			return append(out, spelled...)
		}
		out = append(out, spelled[:i]...)
		n := 2
		switch c := spelled[i+1]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			var r rune
			r, n = unescapeRune(spelled[i:])
			out = utf8.AppendRune(out, r)
		default: // a quote, a backslash or a slash
			out = append(out, c)
		}
		spelled = spelled[i+n:]
	}
}

// unescapeRune is the rune of an escape of four hex digits, or of two of them
// that are a surrogate pair, and how long it is. A lone surrogate gives the
// replacement character.
func unescapeRune(b []byte) (r rune, length int) {
	const one = len(`\u0000`)
	code := func(b []byte) rune {
		n, _ := strconv.ParseUint(asString(b[2:one]), 16, 32) // checked by escapeLength
		return rune(n)
	}
	r = code(b)
	if !utf16.IsSurrogate(r) {
		return r, one
	}
	if next := b[one:]; escapeLength(next) == one {
		if pair := utf16.DecodeRune(r, code(next)); pair != utf8.RuneError {
			return pair, 2 * one
		}
	}
	return utf8.RuneError, one
}

// arena is room for texts that live about as long as each other.
type arena struct{ free []byte }

// arenaBytes is allocated at a time: some hundred lines.
const arenaBytes = 128 << 10

// room is an empty slice with room for n bytes.
func (a *arena) room(n int) []byte {
	if cap(a.free) < n {
		a.free = make([]byte, 0, max(n, arenaBytes))
	}
	return a.free[:0]
}

// keep keeps what was written to the last room.
func (a *arena) keep(text []byte) []byte {
	n := len(text)
	a.free = a.free[n:n:cap(a.free)]
	return text[:n:n]
}

// quick reads a message that is one JSON object by a scanner, and returns it as
// it is kept. What is refused is for the careful way.
func (s *lineScan) quick(message []byte, q *scanner) (raw []byte, ok bool) {
	raw = message
	if ok = s.scan(raw, q); ok && q.secret {
		raw = mask(message)
		ok = s.scan(raw, q)
	}
	if ok {
		s.rest(raw, q)
	}
	return raw, ok
}

func (s *lineScan) scan(raw []byte, q *scanner) bool {
	s.reset()
	line := bytes.TrimSpace(raw)
	if len(line) == 0 || line[0] != '{' {
		return false
	}
	q.begin(line)
	q.visit = s.scalar
	return q.value(nil, 0) && q.pos == len(line)
}

// reset forgets what was read, but for where the line is from, and keeps the room
// for attributes.
func (s *lineScan) reset() {
	*s = lineScan{keyScan: keyScan{lambda: s.lambda}, attributes: s.attributes[:0], depth: s.depth, names: s.names}
}
