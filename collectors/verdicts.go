package collectors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	"github.com/aws/aws-sdk-go-v2/service/configservice/types"

	"muster/fleet"
)

// verdicts reads what the rules of AWS Config said of resources. The answers of
// the rules hold the last evaluation of each resource only; what was said in
// between is in the resource's compliance timeline, where the recorder keeps one.
type verdicts struct {
	changes
	packOf map[string]string // conformance packs, by the rules in them
}

func newVerdicts(o Options) *verdicts {
	return &verdicts{changes{source: newSource(o, SourceVerdicts, ""), client: configservice.NewFromConfig(o.AWS)}, map[string]string{}}
}

// evaluated is a resource, and what each rule said of it last.
type evaluated struct {
	kind, id string
	last     map[string]*types.EvaluationResult // by rule
}

// Collect yields the verdicts given in the window: each change of a rule's mind
// where the recorder keeps timelines, and the last evaluations elsewhere.
func (v *verdicts) Collect(ctx context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		read := v.bounds(w, configOverlap, configReach)
		out := &output{s: &v.source, yield: yield, window: read}
		if err := v.collect(ctx, read, out); err != nil {
			out.end(fmt.Errorf("read the verdicts of AWS Config's rules: %w", err))
		}
	}
}

func (v *verdicts) collect(ctx context.Context, read fleet.Window, out *output) error {
	var rules []string
	err := v.afresh(ctx, func() (err error) {
		rules, err = v.rules(ctx)
		return err
	})
	if err != nil {
		return err
	}
	resources := map[resourceKey]*evaluated{}
	err = v.afresh(ctx, func() error { return v.packs(ctx, read, resources) })
	if denied, ok := errors.AsType[*deniedError](err); ok {
		err = out.missing(read, "denied", denied.Error()+"; the rules themselves are read")
	}
	if err != nil {
		return err
	}
	for _, rule := range rules {
		if v.packOf[rule] != "" {
			continue
		}
		if err := v.afresh(ctx, func() error { return v.details(ctx, rule, read, resources) }); err != nil {
			return fmt.Errorf("read what %s says: %w", rule, err)
		}
	}
	kept, err := v.keepsTimelines(ctx)
	if err != nil {
		return err
	}
	work := func(ctx context.Context, r *evaluated, w fleet.Window, send func(fleet.Batch) error) error {
		return v.evaluations(ctx, r, w, v.origin, send)
	}
	if kept {
		work = v.timeline
		if err := v.afresh(ctx, func() error { return v.deleted(ctx, read, resources) }); err != nil {
			return err
		}
	}
	list := slices.SortedFunc(maps.Values(resources), func(a, b *evaluated) int {
		return compareResources(resourceKey{a.kind, a.id}, resourceKey{b.kind, b.id})
	})
	err = fanOut(ctx, configCalls, list, out, func(ctx context.Context, r *evaluated, send func(fleet.Batch) error) error {
		if err := v.afresh(ctx, func() error { return work(ctx, r, read, send) }); err != nil {
			return fmt.Errorf("read the verdicts on %s %s: %w", r.kind, r.id, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return out.finish()
}

type resourceKey struct{ kind, id string }

func compareResources(a, b resourceKey) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id))
}

// rules lists the names of the rules that there are.
func (v *verdicts) rules(ctx context.Context) ([]string, error) {
	in := &configservice.DescribeComplianceByConfigRuleInput{}
	var names []string
	var p pager
	for {
		page, err := call(ctx, &v.source, "config:DescribeComplianceByConfigRule", v.client.DescribeComplianceByConfigRule, in)
		if err != nil {
			return nil, fmt.Errorf("list the rules: %w", err)
		}
		for _, r := range page.ComplianceByConfigRules {
			names = append(names, aws.ToString(r.ConfigRuleName))
		}
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			slices.Sort(names)
			return slices.Compact(names), err // a page may come twice
		}
		in.NextToken = page.NextToken
	}
}

// details gathers the resources that a rule has evaluated since the window began.
func (v *verdicts) details(ctx context.Context, rule string, w fleet.Window, all map[resourceKey]*evaluated) error {
	in := &configservice.GetComplianceDetailsByConfigRuleInput{ConfigRuleName: &rule, Limit: configPage}
	var p pager
	for {
		page, err := call(ctx, &v.source, "config:GetComplianceDetailsByConfigRule", v.client.GetComplianceDetailsByConfigRule, in)
		if _, gone := errors.AsType[*types.NoSuchConfigRuleException](err); gone {
			return nil // deleted between listing and reading
		}
		if err != nil {
			return err
		}
		for i := range page.EvaluationResults {
			note(all, &page.EvaluationResults[i], w)
		}
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			return err
		}
		in.NextToken = page.NextToken
	}
}

// complianceType is the type of the items that are a resource's timeline.
const complianceType = types.ResourceTypeResourceCompliance

