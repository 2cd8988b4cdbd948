package document

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
)

var errEnd = errors.New("the JSON text ends too early")

type parser struct {
	d     *Document
	text  string
	nodes []node
	at    int
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("byte %d of the JSON text: %s", p.at, fmt.Sprintf(format, args...))
}

func (p *parser) whole() error {
	p.space()
	if err := p.value(0, node{}); err != nil {
		return err
	}
	if p.space(); p.at < len(p.text) {
		return p.errorf("%q behind the value", p.text[p.at])
	}
	return nil
}

// space passes over white space, of which CloudTrail writes none.
func (p *parser) space() {
	if p.at < len(p.text) && p.text[p.at] <= ' ' {
		p.spaces()
	}
}

func (p *parser) spaces() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
			p.d.spaced = true
		default:
			return
		}
	}
}

// value reads a value; n has the key, if it is a member.
func (p *parser) value(depth int, n node) error {
	if p.at >= len(p.text) {
		return errEnd
	}
	i := len(p.nodes)
	n.start = int32(p.at)
	var err error
	switch c := p.text[p.at]; c {
	case '"':
		n.kind = String
		n.start, n.end, n.escaped, err = p.quoted()
		p.nodes = append(p.nodes, n)
	case '{', '[':
		if depth >= maxDepth {
			return p.errorf("nested more than %d deep", maxDepth)
		}
		if n.kind = Array; c == '{' {
			n.kind = Object
		}
		p.nodes = append(p.nodes, n)
		p.at++
		err = p.members(depth+1, n.kind)
		p.nodes[i].end = int32(p.at)
	default:
		n.kind, err = p.plain(c)
		n.end = int32(p.at)
		p.nodes = append(p.nodes, n)
	}
	p.nodes[i].next = int32(len(p.nodes))
	return err
}

// plain reads a number, true, false or null.
func (p *parser) plain(c byte) (Kind, error) {
	switch {
	case c == 't':
		return Bool, p.literal("true")
	case c == 'f':
		return Bool, p.literal("false")
	case c == 'n':
		return Null, p.literal("null")
	case c == '-' || c >= '0' && c <= '9':
		return Number, p.number()
	}
	return Null, p.errorf("%q begins no value", c)
}

func (p *parser) literal(w string) error {
	if !strings.HasPrefix(p.text[p.at:], w) {
		return p.errorf("no value")
	}
	p.at += len(w)
	return nil
}

// members reads what stands in an object or array, and its closing bracket.
func (p *parser) members(depth int, kind Kind) error {
	closing := byte(']')
	if kind == Object {
		closing = '}'
	}
	if p.space(); p.at < len(p.text) && p.text[p.at] == closing {
		p.at++
		return nil
	}
	for {
		var n node
		if kind == Object {
			if err := p.key(&n); err != nil {
				return err
			}
			if depth == 1 {
				p.d.top = append(p.d.top, topMember{n.hash, int32(len(p.nodes))})
			}
		}
		if err := p.value(depth, n); err != nil {
			return err
		}
		p.space()
		if p.at >= len(p.text) {
			return errEnd
		}
		switch c := p.text[p.at]; c {
		case closing:
			p.at++
			return nil
		case ',':
			p.at++
			p.space()
		default:
			return p.errorf("%q where , or %q is wanted", c, closing)
		}
	}
}

func (p *parser) key(n *node) (err error) {
	if p.at >= len(p.text) {
		return errEnd
	}
	if p.text[p.at] != '"' {
		return p.errorf("%q where a key is wanted", p.text[p.at])
	}
	if n.keyStart, n.keyEnd, n.keyEscaped, err = p.quoted(); err != nil {
		return err
	}
	if n.hash = hashOf(p.text[n.keyStart:n.keyEnd]); n.keyEscaped {
		n.hash = hashOf(unquote(p.text[n.keyStart:n.keyEnd]))
	}
	p.space()
	if p.at >= len(p.text) {
		return errEnd
	}
	if p.text[p.at] != ':' {
		return p.errorf("%q where : is wanted", p.text[p.at])
	}
	p.at++
	p.space()
	return nil
}

// quoted reads a string and says where its inside is.
func (p *parser) quoted() (start, end int32, escaped bool, err error) {
	from := p.at + 1
	for at := from; ; {
		at = nextSpecial(p.text, at)
		if at >= len(p.text) {
			return 0, 0, false, errEnd
		}
		switch c := p.text[at]; c {
		case '"':
			p.at = at + 1
			return int32(from), int32(at), escaped, nil
		case '\\':
			escaped, p.at = true, at
			if err := p.escape(); err != nil {
				return 0, 0, false, err
			}
			at = p.at
		default:
			p.at = at
			return 0, 0, false, p.errorf("a control character in a string")
		}
	}
}

// nextSpecial is the place of the next quote, backslash or control character.
func nextSpecial(text string, at int) int {
	for at+8 <= len(text) {
		n := bits.TrailingZeros64(special(word(text[at:]))) / 8
		if at += n; n < 8 {
			return at
		}
	}
	for at < len(text) && text[at] != '"' && text[at] != '\\' && text[at] >= ' ' {
		at++
	}
	return at
}

// word is the first eight bytes of a text, the first one lowest.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// special has the highest bit of the first byte of a word that is a quote, a
// backslash or a control character; behind it, of others too.
func special(w uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, escape := w^('"'*ones), w^('\\'*ones)
	return ((quote-ones)&^quote | (escape-ones)&^escape | (w-' '*ones)&^w) & highs
}

// hashOf tells most keys apart by their length, their first four bytes and their
// last four. Keys of fewer have one for each byte.
func hashOf(s string) uint32 {
	h := uint32(len(s)) * 0x9e3779b1
	if len(s) < 4 {
		for i := range len(s) {
			h = h*31 + uint32(s[i])
		}
		return h
	}
	t := s[len(s)-4:]
	first := uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
	last := uint32(t[0]) | uint32(t[1])<<8 | uint32(t[2])<<16 | uint32(t[3])<<24
	return h ^ first*0x85ebca6b ^ last*0xc2b2ae35
}

func (p *parser) escape() error {
	if p.at+1 >= len(p.text) {
		return errEnd
	}
	switch p.text[p.at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		p.at += 2
		return nil
	case 'u':
		if p.at+6 > len(p.text) {
			return errEnd
		}
		for _, c := range []byte(p.text[p.at+2 : p.at+6]) {
			if !hexDigit(c) {
				return p.errorf("%q in an escape", c)
			}
		}
		p.at += 6
		return nil
	}
	return p.errorf("%q cannot be escaped", p.text[p.at+1])
}

func hexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func (p *parser) number() error {
	if p.text[p.at] == '-' {
		p.at++
	}
	if p.at < len(p.text) && p.text[p.at] == '0' {
		p.at++
	} else if p.digits() == 0 {
		return p.errorf("a digit is missing")
	}
	if p.at < len(p.text) && p.text[p.at] == '.' {
		if p.at++; p.digits() == 0 {
			return p.errorf("a digit is missing")
		}
	}
	if p.at < len(p.text) && (p.text[p.at] == 'e' || p.text[p.at] == 'E') {
		p.at++
		if p.at < len(p.text) && (p.text[p.at] == '+' || p.text[p.at] == '-') {
			p.at++
		}
		if p.digits() == 0 {
			return p.errorf("a digit is missing")
		}
	}
	return nil
}

func (p *parser) digits() int {
	from := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	return p.at - from
}
