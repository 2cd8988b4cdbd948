package localaws

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// Limits of Config's rules; maxEvaluations is the stand-in's own, of one place:
// further resources are failed evaluations.
const (
	maxConfigRules  = 1000
	configRulesPage = 25
	maxEvaluations  = 10_000
	maxAtOnce       = 100 // evaluations of a call, and results of a page
)

// configRule is a rule of one place. configStore's lock guards it.
type configRule struct {
	place
	name, id, arn string
	rule          map[string]any // as put, with what AWS adds
	identifier    string         // of a managed rule; "" for a custom one
	scope         []string       // resource types; nil: all
	created       time.Time
	evaluations   map[resourceKey]evaluation // put, of a custom rule
}

// evaluation is a verdict on a resource.
type evaluation struct {
	resourceKey
	compliance, annotation string
	ordered                time.Time // of the configuration that was judged
	invoked, recorded      time.Time
}

// What a verdict can be.
const (
	compliant     = "COMPLIANT"
	nonCompliant  = "NON_COMPLIANT"
	notApplicable = "NOT_APPLICABLE"
	noData        = "INSUFFICIENT_DATA"
)

type configRuleInput struct {
	ConfigRuleName string
	Source         struct{ Owner, SourceIdentifier string }
	Scope          struct{ ComplianceResourceTypes []string }
}

