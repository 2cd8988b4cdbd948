package localaws

import (
	"cmp"
	"slices"
	"time"
)

// maxSamplingRules is how many rules an account and region can have beside the
// default one.
const maxSamplingRules = 25

type samplingRuleOutput struct {
	SamplingRuleRecord samplingRuleRecord `json:"SamplingRuleRecord"`
}

type createSamplingRuleInput struct {
	SamplingRule samplingRule `json:"SamplingRule"`
}

// createRule is CreateSamplingRule.
func (s *traceStore) createRule(c *call, in createSamplingRuleInput) (samplingRuleOutput, error) {
	r := in.SamplingRule
	if err := r.check(); err != nil {
		return samplingRuleOutput{}, err
	}
	if r.Priority < 1 || r.Priority > 9999 {
		return samplingRuleOutput{}, xrayInvalid("Priority must be from 1 to 9999.")
	}
	if r.Attributes == nil {
		r.Attributes = map[string]string{}
	}
	r.RuleARN = c.arn("sampling-rule/" + r.RuleName)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.RuleName == defaultRule || slices.ContainsFunc(s.rules, func(o *samplingRuleRecord) bool { return o.SamplingRule.RuleName == r.RuleName }) {
		return samplingRuleOutput{}, xrayInvalid("Sampling rule with name %s already exists", r.RuleName)
	}
	if len(s.rules) >= maxSamplingRules {
		return samplingRuleOutput{}, failf("RuleLimitExceededException", "You have reached the maximum number of sampling rules.")
	}
	record := &samplingRuleRecord{SamplingRule: r, CreatedAt: timestamp{c.Time}, ModifiedAt: timestamp{c.Time}}
	s.rules, s.rulesChanged = append(s.rules, record), c.Time
	return samplingRuleOutput{*record}, nil
}

// check refuses what no rule may have.
func (r samplingRule) check() error {
	switch {
	case r.RuleName == "" || len(r.RuleName) > 32:
		return xrayInvalid("RuleName must have 1 to 32 characters.")
	case !(r.FixedRate >= 0 && r.FixedRate <= 1):
		return xrayInvalid("FixedRate must be from 0 to 1.")
	case r.ReservoirSize < 0:
		return xrayInvalid("ReservoirSize must not be negative.")
	case r.Version != 1:
		return xrayInvalid("Version must be 1.")
	case r.ServiceName == "" || r.ServiceType == "" || r.Host == "" || r.HTTPMethod == "" || r.URLPath == "" || r.ResourceARN == "":
		return xrayInvalid("ServiceName, ServiceType, Host, HTTPMethod, URLPath and ResourceARN are required.")
	}
	return nil
}

type updateSamplingRuleInput struct {
	SamplingRuleUpdate struct {
		RuleName      string   `json:"RuleName"`
		RuleARN       string   `json:"RuleARN"`
		Priority      *int     `json:"Priority"`
		FixedRate     *float64 `json:"FixedRate"`
		ReservoirSize *int     `json:"ReservoirSize"`
		ServiceName   string   `json:"ServiceName"`
		Host          string   `json:"Host"`
		HTTPMethod    string   `json:"HTTPMethod"`
		URLPath       string   `json:"URLPath"`
	} `json:"SamplingRuleUpdate"`
}

// updateRule is UpdateSamplingRule; the default rule takes a rate and a size.
func (s *traceStore) updateRule(c *call, in updateSamplingRuleInput) (samplingRuleOutput, error) {
	u := in.SamplingRuleUpdate
	s.mu.Lock()
	defer s.mu.Unlock()
	record := s.rule(c, u.RuleName, u.RuleARN)
	if record == nil {
		return samplingRuleOutput{}, xrayInvalid("Sampling rule does not exist.")
	}
	r := record.SamplingRule
	if u.FixedRate != nil {
		r.FixedRate = *u.FixedRate
	}
	if u.ReservoirSize != nil {
		r.ReservoirSize = *u.ReservoirSize
	}
	if r.RuleName != defaultRule {
		if u.Priority != nil {
			r.Priority = *u.Priority
		}
		r.ServiceName, r.Host = cmp.Or(u.ServiceName, r.ServiceName), cmp.Or(u.Host, r.Host)
		r.HTTPMethod, r.URLPath = cmp.Or(u.HTTPMethod, r.HTTPMethod), cmp.Or(u.URLPath, r.URLPath)
	}
	if err := r.check(); err != nil {
		return samplingRuleOutput{}, err
	}
	record.SamplingRule, record.ModifiedAt, s.rulesChanged = r, timestamp{c.Time}, c.Time
	return samplingRuleOutput{*record}, nil
}

