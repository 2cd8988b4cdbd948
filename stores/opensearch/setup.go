package opensearch

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"
)

// templateFiles are the templates by name. Each has a version, which is raised
// with every change of its content.
//
//go:embed templates/*.json
var templateFiles embed.FS

const (
	// recordTemplate is the component that all templates of records are composed of.
	recordTemplate = "muster-record"
	// stateTemplate is put last: where it is, setup was run to its end.
	stateTemplate = "muster-state"
)

// Action is what Setup did with a template or policy.
type Action string

// The actions of Setup.
const (
	Created  Action = "created"
	Upgraded Action = "upgraded"
	Kept     Action = "kept"          // as it is to be
	Changed  Action = "yours"         // somebody changed it, so that it is left alone
	Missing  Action = "not to be had" // the engine has no such thing
	Unwanted Action = "not asked for" // no retention was
)

// SetupOptions say what Setup puts beside the templates.
type SetupOptions struct {
	// RetainDays is after how many days of its life an index of records is
	// deleted; 0 puts no policy, and leaves one that is there.
	RetainDays int
	// RetainSet: that number was asked for, and not only the usual one, which
	// does not change the days of a policy that is there.
	RetainSet bool
	// Force overwrites what somebody changed.
	Force bool
}

// Setup puts the index templates and the retention policy that are not there and
// upgrades those of an older muster. What somebody changed since it was put it
// leaves alone, unless it is forced: each carries a hash of what was put. It may
// be run again at any time; indices that are there keep their mappings. Report
// is told of each template and policy.
func (s *Store) Setup(ctx context.Context, o SetupOptions, report func(name string, a Action)) error {
	names, err := templateNames()
	if err != nil {
		return err
	}
	a, err := s.putPolicy(ctx, o)
	if err != nil {
		return fmt.Errorf("set up policy %s on %s: %w", policyName, s.address, err)
	}
	report(policyName, a)
	for _, name := range names {
		a, err := s.putTemplate(ctx, name, o.Force)
		if err != nil {
			return fmt.Errorf("set up template %s on %s: %w", name, s.address, err)
		}
		report(name, a)
	}
	return nil
}

// templateNames are the templates in the order in which they can be put.
func templateNames() ([]string, error) {
	entries, err := templateFiles.ReadDir("templates")
	if err != nil {
		return nil, err
	}
	names := []string{recordTemplate}
	for _, e := range entries {
		if n := strings.TrimSuffix(e.Name(), ".json"); n != recordTemplate && n != stateTemplate {
			names = append(names, n)
		}
	}
	return append(names, stateTemplate), nil
}

func templatePath(name string) string {
	if name == recordTemplate {
		return "/_component_template/" + name
	}
	return "/_index_template/" + name
}

func (s *Store) putTemplate(ctx context.Context, name string, force bool) (Action, error) {
	file, err := templateFiles.ReadFile(path.Join("templates", name+".json"))
	if err != nil {
		return "", err
	}
	own := map[string]any{}
	if err := json.Unmarshal(file, &own); err != nil {
		return "", err
	}
	hash := hashOf(own)
	meta, _ := own["_meta"].(map[string]any)
	meta[hashKey] = hash
	there, err := s.template(ctx, name)
	if err != nil {
		return "", err
	}
	was := fingerprint(there)
	switch {
	case there == nil:
		return Created, s.doJSON(ctx, http.MethodPut, templatePath(name)+"?create=true", own, nil)
	case was != hashOf(there) && !force: // also one that carries none
		return Changed, nil
	case was == hash && hashOf(there) == hash, !force && number(there["version"]) > number(own["version"]):
		return Kept, nil // as it is to be, or of a newer muster
	default:
		return Upgraded, s.doJSON(ctx, http.MethodPut, templatePath(name), own, nil)
	}
}

func number(v any) float64 {
	n, _ := v.(float64)
	return n
}

// template is a template that is there; nil when there is none.
func (s *Store) template(ctx context.Context, name string) (map[string]any, error) {
	var answer struct {
		Index []struct {
			Template map[string]any `json:"index_template"`
		} `json:"index_templates"`
		Component []struct {
			Template map[string]any `json:"component_template"`
		} `json:"component_templates"`
	}
	err := s.do(ctx, http.MethodGet, templatePath(name), nil, &answer)
	switch {
	case hasStatus(err, http.StatusNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case len(answer.Index) > 0:
		return answer.Index[0].Template, nil
	case len(answer.Component) > 0:
		return answer.Component[0].Template, nil
	default:
		return nil, nil
	}
}
