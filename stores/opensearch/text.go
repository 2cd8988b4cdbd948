package opensearch

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

const (
	// shortText is up to how long a text is looked at before it is copied: ids,
	// names and most other values need no escape.
	shortText = 64
	// wordRoom is what eight bytes take at most, each with a backslash before it,
	// and the eight more that are written behind the last one.
	wordRoom = 24
)

// appendText appends a JSON string. Bytes that are no UTF-8 become U+FFFD, as in
// encoding/json. The angle brackets and ampersands of evidence stay as they are.
func appendText(b []byte, s string) []byte {
	if len(s) <= shortText && isPlain(s) {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	b = append(slices.Grow(b, len(s)+2*wordRoom), '"')
	for s != "" {
		if b, s = appendWords(b, s); s == "" {
			break
		}
		if c := s[0]; c < utf8.RuneSelf {
			b, s = appendASCII(b, c), s[1:]
			continue
		}
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 {
			b = append(b, "\uFFFD"...)
		} else {
			b = append(b, s[:size]...)
		}
		s = s[size:]
	}
	return append(b, '"')
}

// Each byte of a word, and its highest bit.
const eachByte, highBits = 0x0101010101010101, 0x8080808080808080

// word is the first eight bytes of a text.
func word(s string) uint64 {
	s = s[:8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// isPlain reports whether a JSON string holds a text as it is, and all of it is
// ASCII. It takes eight bytes at a time, some of the last ones twice.
func isPlain(s string) bool {
	if len(s) < 8 {
		return plainBytes(s) == len(s)
	}
	found := uint64(0)
	for at := 0; ; at += 8 {
		at = min(at, len(s)-8)
		w := word(s[at : at+8])
		// The first byte that has a highest bit, or is less than a space, or of which
		// nothing is left without a quote's or a backslash's bits, sets that bit.
		found |= w | (w - eachByte*' ') | ((w ^ eachByte*'"') - eachByte) | ((w ^ eachByte*'\\') - eachByte)
		if at == len(s)-8 {
			return found&highBits == 0
		}
	}
}

// plainBytes is how many bytes s begins with that a JSON string holds as they
// are, of ASCII.
func plainBytes(s string) (n int) {
	for n < len(s) && s[n] >= ' ' && s[n] < utf8.RuneSelf && s[n] != '"' && s[n] != '\\' {
		n++
	}
	return n
}

// appendWords appends what s begins with, and returns the rest: what takes more
// than a backslash, and what there is no room for. It takes eight bytes at a
// time, evidence being long, and writes them before it knows where a backslash is
// to come between: evidence that is JSON itself has a quote in most of them.
func appendWords(b []byte, s string) ([]byte, string) {
	n, i := len(b), 0
	b = b[:cap(b)]
	for len(s)-i >= 8 && len(b)-n >= wordRoom {
		w := word(s[i : i+8])
		// A byte's highest bit tells what is not ASCII or less than a space, and then
		// what is neither quote nor backslash: as all are ASCII, no byte's sum
		// reaches the next byte.
		if (w|^(w+eachByte*(128-' ')))&highBits != 0 {
			break
		}
		others := ((w ^ eachByte*'"') + eachByte*127) & ((w ^ eachByte*'\\') + eachByte*127)
		to := b[n : n+wordRoom]
		binary.LittleEndian.PutUint64(to, w)
		escapes := uint(0)
		for found := ^others & highBits; found != 0; found &= found - 1 {
			at := uint(bits.TrailingZeros64(found)) / 8 & 7
			to[at+escapes] = '\\'
			binary.LittleEndian.PutUint64(to[at+escapes+1:], w>>(8*at))
			escapes++
		}
		n, i = n+8+int(escapes), i+8
	}
	b, s = b[:n], s[i:]
	n = plainBytes(s)
	return append(b, s[:n]...), s[n:]
}

func appendASCII(b []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(b, '\\', c)
	case c == '\n':
		return append(b, '\\', 'n')
	case c == '\r':
		return append(b, '\\', 'r')
	case c == '\t':
		return append(b, '\\', 't')
	case c < ' ':
		return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	default:
		return append(b, c)
	}
}
