package collectors

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	"github.com/aws/aws-sdk-go-v2/service/configservice/types"

	"muster/fleet"
)

// packPage is the most packs that a page has.
const packPage = 20

// packs reads the conformance packs that there are, and what the rules in them say.
// These are rules like others, so that what is read here is not asked for by rule.
func (v *verdicts) packs(ctx context.Context, w fleet.Window, all map[resourceKey]*evaluated) error {
	in := &configservice.DescribeConformancePacksInput{Limit: packPage}
	var names []string
	var p pager
	for {
		page, err := call(ctx, &v.source, "config:DescribeConformancePacks", v.client.DescribeConformancePacks, in)
		if err != nil {
			return err
		}
		for i := range page.ConformancePackDetails {
			names = append(names, aws.ToString(page.ConformancePackDetails[i].ConformancePackName))
		}
		more, err := p.next(page.NextToken)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		in.NextToken = page.NextToken
	}
	for _, name := range names {
		if err := v.afresh(ctx, func() error { return v.pack(ctx, name, w, all) }); err != nil {
			return fmt.Errorf("read what the conformance pack %s says: %w", name, err)
		}
	}
	return nil
}

// pack gathers what the rules of a conformance pack say.
func (v *verdicts) pack(ctx context.Context, name string, w fleet.Window, all map[resourceKey]*evaluated) error {
	in := &configservice.GetConformancePackComplianceDetailsInput{ConformancePackName: &name, Limit: configPage}
	var p pager
	for {
		page, err := call(ctx, &v.source, "config:GetConformancePackComplianceDetails", v.client.GetConformancePackComplianceDetails, in)
		if _, gone := errors.AsType[*types.NoSuchConformancePackException](err); gone {
			return nil // deleted between listing and reading
		}
		if err != nil {
			return err
		}
		for i := range page.ConformancePackRuleEvaluationResults {
			e := &page.ConformancePackRuleEvaluationResults[i]
			if e.EvaluationResultIdentifier == nil || e.EvaluationResultIdentifier.EvaluationResultQualifier == nil {
				continue
			}
			v.packOf[aws.ToString(e.EvaluationResultIdentifier.EvaluationResultQualifier.ConfigRuleName)] = name
			note(all, &types.EvaluationResult{
				EvaluationResultIdentifier: e.EvaluationResultIdentifier, ComplianceType: types.ComplianceType(e.ComplianceType),
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

// note keeps what a rule said of a resource, if that was since the window began.
func note(all map[resourceKey]*evaluated, e *types.EvaluationResult, w fleet.Window) {
	if e.EvaluationResultIdentifier == nil || e.EvaluationResultIdentifier.EvaluationResultQualifier == nil || aws.ToTime(e.ResultRecordedTime).Before(w.Start) {
		return
	}
	q := e.EvaluationResultIdentifier.EvaluationResultQualifier
	key := resourceKey{aws.ToString(q.ResourceType), aws.ToString(q.ResourceId)}
	if all[key] == nil {
		all[key] = &evaluated{kind: key.kind, id: key.id, last: map[string]*types.EvaluationResult{}}
	}
	all[key].last[aws.ToString(q.ConfigRuleName)] = e
}
