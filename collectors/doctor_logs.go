package collectors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

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
