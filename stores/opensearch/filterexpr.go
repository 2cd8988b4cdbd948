package opensearch

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"muster/fleet"
)

// asked makes conditions of filters. Annotated: all indices know annotations.
type asked struct{ annotated bool }

// mustHave is a condition on one span that every trace that meets a filter has a
// span for; nil when there is none, or none that the index answers.
func (a asked) mustHave(f fleet.Filter) any {
	switch f := f.(type) {
	case fleet.FilterAll:
		for _, p := range f {
			if c := a.mustHave(p); c != nil {
				return c
			}
		}
	case fleet.FilterAny:
		return oneMustHold(f, a.mustHave)
	case fleet.FilterService:
		return allThatHold(nodeSpan(f.Node), a.spanCondition(f.Where))
	case fleet.FilterEdge:
		if c := a.spanCondition(f.Where); c != nil {
			return c
		}
		if f.From.Name != "" {
			return term("muster.service", f.From.Name)
		}
	case fleet.FilterTest:
		if f.Keyword != fleet.KeyDuration { // which is no span's own
			return a.testCondition(f)
		}
	}
	return nil
}

// telling are conditions one of which holds for every span that a filter looks
// at besides the trace's entry; not enough: it may look at any span.
func (a asked) telling(f fleet.Filter) (conditions []any, enough bool) {
	switch f := f.(type) {
	case fleet.FilterAll:
		return a.tellingOf(f)
	case fleet.FilterAny:
		return a.tellingOf(f)
	case fleet.FilterNot:
		return a.telling(f.Of)
	case fleet.FilterTest:
		if f.Keyword == fleet.KeyDuration {
			return nil, false // which is from the first span to the last
		}
		if !f.Keyword.OfAnySpan() {
			return nil, true
		}
		if c := a.testCondition(f); c != nil {
			return []any{c}, true
		}
	}
	return nil, false
}

func (a asked) tellingOf(parts []fleet.Filter) (conditions []any, enough bool) {
	for _, p := range parts {
		some, enough := a.telling(p)
		if !enough {
			return nil, false
		}
		conditions = append(conditions, some...)
	}
	return conditions, true
}

// spanCondition holds for every span that meets a filter, and perhaps for
// others; nil holds for all.
func (a asked) spanCondition(f fleet.Filter) any {
	switch f := f.(type) {
	case fleet.FilterAll:
		var parts []any
		for _, p := range f {
			parts = append(parts, a.spanCondition(p))
		}
		return allThatHold(parts...)
	case fleet.FilterAny:
		return oneMustHold(f, a.spanCondition)
	case fleet.FilterTest:
		return a.testCondition(f)
	}
	return nil
}

// nodeSpan holds for the spans that may stand for a node: a service's own, and
// calls, whose goal is not indexed.
func nodeSpan(n fleet.FilterNode) any {
	var name any
	if n.Name != "" {
		name = either(term("muster.service", n.Name), term("kind", "SPAN_KIND_CLIENT"))
	}
	if n.Account != "" {
		return allThatHold(name, term("muster.account", n.Account))
	}
	return name
}

// maxTerm bounds what is looked for as one term; longer text is not indexed.
const maxTerm = 8_000

// indexedText are the fields that hold the text of a keyword.
var indexedText = map[fleet.Keyword]string{
	fleet.KeyOperation: "muster.name", fleet.KeyAccount: "muster.account", fleet.KeyResource: "muster.resources",
	fleet.KeyHTTPMethod: "attributes.http.request.method",
}

const statusField = "attributes.http.response.status_code"

// testCondition holds for every span that meets a test, and perhaps for others;
// nil when the index does not tell.
func (a asked) testCondition(t fleet.FilterTest) any {
	failed := term("muster.failed", true)
	switch t.Keyword {
	case fleet.KeyError:
		return either(failed, between(statusField, 400, 499))
	case fleet.KeyFault:
		return either(term("muster.error", "fault"), between(statusField, 500, 599))
	case fleet.KeyThrottle:
		return either(term("muster.error", "throttle"), between(statusField, 429, 429))
	case fleet.KeyOK:
		return term("muster.failed", false)
	case fleet.KeyHTTPStatus:
		if low, high, outside := t.Range(); t.Op != fleet.OpSet && !outside {
			return between(statusField, low, high)
		}
	case fleet.KeyResponseTime, fleet.KeyDuration:
		// A duration of zero is not in the index.
		if low, high, outside := t.Range(); t.Op != fleet.OpSet && !outside && (low > 0 || high < 0) {
			return between("muster.duration_us", low, high)
		}
	case fleet.KeyAnnotation:
		if a.annotated {
			return annotationCondition(t)
		}
	default:
		field, indexed := indexedText[t.Keyword]
		text, _ := t.Value.(string)
		if indexed && t.Op == fleet.OpEqual && text != "" && len(text) < maxTerm {
			return term(field, text)
		}
	}
	return nil
}

const annotationsField = "muster.annotations"

// annotationCondition asks for the value where that is one term, and for the key
// where it is not: numbers are spelled in many ways.
func annotationCondition(t fleet.FilterTest) any {
	look := t.Key
	if text, ok := t.Value.(string); ok && t.Op == fleet.OpEqual && len(t.Key)+len(text) < maxTerm {
		look = annotationTerm(t.Key, text)
	}
	if len(look) > maxTerm {
		return nil
	}
	return term(annotationsField, look)
}

// indexesAnnotations reports whether a filter asks for annotations and every
// index of spans knows them: those that an older muster made do not.
func (s *Store) indexesAnnotations(ctx context.Context, f fleet.Filter) (bool, error) {
	if !asksForAnnotation(f) {
		return false, nil
	}
	var answer struct {
		Fields map[string]map[string]json.RawMessage `json:"fields"`
	}
	path := "/" + strings.Join(spanPatterns(), ",") + "/_field_caps?include_unmapped=true&fields=" + annotationsField
	err := s.do(ctx, http.MethodGet, path, nil, &answer)
	types := answer.Fields[annotationsField]
	_, some := types["unmapped"]
	return len(types) > 0 && !some, err
}

func asksForAnnotation(f fleet.Filter) bool {
	switch f := f.(type) {
	case fleet.FilterAll:
		return slices.ContainsFunc(f, asksForAnnotation)
	case fleet.FilterAny:
		return slices.ContainsFunc(f, asksForAnnotation)
	case fleet.FilterService:
		return asksForAnnotation(f.Where)
	case fleet.FilterEdge:
		return asksForAnnotation(f.Where)
	case fleet.FilterTest:
		return f.Keyword == fleet.KeyAnnotation
	}
	return false
}

func term(field string, value any) any {
	return map[string]any{"term": map[string]any{field: value}}
}

func between(field string, low, high int64) any {
	return map[string]any{"range": map[string]any{field: map[string]any{"gte": low, "lte": high}}}
}

func either(parts ...any) any {
	return map[string]any{"bool": map[string]any{"should": parts, "minimum_should_match": 1}}
}

// allThatHold is that all conditions hold that there are; nil when there is none.
func allThatHold(parts ...any) any {
	var f filter
	for _, p := range parts {
		if p != nil {
			f = append(f, p)
		}
	}
	if f == nil {
		return nil
	}
	return f.json()
}

// oneMustHold is that one of the conditions holds; nil when one is not known,
// since that may be the one that does.
func oneMustHold(parts []fleet.Filter, condition func(fleet.Filter) any) any {
	known := []any{}
	for _, p := range parts {
		c := condition(p)
		if c == nil {
			return nil
		}
		known = append(known, c)
	}
	return either(known...)
}
