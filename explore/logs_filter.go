package explore

import (
	"slices"
	"strings"

	"muster/fleet"
)

// logFilter narrows the lines: "service:orders group:/ecs level:warn errors",
// the rest is text.
type logFilter struct {
	text, service, group, level string
	errors                      bool
	pattern                     string // of a pattern that was chosen
}

func parseLogFilter(s string) logFilter {
	var f logFilter
	var words []string
	for w := range strings.FieldsSeq(s) {
		name, value, named := strings.Cut(w, ":")
		switch {
		case named && name == "service":
			f.service = value
		case named && name == "group":
			f.group = value
		case named && name == "level":
			f.level = value
		case w == "errors":
			f.errors = true
		default:
			words = append(words, w)
		}
	}
	f.text = strings.Join(words, " ")
	return f
}

// String is the filter as a person types it, without a chosen pattern.
func (f logFilter) String() string {
	var words []string
	for _, x := range [][2]string{{"service:", f.service}, {"group:", f.group}, {"level:", f.level}} {
		if x[1] != "" {
			words = append(words, x[0]+x[1])
		}
	}
	if f.errors {
		words = append(words, "errors")
	}
	if f.text != "" {
		words = append(words, f.text)
	}
	return strings.Join(words, " ")
}

// query is what of the filter the store answers.
func (f logFilter) query(limit int) fleet.Query {
	return fleet.Query{Kinds: []fleet.Kind{fleet.KindLog}, Text: f.text, Service: f.service, Errors: f.errors, Limit: limit}
}

// keeps judges what the store does not.
func (f logFilter) keeps(r *fleet.Record) bool {
	return (f.group == "" || strings.Contains(r.Attributes.Get(fleet.AttrLogGroup), f.group)) &&
		(f.level == "" || strings.EqualFold(r.Name, f.level) || strings.EqualFold(r.Name, f.level+"ing")) &&
		(f.pattern == "" || patternOf(r.Message) == f.pattern)
}

// groupsOf are the log groups of some lines, in the order of their names.
func groupsOf(rs []fleet.Record) []string {
	seen := map[string]bool{}
	var out []string
	for i := range rs {
		if g := rs[i].Attributes.Get(fleet.AttrLogGroup); g != "" && !seen[g] {
			seen[g] = true
			out = append(out, g)
		}
	}
	slices.Sort(out)
	return out
}
