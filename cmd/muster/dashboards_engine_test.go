//go:build engines && !noduckdb

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"muster/dashboards"
	"muster/internal/engines"
)

// Each panel of the boards asks a real OpenSearch that followed a demo's lake,
// with the search that OpenSearch Dashboards would send for it, and gets an
// answer with something in it.
func TestEveryPanelShowsSomething(t *testing.T) {
	engine, err := engines.StartOpenSearch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	store := filepath.Join(t.TempDir(), "lake")
	for _, args := range [][]string{
		{"demo", "--headless", "--for", "20s", "--seed", "7", "--store", store},
		{"opensearch", "setup", "--opensearch", engine.URL()},
		{"opensearch", "follow", "--once", "--opensearch", engine.URL(), "--store", store},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, func(string) string { return "" }, nil, &out, &errs); code != 0 {
			t.Fatalf("muster %v: exit %d\n%s%s", args, code, out.String(), errs.String())
		}
	}
	screen := screen{t, engine.URL()}
	screen.ask(http.MethodPost, "/_refresh", nil, nil)
	objects, err := dashboards.ParseObjects(dashboards.SavedObjects())
	if err != nil {
		t.Fatal(err)
	}
	indices := map[string]string{}
	panels := 0
	for _, o := range objects {
		switch o.Type {
		case "index-pattern":
			indices[o.ID] = o.Title()
		case "visualization", "search":
			panels++
			t.Run(o.ID, func(t *testing.T) {
				screen.t = t
				screen.show(&o, indices)
			})
		}
	}
	if panels < 20 {
		t.Errorf("only %d panels", panels)
	}
	t.Run("explorer", func(t *testing.T) { exploreOpenSearch(t, engine, store) })
}

// screen asks what a panel asks.
type screen struct {
	t   *testing.T
	url string
}

func (s screen) ask(method, path string, body, out any) {
	s.t.Helper()
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, in)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			s.t.Fatal(err)
		}
	}
}

// panelState is what a visualization or a search asks for.
type panelState struct {
	aggs    []panelAgg
	query   string
	columns []any
}

type panelAgg struct {
	ID, Type, Schema string
	Params           map[string]any
}

func stateOf(t *testing.T, o *dashboards.Object) panelState {
	t.Helper()
	var out panelState
	var source struct {
		Query struct{ Query string }
	}
	text := o.Attributes["kibanaSavedObjectMeta"].(map[string]any)["searchSourceJSON"].(string)
	if err := json.Unmarshal([]byte(text), &source); err != nil {
		t.Fatal(err)
	}
	out.query = source.Query.Query
	out.columns, _ = o.Attributes["columns"].([]any)
	if vis, ok := o.Attributes["visState"].(string); ok {
		var state struct{ Aggs []panelAgg }
		if err := json.Unmarshal([]byte(vis), &state); err != nil {
			t.Fatal(err)
		}
		out.aggs = state.Aggs
	}
	return out
}

// show runs a panel's search.
func (s screen) show(o *dashboards.Object, indices map[string]string) {
	index := indices[o.References[0].(map[string]any)["id"].(string)]
	state := stateOf(s.t, o)
	conditions, fields := conditionsOf(s.t, state.query)
	for _, c := range state.columns {
		fields = append(fields, c.(string))
	}
	for _, a := range state.aggs {
		if f, ok := a.Params["field"].(string); ok {
			s.aggregatable(index, f)
		}
	}
	for _, f := range fields {
		s.mapped(index, f)
	}
	body := map[string]any{"size": 1, "track_total_hits": true, "query": conditions}
	if len(state.aggs) > 0 {
		body["aggs"] = aggregations(s.t, state.aggs)
	}
	var answer struct {
		Hits struct {
			Total struct{ Value int }
		}
		Aggregations map[string]any
	}
	s.ask(http.MethodPost, "/"+url.PathEscape(index)+"/_search", body, &answer)
	if answer.Hits.Total.Value == 0 {
		s.t.Fatalf("no document of %s meets %q", index, state.query)
	}
	if empty := emptyIn(answer.Aggregations); empty != "" {
		s.t.Errorf("%s is empty in %v", empty, answer.Aggregations)
	}
}

