package main

import (
	"bytes"
	"encoding/json"
)

// object is a saved object as OpenSearch Dashboards exports and imports it.
type object struct {
	Attributes map[string]any    `json:"attributes"`
	ID         string            `json:"id"`
	Migration  map[string]string `json:"migrationVersion"`
	References []reference       `json:"references"`
	Type       string            `json:"type"`
}

type reference struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// The versions of the shapes written here, as exports of OpenSearch Dashboards
// 1.0 to 3.x carry them: it migrates objects from there on.
const (
	indexPatternShape  = "7.6.0"
	visualizationShape = "7.10.0"
	searchShape        = "7.9.3"
	dashboardShape     = "7.9.3"
)

// sourceIndex is the name by which a visualization or a search refers to its
// index pattern.
const sourceIndex = "kibanaSavedObjectMeta.searchSourceJSON.index"

// encode is one line of the file.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// embedded is JSON as the text that an attribute holds.
func embedded(v any) string {
	text, err := encode(v)
	if err != nil {
		panic(err) // made of the literals in this folder
	}
	return string(bytes.TrimSpace(text))
}

// index is an index pattern.
type index struct {
	id, pattern string
	formats     map[string]format
}

// format says how a field is shown.
type format struct {
	ID     string         `json:"id"`
	Params map[string]any `json:"params,omitempty"`
}

// The index patterns, over the indices that `muster opensearch setup` makes
// templates for.
const (
	spans    = "muster-spans"
	logs     = "muster-logs"
	calls    = "muster-api-calls"
	changes  = "muster-changes"
	records  = "muster-records"
	findings = "muster-findings"
	coverage = "muster-ledger"
)

func indexPatterns() []object {
	nanos := format{"duration", map[string]any{"inputFormat": "nanoseconds", "outputFormat": "asMilliseconds", "outputPrecision": 1}}
	var out []object
	for _, x := range []index{
		{spans, "otel-v1-apm-span-muster-*", map[string]format{"durationInNanos": nanos, "traceGroupFields.durationInNanos": nanos}},
		{logs, "logs-otel-v1-muster-*", nil},
		{calls, "muster-api-calls-*", nil},
		{changes, "muster-changes-*", nil},
		{records, "muster-records", nil},
		{findings, "muster-findings*", nil},
		{coverage, "muster-ledger*", nil},
	} {
		// Without a list of fields Dashboards reads the mapping when the
		// pattern is first used, and so knows what is really there.
		a := map[string]any{"title": x.pattern, "timeFieldName": "@timestamp"}
		if len(x.formats) > 0 {
			a["fieldFormatMap"] = embedded(x.formats)
		}
		out = append(out, object{a, x.id, map[string]string{"index-pattern": indexPatternShape}, []reference{}, "index-pattern"})
	}
	return out
}
