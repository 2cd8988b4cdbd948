package collectors

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"

	"muster/fleet"
)

// sampling says how the requests of a window were sampled; "" when all were kept,
// or nobody can tell. What cannot be asked is no reason to read no traces.
func (t *traces) sampling(ctx context.Context, w fleet.Window) string {
	requests, kept, err := t.sampled(ctx, w)
	if err == nil && requests > 0 {
		if kept >= requests {
			return ""
		}
		return fmt.Sprintf("X-Ray's SDKs kept %d of %d requests (%.3g %%): the others have no trace", kept, requests, 100*float64(kept)/float64(requests))
	}
	var rules []*types.SamplingRule
	if err == nil {
		rules, err = samplingRules(ctx, &t.source, t.client)
	}
	if err != nil && ctx.Err() == nil {
		t.Logger.WarnContext(ctx, "cannot tell what share of the requests is sampled", "stream", t.stream, "error", err)
	}
	var said []string
	for _, r := range rules {
		if r.FixedRate < 1 {
			said = append(said, fmt.Sprintf("%s keeps %d requests a second and %.3g %% of the others", aws.ToString(r.RuleName), r.ReservoirSize, 100*r.FixedRate))
		}
	}
	if len(said) == 0 {
		return ""
	}
	return "X-Ray has no sampling statistics of this time; as the rules are now, " + strings.Join(said, ", and ")
}

// sampled is how many requests X-Ray's SDKs reported of a window, and how many of
// them they kept. AWS has statistics of late only.
func (t *traces) sampled(ctx context.Context, w fleet.Window) (requests, kept int64, err error) {
	in := &xray.GetSamplingStatisticSummariesInput{}
	var p pager
	for {
		page, err := call(ctx, &t.source, "xray:GetSamplingStatisticSummaries", t.client.GetSamplingStatisticSummaries, in)
		if err != nil {
			return 0, 0, err
		}
		for _, s := range page.SamplingStatisticSummaries {
			if w.Contains(aws.ToTime(s.Timestamp)) {
				requests += int64(s.RequestCount)
				kept += int64(s.SampledCount)
			}
		}
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			return requests, kept, err
		}
		in.NextToken = page.NextToken
	}
}

// samplingRules are the rules as they are now.
func samplingRules(ctx context.Context, s *source, client *xray.Client) ([]*types.SamplingRule, error) {
	in := &xray.GetSamplingRulesInput{}
	var all []*types.SamplingRule
	var p pager
	for {
		page, err := call(ctx, s, "xray:GetSamplingRules", client.GetSamplingRules, in)
		if err != nil {
			return nil, err
		}
		for i := range page.SamplingRuleRecords {
			if r := page.SamplingRuleRecords[i].SamplingRule; r != nil {
				all = append(all, r)
			}
		}
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			return all, err
		}
		in.NextToken = page.NextToken
	}
}

// group finds the filter expression of the group of traces that is asked for.
func (t *traces) group(ctx context.Context) (expression string, err error) {
	in := &xray.GetGroupsInput{}
	var names []string
	var p pager
	for {
		page, err := call(ctx, &t.source, "xray:GetGroups", t.client.GetGroups, in)
		if err != nil {
			return "", err
		}
		for _, g := range page.Groups {
			if aws.ToString(g.GroupName) == t.XRayGroup {
				return aws.ToString(g.FilterExpression), nil
			}
			names = append(names, clip(aws.ToString(g.GroupName), maxIDBytes))
		}
		more, err := p.next(page.NextToken)
		if err != nil {
			return "", err
		}
		if !more {
			return "", fmt.Errorf("X-Ray has no group %q here; it has %s", t.XRayGroup, strings.Join(names, ", "))
		}
		in.NextToken = page.NextToken
	}
}
