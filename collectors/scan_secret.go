package collectors

import (
	"bytes"
	"slices"
)

// look notes whether a string that is the value of no secret name holds
// something that textEdits would mask. What a string cannot hold without a byte
// of some sort, it is not searched for unless that byte was seen.
func (s *scanner) look(text []byte, seen mark) {
	const (
		shortestBearer = len("bearer ") + 16
		shortestPair   = 20 + 40 // an access key and its secret
	)
	maybe := seen&marksSeparator != 0 && separatorHides(text) ||
		seen&marksSpace != 0 && len(text) >= shortestBearer && spaceHides(text) ||
		seen&marksJ != 0 && bytes.Contains(text, []byte("eyJ")) ||
		seen&marksI != 0 && len(text) >= shortestPair && (bytes.Contains(text, []byte("AKIA")) || bytes.Contains(text, []byte("ASIA")))
	if maybe && len(textEdits(nil, text, 0)) > 0 {
		s.secret = true
	}
}

// separatorHides reports whether secretAt finds something in text.
func separatorHides(text []byte) bool {
	for i, c := range text {
		if c != ':' && c != '=' {
			continue
		}
		url := bytes.HasPrefix(text[i:], []byte("://"))
		if !url && !endsLikeSecret(beforeSeparator(text, i)) {
			continue
		}
		if start, end := secretAt(text, i); end > start {
			return true
		}
	}
	return false
}

// beforeSeparator is text up to the end of the name that nameBefore would find.
func beforeSeparator(text []byte, i int) []byte {
	end := i
	for end > 0 && i-end < 8 && (text[end-1] == ' ' || text[end-1] == '"' || text[end-1] == '\'' || text[end-1] == '\\') {
		end--
	}
	return text[:end]
}

// spaceHides reports whether bearerAt or privateKeyAt might find something.
func spaceHides(text []byte) bool {
	const bearer, begin = "bearer", "-----BEGIN"
	for i, c := range text {
		if c != ' ' || i < len(bearer) {
			continue
		}
		if text[i-1]|0x20 == 'r' && bytes.EqualFold(text[i-len(bearer):i], []byte(bearer)) {
			return true
		}
		if text[i-1] == 'N' && bytes.HasSuffix(text[:i], []byte(begin)) {
			return true
		}
	}
	return false
}

// isSecretKey is isSecretName, and quicker for the names that are none.
func isSecretKey(name []byte) bool { return endsLikeSecret(name) && isSecretName(name) }

// secretTails has, by the last three letters of secretNames and secretEndings, the
// first of them lowest, the letters before these, as many as tell.
var secretTails = func() map[uint32][]string {
	tails := map[uint32][]string{}
	add := func(name string) {
		before := name[:len(name)-3]
		t := tail([]byte(name))
		tails[t] = append(tails[t], before[max(0, len(before)-3):])
	}
	for name := range secretNames {
		add(name)
	}
	for _, name := range secretEndings {
		add(name)
	}
	return tails
}()

// tailBits has a bit for the last byte of each of secretTails, by its low five
// bits, in which upper and lower case are the same.
var tailBits = func() (bits uint32) {
	for t := range secretTails {
		bits |= 1 << (t >> 16 & 31)
	}
	for _, c := range []byte("_-. @") { // foldName passes over them
		bits |= 1 << (c & 31)
	}
	return bits
}()

// tail is the last three bytes of a name in lower case.
func tail(name []byte) uint32 {
	n := len(name)
	return uint32(name[n-3]) | uint32(name[n-2])<<8 | uint32(name[n-1])<<16 | 0x202020
}

// endsLikeSecret reports false only of what is no secret name and ends in none.
func endsLikeSecret(name []byte) bool {
	n := len(name)
	if n < 3 || tailBits>>(name[n-1]&31)&1 == 0 {
		return false
	}
	if slices.ContainsFunc(name[n-3:], isSeparator) {
		return true
	}
	return slices.ContainsFunc(secretTails[tail(name)], func(before string) bool {
		return mayEndIn(name[:n-3], before)
	})
}

// mayEndIn reports false only of a name that does not end in some lower-case
// letters, whatever its case and separators.
func mayEndIn(name []byte, letters string) bool {
	for i := len(letters) - 1; i >= 0; i-- {
		n := len(name)
		if n == 0 {
			return false
		}
		if isSeparator(name[n-1]) {
			return true
		}
		if name[n-1]|0x20 != letters[i] {
			return false
		}
		name = name[:n-1]
	}
	return true
}
