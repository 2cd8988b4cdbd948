//go:build engines

package collectors

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	configtypes "github.com/aws/aws-sdk-go-v2/service/configservice/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/xray"

	"muster/fleet"
	"muster/internal/engines"
)

// The collectors read two emulators of AWS that nobody here wrote. What these do
// not implement is not asked of them: moto answers GetTraceSegmentDestination and
// GetTraceSummaries by pages that no SDK reads, so that traces are fetched by their
// ids; its GetResourceConfigHistory spells times as no SDK reads them, so that the
// inventory is all there is; ministack has no X-Ray and never pages LookupEvents.

const witnessStart = 4 * time.Minute // on a busy machine

func witnessConfig(t *testing.T, url string) aws.Config {
	t.Helper()
	cfg := awsAt(t, url)
	cfg.Region = engines.Region
	cfg.Credentials = credentials.NewStaticCredentialsProvider(engines.Key, engines.Secret, "")
	return cfg
}

func TestMotoIsReadByTheCollectors(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), witnessStart)
	defer stop()
	moto, err := engines.StartMoto(ctx)
	must(t, err)
	t.Cleanup(func() { must(t, moto.Close()) })
	cfg := witnessConfig(t, moto.URL())
	t.Run("logs", func(t *testing.T) { motoLogs(t, cfg) })
	t.Run("traces", func(t *testing.T) { motoTraces(t, cfg) })
	t.Run("inventory", func(t *testing.T) { motoInventory(t, cfg) })
	t.Run("queue", func(t *testing.T) { motoQueue(t, cfg) })
	t.Run("data stream", func(t *testing.T) { witnessDataStream(t, cfg) })
}

func motoLogs(t *testing.T, cfg aws.Config) {
	client := cloudwatchlogs.NewFromConfig(cfg)
	const streams, lines = 3, 400
	group := aws.String("/muster/orders")
	_, err := client.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group})
	must(t, err)
	now := time.Now()
	for s := range streams {
		stream := aws.String(fmt.Sprintf("s-%d", s))
		_, err := client.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream})
		must(t, err)
		var events []logtypes.InputLogEvent
		for i := range lines {
			events = append(events, logtypes.InputLogEvent{
				Message:   aws.String(fmt.Sprintf(`{"level":"INFO","msg":"line %d of %d","trace_id":%q}`, i, s, traceID(i))),
				Timestamp: aws.Int64(now.UnixMilli() - lines + int64(i)),
			})
		}
		_, err = client.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: stream, LogEvents: events})
		must(t, err)
	}
	cs, err := Discover(t.Context(), Options{AWS: cfg, Sources: []string{SourceLogs}})
	must(t, err)
	if len(cs) != 1 {
		t.Fatalf("%d streams", len(cs))
	}
	got := collect(t.Context(), cs[0], recent())
	messages := map[string]bool{}
	for _, r := range got.records {
		messages[r.Message] = r.Seen.Trace != ""
	}
	if len(messages) != streams*lines || got.err != nil || got.ledger[len(got.ledger)-1].Coverage != fleet.Complete {
		t.Errorf("%d of %d lines, %s: %v", len(messages), streams*lines, got.summary(), got.err)
	}
}

func motoTraces(t *testing.T, cfg aws.Config) {
	at := float64(time.Now().UnixMicro())/1e6 - 60
	documents := fleetSegments(at)
	documents = slices.Delete(documents, 1, 2) // it doubles a segment that is sent again
	client := xray.NewFromConfig(cfg)
	out, err := client.PutTraceSegments(t.Context(), &xray.PutTraceSegmentsInput{TraceSegmentDocuments: documents})
	must(t, err)
	if len(out.UnprocessedTraceSegments) > 0 {
		t.Fatalf("unprocessed: %+v", out.UnprocessedTraceSegments)
	}
	x := newTraces(Options{AWS: cfg, Account: testAccount}.withDefaults())
	b, left, err := x.batch(t.Context(), []string{searchTrace(1), searchTrace(2)})
	must(t, err)
	var want []fleet.Record
	for _, d := range documents {
		want = append(want, parseSegment([]byte(d), origin{testAccount, cfg.Region})...)
	}
	placeStreamed(want)
	got := asRead(b.Records)
	for id, w := range asRead(want) {
		if g := got[id]; g.Name != w.Name || g.Service != w.Service || g.Duration != w.Duration || g.Error != w.Error || g.Seen.Request != w.Seen.Request {
			t.Errorf("%s: got %+v, want %+v", id, g, w)
		}
	}
	if len(got) != len(asRead(want)) || len(left) != 0 {
		t.Errorf("%d spans of %d, unprocessed %v", len(got), len(asRead(want)), left)
	}
}

func motoInventory(t *testing.T, cfg aws.Config) {
	client := configservice.NewFromConfig(cfg)
	_, err := client.PutConfigurationRecorder(t.Context(), &configservice.PutConfigurationRecorderInput{ConfigurationRecorder: &configtypes.ConfigurationRecorder{
		Name: aws.String("default"), RoleARN: aws.String("arn:aws:iam::123456789012:role/config"),
		RecordingGroup: &configtypes.RecordingGroup{AllSupported: true, IncludeGlobalResourceTypes: true},
	}})
	must(t, err)
	buckets := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	_, err = buckets.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("orders-archive")})
	must(t, err)
	c := newChanges(Options{AWS: cfg, Account: testAccount}.withDefaults())
	found, err := c.resources(t.Context(), "AWS::S3::Bucket", recent())
	must(t, err)
	if !slices.ContainsFunc(found, func(r configtypes.ResourceIdentifier) bool { return aws.ToString(r.ResourceId) == "orders-archive" }) {
		t.Fatalf("the inventory has %+v", found)
	}
}

