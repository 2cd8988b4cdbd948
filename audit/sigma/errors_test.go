package sigma

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestWhatIsWrongIsSaidWithItsPlace(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		line       int
		want       string
	}{
		{"no YAML", "title: [\n", 1, "did not find"},
		{"a list", "- a\n", 1, "a rule must be a mapping"},
		{"no title", "detection: {s: {a: b}, condition: s}\nlogsource: {product: aws}\n", 1, "title is missing"},
		{"title", "title: [a]\ndetection: {}\n", 1, "a single text is wanted"},
		{"no logsource", "title: T\ndetection: {s: {a: b}, condition: s}\n", 1, "logsource is missing"},
		{"empty logsource", "title: T\nlogsource: {definition: x}\ndetection: {s: {a: b}, condition: s}\n", 2, "logsource says nothing"},
		{"no detection", "title: T\nlogsource: {product: aws}\n", 1, "detection is missing"},
		{"detection", "title: T\nlogsource: {product: aws}\ndetection: x\n", 3, "detection must be a mapping"},
		{"level", "title: T\nlevel: worst\nlogsource: {product: aws}\ndetection: {s: {a: b}, condition: s}\n", 2, `unknown level "worst"`},
		{"no condition", rule("  s: {a: b}\n"), 4, "detection has no condition"},
		{"no selection", rule("  condition: s\n"), 4, "detection has no selection"},
		{"timeframe", rule("  s: {a: b}\n  timeframe: 5m\n  condition: s\n"), 5, "timeframe is of Sigma 1"},
		{"aggregation", rule("  s: {a: b}\n  condition: s | count() > 5\n"), 5, "write a correlation"},
		{"name", rule("  s: {a: b}\n  condition: t\n"), 5, `there is no selection "t": there are s`},
		{"names", rule("  s: {a: b}\n  condition: 1 of t*\n"), 5, `no selection is called "t*"`},
		{"pattern alone", rule("  s: {a: b}\n  condition: s*\n"), 5, `write "1 of s*"`},
		{"pattern", rule("  s: {a: b}\n  condition: 1 of [\n"), 5, "no pattern of names"},
		{"quantity", rule("  s: {a: b}\n  condition: 2 of them\n"), 5, "only 1, any and all"},
		{"parenthesis", rule("  s: {a: b}\n  condition: (s\n"), 5, "a ) is missing"},
		{"end", rule("  s: {a: b}\n  condition: s and\n"), 5, "ends where a selection is wanted"},
		{"more", rule("  s: {a: b}\n  condition: s s\n"), 5, `"s" is not expected there`},
		{"depth", rule("  s: {a: b}\n  condition: " + strings.Repeat("(", 200) + "s\n"), 5, "nested more than"},
		{"empty condition", rule("  s: {a: b}\n  condition: ''\n"), 5, "it is empty"},
		{"empty selection", rule("  s: {}\n  condition: s\n"), 4, "selection s is empty"},
		{"null selection", rule("  s:\n  condition: s\n"), 4, "selection s is empty"},
		{"empty list", rule("  s: []\n  condition: s\n"), 4, "selection s is empty"},
		{"list in list", rule("  s: [[a]]\n  condition: s\n"), 4, "a list in a list"},
		{"no values", selection("a: []"), 5, `"a" has no values`},
		{"value", selection("a: {b: c}"), 5, `"a" has a value that is none`},
		{"twice", rule("  s:\n    a: b\n    a: c\n  condition: s\n"), 6, `"a" twice`},
		{"modifier", selection("a|contain: b"), 5, `unknown modifier "contain"`},
		{"flag", selection("a|i: b"), 5, `"i" belongs behind re`},
		{"together", selection("a|re|cidr: b"), 5, "do not go together"},
		{"texts and numbers", selection("a|contains|gt: 5"), 5, "do not go together"},
		{"look-around", selection("a|re: '(?=x)'"), 5, "RE2"},
		{"back-reference", selection(`a|re: '(a)\1'`), 5, "back-references"},
		{"regex", selection("a|re: '('"), 5, "missing closing"},
		{"network", selection("a|cidr: 10.0.0.0/99"), 5, "no network"},
		{"number", selection("a|gt: b"), 5, `"b" is no number`},
		{"exists", selection("a|exists: maybe"), 5, "no truth value"},
		{"fieldref", selection("a|fieldref: ''"), 5, "refers to no field"},
		{"null", selection("a|contains: null"), 5, "is null"},
		{"base64 of wildcards", selection("a|base64: 'b*'"), 5, "with wildcards cannot be encoded"},
		{"placeholder", selection("a|expand: '%unknown%'"), 5, "placeholder %unknown% has no values"},
		{"action", "action: global\ntitle: T\n", 1, "of Sigma 1"},
		{"filter", "title: T\nlogsource: {product: aws}\nfilter: {rules: [a]}\n", 3, "detection has no condition"},
		{"filter of nothing", "title: T\nlogsource: {product: aws}\nfilter: {s: {a: b}, condition: not s}\n", 3, "a filter needs rules"},
		{"correlation", correlation("type: many"), 2, "unknown type of correlation"},
		{"timespan", correlation("type: event_count, rules: [a], timespan: 5 minutes, condition: {gte: 1}"), 2, "timespan is missing or wrong"},
		{"rules", correlation("type: event_count, timespan: 5m, condition: {gte: 1}"), 2, "a correlation needs rules"},
		{"one rule", correlation("type: temporal, rules: [a], timespan: 5m"), 2, "needs two rules"},
		{"count", correlation("type: event_count, rules: [a], timespan: 5m, condition: {gte: x}"), 2, "no count"},
		{"criterion", correlation("type: event_count, rules: [a], timespan: 5m, condition: {above: 1}"), 2, "unknown criterion"},
		{"no criterion", correlation("type: event_count, rules: [a], timespan: 5m"), 2, "needs a condition"},
		{"field", correlation("type: value_count, rules: [a], timespan: 5m, condition: {gte: 1}"), 2, "needs a field"},
		{"alias", correlation("type: event_count, rules: [a], timespan: 5m, condition: {gte: 1}, aliases: {x: {a: b}}"), 2, "is not used"},
		{"unknown", correlation("type: event_count, rules: [a], time: 5m, condition: {gte: 1}"), 2, `unknown field "time"`},
		{"aliases without end", "title: T\nlogsource: {product: aws}\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n" +
			"detection: {s: {c: *b}, condition: s}\n", 3, "that is none"},
	} {
		rules, err := Parse("x.yml", []byte(tt.text), nil)
		var e *Error
		if !errors.As(err, &e) || len(rules) > 0 {
			t.Errorf("%s: %v, %d rules", tt.name, err, len(rules))
			continue
		}
		if place := fmt.Sprintf("x.yml:%d: ", tt.line); !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), place) {
			t.Errorf("%s: %v, want %q at %s", tt.name, err, tt.want, place)
		}
	}
}
