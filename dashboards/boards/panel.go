package main

// agg is an aggregation of a visualization, as its editor saves it.
type agg struct {
	ID      string         `json:"id"`
	Enabled bool           `json:"enabled"`
	Type    string         `json:"type"`
	Params  map[string]any `json:"params"`
	Schema  string         `json:"schema"`
}

// The places of an aggregation: a number, the axis or the slices, the rows of a
// table, and the series.
const (
	metric  = "metric"
	segment = "segment"
	bucket  = "bucket"
	group   = "group"
)

func count(label string) agg {
	return agg{Type: "count", Schema: metric, Params: map[string]any{"customLabel": label}}
}

func number(kind, field, label string) agg {
	return agg{Type: kind, Schema: metric, Params: map[string]any{"field": field, "customLabel": label}}
}

// latencies are percentiles of how long spans took.
func latencies(percents ...float64) agg {
	return agg{Type: "percentiles", Schema: metric, Params: map[string]any{
		"field": "durationInNanos", "percents": percents, "customLabel": "latency",
	}}
}

// terms are the values of a field with the most documents.
func terms(schema, field, label string, size int) agg {
	return agg{Type: "terms", Schema: schema, Params: map[string]any{
		"field": field, "size": size, "order": "desc", "orderBy": "_count", "customLabel": label,
		"otherBucket": false, "otherBucketLabel": "Other", "missingBucket": false, "missingBucketLabel": "none",
	}}
}

// orNone counts the documents without a value too.
func orNone(a agg) agg {
	a.Params["missingBucket"] = true
	return a
}

// overTime is the time axis.
func overTime() agg {
	return agg{Type: "date_histogram", Schema: segment, Params: map[string]any{
		"field": "@timestamp", "interval": "auto", "useNormalizedOpenSearchInterval": true, "scaleMetricValues": false,
		"drop_partials": false, "min_doc_count": 1, "extended_bounds": map[string]any{}, "customLabel": "time",
	}}
}

// ages are ranges of a time before now.
func ages(schema, field, label string) agg {
	return agg{Type: "date_range", Schema: schema, Params: map[string]any{
		"field": field, "customLabel": label, "ranges": []map[string]string{
			{"from": "now-1d", "to": "now"},
			{"from": "now-7d", "to": "now-1d"},
			{"from": "now-30d", "to": "now-7d"},
			{"to": "now-30d"},
		},
	}}
}

// panel is a place on a board, with what it shows.
type panel struct {
	id, title string
	kind      string // of visualization: metric, line, histogram, pie or table; "search" for documents
	index     string
	query     string // in DQL
	note      string
	aggs      []agg
	columns   []string // of a search
	w, h      int      // in the grid of 48 columns
}

// board is a dashboard: rows of panels.
type board struct {
	id, title, note string
	from            string // how far back it opens
	rows            [][]panel
}

// objects are the board and what stands on it, the board last.
func (b board) objects() []object {
	var out []object
	var places []map[string]any
	refs := []reference{}
	y := 0
	for _, row := range b.rows {
		x := 0
		for _, p := range row {
			name, place := placed(len(places), x, y, p)
			places = append(places, place)
			o := p.object()
			refs = append(refs, reference{o.ID, name, o.Type})
			out = append(out, o)
			x += p.w
		}
		y += row[0].h
	}
	return append(out, object{
		Attributes: map[string]any{
			"title": b.title, "description": b.note, "hits": 0, "version": 1,
			"panelsJSON":  embedded(places),
			"optionsJSON": embedded(map[string]any{"useMargins": true, "hidePanelTitles": false}),
			"timeRestore": true, "timeFrom": b.from, "timeTo": "now",
			"refreshInterval": map[string]any{"pause": true, "value": 0},
			"kibanaSavedObjectMeta": map[string]any{
				"searchSourceJSON": embedded(map[string]any{"query": dql(""), "filter": []any{}}),
			},
		},
		ID: b.id, Migration: map[string]string{"dashboard": dashboardShape}, References: refs, Type: "dashboard",
	})
}

// placed is the n-th panel's place on the board, and its name among the references.
func placed(n, x, y int, p panel) (name string, place map[string]any) {
	i := itoa(n + 1)
	name = "panel_" + itoa(n)
	return name, map[string]any{
		"version": "2.0.0", "panelIndex": i, "panelRefName": name, "embeddableConfig": map[string]any{},
		"gridData": map[string]any{"x": x, "y": y, "w": p.w, "h": p.h, "i": i},
	}
}

func dql(query string) map[string]any {
	return map[string]any{"query": query, "language": "kuery"}
}

func (p panel) object() object {
	source := map[string]any{"searchSourceJSON": embedded(map[string]any{
		"query": dql(p.query), "filter": []any{}, "indexRefName": sourceIndex,
	})}
	refs := []reference{{p.index, sourceIndex, "index-pattern"}}
	if p.kind == "search" {
		return object{
			Attributes: map[string]any{
				"title": p.title, "description": p.note, "hits": 0, "version": 1, "columns": p.columns,
				"sort": [][]string{{"@timestamp", "desc"}}, "kibanaSavedObjectMeta": source,
			},
			ID: p.id, Migration: map[string]string{"search": searchShape}, References: refs, Type: "search",
		}
	}
	return object{
		Attributes: map[string]any{
			"title": p.title, "description": p.note, "uiStateJSON": "{}", "version": 1, "visState": p.state(),
			"kibanaSavedObjectMeta": source,
		},
		ID: p.id, Migration: map[string]string{"visualization": visualizationShape}, References: refs, Type: "visualization",
	}
}

// state is what the visualization's editor saves.
func (p panel) state() string {
	for i := range p.aggs {
		p.aggs[i].ID, p.aggs[i].Enabled = itoa(i+1), true
	}
	return embedded(map[string]any{"title": p.title, "type": p.kind, "aggs": p.aggs, "params": p.params()})
}
