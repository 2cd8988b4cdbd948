package audit

import (
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"muster/fleet"
)

// template is text with CEL expressions in braces: "{it.service} is slow".
// Doubled braces stand for themselves.
type template []part

// part is a piece of text, or an expression.
type part struct {
	text string
	expr *expression
	// quick gives the same of a record; nil where only the expression can.
	quick func(*record) string
}

// template compiles a field of the document; an empty one gives nil.
func (c *compiler) template(field string, src text) template {
	pieces, ok := split(src.value)
	if !ok {
		c.problem(src.line, `close it, or write "{{" for a brace in the text`, "%s: an opening brace is never closed", field)
		return nil
	}
	var t template
	for _, p := range pieces {
		if !p.code {
			t = append(t, part{text: p.text})
			continue
		}
		inner := text{value: p.text, line: src.line}
		if e := c.expression(field+" {"+p.text+"}", inner, isAnything); e != nil {
			t = append(t, part{expr: e})
		}
	}
	return t
}

type piece struct {
	text string
	code bool
}

// split takes a template apart. It reports false when a brace stays open.
func split(s string) ([]piece, bool) {
	var (
		out []piece
		lit strings.Builder
	)
	flush := func() {
		if lit.Len() > 0 {
			out = append(out, piece{text: lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "{{"), strings.HasPrefix(s[i:], "}}"):
			lit.WriteByte(s[i])
			i += 2
		case s[i] == '{':
			n := closing(s[i+1:])
			if n < 0 {
				return nil, false
			}
			flush()
			out = append(out, piece{text: strings.TrimSpace(s[i+1 : i+1+n]), code: true})
			i += n + 2
		default:
			lit.WriteByte(s[i])
			i++
		}
	}
	flush()
	return out, true
}

// closing finds the brace that closes an expression, past the braces and the
// quoted texts in it; -1 when there is none.
func closing(s string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth == 0:
			return i
		case c == '}':
			depth--
		}
	}
	return -1
}

// of fills a template in whose parts are all quick.
func (t template) of(r *record) string {
	if len(t) == 1 && t[0].expr != nil {
		return strings.ToValidUTF8(t[0].quick(r), "\uFFFD")
	}
	var b strings.Builder
	b.Grow(shortMessage)
	for i := range t {
		if p := &t[i]; p.expr == nil {
			b.WriteString(p.text)
		} else {
			b.WriteString(p.quick(r))
		}
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

// shortMessage is the length of most messages in bytes.
const shortMessage = 128

// text fills the template in. What it gives is valid UTF-8.
func (t template) text(vars map[string]any) (string, error) {
	r, _ := vars[recordVariable].(*record)
	var b strings.Builder
	for _, p := range t {
		if p.expr == nil {
			b.WriteString(p.text)
			continue
		}
		if p.quick != nil && r != nil {
			b.WriteString(p.quick(r))
			continue
		}
		v, err := p.expr.eval(vars)
		if err != nil {
			return "", err
		}
		b.WriteString(spell(v))
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD"), nil
}

// maxMessage keeps a message, in characters, to what people read; the evidence
// has the rest.
const maxMessage = 400

// shorten cuts a message at maxMessage.
func shorten(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	rs := []rune(s)
	if len(rs) <= maxMessage {
		return s
	}
	return string(rs[:maxMessage-1]) + "…"
}

// spell writes a value as people read it.
func spell(v ref.Val) string {
	switch x := v.Value().(type) {
	case string:
		return x
	case bool:
		return strconv.FormatBool(x)
	case int64:
		return strconv.FormatInt(x, 10)
	case uint64:
		return strconv.FormatUint(x, 10)
	case float64:
		return strconv.FormatFloat(x, 'f', 2, 64)
	case time.Duration:
		return x.String()
	case time.Time:
		return fleet.FormatTime(x)
	}
	l, ok := v.(traits.Lister)
	if !ok {
		return v.Type().TypeName()
	}
	var parts []string
	for it := l.Iterator(); it.HasNext().Value() == true; {
		parts = append(parts, spell(it.Next()))
	}
	return strings.Join(parts, ", ")
}
