package collectors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	"github.com/aws/aws-sdk-go-v2/service/xray"

	"muster/fleet"
)

// Estimate is what reading one source over a window is likely to take.
type Estimate struct {
	// Account and Region are where that is.
	Account string        `json:"account"`
	Region  string        `json:"region"`
	Source  string        `json:"source"`
	Streams int           `json:"streams"`
	Calls   int64         `json:"calls"`
	Bytes   int64         `json:"bytes"` // of evidence; 0 where nothing tells
	Time    time.Duration `json:"-"`
	Dollars float64       `json:"dollars"`
	// Quota is the call whose quota binds, and Rate how often it may be made, in
	// calls a second; 0 where AWS publishes none.
	Quota  string  `json:"quota"`
	Rate   float64 `json:"rate"`
	Basis  string  `json:"basis"`            // what the estimate is made of
	Advice string  `json:"advice,omitempty"` // when there is a better way
}

// AWS's list prices in us-east-1, in dollars. FilterLogEvents, LookupEvents and
// the reads of AWS Config cost nothing.
const (
	dollarsPerTrace   = 0.50 / 1e6 // retrieved by BatchGetTraces, or scanned; a million a month is free
	dollarsPerGet     = 0.40 / 1e6 // S3
	dollarsPerList    = 5.00 / 1e6 // S3
	dollarsPerMessage = 0.40 / 1e6 // a call of SQS; a million a month is free
	unknownRate       = 10         // calls a second assumed where AWS publishes no quota
	lookupPage        = 50         // events
	filterPage        = 1 << 20    // bytes; or 10,000 events
	traceSample       = time.Hour  // of traces that are counted
	samplePages       = 20         // of them at most
	listPage          = 1000       // objects
	manyLists         = 100        // a pass each half minute would list for $1 an hour and more
	day               = 24 * time.Hour
)

// Estimates tells what reading a window takes, source by source. It looks at what
// is there by some thirty calls in all and reads nothing. A source that may not be
// looked at has its denial as basis.
func Estimates(ctx context.Context, o Options, share float64, w fleet.Window) ([]Estimate, error) {
	o, wanted, err := o.ready(ctx)
	if err != nil {
		return nil, err
	}
	if w.End.IsZero() {
		w.End = o.Now()
	}
	e := &estimator{newSource(o, "plan", ""), w, share}
	ways := map[string]func(context.Context) (Estimate, error){
		SourceXRay: e.traces, SourceLogs: e.logs, SourceLogBucket: e.bucket, SourceCloudTrail: e.lookup, SourceTrail: e.trail,
		SourceConfig: e.config, SourceVerdicts: e.verdicts, SourceInventory: e.inventory, SourceExecutions: e.executions, SourceKinesis: e.streams,
	}
	var all []Estimate
	for _, name := range wanted {
		one, err := ways[name](ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			one.Basis = err.Error()
		}
		one.Account, one.Region, one.Source = o.Account, o.AWS.Region, name
		all = append(all, one)
	}
	return all, nil
}

type estimator struct {
	source
	window fleet.Window
	share  float64
}

// timed fills in how long the calls take at the share of the quota that binds.
func (e *estimator) timed(one Estimate, action string) Estimate {
	one.Quota, one.Rate = action, QuotaOf(action, e.region)
	rate := one.Rate * e.share
	if rate == 0 {
		rate = unknownRate
	}
	one.Time = time.Duration(float64(one.Calls) / rate * float64(time.Second)).Round(time.Second)
	return one
}

// slicesOf is into how many slices a window is cut at least.
func slicesOf(w fleet.Window, most time.Duration) int64 {
	return int64(math.Ceil(float64(w.End.Sub(w.Start)) / float64(most)))
}

// part is the share of what lies evenly in a time that lies in the window.
func (e *estimator) part(of time.Duration) float64 {
	return float64(e.window.End.Sub(e.window.Start)) / float64(max(of, time.Minute))
}

// logs takes a group's bytes to be spread evenly over the time that it keeps.
func (e *estimator) logs(ctx context.Context) (Estimate, error) {
	one := Estimate{Basis: "stored bytes of the groups, spread evenly over the time they keep"}
	all, err := groups(ctx, &e.source, cloudwatchlogs.NewFromConfig(e.AWS), true)
	if err != nil {
		return one, err
	}
	for i := range all {
		e.group(&one, &all[i])
	}
	if e.Groups.Filter != "" {
		one.Basis += "; a filter pattern makes the pages fewer, AWS does not say by how much"
	}
	one = e.timed(one, "logs:FilterLogEvents")
	if one.Time > day {
		one.Advice = "subscribe the groups to Firehose or export them to S3, and import the files"
	}
	return one, nil
}

// group adds what reading a log group takes.
func (e *estimator) group(one *Estimate, g *logGroup) {
	kept := e.window.End.Sub(g.created)
	if g.kept > 0 {
		kept = min(kept, time.Duration(g.kept)*day)
	}
	bytes := int64(float64(g.bytes) * min(1, e.part(kept)))
	one.Streams++
	one.Bytes += bytes
	one.Calls += max(bytes/filterPage, slicesOf(e.window, logsMostSlice), 1)
}

