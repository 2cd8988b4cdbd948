package sigma

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"muster/internal/document"
)

// modifiers are those of specification 2.1.
var modifiers = []string{
	"all", "base64", "base64offset", "cased", "cidr", "contains", "day", "endswith", "exists", "expand", "fieldref",
	"gt", "gte", "hour", "i", "lt", "lte", "m", "minute", "month", "neq", "re", "s", "startswith",
	"utf16", "utf16be", "utf16le", "week", "wide", "windash", "year",
}

var (
	texting   = []string{"contains", "startswith", "endswith"}
	ordering  = []string{"lt", "lte", "gt", "gte"}
	dating    = []string{"minute", "hour", "day", "week", "month", "year"}
	encodings = []string{"base64", "base64offset", "utf16", "utf16be", "utf16le", "wide", "windash"}
)

// field is a field of a selection with its modifiers.
type field struct {
	p         *parser
	key       *yaml.Node
	path      document.Path
	keyword   bool // no field: any value
	modifiers []string
}

func (f *field) spelt() string {
	if f.keyword && f.key.Value == "" {
		return "the list of keywords"
	}
	return strconv.Quote(f.key.Value)
}

func (f *field) has(m string) bool { return slices.Contains(f.modifiers, m) }

// one is the modifier of a list that the field has, "" for none.
func (f *field) one(of []string) string {
	for _, m := range f.modifiers {
		if slices.Contains(of, m) {
			return m
		}
	}
	return ""
}

// know checks the modifiers, each and together.
func (f *field) know() bool {
	for i, m := range f.modifiers {
		if !slices.Contains(modifiers, m) {
			f.p.problem(f.key, "use "+strings.Join(modifiers, ", "), "unknown modifier %q in %s", m, f.spelt())
			return false
		}
		if slices.Contains([]string{"i", "m", "s"}, m) && (!f.has("re") || slices.Index(f.modifiers, "re") > i) {
			f.p.problem(f.key, "write re|"+m, "%q belongs behind re", m)
			return false
		}
	}
	// Of these kinds of comparison a field has at most one.
	var kinds []string
	for _, m := range []string{"re", "cidr", "exists", "fieldref", f.one(ordering), f.one(encodings)} {
		if m != "" && f.has(m) {
			kinds = append(kinds, m)
		}
	}
	if date := f.one(dating); date != "" && f.one(ordering) == "" {
		kinds = append(kinds, date)
	}
	clash := len(kinds) > 1
	for _, m := range []string{"cidr", "exists", f.one(ordering), f.one(dating)} {
		clash = clash || m != "" && f.has(m) && (f.one(texting) != "" || f.has("cased"))
	}
	clash = clash || f.keyword && (f.has("exists") || f.has("fieldref") || f.one(ordering) != "" || f.one(dating) != "")
	if clash {
		f.p.problem(f.key, "split it into fields of their own", "the modifiers in %s do not go together", f.spelt())
	}
	return !clash
}

// value is the condition that one value makes; nil after a problem.
func (f *field) value(n *yaml.Node) document.Condition {
	switch {
	case f.has("exists"):
		return f.exists(n)
	case f.has("fieldref"):
		return f.reference(n)
	case f.has("re"):
		return f.regex(n)
	case f.has("cidr"):
		return f.network(n)
	case f.one(ordering) != "" || f.one(dating) != "":
		return f.number(n)
	case isNull(n):
		if f.keyword || len(f.modifiers) > 0 && f.one([]string{"all", "neq"}) == "" {
			f.p.problem(n, "give it a value", "%s is null", f.spelt())
			return nil
		}
		return document.Not{Of: notNull(f.path)}
	}
	return f.text(n)
}

func (f *field) exists(n *yaml.Node) document.Condition {
	switch strings.ToLower(n.Value) {
	case "true", "yes":
		return present(f.path)
	case "false", "no":
		return document.Not{Of: present(f.path)}
	}
	f.p.problem(n, "write true or false", "%s: %q is no truth value", f.spelt(), n.Value)
	return nil
}

// reference compares with another field of the event.
func (f *field) reference(n *yaml.Node) document.Condition {
	if n.Value == "" || isNull(n) {
		f.p.problem(n, "name a field", "%s refers to no field", f.spelt())
		return nil
	}
	is := func(a, b string) bool { return a == b }
	switch how := f.one(texting); {
	case how == "" && !f.has("cased"):
		is = strings.EqualFold
	case how != "":
		in := map[string]func(string, string) bool{
			"contains": strings.Contains, "startswith": strings.HasPrefix, "endswith": strings.HasSuffix,
		}[how]
		is = in
		if !f.has("cased") {
			is = func(a, b string) bool { return in(strings.ToLower(a), strings.ToLower(b)) }
		}
	}
	return document.Pair{A: f.path, B: document.Field(n.Value), Match: func(a, b document.Value) bool {
		return a.Kind() != document.Null && b.Kind() != document.Null && is(a.Text(), b.Text())
	}}
}

