package opensearch

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// hashKey is where a template's _meta keeps the hash of what was put.
const hashKey = "muster_hash"

// fingerprint is the hash that a template carries; "" for none.
func fingerprint(template map[string]any) string {
	meta, _ := template["_meta"].(map[string]any)
	hash, _ := meta[hashKey].(string)
	return hash
}

// hashOf is a hash of what a template says, however OpenSearch spells it: it
// gives numbers and booleans of settings back as text, settings nested below
// "index", and empty lists that nobody wrote.
func hashOf(template map[string]any) string {
	plain := map[string]string{}
	for k, v := range template {
		if k == "_meta" {
			continue
		}
		flatten(plain, k, v)
	}
	b, _ := json.Marshal(plain) // text only, in order of the keys
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// flatten gathers the leaves of a JSON value as text by their dotted paths.
func flatten(out map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			out[path] = "{}" // an alias without a filter
		}
		for k, inner := range v {
			flatten(out, path+"."+k, inner)
		}
	case []any:
		for i, inner := range v {
			flatten(out, fmt.Sprintf("%s.%d", path, i), inner)
		}
	case nil:
	default:
		// "settings.number_of_shards" and "settings.index.number_of_shards" are one.
		path = strings.Replace(path, "settings.index.", "settings.", 1)
		out[path] = fmt.Sprint(v)
	}
}