// spans are those of Transaction Search, which are in a log group.
func (e *estimator) spans(ctx context.Context, err error) (Estimate, error) {
	one := Estimate{Basis: "stored bytes of " + spansGroup + " (Transaction Search), spread evenly over the time it keeps"}
	if err != nil {
		return one, err
	}
	group, err := describeSpans(ctx, &e.source, cloudwatchlogs.NewFromConfig(e.AWS))
	if group != nil {
		e.group(&one, group)
	}
	return e.timed(one, "logs:FilterLogEvents"), err
}

// lookup tells the rate of events by how long the newest page took to happen,
// unless that page has all of them.
func (e *estimator) lookup(ctx context.Context) (Estimate, error) {
	one := Estimate{Streams: 2} // management events, and insights
	in := &cloudtrail.LookupEventsInput{StartTime: &e.window.Start, EndTime: &e.window.End}
	page, err := call(ctx, &e.source, "cloudtrail:LookupEvents", cloudtrail.NewFromConfig(e.AWS).LookupEvents, in)
	if err != nil {
		return one, err
	}
	seconds := e.window.End.Sub(e.window.Start).Seconds()
	perSecond := float64(len(page.Events)) / max(seconds, 1)
	if n := len(page.Events); n > 1 && page.NextToken != nil {
		took := aws.ToTime(page.Events[0].EventTime).Sub(aws.ToTime(page.Events[n-1].EventTime))
		perSecond = float64(n) / max(took, time.Second).Seconds()
	}
	one.Calls = int64(perSecond*seconds/lookupPage) + slicesOf(e.window, lookupMostSlice) + slicesOf(e.window, insightSlice)
	one.Basis = fmt.Sprintf("the newest %d management events came at %.3g a second", len(page.Events), perSecond)
	one = e.timed(one, "cloudtrail:LookupEvents")
	if canRead := one.Rate * e.share * lookupPage; e.share > 0 && perSecond > canRead {
		one.Advice = fmt.Sprintf("LookupEvents cannot keep up: it gives %.0f events a second at this share, and %.0f happen; use the trail's bucket (--source trail --trail-bucket NAME)", canRead, perSecond)
	} else if e.TrailBucket != "" {
		one.Advice = "the trail's bucket has these events too: leave out --source cloudtrail"
	}
	return one, nil
}

// trail takes every day to be as the last whole one of the window.
func (e *estimator) trail(ctx context.Context) (Estimate, error) {
	if e.TrailQueue != "" {
		return e.queue(ctx)
	}
	streams, err := discoverTrail(ctx, e.Options)
	if err != nil {
		return Estimate{}, err
	}
	one := Estimate{Streams: len(streams)}
	days := int64(e.part(day)) + 1
	sampled := e.window.End.Add(-day)
	if sampled.Before(e.window.Start) {
		sampled = e.window.End
	}
	files, bytes := int64(0), int64(0)
	for _, c := range streams {
		t := c.(*trail)
		objects, err := t.list(ctx, t.folder+sampled.UTC().Format("2006/01/02/"))
		if err != nil {
			return one, err
		}
		files += int64(len(objects))
		for _, f := range objects {
			bytes += aws.ToInt64(f.Size)
		}
	}
	part := e.part(day)
	gets := int64(float64(files) * part)
	lists := int64(len(streams)) * (days + trailDays)
	one.Calls, one.Bytes = gets+lists, int64(float64(bytes)*part)
	one.Dollars = float64(gets)*dollarsPerGet + float64(lists)*dollarsPerList
	one.Basis = fmt.Sprintf("%d files of %s, compressed", files, sampled.UTC().Format(time.DateOnly))
	return e.timed(one, "s3:GetObject"), nil
}

// queue takes each message that waits to tell of one file.
func (e *estimator) queue(ctx context.Context) (Estimate, error) {
	one := Estimate{Streams: 1}
	q, err := newTrailQueue(e.Options)
	if err != nil {
		return one, err
	}
	has, err := q.attributes(ctx)
	if err != nil {
		return one, err
	}
	messages := has.waiting + has.hidden
	calls := 2*((messages+queuePage-1)/queuePage) + 2 // received and deleted; its attributes, and the empty answer
	one.Calls = calls + messages
	one.Dollars = float64(messages)*dollarsPerGet + float64(calls)*dollarsPerMessage
	one.Basis = fmt.Sprintf("%d messages wait in the queue, whatever the window; AWS does not say how large their files are", messages)
	return e.timed(one, "s3:GetObject"), nil
}

