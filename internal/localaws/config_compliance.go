package localaws

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// cap of the counts that compliance answers show.
const (
	cappedRuleCount     = 25 // rules of a resource
	cappedResourceCount = 100
)

type complianceInput struct {
	ConfigRuleName  string
	ConfigRuleNames []string
	ComplianceTypes []string
	ResourceType    string
	ResourceID      string `json:"ResourceId"`
	Limit           int
	NextToken       string
}

func (in *complianceInput) wants(compliance string) bool {
	return len(in.ComplianceTypes) == 0 || slices.Contains(in.ComplianceTypes, compliance)
}

type evaluationResult struct {
	Identifier struct {
		Qualifier struct {
			ConfigRuleName string `json:"ConfigRuleName"`
			ResourceType   string `json:"ResourceType"`
			ResourceID     string `json:"ResourceId"`
			EvaluationMode string `json:"EvaluationMode"`
		} `json:"EvaluationResultQualifier"`
		OrderingTimestamp timestamp `json:"OrderingTimestamp"`
	} `json:"EvaluationResultIdentifier"`
	ComplianceType        string    `json:"ComplianceType"`
	ResultRecordedTime    timestamp `json:"ResultRecordedTime"`
	ConfigRuleInvokedTime timestamp `json:"ConfigRuleInvokedTime"`
	Annotation            string    `json:"Annotation,omitempty"`
}

func (e evaluation) result(rule string) evaluationResult {
	out := evaluationResult{
		ComplianceType: e.compliance, Annotation: e.annotation,
		ResultRecordedTime: timestamp{e.recorded}, ConfigRuleInvokedTime: timestamp{e.invoked},
	}
	q := &out.Identifier.Qualifier
	q.ConfigRuleName, q.ResourceType, q.ResourceID, q.EvaluationMode = rule, e.kind, e.id, "DETECTIVE"
	out.Identifier.OrderingTimestamp = timestamp{e.ordered}
	return out
}

// detailsByRule is GetComplianceDetailsByConfigRule.
func (cs *configStore) detailsByRule(_ context.Context, c *call) (any, error) {
	var in complianceInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	p, limit, err := cs.compliancePage(c, in, maxAtOnce)
	if err != nil {
		return nil, err
	}
	rules, err := cs.named(c, []string{in.ConfigRuleName})
	if err != nil {
		return nil, err
	}
	results := []evaluationResult{}
	for _, e := range cs.verdicts(c, rules[0]) {
		if in.wants(e.compliance) {
			results = append(results, e.result(rules[0].name))
		}
	}
	results, next := page(p, results, limit)
	return map[string]any{"EvaluationResults": results, "NextToken": orNil(next)}, nil
}

// compliancePage reads token and limit; a rule's answers refuse a wrong limit as
// a parameter's value.
func (cs *configStore) compliancePage(c *call, in complianceInput, usual int) (*pager, int, error) {
	if in.Limit < 0 || in.Limit > maxConfigPage {
		return nil, 0, failf("InvalidParameterValueException", "The limit must be from 0 to %d.", maxConfigPage)
	}
	return cs.configPage(c, in.NextToken, in.Limit, usual, c.Operation, in.ConfigRuleName, in.ConfigRuleNames, in.ComplianceTypes, in.ResourceType, in.ResourceID)
}

// detailsByResource is GetComplianceDetailsByResource.
func (cs *configStore) detailsByResource(_ context.Context, c *call) (any, error) {
	var in complianceInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.ResourceType == "" || in.ResourceID == "" {
		return nil, failf("InvalidParameterValueException", "A ResourceType and a ResourceId are required.")
	}
	p, limit, err := cs.compliancePage(c, in, maxAtOnce)
	if err != nil {
		return nil, err
	}
	rules, err := cs.named(c, nil)
	if err != nil {
		return nil, err
	}
	results := []evaluationResult{}
	for _, rule := range rules {
		for _, e := range cs.verdicts(c, rule) {
			if e.kind == in.ResourceType && e.id == in.ResourceID && in.wants(e.compliance) {
				results = append(results, e.result(rule.name))
			}
		}
	}
	results, next := page(p, results, limit)
	return map[string]any{"EvaluationResults": results, "NextToken": orNil(next)}, nil
}

type compliance struct {
	ComplianceType string        `json:"ComplianceType"`
	Contributors   *contributors `json:"ComplianceContributorCount,omitempty"`
}

type contributors struct {
	CappedCount int  `json:"CappedCount"`
	CapExceeded bool `json:"CapExceeded"`
}

// summarise joins verdicts: one that does not comply is enough.
func summarise(verdicts []string, limit int) compliance {
	guilty := 0
	for _, v := range verdicts {
		if v == nonCompliant {
			guilty++
		}
	}
	switch {
	case guilty > 0:
		return compliance{nonCompliant, &contributors{min(guilty, limit), guilty > limit}}
	case slices.Contains(verdicts, compliant):
		return compliance{ComplianceType: compliant}
	}
	return compliance{ComplianceType: noData}
}

type ruleCompliance struct {
	ConfigRuleName string     `json:"ConfigRuleName"`
	Compliance     compliance `json:"Compliance"`
}

// complianceByRule is DescribeComplianceByConfigRule.
func (cs *configStore) complianceByRule(_ context.Context, c *call) (any, error) {
	var in complianceInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	p, limit, err := cs.compliancePage(c, in, configRulesPage)
	if err != nil {
		return nil, err
	}
	rules, err := cs.named(c, in.ConfigRuleNames)
	if err != nil {
		return nil, err
	}
	all := []ruleCompliance{}
	for _, rule := range rules {
		var verdicts []string
		for _, e := range cs.verdicts(c, rule) {
			verdicts = append(verdicts, e.compliance)
		}
		if s := summarise(verdicts, cappedResourceCount); in.wants(s.ComplianceType) {
			all = append(all, ruleCompliance{rule.name, s})
		}
	}
	all, next := page(p, all, limit)
	return map[string]any{"ComplianceByConfigRules": all, "NextToken": orNil(next)}, nil
}

type resourceCompliance struct {
	ResourceType string     `json:"ResourceType"`
	ResourceID   string     `json:"ResourceId"`
	Compliance   compliance `json:"Compliance"`
}

// complianceByResource is DescribeComplianceByResource.
func (cs *configStore) complianceByResource(_ context.Context, c *call) (any, error) {
	var in complianceInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	p, limit, err := cs.compliancePage(c, in, maxAtOnce)
	if err != nil {
		return nil, err
	}
	rules, err := cs.named(c, nil)
	if err != nil {
		return nil, err
	}
	verdicts := map[resourceKey][]string{}
	for _, rule := range rules {
		for _, e := range cs.verdicts(c, rule) {
			if (in.ResourceType == "" || e.kind == in.ResourceType) && (in.ResourceID == "" || e.id == in.ResourceID) {
				verdicts[e.resourceKey] = append(verdicts[e.resourceKey], e.compliance)
			}
		}
	}
	all := []resourceCompliance{}
	for _, key := range slices.SortedFunc(maps.Keys(verdicts), func(a, b resourceKey) int { return strings.Compare(a.kind+a.id, b.kind+b.id) }) {
		if s := summarise(verdicts[key], cappedRuleCount); in.wants(s.ComplianceType) {
			all = append(all, resourceCompliance{key.kind, key.id, s})
		}
	}
	all, next := page(p, all, limit)
	return map[string]any{"ComplianceByResources": all, "NextToken": orNil(next)}, nil
}
