package opensearch

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendText appends a JSON string. Bytes that are no UTF-8 become U+FFFD, as in
// encoding/json. The angle brackets and ampersands of evidence stay as they are.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	for s != "" {
		if b, s = appendPlain(b, s); s == "" {
			break
		}
		if c := s[0]; c < utf8.RuneSelf {
			b, s = appendEscape(b, c), s[1:]
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

// appendPlain appends what s begins with that a JSON string holds as it is, of
// ASCII and no control characters, quotes and backslashes, and returns the rest.
// It takes eight bytes at a time, evidence being long, and writes all of them
// before it knows how many stay: evidence that is JSON itself has a quote in
// every other eight.
func appendPlain(b []byte, s string) ([]byte, string) {
	const low, high = 0x0101010101010101, 0x8080808080808080
	for len(s) >= 8 && cap(b)-len(b) >= 8 {
		w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		n := len(b)
		b = b[:n+8]
		binary.LittleEndian.PutUint64(b[n:], w)
		// A byte's highest bit is set where it has that itself, or where it is less
		// than a space, or where nothing is left of it without a quote's or a
		// backslash's bits. Borrows may set bits above the first of these only.
		quote, backslash := w^(low*'"'), w^(low*'\\')
		if found := (w | (w - low*' ') | (quote - low) | (backslash - low)) & high; found != 0 {
			plain := bits.TrailingZeros64(found) / 8
			return b[:n+plain], s[plain:]
		}
		s = s[8:]
	}
	n := 0
	for ; n < len(s); n++ {
		if c := s[n]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return append(b, s[:n]...), s[n:]
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	default:
		return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
}