// keepsTimelines reports whether a recorder records compliance.
func (v *verdicts) keepsTimelines(ctx context.Context) (bool, error) {
	out, err := call(ctx, &v.source, "config:DescribeConfigurationRecorders", v.client.DescribeConfigurationRecorders, &configservice.DescribeConfigurationRecordersInput{})
	if err != nil {
		return false, fmt.Errorf("ask what the recorder records: %w", err)
	}
	return slices.ContainsFunc(out.ConfigurationRecorders, func(r types.ConfigurationRecorder) bool {
		g := r.RecordingGroup
		if g == nil {
			return true // which records everything
		}
		if x := g.ExclusionByResourceTypes; x != nil && len(x.ResourceTypes) > 0 {
			return !slices.Contains(x.ResourceTypes, complianceType)
		}
		return g.AllSupported || slices.Contains(g.ResourceTypes, complianceType)
	}), nil
}

// deleted adds the resources whose timeline ended in the window: the rules tell
// no more of them.
func (v *verdicts) deleted(ctx context.Context, w fleet.Window, all map[resourceKey]*evaluated) error {
	known, err := v.resources(ctx, string(complianceType), w)
	if err != nil {
		return fmt.Errorf("list what has a compliance timeline: %w", err)
	}
	for _, r := range known {
		kind, id, _ := strings.Cut(aws.ToString(r.ResourceId), "/")
		if key := (resourceKey{kind, id}); r.ResourceDeletionTime != nil && all[key] == nil {
			all[key] = &evaluated{kind: kind, id: id}
		}
	}
	return nil
}

// evaluations sends the last evaluations of a resource.
func (v *verdicts) evaluations(_ context.Context, r *evaluated, w fleet.Window, of origin, send func(fleet.Batch) error) error {
	var b fleet.Batch
	for _, rule := range slices.Sorted(maps.Keys(r.last)) {
		e := r.last[rule]
		if at := aws.ToTime(e.ResultRecordedTime); at.Before(w.End) {
			b.Records = append(b.Records, r.verdict(ruleSaid{Rule: rule, Pack: v.packOf[rule], Compliance: string(e.ComplianceType)}, at, of))
		}
	}
	if len(b.Records) == 0 {
		return nil
	}
	return send(b)
}

// timeline sends the verdicts by which a resource's compliance changed in the
// window.
func (v *verdicts) timeline(ctx context.Context, r *evaluated, w fleet.Window, send func(fleet.Batch) error) error {
	var before map[string]ruleSaid
	for s := newSlicer(w, configSpan, configSpan); s.more(); s.done(1) {
		slice := s.slice()
		for item, err := range v.items(ctx, r, &configservice.GetResourceConfigHistoryInput{
			EarlierTime: &slice.Start, LaterTime: &slice.End, ChronologicalOrder: types.ChronologicalOrderForward, Limit: configPage,
		}) {
			if err != nil {
				return err
			}
			if before == nil {
				if before, err = v.saidBefore(ctx, r, item); err != nil {
					return err
				}
			}
			said, err := itemSays(item)
			if err != nil {
				return err
			}
			var b fleet.Batch
			for _, rule := range slices.Sorted(maps.Keys(said)) {
				if said[rule].Compliance != before[rule].Compliance {
					word := said[rule]
					word.Pack = v.packOf[rule]
					b.Records = append(b.Records, r.verdict(word, aws.ToTime(item.ConfigurationItemCaptureTime), v.origin))
				}
			}
			before = said
			if len(b.Records) > 0 {
				if err := send(b); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// saidBefore is what the rules said until an item was captured.
func (v *verdicts) saidBefore(ctx context.Context, r *evaluated, item *types.ConfigurationItem) (map[string]ruleSaid, error) {
	if item.ConfigurationItemStatus == types.ConfigurationItemStatusResourceDiscovered {
		return map[string]ruleSaid{}, nil
	}
	for item, err := range v.items(ctx, r, &configservice.GetResourceConfigHistoryInput{
		LaterTime: aws.Time(aws.ToTime(item.ConfigurationItemCaptureTime).Add(-time.Millisecond)), ChronologicalOrder: types.ChronologicalOrderReverse, Limit: 1,
	}) {
		if err != nil {
			return nil, err
		}
		return itemSays(item)
	}
	return map[string]ruleSaid{}, nil
}

// items reads a resource's timeline.
func (v *verdicts) items(ctx context.Context, r *evaluated, in *configservice.GetResourceConfigHistoryInput) iter.Seq2[*types.ConfigurationItem, error] {
	return func(yield func(*types.ConfigurationItem, error) bool) {
		in.ResourceType, in.ResourceId = complianceType, aws.String(r.kind+"/"+r.id)
		var p pager
		for {
			page, err := call(ctx, &v.source, "config:GetResourceConfigHistory", v.client.GetResourceConfigHistory, in)
			if _, unknown := errors.AsType[*types.ResourceNotDiscoveredException](err); unknown {
				return // evaluated, and its compliance not recorded yet
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page.ConfigurationItems {
				if !yield(&page.ConfigurationItems[i], nil) {
					return
				}
			}
			more, err := p.next(page.NextToken)
			if err != nil {
				yield(nil, err)
			}
			if err != nil || !more {
				return
			}
			in.NextToken = page.NextToken
		}
	}
}
