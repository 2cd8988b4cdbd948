package collectors

import "bytes"

// textEdits finds secrets in free text, which may hold JSON in any number of
// layers of escapes: name=value and name: value, URLs with a password, private
// keys, bearer tokens, JSON web tokens, and secret keys beside an access key.
// It is linear. base is where text begins in the document that is edited.
func textEdits(edits []edit, text []byte, base int) []edit {
	for i := 0; i < len(text); i++ {
		var start, end int
		switch text[i] {
		case '=', ':':
			start, end = secretAt(text, i)
		case '-':
			start, end = privateKeyAt(text, i)
		case 'A':
			start, end = secretBesideKeyAt(text, i)
		case 'B', 'b':
			start, end = bearerAt(text, i)
		case 'e':
			start, end = webTokenAt(text, i)
		}
		if end > start {
			edits = append(edits, edit{base + start, base + end, maskMark})
			i = end - 1
		}
	}
	return edits
}

// secretAt finds the value of a secret whose separator is at i.
func secretAt(text []byte, i int) (start, end int) {
	if bytes.HasPrefix(text[i:], []byte("://")) {
		return userinfoAt(text, i+3)
	}
	name, before := nameBefore(text, i)
	if len(name) == 0 || before == ':' && text[i] == ':' || !isSecretName(name) {
		return 0, 0 // "arn:aws:secretsmanager:…:secret:orders" names a secret, it shows none
	}
	start, end = valueAfter(text, i+1)
	if text[i] == ':' && bytes.EqualFold(name, []byte("authorization")) {
		end = max(end, endOfLine(text, start))
	}
	if v := text[start:end]; isPlaceholder(v) || string(v) == "null" || string(v) == "true" || string(v) == "false" {
		return 0, 0
	}
	return start, end
}

// nameBefore is the name that ends before the separator at i, without quotes,
// and the byte before it (0 at the start).
func nameBefore(text []byte, i int) (name []byte, before byte) {
	end := i
	for end > 0 && i-end < 8 && (text[end-1] == ' ' || text[end-1] == '"' || text[end-1] == '\'' || text[end-1] == '\\') {
		end--
	}
	start := end
	for start > 0 && end-start < maxName && isNameByte(text[start-1]) {
		start--
	}
	if start > 0 {
		before = text[start-1]
	}
	return text[start:end], before
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '_' || c == '-' || c == '.' || c == '@'
}

// delimiters end a value that stands without quotes. A table, since every byte
// of every log line may be asked about.
var delimiters = func() (is [256]bool) {
	for _, c := range []byte(" \t\r\n,;&\"'()[]{}<>\\") {
		is[c] = true
	}
	return is
}()

// valueAfter bounds the value that begins at or after i: what is between
// quotes, or else everything up to a delimiter.
func valueAfter(text []byte, i int) (start, end int) {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t') {
		i++
	}
	escapes := 0
	for i+escapes < len(text) && text[i+escapes] == '\\' {
		escapes++
	}
	if q := i + escapes; q < len(text) && (text[q] == '"' || text[q] == '\'') {
		return q + 1, closingQuote(text, q+1, text[q], escapes)
	}
	for end = i; end < len(text); end++ {
		switch c := text[end]; {
		case c == '\\' && end+1 < len(text) && (text[end+1] == '\\' || text[end+1] == '/'):
			end++ // an escaped backslash or slash belongs to the value
		case delimiters[c]:
			return i, end
		}
	}
	return i, min(end, len(text))
}

// closingQuote finds the quote that closes a value opened with the given
// number of backslashes before its quote: 0 outside of any string, 1 within
// one, 3 within two. A quote of an outer layer ends it too.
func closingQuote(text []byte, from int, quote byte, escapes int) int {
	run := 0 // backslashes right before i
	for i := from; i < len(text); i++ {
		switch text[i] {
		case '\\':
			run++
			continue
		case quote, '"':
			outer := escapes > 0 && run%2 == 0
			if run <= escapes || outer || (run-escapes)%(2*(escapes+1)) == 0 {
				return i - min(run, escapes)
			}
		}
		run = 0
	}
	return len(text)
}

