package collectors

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
)

func (d *doctor) lookup(ctx context.Context) {
	_, err := call(ctx, &d.source, "cloudtrail:LookupEvents", cloudtrail.NewFromConfig(d.AWS).LookupEvents, &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(1)})
	d.asked("cloudtrail:LookupEvents", forCalls, err)
}

func (d *doctor) bucket(ctx context.Context) {
	if d.TrailQueue != "" {
		d.queue(ctx)
		return
	}
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

// manyMessages is how many messages wait at most in a queue that is kept up with:
// some five hours of a trail of one region, which writes a file every five minutes
// or when one is full.
const manyMessages = 1000

// queue looks into the trail's queue without taking anything out.
func (d *doctor) queue(ctx context.Context) {
	q, err := newTrailQueue(d.Options)
	if err != nil { // wanted has refused it
		return
	}
	has, err := q.attributes(ctx)
	if !d.asked("sqs:GetQueueAttributes", forCalls, err) {
		return
	}
	if !has.dead {
		d.missing("trail", "messages that cannot be read: they come again until they expire", "give the queue a dead-letter queue, with some five receives",
			"the queue %s has no dead-letter queue", d.TrailQueue)
	}
	if has.waiting > manyMessages {
		d.missing("trail", forCalls, "see that muster runs, and what the ledger says of stream "+q.stream,
			"%d messages wait in the queue %s", has.waiting, d.TrailQueue)
		return
	}
	d.ok("trail", "%d messages wait in the queue %s, %d are being read; it keeps them for %.3g days", has.waiting, d.TrailQueue, has.hidden, has.kept.Hours()/24)
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