// motoQueue has moto's S3 tell a queue of a trail's files, itself and by SNS.
func motoQueue(t *testing.T, cfg aws.Config) {
	buckets := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	queues, topics := sqs.NewFromConfig(cfg), sns.NewFromConfig(cfg)
	bucket := aws.String("witness-trail")
	_, err := buckets.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket})
	must(t, err)
	queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("trail-files")})
	must(t, err)
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("trail-files")})
	must(t, err)
	arn := aws.String("arn:aws:sqs:" + cfg.Region + ":123456789012:trail-files")
	_, err = topics.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: arn})
	must(t, err)
	told := &s3types.NotificationConfiguration{
		QueueConfigurations: []s3types.QueueConfiguration{{QueueArn: arn, Events: []s3types.Event{"s3:ObjectCreated:*"}}},
		TopicConfigurations: []s3types.TopicConfiguration{{TopicArn: topic.TopicArn, Events: []s3types.Event{"s3:ObjectCreated:*"}}},
	}
	_, err = buckets.PutBucketNotificationConfiguration(t.Context(), &s3.PutBucketNotificationConfigurationInput{Bucket: bucket, NotificationConfiguration: told})
	must(t, err)
	folder := "AWSLogs/123456789012/CloudTrail/" + cfg.Region + "/2026/01/02/"
	for key, body := range map[string][]byte{"a file+.json": []byte(`{"Records":[` + event1 + `]}`), "b.json.gz": zip(t, []byte(`{"Records":[`+event2+`]}`))} {
		_, err := buckets.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String(folder + key), Body: bytes.NewReader(body)})
		must(t, err)
	}
	_, err = queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: aws.String("hello")})
	must(t, err)
	o := Options{AWS: cfg, Sources: []string{SourceTrail}, TrailBucket: *bucket, TrailQueue: *queue.QueueUrl}
	cs, err := Discover(t.Context(), o)
	must(t, err)
	got := collect(t.Context(), cs[0], recent())
	if got.err != nil || countID(got.records, "e-1") != 1 || countID(got.records, "e-2") != 1 {
		t.Errorf("got %s, %d records: %v", got.ids(), len(got.records), got.err)
	}
	for _, done := range got.done {
		done(t.Context())
	}
	q, err := newTrailQueue(o.withDefaults())
	must(t, err)
	if has, err := q.attributes(t.Context()); err != nil || has.waiting != 0 || has.hidden != 1 { // "hello"
		t.Errorf("%+v, %v", has, err)
	}
}

func TestMinistackIsReadByTheCollectors(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), witnessStart)
	defer stop()
	ministack, err := engines.StartMinistack(ctx)
	must(t, err)
	t.Cleanup(func() { must(t, ministack.Close()) })
	cfg := witnessConfig(t, ministack.URL())
	t.Run("calls", func(t *testing.T) { ministackCalls(t, cfg) })
	t.Run("executions", func(t *testing.T) { witnessExecutions(t, cfg) })
	t.Run("live tail", func(t *testing.T) { ministackLiveTail(t, cfg) })
}

// ministackLiveTail: a session of ministack's asks for a look, and the look finds
// the line.
func ministackLiveTail(t *testing.T, cfg aws.Config) {
	const group, stream = "/ecs/tailed", "one"
	logs := cloudwatchlogs.NewFromConfig(cfg)
	_, err := logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(group)})
	must(t, err)
	_, err = logs.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: aws.String(group), LogStreamName: aws.String(stream)})
	must(t, err)
	looks, said := tailing(t, Options{
		AWS: cfg, LiveTail: true, Limiter: NewLimiter(0, nil), Sources: []string{SourceLogs}, Groups: GroupChoice{Prefixes: []string{group}},
	})
	for range 60 { // a session that is not open yet has missed the line
		_, err := logs.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{
			LogGroupName: aws.String(group), LogStreamName: aws.String(stream),
			LogEvents: []logtypes.InputLogEvent{{Timestamp: aws.Int64(time.Now().UnixMilli()), Message: aws.String("INFO tailed")}},
		})
		must(t, err)
		select {
		case look := <-looks:
			got := collect(t.Context(), look.Stream, fleet.Window{Start: look.From})
			if got.err != nil || len(got.records) == 0 || got.records[0].Message != "INFO tailed" {
				t.Errorf("the look found %s, %v", got.summary(), got.err)
			}
			return
		case <-time.After(time.Second):
		}
	}
	said.mu.Lock()
	defer said.mu.Unlock()
	t.Errorf("no look was asked for:\n%s", said.b.String())
}

func ministackCalls(t *testing.T, cfg aws.Config) {
	queues := sqs.NewFromConfig(cfg)
	for _, name := range []string{"events", "dead"} {
		_, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
		must(t, err)
	}
	cs, err := Discover(t.Context(), Options{AWS: cfg, Sources: []string{SourceCloudTrail}})
	must(t, err)
	got := collect(t.Context(), cs[0], recent())
	calls := 0
	for _, r := range got.records {
		if r.Attributes.Get(fleet.AttrUnreadable) != "" {
			t.Errorf("unreadable: %s", r.Raw)
		}
		if r.Name == "sqs:CreateQueue" && r.Seen.Request != "" && strings.HasPrefix(r.Account, "0") {
			calls++
		}
	}
	if calls != 2 || got.err != nil {
		t.Errorf("%d of 2 calls: %s: %v: %s", calls, got.summary(), got.err, got.ids())
	}
}
