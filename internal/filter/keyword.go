package filter

import (
	"slices"
	"strconv"
	"strings"

	"muster/fleet"
)

// unanswered are the keywords of the language that no evidence of a trace
// answers, with the reason.
var unanswered = map[string]string{
	"group.name":       "groups are kept by X-Ray and are not evidence: write the group's own expression",
	"group.arn":        "groups are kept by X-Ray and are not evidence: write the group's own expression",
	"json":             "X-Ray's root cause objects are its own analysis and are not evidence",
	"rootcause":        "root causes are X-Ray's own analysis and are not evidence: ask for the spans with service() or edge()",
	"first":            "it belongs to rootcause, which is X-Ray's own analysis and not evidence",
	"last":             "it belongs to rootcause, which is X-Ray's own analysis and not evidence",
	"remote":           "it belongs to rootcause, which is X-Ray's own analysis and not evidence",
	"index":            "it belongs to rootcause, which is X-Ray's own analysis and not evidence",
	"coverage":         "it belongs to rootcause, which is X-Ray's own analysis and not evidence",
	"availabilityzone": "muster keeps it only in the raw segment: look for it with --text",
	"instance.id":      "muster keeps it only in the raw segment: look for it with --text",
}

// textOperators compare text only.
var textOperators = []fleet.Operator{fleet.OpContains, fleet.OpBeginsWith, fleet.OpEndsWith}

// signOperators compare numbers; the first two compare text too.
var signOperators = []fleet.Operator{fleet.OpEqual, fleet.OpNotEqual, fleet.OpLess, fleet.OpAtMost, fleet.OpMore, fleet.OpAtLeast}

// keyword reads what begins with a word.
func (p *parser) keyword() (fleet.Filter, error) {
	word := p.now
	name := strings.ToLower(word.text)
	first, _, _ := strings.Cut(name, ".")
	switch {
	case name == "service", name == "edge":
		return p.node(name)
	case name == "annotation" || first == "annotation":
		return p.annotation()
	case unanswered[name] != "":
		return nil, p.fail("%s cannot be asked: %s", name, unanswered[name])
	case first == "rootcause":
		return nil, p.fail("%s cannot be asked: %s", name, unanswered[first])
	case !slices.Contains(fleet.Keywords(), fleet.Keyword(name)):
		return nil, p.fail("there is no keyword %s%s", word.text, nearest(name))
	}
	t := fleet.FilterTest{Keyword: fleet.Keyword(name)}
	if t.Keyword == fleet.KeyRoot && p.inside == "" {
		return nil, p.fail("root tells the entry point among nodes: write it within service() { }")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	return p.comparison(t)
}

// annotation reads annotation.key, annotation[key] or annotation["key"].
func (p *parser) annotation() (fleet.Filter, error) {
	t := fleet.FilterTest{Keyword: fleet.KeyAnnotation}
	_, t.Key, _ = strings.Cut(p.now.text, ".")
	if err := p.advance(); err != nil {
		return nil, err
	}
	if t.Key == "" {
		if err := p.expect("[", "annotation"); err != nil {
			return nil, err
		}
		if p.now.kind == tokenEnd || p.now.kind == tokenSign || p.now.text == "" {
			return nil, p.fail("the key of the annotation is missing")
		}
		t.Key = p.now.text
		if err := p.advance(); err != nil {
			return nil, err
		}
		if err := p.expect("]", "the key of the annotation"); err != nil {
			return nil, err
		}
	}
	return p.comparison(t)
}

// comparison reads an operator and a value, if there is an operator.
func (p *parser) comparison(t fleet.FilterTest) (fleet.Filter, error) {
	op, ok := p.operator()
	if !ok {
		return t, nil
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	value := p.now
	t.Op = op
	f, err := p.compared(t, value)
	if err != nil {
		return nil, err
	}
	return f, p.advance()
}

// operator is the operator that comes next.
func (p *parser) operator() (fleet.Operator, bool) {
	op := fleet.Operator(strings.ToUpper(p.now.text))
	switch p.now.kind {
	case tokenWord:
		return op, slices.Contains(textOperators, op)
	case tokenSign:
		return op, slices.Contains(signOperators, op)
	}
	return "", false
}

// compared is a test with its value, which must suit keyword and operator.
func (p *parser) compared(t fleet.FilterTest, v token) (fleet.Filter, error) {
	kind := t.Keyword.Values()
	if v.kind == tokenEnd || v.kind == tokenSign {
		return nil, p.fail("a value is missing after %s", t.Op)
	}
	flag := v.word("true") || v.word("false")
	equality := t.Op == fleet.OpEqual || t.Op == fleet.OpNotEqual
	name := string(t.Keyword)
	if kind == fleet.ValueAny {
		name = "annotation " + t.Key
	}
	switch {
	case kind == fleet.ValueFlag && (!flag || !equality):
		return nil, p.fail("%s is true or false: write it alone, or with = or != and true or false", name)
	case kind == fleet.ValueFlag:
		if (t.Op == fleet.OpEqual) == v.word("true") {
			return fleet.FilterTest{Keyword: t.Keyword}, nil
		}
		return fleet.FilterNot{Of: fleet.FilterTest{Keyword: t.Keyword}}, nil
	case kind == fleet.ValueNumber && (v.kind != tokenNumber || slices.Contains(textOperators, t.Op)):
		return nil, p.fail("%s is a number: compare it with = != < <= > >= and a number", name)
	case kind == fleet.ValueText && v.kind != tokenText:
		return nil, p.fail("%s is text: put %s in quotation marks", name, v.spelled())
	case kind == fleet.ValueText && !equality && !slices.Contains(textOperators, t.Op),
		kind == fleet.ValueAny && v.kind != tokenNumber && !equality && !slices.Contains(textOperators, t.Op):
		return nil, p.fail("text is compared with = != CONTAINS BEGINSWITH ENDSWITH, and %s with numbers", t.Op)
	case v.kind == tokenNumber && slices.Contains(textOperators, t.Op):
		return nil, p.fail("%s looks into text: put %s in quotation marks", t.Op, v.text)
	case v.kind == tokenNumber:
		t.Value, _ = strconv.ParseFloat(v.text, 64) // the lexer lets none through that is no number
	case v.kind == tokenWord && !flag:
		return nil, p.fail("put %s in quotation marks", v.text)
	case flag:
		t.Value = strings.ToLower(v.text) // as annotations are kept
	default:
		t.Value = v.text
	}
	return t, nil
}
