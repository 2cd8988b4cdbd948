package localaws

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// otlpValue is a value of OTLP's JSON as plain JSON.
func otlpValue(v map[string]any) any {
	for kind, x := range v {
		switch kind {
		case "intValue":
			n, _ := strconv.ParseFloat(fmt.Sprint(x), 64)
			return n
		case "arrayValue":
			var list []any
			for _, e := range x.(map[string]any)["values"].([]any) {
				list = append(list, otlpValue(e.(map[string]any)))
			}
			return list
		}
		return x
	}
	return nil
}

type otlpAttributes []struct {
	Key   string         `json:"key"`
	Value map[string]any `json:"value"`
}

func (as otlpAttributes) plain() map[string]any {
	out := map[string]any{}
	for _, a := range as {
		out[a.Key] = otlpValue(a.Value)
	}
	return out
}

// collectorSpans are the spans that the Collector's receiver made of a segment,
// flattened, by id.
func collectorSpans(t *testing.T, file string) map[string]any {
	t.Helper()
	var doc struct {
		ResourceSpans []struct {
			Resource struct {
				Attributes otlpAttributes `json:"attributes"`
			} `json:"resource"`
			ScopeSpans []struct {
				Spans []struct {
					TraceID    string         `json:"traceId"`
					SpanID     string         `json:"spanId"`
					Parent     string         `json:"parentSpanId"`
					Name       string         `json:"name"`
					Kind       int            `json:"kind"`
					Attributes otlpAttributes `json:"attributes"`
					Status     struct {
						Code int `json:"code"`
					} `json:"status"`
					Events []struct {
						Name       string         `json:"name"`
						Attributes otlpAttributes `json:"attributes"`
					} `json:"events"`
				} `json:"spans"`
			} `json:"scopeSpans"`
		} `json:"resourceSpans"`
	}
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	for _, rs := range doc.ResourceSpans {
		for _, s := range rs.ScopeSpans[0].Spans {
			var events []any
			for _, e := range s.Events {
				attributes := e.Attributes.plain()
				delete(attributes, "exception.stacktrace") // its layout differs by language
				events = append(events, attributes)
			}
			resource := rs.Resource.Attributes.plain()
			if resource["telemetry.sdk.language"] == "java" {
				// It takes the language of a stack trace for the SDK's, and "java" for any.
				resource["telemetry.sdk.language"] = strings.TrimPrefix(fmt.Sprint(resource["telemetry.sdk.name"]), "X-Ray for ")
			}
			out[s.SpanID] = map[string]any{
				"trace": s.TraceID, "parent": s.Parent, "name": s.Name,
				"kind":       map[int]string{1: "INTERNAL", 2: "SERVER", 3: "CLIENT"}[s.Kind],
				"status":     map[int]string{0: "UNSET", 2: "ERROR"}[s.Status.Code],
				"attributes": s.Attributes.plain(), "resource": resource, "events": events,
			}
		}
	}
	return out
}

// flattened are our spans in the same form, by way of their JSON.
func flattened(t *testing.T, document string) map[string]any {
	t.Helper()
	spans, err := otelSpans(document)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	for _, s := range spans {
		var plain struct {
			Resource, Attributes map[string]any
			Events               []struct{ Attributes map[string]any }
		}
		body, err := json.Marshal(map[string]any{"Resource": s.Resource.Attributes, "Attributes": s.Attributes, "Events": s.Events})
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(body, &plain); err != nil {
			t.Fatal(err)
		}
		var events []any
		for _, e := range plain.Events {
			delete(e.Attributes, "exception.stacktrace")
			events = append(events, e.Attributes)
		}
		out[s.SpanID] = map[string]any{
			"trace": s.TraceID, "parent": s.ParentSpanID, "name": s.Name, "kind": s.Kind, "status": s.Status.Code,
			"attributes": plain.Attributes, "resource": plain.Resource, "events": events,
		}
	}
	return out
}

// TestSpansAreThoseOfTheCollectorsReceiver holds the translation to the one of
// the OpenTelemetry Collector's X-Ray receiver, which AWS contributed.
func TestSpansAreThoseOfTheCollectorsReceiver(t *testing.T) {
	dir := corpus(t, "otel-xray")
	files, err := filepath.Glob(filepath.Join(dir, "expected-otlp", "*.otlp.json"))
	if err != nil || len(files) < 9 {
		t.Fatalf("%d expectations, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".otlp.json")
		t.Run(name, func(t *testing.T) {
			var document []byte
			for _, folder := range []string{"segments", "segments-awscli"} {
				if body, err := os.ReadFile(filepath.Join(dir, folder, name)); err == nil {
					document = body
				}
			}
			if d := cmp.Diff(collectorSpans(t, file), flattened(t, string(document))); d != "" {
				t.Errorf("spans (-theirs +ours):\n%s", d)
			}
		})
	}
}

func FuzzOtelSpans(f *testing.F) {
	f.Add(`{"trace_id":"1-5f187253-6a106696d56b1f4ef9eba2ed","id":"5cc4a447f5d4d696","aws":{"xray":{"sdk":1},"cloudwatch_logs":[1,{}]},"cause":200}`)
	f.Add(`{"subsegments":[{"http":{"request":null}},null],"metadata":{"a":null},"links":[{}],"start_time":1e300}`)
	f.Fuzz(func(t *testing.T, document string) {
		spans, err := otelSpans(document)
		if err != nil {
			return
		}
		for _, s := range spans {
			if _, err := encodeJSON(s); err != nil {
				t.Errorf("a span that cannot be encoded: %v", err)
			}
		}
	})
}
