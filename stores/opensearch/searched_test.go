package opensearch

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"muster/fleet"
)

// searched answers the searches of a reader of traces from documents in memory:
// as many questions are asked of it as would take an engine minutes to be filled
// for. The contract is held on the real one.
type searched struct {
	documents []document
	asked     atomic.Int64
}

type document struct {
	index  string
	fields map[string][]any
	source map[string]any
}

func newSearched(t *testing.T, records []fleet.Record) *searched {
	t.Helper()
	s := &searched{}
	for i := range records {
		r := &records[i]
		var source map[string]any
		text, err := json.Marshal(map[string]any{"muster": newRow(r), "parentSpanId": r.Seen.Parent})
		if err == nil {
			err = json.Unmarshal(text, &source)
		}
		if err != nil {
			t.Fatal(err)
		}
		d := document{index: indexOf(r.Kind, r.Time), source: source, fields: map[string][]any{}}
		d.flatten("", source)
		s.documents = append(s.documents, d)
	}
	return s
}

func (d *document) flatten(prefix string, of map[string]any) {
	for name, value := range of {
		switch value := value.(type) {
		case map[string]any:
			d.flatten(prefix+name+".", value)
		case []any:
			d.fields[prefix+name] = value
		default:
			d.fields[prefix+name] = []any{value}
		}
	}
}

// question is the part of a search's body that a reader of traces uses.
type question struct {
	Query       map[string]any                 `json:"query"`
	From, Size  int                            //
	Sort        []map[string]map[string]string `json:"sort"`
	Collapse    struct{ Field string }         `json:"collapse"`
	After       []any                          `json:"search_after"`
	Point       struct{ ID string }            `json:"pit"`
	Total       any                            `json:"track_total_hits"`
	Aggregation map[string]struct {
		Composite struct { //
			Size    int
			Sources []map[string]struct{ Terms struct{ Field string } }
			After   map[string]string
		}
	} `json:"aggs"`
}

func (s *searched) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked.Add(1)
	path := strings.TrimPrefix(r.URL.Path, "/")
	indices, verb, _ := strings.Cut(path, "/")
	switch {
	case verb == "_field_caps":
		fmt.Fprintf(w, `{"fields":{%q:{"keyword":{}}}}`, annotationsField)
		return
	case strings.HasSuffix(path, "/point_in_time"):
		fmt.Fprintf(w, `{"pit_id":%q}`, indices) // also when one is closed
		return
	}
	var q question
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if q.Point.ID != "" {
		indices = q.Point.ID
	}
	if err := json.NewEncoder(w).Encode(s.answer(indices, &q)); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (s *searched) answer(indices string, q *question) map[string]any {
	var found []*document
	for i := range s.documents {
		d := &s.documents[i]
		of := func(pattern string) bool { return strings.HasPrefix(d.index, strings.TrimSuffix(pattern, "*")) }
		if slices.ContainsFunc(strings.Split(indices, ","), of) && (q.Query == nil || d.meets(q.Query)) {
			found = append(found, d)
		}
	}
	answer := map[string]any{"_shards": map[string]any{"total": 1}}
	if of, ok := q.Aggregation["traces"]; ok {
		c := of.Composite
		answer["aggregations"] = map[string]any{"traces": composite(found, c.Sources[0]["trace"].Terms.Field, c.After["trace"], c.Size)}
	}
	total := map[string]any{}
	if most, counted := q.Total.(float64); counted {
		total["value"] = min(len(found), int(most))
	}
	answer["hits"] = map[string]any{"total": total, "hits": q.hits(found)}
	return answer
}

// hits are those of a page, in the order that is asked for.
func (q *question) hits(found []*document) []any {
	slices.SortStableFunc(found, func(a, b *document) int { return q.compare(a.sortedBy(q), b.sortedBy(q)) })
	if q.Collapse.Field != "" {
		seen := map[any]bool{}
		found = slices.DeleteFunc(found, func(d *document) bool {
			value := d.fields[q.Collapse.Field][0]
			defer func() { seen[value] = true }()
			return seen[value]
		})
	}
	if q.After != nil {
		found = slices.DeleteFunc(found, func(d *document) bool { return q.compare(d.sortedBy(q), q.After) <= 0 })
	}
	found = found[min(q.From, len(found)):]
	hits := []any{}
	for _, d := range found[:min(q.Size, len(found))] {
		hits = append(hits, map[string]any{"_index": d.index, "fields": d.fields, "_source": d.source, "sort": d.sortedBy(q)})
	}
	return hits
}

func (d *document) sortedBy(q *question) []any {
	var out []any
	for _, by := range q.Sort {
		for field := range by {
			out = append(out, d.fields[field][0])
		}
	}
	return out
}

func (q *question) compare(a, b []any) int {
	for i, by := range q.Sort {
		c := compareValues(a[i], b[i])
		for _, how := range by {
			if how["order"] == "desc" {
				c = -c
			}
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

func compareValues(a, b any) int {
	if n, ok := a.(float64); ok {
		m, _ := b.(float64)
		return cmp.Compare(n, m)
	}
	return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

// composite is a page of the values of a field.
func composite(found []*document, field, after string, size int) map[string]any {
	values := map[string]bool{}
	for _, d := range found {
		for _, v := range d.fields[field] {
			if text, _ := v.(string); text > after {
				values[text] = true
			}
		}
	}
	page := slices.Sorted(maps.Keys(values))
	page = page[:min(size, len(page))]
	buckets := []any{}
	for _, v := range page {
		buckets = append(buckets, map[string]any{"key": map[string]any{"trace": v}})
		after = v
	}
	return map[string]any{"buckets": buckets, "after_key": map[string]any{"trace": after}}
}

// meets judges the conditions that filters are made of.
func (d *document) meets(condition map[string]any) bool {
	for kind, of := range condition {
		body, _ := of.(map[string]any)
		for name, value := range body {
			if !d.holds(kind, name, value) {
				return false
			}
		}
	}
	return true
}

func (d *document) holds(kind, name string, value any) bool {
	parts := func() (out []map[string]any) {
		list, _ := value.([]any)
		for _, p := range list {
			c, _ := p.(map[string]any)
			out = append(out, c)
		}
		return out
	}
	switch kind + " " + name {
	case "bool filter":
		return !slices.ContainsFunc(parts(), func(c map[string]any) bool { return !d.meets(c) })
	case "bool should":
		return slices.ContainsFunc(parts(), d.meets)
	case "bool minimum_should_match":
		return true // one is what "should" asks for
	}
	switch kind {
	case "exists":
		field, _ := value.(string)
		return d.fields[field] != nil
	case "term":
		return slices.Contains(d.fields[name], value)
	case "terms":
		list, _ := value.([]any)
		return slices.ContainsFunc(d.fields[name], func(v any) bool { return slices.Contains(list, v) })
	case "range":
		bounds, _ := value.(map[string]any)
		return slices.ContainsFunc(d.fields[name], func(v any) bool { return inBounds(v, bounds) })
	}
	panic("a condition that the test does not know: " + kind)
}

func inBounds(v any, bounds map[string]any) bool {
	for how, bound := range bounds {
		c := compareValues(v, bound)
		if !map[string]bool{"gte": c >= 0, "lte": c <= 0, "lt": c < 0}[how] {
			return false
		}
	}
	return true
}
