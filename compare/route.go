package compare

import (
	"strings"
	"unicode"
)

// manyDigits is from how many digits on a part of a path is an id: versions
// ("v1", "2024-10") have fewer, or are few; order numbers, UUIDs and hashes more.
const manyDigits = 4

// Route is the name of an operation with the ids in its path taken out, so that
// "GET /orders/4711?full=1" and "GET /orders/4712" are one: "GET /orders/*".
// Other names stay as they are.
func Route(name string) string {
	at := strings.IndexByte(name, '/')
	if at < 0 {
		return name
	}
	path := name[at:]
	if q := strings.IndexAny(path, "?#"); q >= 0 {
		path = path[:q]
	}
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if isID(p) {
			parts[i] = "*"
		}
	}
	return name[:at] + strings.Join(parts, "/")
}

// RoutePrefix is what all names of a route begin with, and whether they are all
// the same.
func RoutePrefix(name string) (prefix string, whole bool) {
	r := Route(name)
	if r == name && !strings.Contains(r, "/*") {
		return name, true
	}
	prefix, _, _ = strings.Cut(r, "/*")
	return prefix, false
}

// isID reports whether a part of a path is a number or has many digits.
func isID(part string) bool {
	digits, others := 0, 0
	for _, r := range part {
		if unicode.IsDigit(r) {
			digits++
		} else {
			others++
		}
	}
	return digits >= manyDigits || digits > 0 && others == 0
}
