package dashboards

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

func objects(t *testing.T) []Object {
	t.Helper()
	out, err := ParseObjects(SavedObjects())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The program that reads these objects cannot be had here, so that their shape
// is held to a schema written from its public documentation.
func TestObjectsHaveTheShapeOfExports(t *testing.T) {
	text, err := os.ReadFile("testdata/saved-object.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	check, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	shape := func(o *Object) error {
		var whole map[string]any
		if err := json.Unmarshal(o.line, &whole); err != nil {
			t.Fatal(err)
		}
		return check.Validate(unpacked(whole))
	}
	all := objects(t)
	for i := range all {
		if err := shape(&all[i]); err != nil {
			t.Errorf("%s: %v", &all[i], err)
		}
	}
	for _, bad := range []string{
		`{"type":"visualization","id":"x","attributes":{"title":"x"},"references":[],"migrationVersion":{"visualization":"7.10.0"}}`,
		`{"type":"index-pattern","id":"x","attributes":{"title":"x"},"references":[],"migrationVersion":{"index-pattern":"7.6.0"}}`,
		`{"type":"lens","id":"x","attributes":{"title":"x"},"references":[],"migrationVersion":{"lens":"7.6.0"}}`,
	} {
		if shape(&Object{line: []byte(bad)}) == nil {
			t.Errorf("the schema lets this through: %s", bad)
		}
	}
}

func TestObjectsReferToObjects(t *testing.T) {
	known := map[string]bool{}
	for _, o := range objects(t) {
		if known[o.String()] {
			t.Errorf("%s is there twice", &o)
		}
		for _, r := range o.References {
			ref := r.(map[string]any)
			if name := ref["type"].(string) + " " + ref["id"].(string); !known[name] {
				t.Errorf("%s refers to %s, which is not before it", &o, name)
			}
		}
		known[o.String()] = true
	}
}

func TestPanelsDoNotOverlap(t *testing.T) {
	for _, o := range objects(t) {
		panels, ok := o.content()["panelsJSON"].([]any)
		if !ok {
			continue
		}
		taken := map[[2]int]string{}
		for _, p := range panels {
			g := p.(map[string]any)["gridData"].(map[string]any)
			at := func(name string) int { return int(g[name].(float64)) }
			for x := at("x"); x < at("x")+at("w"); x++ {
				for y := at("y"); y < at("y")+at("h"); y++ {
					if other := taken[[2]int{x, y}]; other != "" || x >= 48 {
						t.Fatalf("%s: panels %s and %s overlap, or leave the grid", &o, other, g["i"])
					}
					taken[[2]int{x, y}] = g["i"].(string)
				}
			}
		}
	}
}

func TestEveryStateIsOnTheListOfShippedOnes(t *testing.T) {
	for _, o := range objects(t) {
		if !o.shipped() {
			t.Errorf("%s is not in opensearch/shipped.txt: run go generate ./dashboards", &o)
		}
	}
}

func TestParseObjectsNamesTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"{\"type\":\"a\",\"id\":\"b\"}\n{": "saved object in line 2: unexpected end of JSON input",
		"{}":                               "saved object in line 1: it has no type or no id",
	} {
		if _, err := ParseObjects([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
