package opensearch

import (
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// filter is a list of conditions that all must hold, in OpenSearch's query
// language. Text from outside is only ever a value in it. The zero filter holds
// for every document.
type filter []any

func (f filter) json() any {
	if len(f) == 0 {
		return map[string]any{"match_all": map[string]any{}}
	}
	return map[string]any{"bool": map[string]any{"filter": []any(f)}}
}

// set adds field = value unless the value is empty.
func (f filter) set(field, value string) filter {
	if value == "" {
		return f
	}
	return append(f, map[string]any{"term": map[string]any{field: value}})
}

// oneOf adds that the field has one of the values, unless there are none.
func (f filter) oneOf(field string, values []string) filter {
	if len(values) == 0 {
		return f
	}
	return append(f, map[string]any{"terms": map[string]any{field: values}})
}

func (f filter) exists(field string) filter {
	return append(f, map[string]any{"exists": map[string]any{"field": field}})
}

// within adds that a field in microseconds lies in a window.
func (f filter) within(field string, w fleet.Window) filter {
	bounds := map[string]any{}
	if !w.Start.IsZero() {
		bounds["gte"] = w.Start.UnixMicro()
	}
	if !w.End.IsZero() {
		bounds["lt"] = w.End.UnixMicro()
	}
	if len(bounds) == 0 {
		return f
	}
	return append(f, map[string]any{"range": map[string]any{field: bounds}})
}

// atLeast is that a number is not below another.
func atLeast(field string, low int64) any {
	return map[string]any{"range": map[string]any{field: map[string]any{"gte": low}}}
}

// below is that a number is less than another.
func below(field string, high int64) any {
	return map[string]any{"range": map[string]any{field: map[string]any{"lt": high}}}
}

// contains adds that the field has a part, by the case of its letters.
func (f filter) contains(field, part string) filter {
	escaped := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(part)
	return append(f, map[string]any{"wildcard": map[string]any{field: map[string]any{"value": "*" + escaped + "*"}}})
}

// conditions are what a query asks of a record, but for Text: evidence is not
// indexed, so that hasText looks for that in what was found.
func conditions(q *fleet.Query) filter {
	f := filter{}.within("muster.time_us", q.Window).
		oneOf("muster.kind", kindNames(q.Kinds)).
		oneOf("muster.id", q.IDs).
		set("muster.service", q.Service).
		set("muster.trace_id", traceID(q.Trace)).
		set("muster.correlation_id", q.Correlation).
		set("muster.request_id", q.Request).
		set("muster.resources", q.Resource)
	if strings.HasPrefix(q.Principal, "arn:") {
		f = f.set("muster.principal", q.Principal)
	} else if q.Principal != "" {
		f = f.contains("muster.principal", q.Principal)
	}
	if q.Errors {
		f = append(f, map[string]any{"term": map[string]any{"muster.failed": true}})
	}
	return f
}

func kindNames(kinds []fleet.Kind) []string {
	out := make([]string, len(kinds))
	for i, k := range kinds {
		out[i] = string(k)
	}
	return out
}

// hasText reports whether text, in lower case, is in a record.
func hasText(r *fleet.Record, text string) bool {
	return slices.ContainsFunc([]string{r.Name, r.Message, r.Error, fleet.EncodeRaw(r.Raw)}, func(s string) bool {
		return strings.Contains(strings.ToLower(s), text)
	})
}

// traceID is an id as stored, whichever way it is spelled.
func traceID(s string) string {
	if id, ok := fleet.ParseTraceID(s); ok {
		return id
	}
	return s
}

const day = 24 * time.Hour

// wholeDays widens a window to whole UTC days and by a day on each side.
func wholeDays(w fleet.Window) fleet.Window {
	if !w.Start.IsZero() {
		w.Start = w.Start.Add(-day).UTC().Truncate(day)
	}
	if !w.End.IsZero() {
		w.End = w.End.Add(2*day - 1).UTC().Truncate(day)
	}
	return w
}
