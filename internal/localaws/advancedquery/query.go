// Package advancedquery reads and runs the SQL of AWS Config's advanced queries:
// SELECT of properties, WHERE with the operators that AWS lists, GROUP BY with
// COUNT(*), ORDER BY. What AWS's subset has beyond that (other aggregates) is
// refused.
package advancedquery

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// MaxExpression is the most characters of a query.
const MaxExpression = 4096

// maxDepth is how deep conditions may be nested.
const maxDepth = 50

// A SyntaxError says why a text is no query.
type SyntaxError struct{ Reason string }

func (e *SyntaxError) Error() string { return e.Reason }

func errorf(format string, args ...any) error { return &SyntaxError{fmt.Sprintf(format, args...)} }

// A Query is a query that was read.
type Query struct {
	Fields []string // as selected; a count's is "COUNT(*)"
	where  condition
	group  []string
	order  []ordering
}

type ordering struct {
	field      string
	descending bool
}

// condition decides about a resource.
type condition func(resource map[string]any) bool

const count = "COUNT(*)"

// Run answers the query: one JSON object for each resource or group.
func (q *Query) Run(resources []map[string]any) ([]string, error) {
	var rows []map[string]any
	for _, r := range resources {
		if q.where == nil || q.where(r) {
			rows = append(rows, r)
		}
	}
	if slices.Contains(q.Fields, count) {
		rows = q.grouped(rows)
	}
	slices.SortStableFunc(rows, func(a, b map[string]any) int {
		for _, o := range q.order {
			order := compare(first(a, o.field), first(b, o.field))
			if o.descending {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
	out := make([]string, len(rows))
	for i, r := range rows {
		text, err := json.Marshal(q.project(r))
		if err != nil {
			return nil, err
		}
		out[i] = string(text)
	}
	return out, nil
}

// grouped makes one row of all with the same values, in the order of these.
func (q *Query) grouped(rows []map[string]any) []map[string]any {
	counts, samples := map[string]int{}, map[string]map[string]any{}
	for _, r := range rows {
		var key []string
		for _, g := range q.group {
			text, _ := json.Marshal(first(r, g)) // it was JSON before
			key = append(key, string(text))
		}
		k := strings.Join(key, "\x00")
		counts[k]++
		samples[k] = r
	}
	if len(q.group) == 0 {
		return []map[string]any{{count: float64(len(rows))}}
	}
	var out []map[string]any
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		row := maps.Clone(samples[k])
		row[count] = float64(counts[k])
		out = append(out, row)
	}
	return out
}

// project keeps the selected properties, nested as they are in the resource.
func (q *Query) project(r map[string]any) map[string]any {
	out := map[string]any{}
	for _, f := range q.Fields {
		if f == "*" {
			maps.Copy(out, r)
			continue
		}
		if f == count {
			out[count] = r[count]
			continue
		}
		copyPath(out, r, strings.Split(f, "."))
	}
	return out
}

func copyPath(to, from map[string]any, path []string) {
	v, ok := from[path[0]]
	if !ok {
		return
	}
	if len(path) == 1 {
		to[path[0]] = v
		return
	}
	switch v := v.(type) {
	case map[string]any:
		inner, _ := to[path[0]].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
			to[path[0]] = inner
		}
		copyPath(inner, v, path[1:])
	case []any:
		list, _ := to[path[0]].([]any)
		if list == nil {
			list = make([]any, len(v))
			to[path[0]] = list
		}
		for i, e := range v {
			object, _ := e.(map[string]any) // what is no object has no properties
			inner, _ := list[i].(map[string]any)
			if inner == nil {
				inner = map[string]any{}
				list[i] = inner
			}
			copyPath(inner, object, path[1:])
		}
	}
}

// values are all that a path leads to: through arrays it leads to several.
func values(v any, path []string) []any {
	switch v := v.(type) {
	case []any:
		var out []any
		for _, e := range v {
			out = append(out, values(e, path)...)
		}
		return out
	case map[string]any:
		if len(path) > 0 {
			if inner, ok := v[path[0]]; ok {
				return values(inner, path[1:])
			}
			return nil
		}
	}
	if len(path) > 0 {
		return nil
	}
	return []any{v}
}

func first(r map[string]any, field string) any {
	if field == count {
		return r[count]
	}
	if vs := values(r, strings.Split(field, ".")); len(vs) > 0 {
		return vs[0]
	}
	return nil
}

// compare orders numbers by size and everything else by its text.
func compare(a, b any) int {
	x, numA := number(a)
	y, numB := number(b)
	if numA && numB {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(text(a), text(b))
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case string:
		n, err := strconv.ParseFloat(v, 64)
		return n, err == nil
	}
	return 0, false
}

func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// like compares with a pattern in which % is anything and _ one character.
func like(pattern, s string) bool {
	p, t := []rune(pattern), []rune(s)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '%':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '_' || p[i] == t[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '%' {
		i++
	}
	return i == len(p)
}

// word reports whether a rune can stand in a property's name.
func word(r rune) bool {
	return r == '_' || r == '.' || r == ':' || r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r)
}
