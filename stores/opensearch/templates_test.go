package opensearch

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// properties are the types of a mapping's fields by their dotted paths.
func properties(out map[string]string, prefix string, mapping map[string]any) map[string]string {
	fields, _ := mapping["properties"].(map[string]any)
	for name, v := range fields {
		field := v.(map[string]any)
		if kind, ok := field["type"].(string); ok {
			out[prefix+name] = kind
		}
		properties(out, prefix+name+".", field)
	}
	return out
}

func readMapping(t *testing.T, file string, inTemplate bool) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal(text, &body); err != nil {
		t.Fatal(err)
	}
	if inTemplate {
		body = body["template"].(map[string]any)
	}
	return body["mappings"].(map[string]any)
}

// leaves are the values of a document by their dotted paths.
func leaves(out map[string]any, prefix string, v any) map[string]any {
	object, ok := v.(map[string]any)
	if !ok {
		out[strings.TrimSuffix(prefix, ".")] = v
		return out
	}
	for name, inner := range object {
		leaves(out, prefix+name+".", inner)
	}
	return out
}

// theirType is the type that one of Data Prepper's mappings gives a field, by
// name or by a dynamic template; "" where it does not speak of it.
func theirType(mapping map[string]any, field string, value any) string {
	if kind := properties(map[string]string{}, "", mapping)[field]; kind != "" {
		return kind
	}
	json := map[reflect.Kind]string{reflect.String: "string", reflect.Float64: "long"}[reflect.ValueOf(value).Kind()]
	dynamic, _ := mapping["dynamic_templates"].([]any)
	for _, d := range dynamic {
		for _, v := range d.(map[string]any) {
			rule := v.(map[string]any)
			pattern, _ := rule["path_match"].(string)
			kind, _ := rule["match_mapping_type"].(string)
			prefix, ok := strings.CutSuffix(pattern, "*")
			if (kind == "" || kind == json) && ok && prefix != "" && strings.HasPrefix(field, prefix) {
				return rule["mapping"].(map[string]any)["type"].(string)
			}
		}
	}
	return ""
}

// The Trace Analytics screens read indices that Data Prepper's templates made:
// every field that we fill and that these define has the same type in ours.
func TestTypesAreThoseOfDataPrepper(t *testing.T) {
	root := os.Getenv("MUSTER_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "data")
	}
	root = filepath.Join(root, "opensearch-templates")
	if _, err := os.Stat(root); err != nil {
		t.Skipf("SKIPPED: no templates in %s (set MUSTER_CORPUS)", root)
	}
	type appender interface{ append(b []byte) []byte }
	both := &relation{"s", "k", "g", endpoint{"d", "r"}, endpoint{"d", "r"}}
	for _, tt := range []struct {
		ours, theirs string
		document     appender
		atLeast      int // fields that both know
	}{
		{"muster-spans", "otel-v1-apm-span-index-standard-template", &spanDocument{}, 18},
		{"muster-spans", "otel-v1-apm-span-index-template", &spanDocument{}, 16},
		{"muster-logs", "logs-otel-v1-index-standard-template", &logDocument{}, 9},
		{"muster-logs", "logs-otel-v1-index-template", &logDocument{}, 8},
		{"muster-service-map", "otel-v1-apm-service-map-index-template", both, 8},
	} {
		document := tt.document
		if document != appender(both) {
			fillAll(document)
		}
		var plain map[string]any
		if err := json.Unmarshal(document.append(nil), &plain); err != nil {
			t.Fatal(err)
		}
		ours := properties(map[string]string{}, "", readMapping(t, path.Join("templates", tt.ours+".json"), true))
		properties(ours, "", readMapping(t, path.Join("templates", recordTemplate+".json"), true))
		theirs := readMapping(t, filepath.Join(root, tt.theirs+".json"), false)
		n := 0
		for field, value := range leaves(map[string]any{}, "", plain) {
			want := theirType(theirs, field, value)
			if want == "" {
				continue
			}
			n++
			// A string field of an attribute with numbers would be a keyword there.
			if strings.HasPrefix(field, "muster.") || ours[field] != want {
				t.Errorf("%s: %s is a %q, in %s a %q", tt.ours, field, ours[field], tt.theirs, want)
			}
		}
		if n < tt.atLeast {
			t.Errorf("%s and %s: both know %d fields, want %d at least", tt.ours, tt.theirs, n, tt.atLeast)
		}
	}
}

// fillAll sets every field of a document.
func fillAll(document any) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 64 { // each time about half of those that are still empty
		fill(random, reflect.ValueOf(document).Elem())
	}
}
