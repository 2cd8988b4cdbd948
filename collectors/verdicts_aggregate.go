package collectors

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	"github.com/aws/aws-sdk-go-v2/service/configservice/types"

	"muster/fleet"
)

// aggregateVerdicts reads what the rules of all accounts of an aggregator said
// last. Aggregators keep no timelines.
type aggregateVerdicts struct{ verdicts }

func newAggregateVerdicts(o Options) *aggregateVerdicts {
	return &aggregateVerdicts{verdicts{
		changes: changes{source: newSource(o, SourceVerdicts, aggregatorMark+o.ConfigAggregator), client: configservice.NewFromConfig(o.AWS)},
		packOf:  map[string]string{},
	}}
}

// aggregatorMark in a stream's name says that an aggregator shows it.
const aggregatorMark = "aggregator/"

// aggregateRule is a rule of an account.
type aggregateRule struct{ name, account, region string }

// Collect yields the last verdicts that were given in the window.
func (v *aggregateVerdicts) Collect(ctx context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		read := v.bounds(w, configOverlap, configReach)
		out := &output{s: &v.source, yield: yield, window: read, sampled: "an aggregator has the last verdict on each resource only"}
		if err := v.collect(ctx, read, out); err != nil {
			out.end(fmt.Errorf("read the verdicts of the aggregator %s: %w", v.ConfigAggregator, err))
		}
	}
}

func (v *aggregateVerdicts) collect(ctx context.Context, read fleet.Window, out *output) error {
	var rules []aggregateRule
	err := v.afresh(ctx, func() (err error) {
		rules, err = v.rules(ctx)
		return err
	})
	if err != nil {
		return err
	}
	err = fanOut(ctx, configCalls, rules, out, func(ctx context.Context, r aggregateRule, send func(fleet.Batch) error) error {
		all := map[resourceKey]*evaluated{}
		if err := v.afresh(ctx, func() error { return v.details(ctx, r, read, all) }); err != nil {
			return fmt.Errorf("read what %s says in %s, %s: %w", r.name, r.account, r.region, err)
		}
		for _, key := range slices.SortedFunc(maps.Keys(all), compareResources) {
			if err := v.evaluations(ctx, all[key], read, origin{r.account, r.region}, send); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return out.finish()
}

// rules are those of all accounts.
func (v *aggregateVerdicts) rules(ctx context.Context) ([]aggregateRule, error) {
	in := &configservice.DescribeAggregateComplianceByConfigRulesInput{ConfigurationAggregatorName: &v.ConfigAggregator}
	var rules []aggregateRule
	var p pager
	for {
		page, err := call(ctx, &v.source, "config:DescribeAggregateComplianceByConfigRules", v.client.DescribeAggregateComplianceByConfigRules, in)
		if err != nil {
			return nil, fmt.Errorf("list the rules: %w", err)
		}
		for _, r := range page.AggregateComplianceByConfigRules {
			rule := aggregateRule{aws.ToString(r.ConfigRuleName), aws.ToString(r.AccountId), aws.ToString(r.AwsRegion)}
			if !slices.Contains(v.Accounts.Exclude, rule.account) && !slices.Contains(rules, rule) {
				rules = append(rules, rule)
			}
		}
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			return rules, err
		}
		in.NextToken = page.NextToken
	}
}

// details gathers what a rule said of the resources of its account.
func (v *aggregateVerdicts) details(ctx context.Context, r aggregateRule, w fleet.Window, all map[resourceKey]*evaluated) error {
	in := &configservice.GetAggregateComplianceDetailsByConfigRuleInput{
		ConfigurationAggregatorName: &v.ConfigAggregator, ConfigRuleName: &r.name, AccountId: &r.account, AwsRegion: &r.region, Limit: configPage,
	}
	var p pager
	for {
		page, err := call(ctx, &v.source, "config:GetAggregateComplianceDetailsByConfigRule", v.client.GetAggregateComplianceDetailsByConfigRule, in)
		if err != nil {
			return err
		}
		for i := range page.AggregateEvaluationResults {
			e := &page.AggregateEvaluationResults[i]
			note(all, &types.EvaluationResult{
				EvaluationResultIdentifier: e.EvaluationResultIdentifier, ComplianceType: e.ComplianceType,
				ResultRecordedTime: e.ResultRecordedTime, Annotation: e.Annotation,
			}, w)
		}
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			return err
		}
		in.NextToken = page.NextToken
	}
}
