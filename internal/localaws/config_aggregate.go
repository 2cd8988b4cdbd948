package localaws

import (
	"cmp"
	"context"
	"slices"
)

// maxAggregatePage is the most rules that a page of an aggregator's can have.
const maxAggregatePage = 1000

// aggregator is a view of the resources and rules of several accounts.
// configStore's lock guards it.
type aggregator struct {
	place
	name     string
	accounts []string // nil: those of the organization
	regions  []string // nil: all
	made     map[string]any
}

func (cs *configStore) putAggregator(_ context.Context, c *call) (any, error) {
	type regions struct {
		AccountIDs []string `json:"AccountIds"`
		AllRegions bool     `json:"AllAwsRegions"`
		Regions    []string `json:"AwsRegions"`
	}
	var in struct {
		Name         string    `json:"ConfigurationAggregatorName"`
		Accounts     []regions `json:"AccountAggregationSources"`
		Organization *regions  `json:"OrganizationAggregationSource"`
	}
	var raw map[string]any
	if err := cmp.Or(c.decode(&in), c.decode(&raw)); err != nil {
		return nil, err
	}
	if !aggregatorName.allows(in.Name) || (len(in.Accounts) == 1) == (in.Organization != nil) {
		return nil, failf("InvalidParameterValueException", "An aggregator needs a name, and either one account source or an organization source.")
	}
	a := &aggregator{place: c.place(), name: in.Name}
	from := in.Organization
	if from == nil {
		from = &in.Accounts[0]
		a.accounts = from.AccountIDs
	}
	if !from.AllRegions {
		a.regions = from.Regions
	}
	arn := c.arn("config-aggregator/config-aggregator-" + newCode(8))
	a.made = map[string]any{
		"ConfigurationAggregatorName": in.Name, "ConfigurationAggregatorArn": arn, "CreationTime": timestamp{c.Time}, "LastUpdatedTime": timestamp{c.Time},
	}
	for _, name := range []string{"AccountAggregationSources", "OrganizationAggregationSource"} {
		if raw[name] != nil {
			a.made[name] = raw[name]
		}
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.aggregators = slices.DeleteFunc(cs.aggregators, func(o *aggregator) bool { return o.place == a.place && o.name == a.name })
	cs.aggregators = append(cs.aggregators, a)
	return map[string]any{"ConfigurationAggregator": a.made}, nil
}

func (cs *configStore) describeAggregators(_ context.Context, c *call) (any, error) {
	var in struct {
		Names     []string `json:"ConfigurationAggregatorNames"`
		NextToken string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	for _, name := range in.Names {
		if _, err := cs.aggregator(c, name); err != nil {
			return nil, err
		}
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	out := []map[string]any{}
	for _, a := range cs.aggregators {
		if a.place == c.place() && (len(in.Names) == 0 || slices.Contains(in.Names, a.name)) {
			out = append(out, a.made)
		}
	}
	return map[string]any{"ConfigurationAggregators": out}, nil
}

func (cs *configStore) aggregator(c *call, name string) (*aggregator, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, a := range cs.aggregators {
		if a.place == c.place() && a.name == name {
			return a, nil
		}
	}
	return nil, failf("NoSuchConfigurationAggregatorException", "The configuration aggregator does not exist. Check the configuration aggregator name and try again.")
}

// has reports whether the aggregator shows what is in a place.
func (a *aggregator) has(where place, members []string) bool {
	accounts := a.accounts
	if accounts == nil {
		accounts = members
	}
	return slices.Contains(accounts, where.account) && (a.regions == nil || slices.Contains(a.regions, where.region))
}

// places are those that an aggregator shows, in order.
func (cs *configStore) places(a *aggregator) []place {
	members := make([]string, len(cs.s.members))
	for i, m := range cs.s.members {
		members[i] = m.ID
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	var all []place
	add := func(where place) {
		if a.has(where, members) && !slices.Contains(all, where) {
			all = append(all, where)
		}
	}
	for i := range cs.items {
		add(cs.items[i].place())
	}
	for _, r := range cs.rules {
		add(r.place)
	}
	slices.SortFunc(all, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.region, b.region))
	})
	return all
}

// in is a call as if it were made in another place.
func (c *call) in(where place) *call {
	at := *c
	at.Account, at.Region = where.account, where.region
	return &at
}

type aggregateInput struct {
	Name       string `json:"ConfigurationAggregatorName"`
	Expression string
	Rule       string `json:"ConfigRuleName"`
	Account    string `json:"AccountId"`
	Region     string `json:"AwsRegion"`
	Compliance string `json:"ComplianceType"`
	Filters    struct {
		Rule       string `json:"ConfigRuleName"`
		Account    string `json:"AccountId"`
		Region     string `json:"AwsRegion"`
		Compliance string `json:"ComplianceType"`
	}
	Limit     int
	NextToken string
}

// selectAggregate is SelectAggregateResourceConfig.
func (cs *configStore) selectAggregate(_ context.Context, c *call) (any, error) {
	var in aggregateInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	a, err := cs.aggregator(c, in.Name)
	if err != nil {
		return nil, err
	}
	return cs.query(c, in.Expression, in.NextToken, in.Limit, cs.places(a))
}

// aggregateRules is DescribeAggregateComplianceByConfigRules.
func (cs *configStore) aggregateRules(_ context.Context, c *call) (any, error) {
	var in aggregateInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Limit < 0 || in.Limit > maxAggregatePage {
		return nil, failf("InvalidLimitException", "The limit must be from 0 to %d.", maxAggregatePage)
	}
	a, err := cs.aggregator(c, in.Name)
	if err != nil {
		return nil, err
	}
	p, limit, err := cs.configPage(c, in.NextToken, min(in.Limit, maxConfigPage), maxConfigPage, in.Name, in.Filters)
	if err != nil {
		return nil, err
	}
	all := []map[string]any{}
	f := in.Filters
	for _, where := range cs.places(a) {
		at := c.in(where)
		rules, err := cs.named(at, nil)
		if err != nil {
			return nil, err
		}
		for _, rule := range rules {
			var verdicts []string
			for _, e := range cs.verdicts(at, rule) {
				verdicts = append(verdicts, e.compliance)
			}
			s := summarise(verdicts, cappedResourceCount)
			if s.ComplianceType == noData || f.Rule != "" && f.Rule != rule.name || f.Account != "" && f.Account != where.account ||
				f.Region != "" && f.Region != where.region || f.Compliance != "" && f.Compliance != s.ComplianceType {
				continue // an aggregator has no rules without a verdict
			}
			all = append(all, map[string]any{"ConfigRuleName": rule.name, "Compliance": s, "AccountId": where.account, "AwsRegion": where.region})
		}
	}
	all, next := page(p, all, limit)
	return map[string]any{"AggregateComplianceByConfigRules": all, "NextToken": orNil(next)}, nil
}

type aggregateResult struct {
	evaluationResult
	Account string `json:"AccountId"`
	Region  string `json:"AwsRegion"`
}

// aggregateDetails is GetAggregateComplianceDetailsByConfigRule.
func (cs *configStore) aggregateDetails(_ context.Context, c *call) (any, error) {
	var in aggregateInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Rule == "" || in.Account == "" || in.Region == "" {
		return nil, failf("ValidationException", "A ConfigRuleName, an AccountId and an AwsRegion are required.")
	}
	a, err := cs.aggregator(c, in.Name)
	if err != nil {
		return nil, err
	}
	p, limit, err := cs.configPage(c, in.NextToken, in.Limit, maxAtOnce, in.Name, in.Rule, in.Account, in.Region, in.Compliance)
	if err != nil {
		return nil, err
	}
	where := place{in.Account, in.Region}
	results := []aggregateResult{}
	if at := c.in(where); slices.Contains(cs.places(a), where) {
		rules, err := cs.named(at, []string{in.Rule})
		if err != nil {
			rules = nil // an aggregator knows no such rule: it has nothing to say
		}
		for _, rule := range rules {
			for _, e := range cs.verdicts(at, rule) {
				if in.Compliance == "" || in.Compliance == e.compliance {
					results = append(results, aggregateResult{e.result(rule.name), where.account, where.region})
				}
			}
		}
	}
	results, next := page(p, results, limit)
	return map[string]any{"AggregateEvaluationResults": results, "NextToken": orNil(next)}, nil
}
