package opensearch

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"muster/fleet"
)

// policyName is the policy of Index State Management that deletes old indices.
const policyName = "muster-retention"

// policyPriority lets somebody's own policy for the same indices win with a
// greater one.
const policyPriority = 50

// policyMark begins the hash in a policy's description, which is the only place
// of its own that a policy has for one.
const policyMark = "muster:"

// ismPolicy is the body of a policy, as far as muster fills it.
type ismPolicy struct {
	Description  string     `json:"description"`
	DefaultState string     `json:"default_state"`
	States       []ismState `json:"states"`
	Templates    []ismMatch `json:"ism_template"`
}

type ismState struct {
	Name        string          `json:"name"`
	Actions     []ismAction     `json:"actions"`
	Transitions []ismTransition `json:"transitions"`
}

// ismAction is an action by its name.
type ismAction struct {
	Delete *struct{} `json:"delete,omitempty"`
}

type ismTransition struct {
	State      string       `json:"state_name"`
	Conditions ismCondition `json:"conditions"`
}

type ismCondition struct {
	MinAge string `json:"min_index_age"`
}

type ismMatch struct {
	Patterns []string `json:"index_patterns"`
	Priority int      `json:"priority"`
}

// newPolicy deletes indices of records some days after they were made. Findings,
// the service map and the marks stay.
func newPolicy(days int) ismPolicy {
	p := ismPolicy{
		DefaultState: "keep",
		States: []ismState{
			{
				Name: "keep", Actions: []ismAction{},
				Transitions: []ismTransition{{State: "delete", Conditions: ismCondition{MinAge: fmt.Sprintf("%dd", days)}}},
			},
			{Name: "delete", Actions: []ismAction{{Delete: &struct{}{}}}, Transitions: []ismTransition{}},
		},
		Templates: []ismMatch{{Patterns: patterns(append(fleet.Kinds(), "")), Priority: policyPriority}},
	}
	p.Description = fmt.Sprintf("Deletes muster's records %d days after their index was made; the lake keeps them. (%s%s)", days, policyMark, p.hash())
	return p
}

// hash is that of what the policy does.
func (p ismPolicy) hash() string {
	var plain map[string]any
	b, _ := json.Marshal(p)
	_ = json.Unmarshal(b, &plain) // what was just encoded
	return policyHash(plain)
}

// policyOwn are the members of a policy that OpenSearch adds by itself, at any
// depth, and the description, which carries the hash.
var policyOwn = []string{"policy_id", "last_updated_time", "schema_version", "retry", "user", "description"}

// policyHash is a hash of what a policy does.
func policyHash(policy map[string]any) string {
	return hashOf(without(policy, policyOwn).(map[string]any))
}

// without is a JSON value without the members of some names.
func without(v any, names []string) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, inner := range v {
			if !slices.Contains(names, k) {
				out[k] = without(inner, names)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = without(inner, names)
		}
		return out
	default:
		return v
	}
}

// policyThere is a policy as OpenSearch hands it out.
type policyThere struct {
	SequenceNumber int64          `json:"_seq_no"`
	PrimaryTerm    int64          `json:"_primary_term"`
	Policy         map[string]any `json:"policy"`
}

// carried is the hash that the policy was put with; "" for none.
func (p *policyThere) carried() string {
	description, _ := p.Policy["description"].(string)
	_, rest, ok := strings.Cut(description, policyMark)
	hash, _, end := strings.Cut(rest, ")")
	if !ok || !end {
		return ""
	}
	return hash
}

// putPolicy puts the retention policy where the engine has Index State Management.
func (s *Store) putPolicy(ctx context.Context, o SetupOptions) (Action, error) {
	if o.RetainDays <= 0 {
		return Unwanted, nil
	}
	own := newPolicy(o.RetainDays)
	put := func(condition url.Values) error {
		return s.doJSON(ctx, http.MethodPut, policyPath+"?"+condition.Encode(), map[string]any{"policy": own}, nil)
	}
	var there policyThere
	err := s.do(ctx, http.MethodGet, policyPath, nil, &there)
	switch {
	case hasStatus(err, http.StatusNotFound):
		if err := put(nil); err != nil {
			return "", err
		}
		return Created, s.attachPolicy(ctx)
	case hasStatus(err, http.StatusBadRequest), hasStatus(err, http.StatusMethodNotAllowed):
		return Missing, nil // "no handler found for uri"
	case err != nil:
		return "", err
	case there.carried() != policyHash(there.Policy) && !o.Force:
		return Changed, nil
	case policyHash(there.Policy) == own.hash(), !o.RetainSet && !o.Force:
		return Kept, nil
	}
	// The numbers make sure that nobody changes it in between.
	err = put(url.Values{"if_seq_no": {fmt.Sprint(there.SequenceNumber)}, "if_primary_term": {fmt.Sprint(there.PrimaryTerm)}})
	if err != nil {
		return "", err
	}
	body := map[string]any{"policy_id": policyName}
	return Upgraded, s.doJSON(ctx, http.MethodPost, "/_plugins/_ism/change_policy/"+ownIndices(), body, nil)
}

const policyPath = "/_plugins/_ism/policies/" + policyName

// attachPolicy puts indices that are there already under the policy; new ones
// come under it by its own patterns.
func (s *Store) attachPolicy(ctx context.Context) error {
	body := map[string]any{"policy_id": policyName}
	err := s.doJSON(ctx, http.MethodPost, "/_plugins/_ism/add/"+ownIndices(), body, nil)
	if hasStatus(err, http.StatusNotFound) {
		return nil // there are none yet
	}
	return err
}

// ownIndices names all indices of records in a path.
func ownIndices() string { return strings.Join(patterns(nil), ",") }
