package localaws

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Pages of conformance packs, and the most of a place.
const (
	packsPage = 20
	maxPacks  = 50
)

// conformancePack is a set of rules that were put together. configStore's lock
// guards it.
type conformancePack struct {
	place
	name, id, arn string
	rules         []string // names, in order
	made          timestamp
}

// putPack is PutConformancePack. Its template is CloudFormation in JSON; the rules
// get the pack's mark behind their names, as AWS's do.
func (cs *configStore) putPack(ctx context.Context, c *call) (any, error) {
	var in struct {
		Name     string `json:"ConformancePackName"`
		Template string `json:"TemplateBody"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	var template struct {
		Resources map[string]struct {
			Type       string
			Properties map[string]any
		}
	}
	if !packName.allows(in.Name) {
		return nil, failf("InvalidParameterValueException", "A ConformancePackName that begins with a letter is required.")
	}
	if json.Unmarshal([]byte(in.Template), &template) != nil || len(template.Resources) == 0 {
		return nil, failf("ConformancePackTemplateValidationException", "The stand-in reads templates in JSON, with Resources of type AWS::Config::ConfigRule.")
	}
	id := "conformance-pack-" + strings.ToLower(newCode(9))
	pack := &conformancePack{place: c.place(), name: in.Name, id: id, arn: c.arn("conformance-pack/" + in.Name + "/" + id), made: timestamp{c.Time}}
	for _, key := range slices.Sorted(maps.Keys(template.Resources)) {
		r := template.Resources[key]
		name, _ := r.Properties["ConfigRuleName"].(string)
		if r.Type != "AWS::Config::ConfigRule" || name == "" {
			return nil, failf("ConformancePackTemplateValidationException", "%s is no rule with a name.", key)
		}
		r.Properties["ConfigRuleName"] = name + "-" + id
		body, err := json.Marshal(map[string]any{"ConfigRule": r.Properties})
		if err != nil {
			return nil, err
		}
		put := c.in(c.place())
		put.body = body
		if _, err := cs.putRule(ctx, put); err != nil {
			return nil, err
		}
		pack.rules = append(pack.rules, name+"-"+id)
	}
	c.touch("AWS::Config::ConformancePack", pack.arn)
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.packs) >= maxPacks {
		return nil, failf("MaxNumberOfConformancePacksExceededException", "The account already has the maximum number of conformance packs.")
	}
	cs.packs = append(cs.packs, pack)
	return map[string]any{"ConformancePackArn": pack.arn}, nil
}

// packsNamed are the place's packs with these names, or all of them.
func (cs *configStore) packsNamed(c *call, names []string) ([]*conformancePack, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	var out []*conformancePack
	for _, p := range cs.packs {
		if p.place == c.place() && (len(names) == 0 || slices.Contains(names, p.name)) {
			out = append(out, p)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(out, func(p *conformancePack) bool { return p.name == name }) {
			return nil, failf("NoSuchConformancePackException", "One or more conformance packs do not exist.")
		}
	}
	return out, nil
}

func (cs *configStore) describePacks(_ context.Context, c *call) (any, error) {
	var in struct {
		Names     []string `json:"ConformancePackNames"`
		Limit     int
		NextToken string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Limit > packsPage {
		return nil, failf("InvalidLimitException", "The limit must be from 0 to %d.", packsPage)
	}
	packs, err := cs.packsNamed(c, in.Names)
	if err != nil {
		return nil, err
	}
	p, limit, err := cs.configPage(c, in.NextToken, in.Limit, packsPage, "packs", in.Names)
	if err != nil {
		return nil, err
	}
	packs, next := page(p, packs, limit)
	out := make([]map[string]any, len(packs))
	for i, p := range packs {
		out[i] = map[string]any{
			"ConformancePackName": p.name, "ConformancePackArn": p.arn, "ConformancePackId": p.id,
			"ConformancePackInputParameters": []any{}, "LastUpdateRequestedTime": p.made,
		}
	}
	return map[string]any{"ConformancePackDetails": out, "NextToken": orNil(next)}, nil
}

// packDetails is GetConformancePackComplianceDetails.
func (cs *configStore) packDetails(_ context.Context, c *call) (any, error) {
	var in struct {
		Name    string `json:"ConformancePackName"`
		Filters struct {
			Rules      []string `json:"ConfigRuleNames"`
			Compliance string   `json:"ComplianceType"`
		}
		Limit     int
		NextToken string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	packs, err := cs.packsNamed(c, []string{in.Name})
	if err != nil {
		return nil, err
	}
	p, limit, err := cs.configPage(c, in.NextToken, in.Limit, maxAtOnce, in.Name, in.Filters)
	if err != nil {
		return nil, err
	}
	for _, rule := range in.Filters.Rules {
		if !slices.Contains(packs[0].rules, rule) {
			return nil, failf("NoSuchConfigRuleInConformancePackException", "The rule %s is not in the conformance pack.", rule)
		}
	}
	results := []evaluationResult{}
	for _, name := range packs[0].rules {
		rules, err := cs.named(c, []string{name})
		if err != nil || len(in.Filters.Rules) > 0 && !slices.Contains(in.Filters.Rules, name) {
			continue // deleted by itself
		}
		for _, e := range cs.verdicts(c, rules[0]) {
			if e.compliance != notApplicable && (in.Filters.Compliance == "" || in.Filters.Compliance == e.compliance) {
				results = append(results, e.result(name))
			}
		}
	}
	results, next := page(p, results, limit)
	return map[string]any{"ConformancePackName": in.Name, "ConformancePackRuleEvaluationResults": results, "NextToken": orNil(next)}, nil
}
