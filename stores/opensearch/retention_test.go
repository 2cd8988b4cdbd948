package opensearch

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
)

// policySchema is a JSON Schema written from the public documentation. The
// engines of the tests have no Index State Management, so that a policy is held
// against it and not against OpenSearch.
func policySchema(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	text, err := os.ReadFile("testdata/ism-policy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

// policyEngine keeps a policy as the documentation says that Index State
// Management does, with the fields that it adds by itself.
type policyEngine struct {
	t      *testing.T
	schema *jsonschema.Resolved
	policy map[string]any
	number int
	asked  []string
}

func (e *policyEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/_plugins/_ism/")
	switch {
	case !strings.HasPrefix(r.URL.Path, "/_plugins/_ism/"):
		fmt.Fprint(w, "{}") // templates are not the matter here
		return
	case r.Method == http.MethodGet && e.policy == nil:
		http.Error(w, `{"error":{"type":"status_exception","reason":"Policy not found"},"status":404}`, http.StatusNotFound)
		return
	case r.Method == http.MethodGet:
		_ = json.NewEncoder(w).Encode(map[string]any{"_id": policyName, "_seq_no": e.number, "_primary_term": 1, "policy": e.policy})
		return
	}
	body, _ := io.ReadAll(r.Body)
	e.asked = append(e.asked, r.Method+" "+path)
	if r.Method != http.MethodPut {
		fmt.Fprint(w, `{"updated_indices":0,"failures":false}`)
		return
	}
	if q := r.URL.Query(); e.policy != nil && (q.Get("if_seq_no") != fmt.Sprint(e.number) || q.Get("if_primary_term") != "1") {
		http.Error(w, `{"error":{"type":"version_conflict_engine_exception","reason":"changed"}}`, http.StatusConflict)
		return
	}
	var put map[string]any
	if err := json.Unmarshal(body, &put); err != nil {
		e.t.Error(err)
		return
	}
	if err := e.schema.Validate(put); err != nil {
		e.t.Errorf("the policy is none: %v", err)
	}
	e.policy = put["policy"].(map[string]any)
	e.policy["policy_id"], e.policy["last_updated_time"], e.policy["schema_version"], e.policy["error_notification"] = policyName, 1700000000000, 21, nil
	for _, state := range e.policy["states"].([]any) {
		for _, action := range state.(map[string]any)["actions"].([]any) {
			action.(map[string]any)["retry"] = map[string]any{"count": 3, "backoff": "exponential", "delay": "1m"}
		}
	}
	for _, m := range e.policy["ism_template"].([]any) {
		m.(map[string]any)["last_updated_time"] = 1700000000000
	}
	e.number++
	w.WriteHeader(http.StatusCreated)
	fmt.Fprint(w, "{}")
}

func TestRetentionPolicyIsPutAndNeverTakenFromAUser(t *testing.T) {
	e := &policyEngine{t: t, schema: policySchema(t)}
	s := openAt(t, e)
	all := ownIndices()
	for _, step := range []struct {
		name   string
		change func(states []any)
		o      SetupOptions
		want   Action
		asked  []string
	}{
		{"no retention", nil, SetupOptions{}, Unwanted, nil},
		{"first", nil, SetupOptions{RetainDays: 90}, Created, []string{"PUT policies/" + policyName, "POST add/" + all}},
		{"again", nil, SetupOptions{RetainDays: 90}, Kept, nil},
		{"other days", nil, SetupOptions{RetainDays: 30, RetainSet: true}, Upgraded, []string{"PUT policies/" + policyName, "POST change_policy/" + all}},
		{"the usual days, of which nobody spoke", nil, SetupOptions{RetainDays: 90}, Kept, nil},
		{"an action more", func(states []any) {
			states[0].(map[string]any)["actions"] = []any{map[string]any{"read_only": map[string]any{}}}
		}, SetupOptions{RetainDays: 7, RetainSet: true}, Changed, nil},
		{"forced", nil, SetupOptions{RetainDays: 7, RetainSet: true, Force: true}, Upgraded, []string{"PUT policies/" + policyName, "POST change_policy/" + all}},
		{"a condition more", func(states []any) {
			states[0].(map[string]any)["transitions"].([]any)[0].(map[string]any)["conditions"].(map[string]any)["min_size"] = "50gb"
		}, SetupOptions{RetainDays: 90, RetainSet: true}, Changed, nil},
	} {
		if step.change != nil {
			step.change(e.policy["states"].([]any))
		}
		e.asked = nil
		got, err := s.putPolicy(t.Context(), step.o)
		if err != nil || got != step.want {
			t.Errorf("%s: got %q, %v, want %q", step.name, got, err, step.want)
		}
		if diff := cmp.Diff(step.asked, e.asked); diff != "" {
			t.Errorf("%s: asked (-want +got):\n%s", step.name, diff)
		}
	}
}

func TestSchemaOfPoliciesRefusesWhatIsNone(t *testing.T) {
	schema := policySchema(t)
	for _, text := range []string{
		`{}`, `{"policy":{"description":"d","default_state":"s","states":[]}}`,
		`{"policy":{"description":"d","default_state":"s","states":[{"name":"s","actions":[{"erase":{}}],"transitions":[]}]}}`,
		`{"policy":{"description":"d","default_state":"s","states":[{"name":"s","actions":[],"transitions":[{"state_name":"s","conditions":{"min_index_age":"30 days"}}]}]}}`,
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if schema.Validate(v) == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

func TestRetentionIsForRecordsAlone(t *testing.T) {
	p := newPolicy(30)
	if names := []string{p.States[0].Name, p.States[1].Name}; p.DefaultState != names[0] || p.States[0].Transitions[0].State != names[1] || p.States[1].Actions[0].Delete == nil {
		t.Errorf("got %+v, want that what is kept by default is deleted at last", p)
	}
	for _, index := range []string{findingIndex, ledgerIndex, stateIndex, serviceMapIndex} {
		if slices.ContainsFunc(p.Templates[0].Patterns, func(pattern string) bool {
			return strings.HasPrefix(index, strings.TrimSuffix(pattern, "*"))
		}) {
			t.Errorf("%s is deleted too: %v", index, p.Templates[0].Patterns)
		}
	}
}

func TestEngineWithoutIndexStateManagementIsSaid(t *testing.T) {
	s := openAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, fmt.Sprintf(`{"error":"no handler found for uri [%s] and method [%s]"}`, r.URL.Path, r.Method), http.StatusBadRequest)
	}))
	if a, err := s.putPolicy(t.Context(), SetupOptions{RetainDays: 1}); a != Missing || err != nil {
		t.Errorf("got %q, %v, want that there is none", a, err)
	}
}
