package collectors

import (
	"bytes"
	"strconv"
	"strings"
)

// column is one of a line of text that is made of columns.
type column struct {
	text   string
	quote  byte // what it stood in: '"', '[', or 0
	behind int  // where in the line the next one may begin
}

// maxColumns is how many columns of a line are looked at: a load balancer's has
// some 30, and what a fleet adds to Envoy's comes on top.
const maxColumns = 48

// columns splits a line at its spaces. What stands in quotes or brackets is one
// column, whatever is in it. The columns share the line, which is never written
// to again.
func columns(line []byte) []column {
	var cs []column
	for i := 0; len(cs) < maxColumns; {
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i >= len(line) {
			break
		}
		c := columnAt(line, i)
		cs = append(cs, c)
		i = c.behind
	}
	return cs
}

func columnAt(line []byte, i int) column {
	if end, ok := enclosed(line, i); ok {
		return column{asString(line[i+1 : end]), line[i], end + 1}
	}
	end := i
	for end < len(line) && !isSpace(line[end]) {
		end++
	}
	return column{asString(line[i:end]), 0, end}
}

// enclosed is where the quotes or brackets close that open at i.
func enclosed(line []byte, i int) (end int, ok bool) {
	switch line[i] {
	case '[':
		const longest = 64 // of a time
		n := bytes.IndexByte(line[i:min(len(line), i+longest)], ']')
		return i + n, n > 0
	case '"':
		for end = i + 1; end < len(line); end++ {
			switch line[end] {
			case '\\':
				end++
			case '"':
				return end, true
			}
		}
	}
	return 0, false
}

// value is the column's text, "" where it says that there is none.
func (c column) value() string {
	if c.text == "-" {
		return ""
	}
	return c.text
}

// isNumber reports whether a column is a number, or none was known.
func (c column) isNumber() bool {
	if c.quote != 0 || c.text == "" {
		return false
	}
	_, err := strconv.ParseFloat(c.text, 64)
	return err == nil || c.text == "-"
}

// isStatus reports whether a text is an HTTP status, or Envoy's 0 for none.
func isStatus(s string) bool {
	return len(s) == 3 && isDigits(s) && s[0] >= '1' && s[0] <= '5' || s == "0"
}

// requestLine splits "GET /orders?id=1 HTTP/1.1". Of what it is not, nothing is said.
func requestLine(s string) (method, target string, ok bool) {
	method, rest, ok := strings.Cut(s, " ")
	i := strings.LastIndexByte(rest, ' ')
	if !ok || i < 0 || !isMethod(method) && method != "-" {
		return "", "", false
	}
	if target = rest[:i]; method == "-" {
		method = ""
	}
	return method, target, true
}

// isMethod reports whether a word can be the method of a request.
func isMethod(s string) bool {
	const longest = 16
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return s != "" && len(s) <= longest
}
