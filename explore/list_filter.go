package explore

import (
	"strings"

	"muster/fleet"
)

// filter narrows the trace list.
type filter struct {
	text, service, since, until string
	errors                      bool
}

// parseFilter reads what a person typed: "service:orders", "errors", and the
// rest is text to look for.
func parseFilter(s string) filter {
	var f filter
	var words []string
	for w := range strings.FieldsSeq(s) {
		name, isService := strings.CutPrefix(w, "service:")
		switch {
		case isService:
			f.service = name
		case w == "errors":
			f.errors = true
		case strings.HasPrefix(w, "since:"):
			f.since = w[len("since:"):]
		case strings.HasPrefix(w, "until:"):
			f.until = w[len("until:"):]
		default:
			words = append(words, w)
		}
	}
	f.text = strings.Join(words, " ")
	return f
}

// String is the filter as a person types it.
func (f filter) String() string {
	var words []string
	if f.service != "" {
		words = append(words, "service:"+f.service)
	}
	if f.errors {
		words = append(words, "errors")
	}
	for _, x := range [][2]string{{"since:", f.since}, {"until:", f.until}} {
		if x[1] != "" {
			words = append(words, x[0]+x[1])
		}
	}
	if f.text != "" {
		words = append(words, f.text)
	}
	return strings.Join(words, " ")
}

// ofTraces is a query for the spans of the traces that a list's query is about.
func ofTraces(q fleet.Query) fleet.Query {
	f := fleet.FilterAll{}
	if q.Filter != nil {
		f = append(f, q.Filter)
	}
	if q.Service != "" {
		f = append(f, fleet.FilterService{Node: fleet.FilterNode{Name: q.Service}})
	}
	out := fleet.Query{Window: q.Window}
	if len(f) > 0 {
		out.Filter = f
	}
	return out
}
