package localaws

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// An eventPattern is the pattern of an EventBridge rule: what an event must hold
// at each place that the pattern names.
type eventPattern map[string]any

// parseEventPattern reads a pattern and refuses what it does not match rightly.
func parseEventPattern(text string) (eventPattern, error) {
	var p eventPattern
	if err := json.Unmarshal([]byte(text), &p); err != nil || len(p) == 0 {
		return nil, failf("InvalidEventPatternException", "Event pattern is not valid. Reason: Filter is not an object")
	}
	return p, p.check()
}

func (p eventPattern) check() error {
	for name, want := range p {
		switch want := want.(type) {
		case map[string]any:
			if err := eventPattern(want).check(); err != nil {
				return err
			}
		case []any:
			for _, one := range want {
				if err := checkMatcher(name, one); err != nil {
					return err
				}
			}
		default:
			return failf("InvalidEventPatternException", "Event pattern is not valid. Reason: %q must be an object or an array", name)
		}
	}
	return nil
}

// matchers are the forms of a value that are more than a literal.
var matchers = map[string]bool{"prefix": true, "suffix": true, "anything-but": true, "exists": true, "equals-ignore-case": true}

func checkMatcher(name string, one any) error {
	object, ok := one.(map[string]any)
	if !ok {
		return nil
	}
	for kind, value := range object {
		_, isText := value.(string)
		_, isBool := value.(bool)
		fits := isText || kind == "exists" && isBool
		if kind == "anything-but" {
			_, isList := value.([]any)
			fits = isText || isList
		}
		if len(object) != 1 || !matchers[kind] || !fits {
			return failf("InvalidEventPatternException", "Event pattern is not valid. Reason: Unrecognized match type %s of %q", kind, name)
		}
	}
	return nil
}

// matches reports whether an event, decoded, fits.
func (p eventPattern) matches(event map[string]any) bool {
	for name, want := range p {
		got, there := event[name]
		if inner, ok := want.(map[string]any); ok {
			object, isObject := got.(map[string]any)
			if !isObject || !eventPattern(inner).matches(object) {
				return false
			}
			continue
		}
		if !matchesSome(want.([]any), got, there) {
			return false
		}
	}
	return true
}

// matchesSome: of an array in the event, one element must fit.
func matchesSome(wanted []any, got any, there bool) bool {
	values, isList := got.([]any)
	if !isList {
		values = []any{got}
	}
	for _, want := range wanted {
		if object, ok := want.(map[string]any); ok && object["exists"] != nil {
			if object["exists"] == there {
				return true
			}
			continue
		}
		for _, v := range values {
			if there && matchesOne(want, v) {
				return true
			}
		}
	}
	return false
}

func matchesOne(want, got any) bool {
	object, ok := want.(map[string]any)
	if !ok {
		return want == got
	}
	text, isText := got.(string)
	for kind, value := range object {
		switch kind {
		case "prefix":
			return isText && strings.HasPrefix(text, fmt.Sprint(value))
		case "suffix":
			return isText && strings.HasSuffix(text, fmt.Sprint(value))
		case "equals-ignore-case":
			return isText && strings.EqualFold(text, fmt.Sprint(value))
		case "anything-but":
			if list, ok := value.([]any); ok {
				return !slices.Contains(list, got)
			}
			return value != got
		}
	}
	return false
}
