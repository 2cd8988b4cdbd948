package localaws

import "time"

// defaultRule is the name of the one sampling rule: everything is sampled.
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

// samplingRules is GetSamplingRules: AWS's default rule, at a rate of 1.
func samplingRules(c *call, _ struct{}) (samplingRulesOutput, error) {
	rule := samplingRule{
		RuleName: defaultRule, RuleARN: "arn:aws:xray:" + c.Region + "::sampling-rule/" + defaultRule,
		ResourceARN: "*", Priority: 10000, FixedRate: 1, ServiceName: "*", ServiceType: "*",
		Host: "*", HTTPMethod: "*", URLPath: "*", Version: 1, Attributes: map[string]string{},
	}
	record := samplingRuleRecord{SamplingRule: rule, CreatedAt: ruleTime(), ModifiedAt: ruleTime()}
	return samplingRulesOutput{SamplingRuleRecords: []samplingRuleRecord{record}}, nil
}

type samplingTargetsInput struct {
	SamplingStatisticsDocuments []struct {
		RuleName string `json:"RuleName"`
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

// samplingTargets is GetSamplingTargets: whatever an SDK reports, it goes on
// sampling everything.
func samplingTargets(c *call, in samplingTargetsInput) (samplingTargetsOutput, error) {
	out := samplingTargetsOutput{
		SamplingTargetDocuments: []samplingTarget{}, LastRuleModification: ruleTime(),
		UnprocessedStatistics: []unprocessedStatistics{},
	}
	for _, d := range in.SamplingStatisticsDocuments {
		if d.RuleName != defaultRule {
			out.UnprocessedStatistics = append(out.UnprocessedStatistics,
				unprocessedStatistics{RuleName: d.RuleName, ErrorCode: "400", Message: "Unknown rule name"})
			continue
		}
		out.SamplingTargetDocuments = append(out.SamplingTargetDocuments, samplingTarget{
			RuleName: defaultRule, FixedRate: 1, Interval: int(samplingInterval.Seconds()),
			ReservoirQuotaTTL: timestamp{c.Time.Add(samplingInterval)},
		})
	}
	return out, nil
}