func (f *field) regex(n *yaml.Node) document.Condition {
	flags := strings.Join(slices.DeleteFunc([]string{"i", "m", "s"}, func(m string) bool { return !f.has(m) }), "")
	text := n.Value
	if isNull(n) {
		f.p.problem(n, "write a regular expression", "%s is null", f.spelt())
		return nil
	}
	if flags != "" {
		text = "(?" + flags + ")" + text
	}
	r, err := regexp.Compile(text)
	if err != nil {
		f.p.problem(n, "rules run on RE2, which has no look-around, back-references and possessive quantifiers",
			"%s: %v", f.spelt(), err)
		return nil
	}
	is := r.MatchString
	if must := literal(text); must != "" { // most values do not have it
		is = func(s string) bool { return strings.Contains(s, must) && r.MatchString(s) }
	}
	return f.on(is)
}

func (f *field) network(n *yaml.Node) document.Condition {
	prefix, err := netip.ParsePrefix(n.Value)
	if err != nil {
		f.p.problem(n, "write it as 10.0.0.0/8 or fd00::/8", "%s: %q is no network", f.spelt(), n.Value)
		return nil
	}
	prefix = prefix.Masked()
	return f.on(func(s string) bool {
		a, err := netip.ParseAddr(s)
		return err == nil && prefix.Contains(a.Unmap())
	})
}

// number compares numbers, or a part of a time.
func (f *field) number(n *yaml.Node) document.Condition {
	want, err := strconv.ParseFloat(n.Value, 64)
	if err != nil {
		f.p.problem(n, "write a number", "%s: %q is no number", f.spelt(), n.Value)
		return nil
	}
	order := f.one(ordering)
	fits := func(got float64) bool {
		switch order {
		case "lt":
			return got < want
		case "lte":
			return got <= want
		case "gt":
			return got > want
		case "gte":
			return got >= want
		}
		return got == want
	}
	part := f.one(dating)
	return f.on(func(s string) bool {
		if part != "" {
			t, err := time.Parse(time.RFC3339, s)
			return err == nil && fits(float64(partOf(t, part)))
		}
		got, err := strconv.ParseFloat(s, 64)
		return err == nil && fits(got)
	})
}

// partOf is a part of a time as it is written, in its own zone.
func partOf(t time.Time, part string) int {
	switch part {
	case "minute":
		return t.Minute()
	case "hour":
		return t.Hour()
	case "day":
		return t.Day()
	case "week":
		_, week := t.ISOWeek()
		return week
	case "month":
		return int(t.Month())
	}
	return t.Year()
}

// text compares texts, and numbers and truth values by their text.
func (f *field) text(n *yaml.Node) document.Condition {
	texts := []glob{parseGlob(n.Value)}
	if f.has("expand") {
		texts = f.expand(n)
	}
	var any document.Either
	for _, g := range texts {
		gs, err := f.encode(g)
		if err != nil {
			f.p.problem(n, "", "%s: %v", f.spelt(), err)
			return nil
		}
		for _, g := range gs {
			how := f.one(texting)
			if f.keyword && how == "" {
				how = "contains"
			}
			any = append(any, f.on(f.compare(g.within(how), n)))
		}
	}
	return any
}

// compare is the test on texts that a glob makes; a number is also compared by
// what it is worth.
func (f *field) compare(g glob, n *yaml.Node) func(string) bool {
	is := g.matcher(f.has("cased"))
	if n.Tag != "!!int" && n.Tag != "!!float" || f.one(texting) != "" {
		return is
	}
	want, err := strconv.ParseFloat(n.Value, 64)
	if err != nil {
		return is
	}
	return func(s string) bool {
		if is(s) {
			return true
		}
		got, err := strconv.ParseFloat(s, 64)
		return err == nil && got == want
	}
}

func (f *field) on(is func(string) bool) document.Condition {
	if f.keyword {
		return anyValue(is)
	}
	return anywhere(f.path, is)
}

// placeholder is a name between percent signs.
var placeholder = regexp.MustCompile(`%([a-zA-Z0-9_.-]+)%`)

// maxExpanded bounds the texts that the placeholders of a value make.
const maxExpanded = 10_000

// expand puts the values of placeholders in their places, each in a text of its
// own.
func (f *field) expand(n *yaml.Node) []glob {
	texts := []string{n.Value}
	for at := 0; at < len(texts); {
		m := placeholder.FindStringSubmatchIndex(texts[at])
		if m == nil {
			at++
			continue
		}
		text := texts[at]
		name := text[m[2]:m[3]]
		values, ok := f.p.values[name]
		if !ok {
			f.p.problem(n, "give it values in a file of the folder, under placeholders: {"+name+": [...]}",
				"%s: the placeholder %%%s%% has no values", f.spelt(), name)
			return nil
		}
		var made []string
		for _, v := range values {
			// A percent sign of a value begins no placeholder.
			made = append(made, text[:m[0]]+strings.ReplaceAll(v, "%", percent)+text[m[1]:])
		}
		texts = slices.Replace(texts, at, at+1, made...)
		if len(texts) > maxExpanded {
			f.p.problem(n, "", "%s: the placeholders make more than %d values", f.spelt(), maxExpanded)
			return nil
		}
	}
	var out []glob
	for _, t := range texts {
		out = append(out, parseGlob(strings.ReplaceAll(t, percent, "%")))
	}
	return out
}

// percent stands for a percent sign while placeholders are looked for: a
// character of private use.
const percent = "\uf8ff"
