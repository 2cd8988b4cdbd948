package collectors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	xraytypes "github.com/aws/aws-sdk-go-v2/service/xray/types"

	"muster/fleet"
)

// State is what a check came to.
type State string

// The states of a check. What is missing costs evidence; what is unknown could
// not be asked.
const (
	StateOK      State = "ok"
	StateMissing State = "missing"
	StateUnknown State = "unknown"
)

// Check is one thing that a join or a policy needs of an account.
type Check struct {
	// Account and Region are where, when there is more than one place.
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	Subject string `json:"subject"` // permission, trail, xray, graph, config, logs, clock
	State   State  `json:"state"`
	Found   string `json:"found"`
	// For is the join or policy that needs it, and Remedy what to do; both are
	// empty where nothing is missing.
	For    string `json:"for,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Compared has the numbers of a check on a service of X-Ray's service graph.
	Compared *Compared `json:"compared,omitempty"`
}

// leastRetention is how long a log group should keep lines, in days: a request is
// looked into days after it, and an audit window is a day.
const leastRetention = 7

// doctor asks an account what it lacks.
type doctor struct {
	source
	checks []Check
}

// Examine checks what the configured sources need. It reads, in some thirty
// calls, and changes nothing. An error is one that leaves nothing to check.
func Examine(ctx context.Context, o Options) ([]Check, error) {
	o = o.withDefaults()
	wanted, err := o.wanted()
	if err != nil {
		return nil, err
	}
	if o.AWS.Region == "" {
		return nil, errors.New("no AWS region is set: name one in the configuration or in AWS_REGION")
	}
	if o.AWS.Retryer == nil {
		o.AWS = withRetries(o.AWS)
	}
	d := &doctor{source: newSource(o, "doctor", "")}
	if err := d.caller(ctx); err != nil {
		return nil, err
	}
	o.Account = d.Account
	if !o.placed {
		o.AWS = o.Limiter.limit(o.AWS, d.Account)
	}
	d.source = newSource(o, "doctor", "")
	examine := map[string]func(context.Context){
		SourceXRay: d.xray, SourceLogs: d.logs, SourceLogBucket: d.logBucket, SourceCloudTrail: d.lookup, SourceTrail: d.bucket,
		SourceConfig: d.recorder, SourceVerdicts: d.rules, SourceInventory: d.inventory, SourceExecutions: d.executions, SourceKinesis: d.streams,
	}
	for _, name := range wanted {
		examine[name](ctx)
		if ctx.Err() != nil {
			return d.checks, ctx.Err()
		}
	}
	d.trails(ctx)
	return d.checks, ctx.Err()
}

func (d *doctor) ok(subject, found string, args ...any) {
	d.checks = append(d.checks, Check{Subject: subject, State: StateOK, Found: fmt.Sprintf(found, args...)})
}

func (d *doctor) missing(subject, needed, remedy, found string, args ...any) {
	d.checks = append(d.checks, Check{Subject: subject, State: StateMissing, Found: fmt.Sprintf(found, args...), For: needed, Remedy: remedy})
}

// asked notes whether a call may be made, and reports it. Calls that reading
// needs are missing where they are denied, others only leave something unknown.
func (d *doctor) asked(action, needed string, err error) bool {
	denied, isDenied := errors.AsType[*deniedError](err)
	reads := slices.Contains(queuePermissions, action) ||
		slices.Contains(aggregatorPermissions[SourceVerdicts], action) || slices.Contains(aggregatorPermissions[SourceInventory], action) ||
		slices.ContainsFunc(Sources(), func(s string) bool { return slices.Contains(permissions[s], action) })
	switch {
	case err == nil:
		if reads {
			d.ok("permission", "%s is allowed", action)
		}
	case isDenied && reads:
		d.missing("permission", needed, "allow "+action+"; collect --iam prints the whole policy", "%s is denied: %v", action, denied.err)
	case isDenied:
		d.checks = append(d.checks, Check{Subject: "permission", State: StateUnknown, Found: action + " is denied: this cannot be checked", For: needed, Remedy: "allow " + action + " to the one who runs doctor"})
	default:
		d.checks = append(d.checks, Check{Subject: "permission", State: StateUnknown, Found: fmt.Sprintf("%s: %v", action, err), For: needed, Remedy: "try again, or ask why it fails"})
	}
	return err == nil
}

// skewLimit is how far a clock may be off before AWS refuses signatures.
const skewLimit = 5 * time.Minute

// caller finds out who asks, and how far apart the clocks are.
func (d *doctor) caller(ctx context.Context) error {
	id, err := call(ctx, &d.source, "sts:GetCallerIdentity", sts.NewFromConfig(d.AWS).GetCallerIdentity, &sts.GetCallerIdentityInput{})
	if err != nil {
		return fmt.Errorf("find out whose credentials these are: %w", err)
	}
	if d.Account == "" {
		d.Account = aws.ToString(id.Account)
	}
	d.ok("credentials", "%s in %s", aws.ToString(id.Arn), d.AWS.Region)
	skew, known := awsmiddleware.GetAttemptSkew(id.ResultMetadata)
	switch {
	case !known:
		d.checks = append(d.checks, Check{Subject: "clock", State: StateUnknown, Found: "AWS did not say what time it is"})
	case skew.Abs() > skewLimit:
		d.missing("clock", "every call, and the order of what is joined by time", "let NTP set this machine's clock", "this machine's clock is %s off AWS's", skew.Abs().Round(time.Second))
	default:
		d.ok("clock", "within %s of AWS's", skew.Abs().Round(time.Second)+time.Second)
	}
	return nil
}

const forSampling = "policies of absence, which need to know what is sampled"

// forTraces is what misses X-Ray's evidence.
const forTraces = "every join to a trace, and all policies on traces"

func (d *doctor) xray(ctx context.Context) {
	client := xray.NewFromConfig(d.AWS)
	to, err := call(ctx, &d.source, "xray:GetTraceSegmentDestination", client.GetTraceSegmentDestination, &xray.GetTraceSegmentDestinationInput{})
	searched := false
	if d.asked("xray:GetTraceSegmentDestination", forTraces, err) {
		if searched = to.Destination == xraytypes.TraceSegmentDestinationCloudWatchLogs; searched {
			d.spans(ctx)
		} else {
			d.ok("xray", "segments are kept by X-Ray itself, for 30 days")
		}
	}
	now := d.Now()
	_, err = call(ctx, &d.source, "xray:GetTraceSummaries", client.GetTraceSummaries, &xray.GetTraceSummariesInput{
		StartTime: aws.Time(now.Add(-time.Minute)), EndTime: &now,
	})
	d.asked("xray:GetTraceSummaries", forTraces, err)
	_, err = call(ctx, &d.source, "xray:BatchGetTraces", client.BatchGetTraces, &xray.BatchGetTracesInput{
		TraceIds: []string{fmt.Sprintf("1-%08x-%024x", now.Unix(), 0)}, // no trace has it
	})
	d.asked("xray:BatchGetTraces", forTraces, err)
	t := newTraces(d.Options)
	requests, kept, err := t.sampled(ctx, fleet.Window{Start: now.Add(-time.Hour), End: now})
	if d.asked("xray:GetSamplingStatisticSummaries", forSampling, err) && requests > 0 {
		d.ok("xray", "of late X-Ray's SDKs kept %d of %d requests (%.3g %%)", kept, requests, 100*float64(kept)/float64(requests))
	}
	d.graph(ctx, client, searched)
	rules, err := samplingRules(ctx, &d.source, client)
	if !d.asked("xray:GetSamplingRules", forSampling, err) {
		return
	}
	for _, r := range rules {
		name, share := aws.ToString(r.RuleName), r.FixedRate
		if share >= 1 {
			d.ok("xray", "sampling rule %s keeps every request", name)
			continue
		}
		d.missing("xray", "requests that are not sampled have no trace: their log lines and calls join nothing, and policies of absence are not judged",
			"raise the rate of the rule where every request must be accounted for",
			"sampling rule %s keeps %d requests a second and %.3g %% of the others", name, r.ReservoirSize, 100*share)
	}
}

// spans looks at the log group of Transaction Search.
func (d *doctor) spans(ctx context.Context) {
	client := cloudwatchlogs.NewFromConfig(d.AWS)
	group, err := describeSpans(ctx, &d.source, client)
	if !d.asked("logs:DescribeLogGroups", forTraces, err) {
		return
	}
	if group == nil {
		d.missing("xray", forTraces, "send a trace, and let X-Ray write to the group: aws logs put-resource-policy, as Transaction Search's documentation has it",
			"segments go to CloudWatch Logs (Transaction Search), and there is no log group %s", spansGroup)
		return
	}
	now := d.Now()
	_, err = call(ctx, &d.source, "logs:FilterLogEvents", client.FilterLogEvents, &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: aws.String(spansGroup), StartTime: aws.Int64(now.Add(-time.Minute).UnixMilli()), EndTime: aws.Int64(now.UnixMilli()), Limit: aws.Int32(1),
	})
	if !d.asked("logs:FilterLogEvents", forTraces, err) {
		return
	}
	kept := "without end"
	if days := group.kept; days > 0 {
		kept = fmt.Sprintf("for %d days", days)
	}
	d.ok("xray", "segments go to CloudWatch Logs (Transaction Search); %s keeps every span %s", spansGroup, kept)
}

// forLogs is what misses log lines.
const forLogs = "log lines in a trace, and the joins by request ids in them"

func (d *doctor) recorder(ctx context.Context) {
	client := configservice.NewFromConfig(d.AWS)
	_, err := call(ctx, &d.source, "config:ListDiscoveredResources", client.ListDiscoveredResources,
		&configservice.ListDiscoveredResourcesInput{ResourceType: "AWS::S3::Bucket", Limit: 1})
	d.asked("config:ListDiscoveredResources", forChanges, err)
	out, err := call(ctx, &d.source, "config:DescribeConfigurationRecorderStatus", client.DescribeConfigurationRecorderStatus, &configservice.DescribeConfigurationRecorderStatusInput{})
	if !d.asked("config:DescribeConfigurationRecorderStatus", forChanges, err) {
		return
	}
	running := 0
	for _, r := range out.ConfigurationRecordersStatus {
		if r.Recording {
			running++
		}
	}
	if running == 0 {
		d.missing("config", forChanges, "start AWS Config's recorder", "no recorder of AWS Config records")
		return
	}
	d.ok("config", "AWS Config records")
}

const forVerdicts = "findings from the rules of AWS Config, with the change behind them"

func (d *doctor) rules(ctx context.Context) {
	v := newVerdicts(d.Options)
	kept, err := v.keepsTimelines(ctx)
	if d.asked("config:DescribeConfigurationRecorders", forVerdicts, err) && !kept {
		d.missing("config", "verdicts that came and went between two passes", "record the type AWS::Config::ResourceCompliance", "compliance has no timeline: only the last verdicts can be had")
	}
	_, err = call(ctx, &d.source, "config:DescribeConformancePacks", v.client.DescribeConformancePacks, &configservice.DescribeConformancePacksInput{Limit: packPage})
	d.asked("config:DescribeConformancePacks", "the names of conformance packs on verdicts", err)
	if d.ConfigAggregator != "" {
		a := newAggregateVerdicts(d.Options)
		found, err := a.rules(ctx)
		if d.asked("config:DescribeAggregateComplianceByConfigRules", forVerdicts, err) {
			d.ok("config", "the aggregator %s shows %d rules of its accounts", d.ConfigAggregator, len(found))
		}
	}
	names, err := v.rules(ctx)
	if !d.asked("config:DescribeComplianceByConfigRule", forVerdicts, err) {
		return
	}
	if len(names) == 0 {
		d.missing("config", forVerdicts, "add rules to AWS Config, or leave out --source verdicts", "AWS Config has no rules")
		return
	}
	d.ok("config", "%d rules of AWS Config", len(names))
}

// inventory asks how many resources an advanced query finds.
func (d *doctor) inventory(ctx context.Context) {
	i := newInventory(d.Options)
	results, _, err := i.page(ctx, "SELECT accountId, COUNT(*) GROUP BY accountId", nil)
	if !d.asked(i.action(), forChanges, err) {
		return
	}
	if len(results) == 0 {
		d.missing("config", forChanges, "start AWS Config's recorder, or let the aggregator have accounts", "advanced queries find no resource")
		return
	}
	if d.ConfigAggregator != "" {
		d.ok("config", "the aggregator %s has resources of %d accounts", d.ConfigAggregator, len(results))
		return
	}
	d.ok("config", "advanced queries find resources")
}