// bucket lists what lies in the bucket, and counts what was delivered in the window.
func (e *estimator) bucket(ctx context.Context) (Estimate, error) {
	one := Estimate{Streams: 1, Basis: "the objects delivered in the window; each pass lists all below the prefix"}
	objects, err := newBucket(e.Options).list(ctx, e.LogBucketPrefix)
	if err != nil {
		return one, err
	}
	gets, lists := int64(0), int64(len(objects)/listPage)+1
	for _, f := range objects {
		if e.window.Contains(aws.ToTime(f.LastModified)) {
			gets++
			one.Bytes += aws.ToInt64(f.Size)
		}
	}
	one.Calls = gets + lists
	one.Dollars = float64(gets)*dollarsPerGet + float64(lists)*dollarsPerList
	if lists > manyLists {
		one.Advice = "give a --log-bucket-prefix that holds less, such as a year's folder: every pass lists it whole"
	}
	return e.timed(one, "s3:GetObject"), nil
}

// traces counts the summaries of the window's last hour.
func (e *estimator) traces(ctx context.Context) (Estimate, error) {
	one := Estimate{Streams: 1}
	client := xray.NewFromConfig(e.AWS)
	if searched, err := searches(ctx, &e.source, client); err != nil || searched {
		return e.spans(ctx, err)
	}
	sample := min(traceSample, e.window.End.Sub(e.window.Start))
	in := &xray.GetTraceSummariesInput{StartTime: aws.Time(e.window.End.Add(-sample)), EndTime: &e.window.End}
	var p pager
	found, pages, whole := 0, 0, false
	for pages < samplePages && !whole {
		page, err := call(ctx, &e.source, "xray:GetTraceSummaries", client.GetTraceSummaries, in)
		if err != nil {
			return one, err
		}
		pages++
		found += len(page.TraceSummaries)
		more, err := p.next(page.NextToken)
		if err != nil {
			return one, err
		}
		whole, in.NextToken = !more, page.NextToken
	}
	traces := float64(found) * e.part(sample)
	one.Calls = int64(math.Ceil(traces/tracesPerCall)) + max(int64(float64(pages)*e.part(sample)), slicesOf(e.window, xraySlice)) + 1
	one.Dollars = 2 * traces * dollarsPerTrace // scanned, and retrieved
	one.Basis = fmt.Sprintf("%d traces in the window's last %s", found, sample.Round(time.Minute))
	if !whole {
		one.Basis = "at least " + one.Basis
	}
	return e.timed(one, "xray:BatchGetTraces"), nil
}

// config asks how many resources there are.
func (e *estimator) config(ctx context.Context) (Estimate, error) {
	one := Estimate{Streams: 1}
	c := newChanges(e.Options)
	resourceTypes := e.ConfigTypes
	if len(resourceTypes) == 0 {
		resourceTypes = ConfigTypes()
	}
	found := 0
	for _, kind := range resourceTypes {
		rs, err := c.resources(ctx, kind, e.window)
		if _, denied := errors.AsType[*deniedError](err); denied {
			return one, err
		}
		found += len(rs) // of a type that is unknown here there are none
	}
	one.Calls = int64(len(resourceTypes)) + int64(found)*slicesOf(e.window, configSpan)
	one.Basis = fmt.Sprintf("%d resources of %d types, a call for each and week", found, len(resourceTypes))
	return e.timed(one, "config:GetResourceConfigHistory"), nil
}

// verdicts counts the rules, and a timeline for each resource with a verdict.
func (e *estimator) verdicts(ctx context.Context) (Estimate, error) {
	one := Estimate{Streams: 1}
	in := &configservice.DescribeComplianceByConfigRuleInput{}
	client := configservice.NewFromConfig(e.AWS)
	page, err := call(ctx, &e.source, "config:DescribeComplianceByConfigRule", client.DescribeComplianceByConfigRule, in)
	if err != nil {
		return one, err
	}
	bad := int64(0)
	for _, r := range page.ComplianceByConfigRules {
		if r.Compliance != nil && r.Compliance.ComplianceContributorCount != nil {
			bad += int64(r.Compliance.ComplianceContributorCount.CappedCount)
		}
	}
	rules := int64(len(page.ComplianceByConfigRules))
	one.Calls = 2 + rules + bad*slicesOf(e.window, configSpan)
	one.Basis = fmt.Sprintf("at least: %d rules, %d resources that violate one", rules, bad)
	return e.timed(one, "config:GetResourceConfigHistory"), nil
}

// inventory counts the resources by a query.
func (e *estimator) inventory(ctx context.Context) (Estimate, error) {
	one := Estimate{Streams: 1}
	i := newInventory(e.Options)
	results, _, err := i.page(ctx, "SELECT COUNT(*)", nil)
	if err != nil {
		return one, err
	}
	var counted map[string]int64
	for _, text := range results {
		if err := json.Unmarshal([]byte(text), &counted); err != nil {
			return one, fmt.Errorf("read the count of resources: %w", err)
		}
	}
	found := counted["COUNT(*)"]
	one.Calls = found/configPage + 1
	one.Basis = fmt.Sprintf("%d resources, whatever the window: all of them once, then those that changed", found)
	return e.timed(one, i.action()), nil
}
