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

// Action is what Setup did with a template.
type Action string

// The actions of Setup.
const (
	Created  Action = "created"
	Upgraded Action = "upgraded"
	Kept     Action = "kept"
)

// Setup puts the index templates that are not there and upgrades those of an
// older muster. It keeps one of the same version, whatever a user made of it,
// and one without a version. It may be run again at any time; indices that are
// there keep their mappings. Report is told of each template.
func (s *Store) Setup(ctx context.Context, report func(name string, a Action)) error {
	names, err := templateNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		a, err := s.putTemplate(ctx, name)
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

func (s *Store) putTemplate(ctx context.Context, name string) (Action, error) {
	body, err := templateFiles.ReadFile(path.Join("templates", name+".json"))
	if err != nil {
		return "", err
	}
	var own templateVersion
	if err := json.Unmarshal(body, &own); err != nil {
		return "", err
	}
	there, found, err := s.templateVersion(ctx, name)
	switch {
	case err != nil:
		return "", err
	case !found:
		return Created, s.do(ctx, http.MethodPut, templatePath(name)+"?create=true", body, nil)
	case there == nil || *there >= *own.Version:
		return Kept, nil
	default:
		return Upgraded, s.do(ctx, http.MethodPut, templatePath(name), body, nil)
	}
}

type templateVersion struct {
	Version *int `json:"version"` // nil: somebody else's
}

// templateVersion is the version of a template that is there.
func (s *Store) templateVersion(ctx context.Context, name string) (v *int, found bool, err error) {
	var answer struct {
		Index []struct {
			Template templateVersion `json:"index_template"`
		} `json:"index_templates"`
		Component []struct {
			Template templateVersion `json:"component_template"`
		} `json:"component_templates"`
	}
	err = s.do(ctx, http.MethodGet, templatePath(name), nil, &answer)
	switch {
	case hasStatus(err, http.StatusNotFound):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case len(answer.Index) > 0:
		return answer.Index[0].Template.Version, true, nil
	case len(answer.Component) > 0:
		return answer.Component[0].Template.Version, true, nil
	default:
		return nil, false, nil
	}
}
