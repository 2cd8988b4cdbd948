package localaws

import "time"

// defaultRule is the name of the sampling rule that is always there.
const defaultRule = "Default"

// samplingInterval is when an SDK asks for its targets again.
const samplingInterval = 10 * time.Second

type samplingRulesOutput struct {
	SamplingRuleRecords []samplingRuleRecord `json:"SamplingRuleRecords"`
}

type samplingRuleRecord struct {
	SamplingRule samplingRule `json:"SamplingRule"`
	CreatedAt    timestamp    `json:"CreatedAt"`
	ModifiedAt   timestamp    `json:"ModifiedAt"`
}

type samplingRule struct {
	RuleName      string            `json:"RuleName"`
	RuleARN       string            `json:"RuleARN"`
	ResourceARN   string            `json:"ResourceARN"`
	Priority      int               `json:"Priority"`
	FixedRate     float64           `json:"FixedRate"` // 0 to 1
	ReservoirSize int               `json:"ReservoirSize"`
	ServiceName   string            `json:"ServiceName"`
	ServiceType   string            `json:"ServiceType"`
	Host          string            `json:"Host"`
	HTTPMethod    string            `json:"HTTPMethod"`
	URLPath       string            `json:"URLPath"`
	Version       int               `json:"Version"`
	Attributes    map[string]string `json:"Attributes"`
}

// ruleTime is when AWS says that the default rule was made. A later time would
// make SDKs fetch the rules again with each of their targets.
func ruleTime() timestamp { return timestamp{time.Unix(0, 0)} }

// samplingRules is GetSamplingRules: the default rule, at a rate of 1 until it is
// updated, and those that were made.
func (s *traceStore) samplingRules(c *call, _ struct{}) (samplingRulesOutput, error) {
	out := samplingRulesOutput{SamplingRuleRecords: []samplingRuleRecord{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.allRules(c) {
		out.SamplingRuleRecords = append(out.SamplingRuleRecords, *r)
	}
	return out, nil
}

type samplingTargetsInput struct {
	SamplingStatisticsDocuments []struct {
		RuleName     string `json:"RuleName"`
		RequestCount int    `json:"RequestCount"`
		SampledCount int    `json:"SampledCount"`
		BorrowCount  int    `json:"BorrowCount"`
	} `json:"SamplingStatisticsDocuments"`
}

type samplingTargetsOutput struct {
	SamplingTargetDocuments []samplingTarget        `json:"SamplingTargetDocuments"`
	LastRuleModification    timestamp               `json:"LastRuleModification"`
	UnprocessedStatistics   []unprocessedStatistics `json:"UnprocessedStatistics"`
}

type samplingTarget struct {
	RuleName          string    `json:"RuleName"`
	FixedRate         float64   `json:"FixedRate"`
	ReservoirQuota    int       `json:"ReservoirQuota"`
	ReservoirQuotaTTL timestamp `json:"ReservoirQuotaTTL"`
	Interval          int       `json:"Interval"` // seconds
}

type unprocessedStatistics struct {
	RuleName  string `json:"RuleName"`
	ErrorCode string `json:"ErrorCode"` // a status code; SDKs read its first digit
	Message   string `json:"Message"`
}

// samplingTargets is GetSamplingTargets: every reporting SDK gets the rule's rate
// and its whole reservoir, since nobody here counts the reporters.
func (s *traceStore) samplingTargets(c *call, in samplingTargetsInput) (samplingTargetsOutput, error) {
	out := samplingTargetsOutput{
		SamplingTargetDocuments: []samplingTarget{}, LastRuleModification: ruleTime(),
		UnprocessedStatistics: []unprocessedStatistics{},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.rulesChanged.IsZero() {
		out.LastRuleModification = timestamp{s.rulesChanged}
	}
	for _, d := range in.SamplingStatisticsDocuments {
		record := s.rule(c, d.RuleName, "")
		if record == nil {
			out.UnprocessedStatistics = append(out.UnprocessedStatistics,
				unprocessedStatistics{RuleName: d.RuleName, ErrorCode: "400", Message: "Unknown rule name"})
			continue
		}
		s.report(c.Time, d.RuleName, d.RequestCount, d.SampledCount, d.BorrowCount)
		rule := record.SamplingRule
		out.SamplingTargetDocuments = append(out.SamplingTargetDocuments, samplingTarget{
			RuleName: rule.RuleName, FixedRate: rule.FixedRate, ReservoirQuota: rule.ReservoirSize,
			Interval: int(samplingInterval.Seconds()), ReservoirQuotaTTL: timestamp{c.Time.Add(samplingInterval)},
		})
	}
	return out, nil
}