// putRule is PutConfigRule. A managed rule must be one that the stand-in can
// evaluate; a custom one gets its verdicts by PutEvaluations.
func (cs *configStore) putRule(_ context.Context, c *call) (any, error) {
	var in struct{ ConfigRule configRuleInput }
	var raw struct{ ConfigRule map[string]any }
	if err := cmp.Or(c.decode(&in), c.decode(&raw)); err != nil {
		return nil, err
	}
	r := in.ConfigRule
	switch {
	case strings.TrimSpace(r.ConfigRuleName) == "" || len(r.ConfigRuleName) > 128:
		return nil, failf("InvalidParameterValueException", "A ConfigRuleName of 1 to 128 characters is required.")
	case r.Source.Owner == "AWS" && managedRules[r.Source.SourceIdentifier].judge == nil:
		return nil, failf("InvalidParameterValueException", "The sourceIdentifier %s is invalid. Please refer to the documentation for a list of valid sourceIdentifiers that can be used when AWS is the Owner.", r.Source.SourceIdentifier)
	case r.Source.Owner != "AWS" && r.Source.Owner != "CUSTOM_LAMBDA":
		return nil, failf("InvalidParameterValueException", "This stand-in has rules of the owners AWS and CUSTOM_LAMBDA.")
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	rule := cs.rule(c.place(), r.ConfigRuleName)
	if rule == nil {
		if len(cs.rules) >= maxConfigRules {
			return nil, failf("MaxNumberOfConfigRulesExceededException", "The account already has the maximum number of rules.")
		}
		id := "config-rule-" + strings.ToLower(newCode(6))
		rule = &configRule{place: c.place(), name: r.ConfigRuleName, id: id, arn: c.arn("config-rule/" + id), created: c.Time, evaluations: map[resourceKey]evaluation{}}
		cs.rules = append(cs.rules, rule)
	}
	rule.rule, rule.identifier, rule.scope = raw.ConfigRule, "", r.Scope.ComplianceResourceTypes
	if r.Source.Owner == "AWS" {
		rule.identifier = r.Source.SourceIdentifier
	}
	maps.Copy(rule.rule, map[string]any{"ConfigRuleArn": rule.arn, "ConfigRuleId": rule.id, "ConfigRuleState": "ACTIVE"})
	cs.rejudge(c, rule)
	c.touch("AWS::Config::ConfigRule", rule.arn)
	return nil, nil
}

// rule finds a rule, or returns nil. The caller holds mu.
func (cs *configStore) rule(where place, name string) *configRule {
	i := slices.IndexFunc(cs.rules, func(r *configRule) bool { return r.place == where && r.name == name })
	if i < 0 {
		return nil
	}
	return cs.rules[i]
}

func noSuchRule(name string) *apiError {
	return failf("NoSuchConfigRuleException", "The ConfigRule '%s' provided in the request is invalid. Please check the configRule name", name)
}

func (cs *configStore) deleteRule(_ context.Context, c *call) (any, error) {
	var in struct{ ConfigRuleName string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	rule := cs.rule(c.place(), in.ConfigRuleName)
	if rule == nil {
		return nil, noSuchRule(in.ConfigRuleName)
	}
	c.touch("AWS::Config::ConfigRule", rule.arn)
	cs.rules = slices.DeleteFunc(cs.rules, func(r *configRule) bool { return r == rule })
	cs.rejudge(c, rule)
	return nil, nil
}

// named are the place's rules with these names, or all of them, by name.
func (cs *configStore) named(c *call, names []string) ([]*configRule, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	var out []*configRule
	for _, r := range cs.rules {
		if r.place == c.place() && (len(names) == 0 || slices.Contains(names, r.name)) {
			out = append(out, r)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(out, func(r *configRule) bool { return r.name == name }) {
			return nil, noSuchRule(name)
		}
	}
	slices.SortFunc(out, func(a, b *configRule) int { return cmp.Compare(a.name, b.name) })
	return out, nil
}

func (cs *configStore) describeRules(_ context.Context, c *call) (any, error) {
	var in struct {
		ConfigRuleNames []string
		NextToken       string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	rules, err := cs.named(c, in.ConfigRuleNames)
	if err != nil {
		return nil, err
	}
	p, _, err := cs.configPage(c, in.NextToken, 0, configRulesPage, "rules", in.ConfigRuleNames)
	if err != nil {
		return nil, err
	}
	found, next := page(p, rules, configRulesPage)
	out := make([]map[string]any, len(found))
	for i, r := range found {
		out[i] = r.rule
	}
	return map[string]any{"ConfigRules": out, "NextToken": orNil(next)}, nil
}

// putEvaluations is PutEvaluations. There are no Lambda functions that AWS could
// have handed a token: the name of the custom rule is its result token.
func (cs *configStore) putEvaluations(_ context.Context, c *call) (any, error) {
	var in struct {
		Evaluations []struct {
			ComplianceResourceType     string
			ComplianceResourceID       string `json:"ComplianceResourceId"`
			ComplianceType, Annotation string
			OrderingTimestamp          timestamp
		}
		ResultToken string
		TestMode    bool
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.Evaluations) > maxAtOnce {
		return nil, failf("InvalidParameterValueException", "At most %d evaluations can be put at a time.", maxAtOnce)
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	rule := cs.rule(c.place(), in.ResultToken)
	if rule == nil || rule.identifier != "" {
		return nil, failf("InvalidResultTokenException", "The specified ResultToken is not valid.")
	}
	c.touch("AWS::Config::ConfigRule", rule.arn)
	failed := []any{}
	for _, e := range in.Evaluations {
		key := resourceKey{e.ComplianceResourceType, e.ComplianceResourceID}
		known := e.ComplianceType == compliant || e.ComplianceType == nonCompliant || e.ComplianceType == notApplicable || e.ComplianceType == noData
		if !known || key.kind == "" || key.id == "" || e.OrderingTimestamp.IsZero() {
			return nil, failf("InvalidParameterValueException", "An evaluation needs a ComplianceResourceType, a ComplianceResourceId, a ComplianceType and an OrderingTimestamp.")
		}
		old, there := rule.evaluations[key]
		switch {
		case !there && len(rule.evaluations) >= maxEvaluations:
			failed = append(failed, map[string]any{
				"ComplianceResourceType": key.kind, "ComplianceResourceId": key.id, "ComplianceType": e.ComplianceType, "OrderingTimestamp": e.OrderingTimestamp,
			})
		case in.TestMode || there && old.ordered.After(e.OrderingTimestamp.Time): // an older picture's verdict
		case e.ComplianceType == notApplicable:
			delete(rule.evaluations, key)
			cs.recordVerdicts(c, key, cs.newest(c.place(), key), c.Time, c.Time)
		default:
			rule.evaluations[key] = evaluation{key, e.ComplianceType, e.Annotation, e.OrderingTimestamp.Time, c.Time, c.Time}
			cs.recordVerdicts(c, key, cs.newest(c.place(), key), c.Time, c.Time)
		}
	}
	return map[string]any{"FailedEvaluations": failed}, nil
}
