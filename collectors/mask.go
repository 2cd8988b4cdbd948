package collectors

import (
	"bytes"
	"slices"
)

// maskMark stands where a secret was. It needs no escaping in JSON.
const maskMark = "[masked]"

// secretNames are names of values that are never evidence, without case and
// separators. Names of ids (accessKeyId) and of page tokens are not among them.
var secretNames = map[string]bool{
	"secret": true, "secretkey": true, "secretstring": true, "secretbinary": true,
	"pwd": true, "passwd": true, "passphrase": true, "passworddata": true,
	"authorization": true, "proxyauthorization": true, "cookie": true, "setcookie": true,
	"token": true, "bearer": true, "keymaterial": true, "samlassertion": true,
	"webidentitytoken": true, "jwt": true, "sig": true, "signature": true, "xamzsignature": true,
	"signedrequest": true, "userdata": true, "otp": true, "mfacode": true, "tokencode": true,
}

// secretEndings make any longer name a secret: "dbPassword", "xAmzSecurityToken".
var secretEndings = []string{
	"password", "secretaccesskey", "sessiontoken", "securitytoken", "privatekey", "secretkey",
	"clientsecret", "apikey", "accesstoken", "refreshtoken", "authtoken", "idtoken", "bearertoken",
}

// maxName bounds the names that are looked up: the longest known one with its separators.
const maxName = 48

// foldName writes name without case and separators into buf. Of a longer name
// it keeps the end, which is what tells.
func foldName(buf *[maxName]byte, name []byte) []byte {
	if len(name) > maxName {
		name = name[len(name)-maxName:]
	}
	n := 0
	for _, c := range name {
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case isSeparator(c):
			continue
		}
		buf[n] = c
		n++
	}
	return buf[:n]
}

// isSeparator reports whether a byte of a name only separates its words.
func isSeparator(c byte) bool {
	return c == '_' || c == '-' || c == '.' || c == ' ' || c == '@'
}

func isSecretName(name []byte) bool {
	var buf [maxName]byte
	folded := foldName(&buf, name)
	if secretNames[string(folded)] {
		return true
	}
	return slices.ContainsFunc(secretEndings, func(end string) bool {
		return len(folded) >= len(end) && string(folded[len(folded)-len(end):]) == end
	})
}

// edit is a stretch of a document to be replaced.
type edit struct {
	start, end int
	text       string
}

func applyEdits(doc []byte, edits []edit) []byte {
	if len(edits) == 0 {
		return doc
	}
	out := make([]byte, 0, len(doc)+len(edits)*len(maskMark))
	at := 0
	for _, e := range edits {
		if e.start < at {
			continue // inside what is masked already
		}
		out = append(append(out, doc[at:e.start]...), e.text...)
		at = e.end
	}
	return append(out, doc[at:]...)
}

// mask replaces the secrets in a document, JSON or text, and returns it as it
// was when there are none. JSON stays JSON. Masking twice changes nothing.
func mask(doc []byte) []byte {
	if first := bytes.TrimLeft(doc, " \t\r\n"); len(first) > 0 && (first[0] == '{' || first[0] == '[') {
		if edits, ok := jsonEdits(doc); ok {
			return applyEdits(doc, edits)
		}
	}
	return applyEdits(doc, textEdits(nil, doc, 0))
}

// jsonEdits masks by structure: the values of secret names, and within every
// other string what textEdits finds, which cannot cross the string's end.
func jsonEdits(doc []byte) ([]edit, bool) {
	var edits []edit
	w := walker{doc: doc}
	w.visit = func(_, key []byte, v scalar) {
		switch {
		case v.kind == 's':
			start := w.pos - 1 - len(v.text)
			if isSecretName(key) && !isPlaceholder(v.text) {
				edits = append(edits, edit{start, w.pos - 1, maskMark})
				return
			}
			edits = textEdits(edits, v.text, start)
		case v.kind == 'n' && isSecretName(key):
			edits = append(edits, edit{w.pos - len(v.text), w.pos, `"` + maskMark + `"`})
		}
	}
	ok := w.whole()
	return edits, ok
}

// isPlaceholder reports whether a secret's value gives nothing away, so that
// it may stay: AWS's own mark says more than ours.
func isPlaceholder(v []byte) bool {
	const longest = 64 // a longer value only begins like AWS's mark
	hidden := len(v) <= longest && bytes.HasPrefix(v, []byte("HIDDEN_DUE_TO_SECURITY"))
	return len(v) == 0 || hidden || string(v) == maskMark
}