func endOfLine(text []byte, from int) int {
	if n := bytes.IndexAny(text[from:], "\r\n\"\\"); n >= 0 {
		return from + n
	}
	return len(text)
}

// userinfoAt finds the password of a URL whose authority begins at i.
func userinfoAt(text []byte, i int) (start, end int) {
	const longest = 256 // of user and password together
	for j := i; j < len(text) && j-i < longest; j++ {
		switch c := text[j]; {
		case c == ':' && start == 0:
			start = j + 1
		case c == '@':
			if start > 0 {
				return start, j
			}
			return 0, 0
		case c == '/' || c == '"' || c == '\\' || isSpace(c):
			return 0, 0
		}
	}
	return 0, 0
}

// privateKeyAt finds the body of a PEM block that holds a private key.
func privateKeyAt(text []byte, i int) (start, end int) {
	if !bytes.HasPrefix(text[i:], []byte("-----BEGIN ")) {
		return 0, 0
	}
	const longestLabel = 64
	head := text[i : i+min(longestLabel, len(text)-i)]
	n := bytes.Index(head, []byte("PRIVATE KEY-----"))
	if n < 0 {
		return 0, 0
	}
	start = i + n + len("PRIVATE KEY-----")
	end = len(text)
	if n := bytes.IndexByte(text[start:], '"'); n >= 0 {
		end = start + n
		for end > start && text[end-1] == '\\' {
			end--
		}
	}
	if n := bytes.Index(text[start:end], []byte("-----END ")); n >= 0 {
		end = start + n
	}
	return start, end
}

// secretBesideKeyAt finds a bare secret access key close behind an access key id.
func secretBesideKeyAt(text []byte, i int) (start, end int) {
	const idLength, secretLength, near = 20, 40, 64
	if i+idLength > len(text) || text[i+2] != 'I' || text[i+3] != 'A' || (text[i+1] != 'K' && text[i+1] != 'S') {
		return 0, 0
	}
	limit := min(len(text), i+idLength+near+secretLength)
	for start = i + idLength; start < limit; start = end + 1 {
		for end = start; end < limit && isSecretByte(text[end]); end++ {
		}
		if end-start == secretLength && isMixed(text[start:end]) {
			return start, end
		}
	}
	return 0, 0
}

func isSecretByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '/' || c == '+'
}

// isMixed tells a secret key from a hash of 40 hex digits or a long word.
func isMixed(b []byte) bool {
	var upper, lower, digit bool
	for _, c := range b {
		upper = upper || c >= 'A' && c <= 'Z'
		lower = lower || c >= 'a' && c <= 'z'
		digit = digit || c >= '0' && c <= '9'
	}
	return upper && lower && digit
}

// bearerAt finds the token of "Bearer <token>".
func bearerAt(text []byte, i int) (start, end int) {
	const word = "bearer "
	if i+len(word) > len(text) || !bytes.EqualFold(text[i:i+len(word)], []byte(word)) {
		return 0, 0
	}
	start, end = valueAfter(text, i+len(word))
	const shortest = 16 // "bearer of bad news" is no token
	if end-start < shortest {
		return 0, 0
	}
	return start, end
}

// webTokenAt finds a JSON web token: base64 of `{"`, and two dots further on.
func webTokenAt(text []byte, i int) (start, end int) {
	if !bytes.HasPrefix(text[i:], []byte("eyJ")) || i > 0 && isNameByte(text[i-1]) {
		return 0, 0
	}
	for end = i; end < len(text) && isNameByte(text[end]); end++ {
	}
	if bytes.Count(text[i:end], []byte(".")) < 2 {
		return 0, 0
	}
	return i, end
}