// rule finds a rule by name or ARN, or returns nil. The caller holds the lock.
func (s *traceStore) rule(c *call, name, arn string) *samplingRuleRecord {
	for _, r := range s.allRules(c) {
		if r.SamplingRule.RuleName == name || name == "" && r.SamplingRule.RuleARN == arn {
			return r
		}
	}
	return nil
}

// allRules are the default rule and then the others. The caller holds the lock.
func (s *traceStore) allRules(c *call) []*samplingRuleRecord {
	if s.defaultRule == nil {
		s.defaultRule = &samplingRuleRecord{CreatedAt: ruleTime(), ModifiedAt: ruleTime(), SamplingRule: samplingRule{
			RuleName: defaultRule, RuleARN: "arn:aws:xray:" + c.Region + "::sampling-rule/" + defaultRule,
			ResourceARN: "*", Priority: 10000, FixedRate: 1, ServiceName: "*", ServiceType: "*",
			Host: "*", HTTPMethod: "*", URLPath: "*", Version: 1, Attributes: map[string]string{},
		}}
	}
	return append([]*samplingRuleRecord{s.defaultRule}, s.rules...)
}

type deleteSamplingRuleInput struct {
	RuleName string `json:"RuleName"`
	RuleARN  string `json:"RuleARN"`
}

// deleteRule is DeleteSamplingRule; the default rule stays.
func (s *traceStore) deleteRule(c *call, in deleteSamplingRuleInput) (samplingRuleOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	record := s.rule(c, in.RuleName, in.RuleARN)
	if record == nil {
		return samplingRuleOutput{}, xrayInvalid("Sampling rule does not exist.")
	}
	if record == s.defaultRule {
		return samplingRuleOutput{}, xrayInvalid("The default sampling rule cannot be deleted.")
	}
	s.rules = slices.DeleteFunc(s.rules, func(r *samplingRuleRecord) bool { return r == record })
	s.rulesChanged = c.Time
	return samplingRuleOutput{*record}, nil
}

// A samplingStatistic is what SDKs reported of a rule in one window.
type samplingStatistic struct {
	RuleName     string    `json:"RuleName"`
	Timestamp    timestamp `json:"Timestamp"` // the window's start
	RequestCount int       `json:"RequestCount"`
	BorrowCount  int       `json:"BorrowCount"`
	SampledCount int       `json:"SampledCount"`
}

// statisticWindow is the time that one summary of a rule covers.
const statisticWindow = time.Minute

// report counts what an SDK reported. A summary that a newer window replaces is
// dropped: AWS, too, shows recent ones only. The caller holds the lock.
func (s *traceStore) report(now time.Time, rule string, requests, sampled, borrowed int) {
	window := timestamp{now.Truncate(statisticWindow)}
	st := s.sampled[rule]
	if st == nil || !st.Timestamp.Equal(window.Time) {
		st = &samplingStatistic{RuleName: rule, Timestamp: window}
		s.sampled[rule] = st
	}
	st.RequestCount += requests
	st.SampledCount += sampled
	st.BorrowCount += borrowed
}

type samplingStatisticsOutput struct {
	SamplingStatisticSummaries []samplingStatistic `json:"SamplingStatisticSummaries"`
}

// samplingStatistics is GetSamplingStatisticSummaries.
func (s *traceStore) samplingStatistics(*call, struct{}) (samplingStatisticsOutput, error) {
	out := samplingStatisticsOutput{SamplingStatisticSummaries: []samplingStatistic{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.sampled {
		out.SamplingStatisticSummaries = append(out.SamplingStatisticSummaries, *st)
	}
	slices.SortFunc(out.SamplingStatisticSummaries, func(a, b samplingStatistic) int { return cmp.Compare(a.RuleName, b.RuleName) })
	return out, nil
}