// fieldCaps is what the engine says about a field over an index pattern.
func (s screen) fieldCaps(index, field string) map[string]struct{ Aggregatable, Searchable bool } {
	var caps struct {
		Fields map[string]map[string]struct{ Aggregatable, Searchable bool }
	}
	s.ask(http.MethodGet, "/"+url.PathEscape(index)+"/_field_caps?fields="+url.QueryEscape(field), nil, &caps)
	return caps.Fields[field]
}

func (s screen) mapped(index, field string) {
	caps := s.fieldCaps(index, field)
	if len(caps) == 0 {
		s.t.Errorf("%s has no field %s", index, field)
	}
	for kind, c := range caps {
		if !c.Searchable {
			s.t.Errorf("%s in %s is a %s that cannot be searched", field, index, kind)
		}
	}
}

func (s screen) aggregatable(index, field string) {
	caps := s.fieldCaps(index, field)
	if len(caps) == 0 {
		s.t.Errorf("%s has no field %s", index, field)
	}
	for kind, c := range caps {
		if !c.Aggregatable {
			s.t.Errorf("%s in %s is a %s that cannot be aggregated", field, index, kind)
		}
	}
}

// conditionsOf translates the part of DQL that the boards use, terms joined by
// "and", as Dashboards does.
func conditionsOf(t *testing.T, query string) (condition map[string]any, fields []string) {
	t.Helper()
	filter, not := []any{}, []any{}
	if query != "" {
		for term := range strings.SplitSeq(query, " and ") {
			rest, negated := strings.CutPrefix(term, "not ")
			field, value, ok := strings.Cut(rest, " : ")
			if !ok {
				t.Fatalf("a condition that is no term: %q", term)
			}
			fields = append(fields, field)
			clause := map[string]any{"match": map[string]any{field: value}}
			if quoted, err := strconv.Unquote(value); err == nil {
				clause = map[string]any{"match_phrase": map[string]any{field: quoted}}
			}
			if negated {
				not = append(not, clause)
			} else {
				filter = append(filter, clause)
			}
		}
	}
	return map[string]any{"bool": map[string]any{"filter": filter, "must_not": not}}, fields
}

// aggregations nests buckets in their order, with the numbers innermost.
func aggregations(t *testing.T, aggs []panelAgg) map[string]any {
	t.Helper()
	isMetric := func(a panelAgg) bool { return a.Schema == "metric" }
	inner := map[string]any{}
	for _, a := range aggs {
		if isMetric(a) && a.Type != "count" {
			body := map[string]any{"field": a.Params["field"]}
			if p, ok := a.Params["percents"]; ok {
				body["percents"] = p
			}
			inner[a.ID] = map[string]any{a.Type: body}
		}
	}
	buckets := slices.DeleteFunc(slices.Clone(aggs), isMetric)
	for _, a := range slices.Backward(buckets) {
		body := map[string]any{"field": a.Params["field"]}
		switch a.Type {
		case "terms":
			body["size"], body["order"] = a.Params["size"], map[string]any{a.Params["orderBy"].(string): a.Params["order"]}
			if a.Params["missingBucket"] == true {
				body["missing"] = "__missing__"
			}
		case "date_histogram":
			body["fixed_interval"], body["min_doc_count"] = "5s", a.Params["min_doc_count"]
		case "date_range":
			body["ranges"] = a.Params["ranges"]
		default:
			t.Fatalf("an aggregation that the test does not know: %s", a.Type)
		}
		level := map[string]any{a.Type: body}
		if len(inner) > 0 {
			level["aggs"] = inner
		}
		inner = map[string]any{a.ID: level}
	}
	return inner
}

// emptyIn names an aggregation in an answer that has nothing to show: no bucket
// with a document, or no number. One bucket that shows something is enough.
func emptyIn(aggs map[string]any) string {
	for id, v := range aggs {
		a, ok := v.(map[string]any)
		if !ok {
			continue
		}
		buckets, ok := a["buckets"].([]any)
		if !ok {
			if number, found := a["value"]; found && number == nil {
				return id
			}
			if values, ok := a["values"].(map[string]any); ok && len(values) == 0 {
				return id
			}
			continue
		}
		shown := slices.ContainsFunc(buckets, func(b any) bool {
			inner := b.(map[string]any)
			return inner["doc_count"].(float64) > 0 && emptyIn(inner) == ""
		})
		if !shown {
			return fmt.Sprint(id, " ", len(buckets), " buckets")
		}
	}
	return ""
}
