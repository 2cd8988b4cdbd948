package dashboards

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

//go:generate go run ./boards opensearch/muster.ndjson

// savedObjects are the boards for OpenSearch Dashboards, one object a line, as
// its own export writes them and its import reads them.
//
//go:embed opensearch/muster.ndjson
var savedObjects []byte

// shippedStates are the fingerprints of all states in which a release has
// shipped an object, one "type id fingerprint" a line. An object that is in one
// of them is as muster made it; any other is a user's.
//
//go:embed opensearch/shipped.txt
var shippedStates string

// SavedObjects is the file for OpenSearch Dashboards.
func SavedObjects() []byte { return slices.Clone(savedObjects) }

// Object is a saved object of OpenSearch Dashboards.
type Object struct {
	Type       string         `json:"type"`
	ID         string         `json:"id"`
	Attributes map[string]any `json:"attributes"`
	References []any          `json:"references"`

	line []byte // as it is shipped
}

// Title is what people know an object by.
func (o *Object) Title() string {
	t, _ := o.Attributes["title"].(string)
	return t
}

// String names an object.
func (o *Object) String() string { return o.Type + " " + o.ID }

// ParseObjects reads newline-delimited saved objects.
func ParseObjects(text []byte) ([]Object, error) {
	var out []Object
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		o := Object{line: slices.Clone(lines.Bytes())}
		if err := json.Unmarshal(o.line, &o); err != nil {
			return nil, fmt.Errorf("saved object in line %d: %w", n, err)
		}
		if o.Type == "" || o.ID == "" {
			return nil, fmt.Errorf("saved object in line %d: it has no type or no id", n)
		}
		out = append(out, o)
	}
	return out, lines.Err()
}

// authored are the attributes, by type, that whoever makes an object decides
// on. Dashboards keeps others for itself: the fields that it found behind an
// index pattern, for one.
var authored = map[string][]string{
	"index-pattern": {"title", "timeFieldName", "fieldFormatMap"},
	"visualization": {"title", "description", "visState", "uiStateJSON", "kibanaSavedObjectMeta"},
	"search":        {"title", "description", "columns", "sort", "kibanaSavedObjectMeta"},
	"dashboard": {
		"title", "description", "panelsJSON", "optionsJSON", "timeRestore", "timeFrom", "timeTo", "refreshInterval",
		"kibanaSavedObjectMeta",
	},
}

// content is what counts of an object: what was authored, with the JSON that
// its texts hold unpacked, so that spelling makes no difference.
func (o *Object) content() map[string]any {
	out := map[string]any{}
	for _, name := range authored[o.Type] {
		if v, ok := o.Attributes[name]; ok {
			out[name] = unpacked(v)
		}
	}
	for i, r := range o.References {
		out[fmt.Sprintf("references.%d", i)] = r
	}
	return out
}

// unpacked replaces texts that hold a JSON object or list by what they hold.
func unpacked(v any) any {
	switch v := v.(type) {
	case string:
		var inner any
		if strings.HasPrefix(v, "{") || strings.HasPrefix(v, "[") {
			if json.Unmarshal([]byte(v), &inner) == nil {
				return unpacked(inner)
			}
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = unpacked(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = unpacked(e)
		}
		return out
	}
	return v
}

// Fingerprint is the same for two objects with the same content.
func (o *Object) Fingerprint() string {
	text, err := json.Marshal(o.content()) // the keys of maps are sorted
	if err != nil {
		panic(err) // decoded from JSON
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// shipped reports whether a release of muster has shipped an object like this.
func (o *Object) shipped() bool {
	line := o.String() + " " + o.Fingerprint()
	return slices.Contains(strings.Split(shippedStates, "\n"), line)
}

// Difference is one place in which an object that is there is not as shipped.
type Difference struct {
	Path           string // "visState.aggs.0.params.size"
	There, Shipped string // as JSON; "" where it is absent
}

// differences lists how an object that is there differs from the one shipped.
func differences(there, own *Object) []Difference {
	a, b := map[string]string{}, map[string]string{}
	leaves(a, "", there.content())
	leaves(b, "", own.content())
	paths := maps.Clone(a)
	maps.Copy(paths, b)
	var out []Difference
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		if a[p] != b[p] {
			out = append(out, Difference{p, a[p], b[p]})
		}
	}
	return out
}

// leaves collects the values in v by their path.
func leaves(out map[string]string, path string, v any) {
	join := func(name string) string { return strings.TrimPrefix(path+"."+name, ".") }
	switch v := v.(type) {
	case map[string]any:
		if len(v) > 0 {
			for k, e := range v {
				leaves(out, join(k), e)
			}
			return
		}
	case []any:
		if len(v) > 0 {
			for i, e := range v {
				leaves(out, join(fmt.Sprint(i)), e)
			}
			return
		}
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // decoded from JSON
	}
	out[path] = string(text)
}
