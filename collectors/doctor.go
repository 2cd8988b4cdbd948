package collectors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	xraytypes "github.com/aws/aws-sdk-go-v2/service/xray/types"
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
	Subject string `json:"subject"` // permission, trail, xray, config, logs, clock
	State   State  `json:"state"`
	Found   string `json:"found"`
	// For is the join or policy that needs it, and Remedy what to do; both are
	// empty where nothing is missing.
	For    string `json:"for,omitempty"`
	Remedy string `json:"remedy,omitempty"`
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
		SourceConfig: d.recorder, SourceVerdicts: d.rules,
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
	reads := slices.ContainsFunc(Sources(), func(s string) bool { return slices.Contains(permissions[s], action) })
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

// forTraces is what misses X-Ray's evidence.
const forTraces = "every join to a trace, and all policies on traces"

func (d *doctor) xray(ctx context.Context) {
	client := xray.NewFromConfig(d.AWS)
	to, err := call(ctx, &d.source, "xray:GetTraceSegmentDestination", client.GetTraceSegmentDestination, &xray.GetTraceSegmentDestinationInput{})
	if d.asked("xray:GetTraceSegmentDestination", forTraces, err) {
		if to.Destination == xraytypes.TraceSegmentDestinationCloudWatchLogs {
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
	rules, err := call(ctx, &d.source, "xray:GetSamplingRules", client.GetSamplingRules, &xray.GetSamplingRulesInput{})
	if !d.asked("xray:GetSamplingRules", "policies of absence, which need to know what is sampled", err) {
		return
	}
	for _, r := range rules.SamplingRuleRecords {
		if r.SamplingRule == nil {
			continue
		}
		name, share := aws.ToString(r.SamplingRule.RuleName), r.SamplingRule.FixedRate
		if share >= 1 {
			d.ok("xray", "sampling rule %s keeps every request", name)
			continue
		}
		d.missing("xray", "requests that are not sampled have no trace: their log lines and calls join nothing, and policies of absence are not judged",
			"raise the rate of the rule where every request must be accounted for",
			"sampling rule %s keeps %d requests a second and %.3g %% of the others", name, r.SamplingRule.ReservoirSize, 100*share)
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

func (d *doctor) logs(ctx context.Context) {
	client := cloudwatchlogs.NewFromConfig(d.AWS)
	all, err := groups(ctx, &d.source, client, false)
	action := "logs:DescribeLogGroups"
	if denied, ok := errors.AsType[*deniedError](err); ok {
		action = denied.action
	}
	if (err != nil || d.Groups.lists()) && !d.asked(action, forLogs, err) {
		return
	}
	var short, unread []string
	for i := range all {
		if days := all[i].kept; days > 0 && days < leastRetention {
			short = append(short, fmt.Sprintf("%s (%d days)", all[i].name, days))
		}
		if c := all[i].class; c != "" && c != types.LogGroupClassStandard {
			unread = append(unread, fmt.Sprintf("%s (%s)", all[i].name, c))
		}
	}
	if len(unread) > 0 {
		d.missing("logs", forLogs, "leave them out with --log-group-class STANDARD, or query them with Logs Insights",
			"%d of %d log groups are of a class that AWS lets nobody read line by line or tail: %s", len(unread), len(all), strings.Join(unread, ", "))
	}
	if len(all) == 0 {
		d.missing("logs", forLogs, "give --log-group, or a --log-group-prefix, --log-group-pattern or --log-group-tag that groups have", "there is no log group to read")
		return
	}
	now := d.Now()
	first := newLogs(d.Options, client, &all[0])
	_, err = call(ctx, &d.source, "logs:FilterLogEvents", client.FilterLogEvents, &cloudwatchlogs.FilterLogEventsInput{
		LogGroupIdentifier: aws.String(cmp.Or(first.arn, first.group)), StartTime: aws.Int64(now.Add(-time.Minute).UnixMilli()), EndTime: aws.Int64(now.UnixMilli()), Limit: aws.Int32(1),
	})
	d.asked("logs:FilterLogEvents", forLogs, err)
	if d.LiveTail {
		d.tail(ctx, all)
	}
	if len(short) > 0 {
		d.missing("logs", "lines of requests that are looked into days later", fmt.Sprintf("keep them %d days, or collect at least that often", leastRetention),
			"%d of %d log groups forget sooner: %s", len(short), len(all), strings.Join(short, ", "))
		return
	}
	d.ok("logs", "%d log groups, none of which forgets within %d days", len(all), leastRetention)
}

// logBucket looks whether anything was delivered of late.
func (d *doctor) logBucket(ctx context.Context) {
	b := newBucket(d.Options)
	objects, err := b.list(ctx, d.LogBucketPrefix)
	if !d.asked("s3:ListBucket", forLogs, err) {
		return
	}
	recent := 0
	var newest string
	var at time.Time
	for _, o := range objects {
		if m := aws.ToTime(o.LastModified); m.After(at) {
			at, newest = m, aws.ToString(o.Key)
		}
		if d.Now().Sub(aws.ToTime(o.LastModified)) < day {
			recent++
		}
	}
	if recent == 0 {
		d.missing("log-bucket", forLogs, "name the bucket and the prefix that logs are delivered to: --log-bucket, --log-bucket-prefix",
			"no object came below s3://%s/%s in the last day", d.LogBucket, d.LogBucketPrefix)
		return
	}
	object, err := call(ctx, &d.source, "s3:GetObject", b.client.GetObject, getObject(d.LogBucket, newest))
	if d.asked("s3:GetObject", forLogs, err) {
		_ = object.Body.Close() // only its head was asked for
		d.ok("log-bucket", "%d objects came below s3://%s/%s in the last day", recent, d.LogBucket, d.LogBucketPrefix)
	}
}

const forCalls = "API calls in a trace, and who changed what"

func (d *doctor) lookup(ctx context.Context) {
	_, err := call(ctx, &d.source, "cloudtrail:LookupEvents", cloudtrail.NewFromConfig(d.AWS).LookupEvents, &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(1)})
	d.asked("cloudtrail:LookupEvents", forCalls, err)
}

func (d *doctor) bucket(ctx context.Context) {
	streams, err := discoverTrail(ctx, d.Options)
	if !d.asked("s3:ListBucket", forCalls, err) {
		return
	}
	for _, c := range streams {
		t := c.(*trail)
		files, err := t.list(ctx, t.folder+d.Now().UTC().Format("2006/01/02/"))
		if err != nil || len(files) == 0 {
			continue
		}
		object, err := call(ctx, &t.source, "s3:GetObject", t.client.GetObject, getObject(t.TrailBucket, aws.ToString(files[0].Key)))
		if err == nil {
			err = object.Body.Close()
		}
		d.asked("s3:GetObject", forCalls, err)
		d.ok("trail", "%d files came into s3://%s/%s today", len(files), t.TrailBucket, t.folder)
		return
	}
	d.missing("trail", forCalls, "name the bucket and the prefix that the trail delivers to: --trail-bucket, --trail-prefix",
		"no file came into s3://%s today", d.TrailBucket)
}

const forData = "DynamoDB items, S3 objects, SQS messages and invocations in a trace: their API calls are data events"

// trails looks for a trail that delivers, and for its data events.
func (d *doctor) trails(ctx context.Context) {
	client := cloudtrail.NewFromConfig(d.AWS)
	out, err := call(ctx, &d.source, "cloudtrail:DescribeTrails", client.DescribeTrails, &cloudtrail.DescribeTrailsInput{})
	if !d.asked("cloudtrail:DescribeTrails", forData, err) {
		return
	}
	if len(out.TrailList) == 0 {
		d.missing("trail", forData, "create a trail with data events, and give --trail-bucket", "there is no trail: only 90 days of management events can be had")
	}
	for i := range out.TrailList {
		d.trail(ctx, client, &out.TrailList[i])
	}
}

func (d *doctor) trail(ctx context.Context, client *cloudtrail.Client, t *trailtypes.Trail) {
	name, bucket := aws.ToString(t.Name), aws.ToString(t.S3BucketName)
	id := t.TrailARN
	if aws.ToString(id) == "" {
		id = t.Name
	}
	status, err := call(ctx, &d.source, "cloudtrail:GetTrailStatus", client.GetTrailStatus, &cloudtrail.GetTrailStatusInput{Name: id})
	if d.asked("cloudtrail:GetTrailStatus", forData, err) && !aws.ToBool(status.IsLogging) {
		d.missing("trail", forCalls, "start it: aws cloudtrail start-logging --name "+name, "trail %s does not log", name)
	}
	selectors, err := call(ctx, &d.source, "cloudtrail:GetEventSelectors", client.GetEventSelectors, &cloudtrail.GetEventSelectorsInput{TrailName: id})
	if !d.asked("cloudtrail:GetEventSelectors", forData, err) {
		return
	}
	switch kinds := dataEvents(selectors); {
	case len(kinds) == 0:
		d.missing("trail", forData, "add data events to its selectors", "trail %s has no data events", name)
	case d.TrailBucket != bucket:
		d.missing("trail", forData, "give --trail-bucket "+bucket, "trail %s has data events (%s), in a bucket that is not read", name, strings.Join(kinds, ", "))
	default:
		d.ok("trail", "trail %s delivers to s3://%s with data events of %s", name, bucket, strings.Join(kinds, ", "))
	}
}

// dataEvents are the types of resources whose data events a trail records.
func dataEvents(s *cloudtrail.GetEventSelectorsOutput) []string {
	var kinds []string
	for _, e := range s.EventSelectors {
		for _, r := range e.DataResources {
			kinds = append(kinds, aws.ToString(r.Type))
		}
	}
	for _, a := range s.AdvancedEventSelectors {
		data := slices.ContainsFunc(a.FieldSelectors, func(f trailtypes.AdvancedFieldSelector) bool {
			return aws.ToString(f.Field) == "eventCategory" && slices.Contains(f.Equals, "Data")
		})
		for _, f := range a.FieldSelectors {
			if data && aws.ToString(f.Field) == "resources.type" {
				kinds = append(kinds, f.Equals...)
			}
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

const forChanges = "changes of resources, and the API calls behind them"

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
