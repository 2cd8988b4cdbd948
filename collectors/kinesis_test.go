package collectors

import (
	"context"
	"crypto/md5" //nolint:gosec // the sum that Kinesis's producer library adds
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"muster/fleet"
	"muster/internal/localaws"
)

// aggregated packs payloads as Kinesis's producer library does.
func aggregated(payloads ...string) []byte {
	field := func(number byte, value []byte) []byte {
		return append(binary.AppendUvarint([]byte{number<<3 | 2}, uint64(len(value))), value...)
	}
	message := field(1, []byte("partition"))
	for _, p := range payloads {
		message = append(message, field(3, append([]byte{1 << 3, 0}, field(3, []byte(p))...))...)
	}
	sum := md5.Sum(message) //nolint:gosec // as above
	return slices.Concat(aggregateMagic, message, sum[:])
}

func TestPackedRecordsAreUnpacked(t *testing.T) {
	both := aggregated(subscribed("l-1"), subscribed("l-2"))
	if got := deaggregated(both); len(got) != 2 || string(got[1]) != subscribed("l-2") {
		t.Errorf("got %q", got)
	}
	broken := slices.Clone(both)
	broken[10]++
	for _, alone := range [][]byte{broken, aggregateMagic, []byte("{}"), nil} {
		if got := deaggregated(alone); len(got) != 1 || string(got[0]) != string(alone) {
			t.Errorf("%q: got %q", alone, got)
		}
	}
	rs, err := parsePacked(both, origin{})
	if err != nil || len(rs) != 2 || rs[1].ID != "l-2" {
		t.Errorf("got %+v, %v", rs, err)
	}
}

func FuzzDeaggregated(f *testing.F) {
	f.Add(aggregated("a", "b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		sum := md5.Sum(data) //nolint:gosec // as above
		total := 0
		for _, payload := range deaggregated(slices.Concat(aggregateMagic, data, sum[:])) {
			total += len(payload)
		}
		if total > len(aggregateMagic)+len(data)+md5.Size {
			t.Errorf("%d bytes of %d", total, len(data))
		}
	})
}

// TestDataStreamHasTheLinesOfItsGroups: by the same ids, though reads fail and
// pages are empty.
func TestDataStreamHasTheLinesOfItsGroups(t *testing.T) {
	s, cfg := standIn(t, localaws.Options{Seed: 9, Trouble: localaws.Trouble{Throttle: 0.1, EmptyPage: 0.3}})
	streams, logs := kinesis.NewFromConfig(cfg), cloudwatchlogs.NewFromConfig(cfg)
	_, err := streams.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("lines"), ShardCount: aws.Int32(1)})
	must(t, err)
	group := aws.String("/muster/orders")
	_, err = logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group})
	must(t, err)
	_, err = logs.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: aws.String("a")})
	must(t, err)
	_, err = logs.PutSubscriptionFilter(t.Context(), &cloudwatchlogs.PutSubscriptionFilterInput{
		LogGroupName: group, FilterName: aws.String("f"), FilterPattern: aws.String(""),
		DestinationArn: aws.String("arn:aws:kinesis:us-east-1:" + testAccount + ":stream/lines"), RoleArn: aws.String("arn:aws:iam::" + testAccount + ":role/muster-logs"),
	})
	must(t, err)
	put(t, logs, *group, "one", "two", "three")
	_, err = streams.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("lines"), PartitionKey: aws.String("p"), Data: []byte("what is this")})
	must(t, err)
	s.Drain()
	var seen calls
	o := Options{AWS: cfg, KinesisStreams: []string{"lines"}, Sources: []string{SourceLogs, SourceKinesis}, Limiter: NewLimiter(0, seen.observe)}
	cs, err := Discover(t.Context(), o)
	must(t, err)
	w := fleet.Window{Start: time.Now().Add(-time.Hour), End: time.Now().Add(time.Second)}
	direct, delivered := collect(t.Context(), cs[0], w), collect(t.Context(), cs[1], w)
	if cs[1].Stream() != "logs/111122223333/us-east-1/kinesis://lines" || direct.ids() == "" || delivered.ids() != direct.ids() {
		t.Errorf("%s: %q, and directly %q: %v", cs[1].Stream(), delivered.ids(), direct.ids(), delivered.err)
	}
	if len(delivered.ledger) != 1 || delivered.ledger[0].Reason != "unreadable" || !strings.Contains(delivered.ledger[0].Detail, "shardId-") {
		t.Errorf("ledger %+v", delivered.ledger)
	}
	if !delivered.through[len(delivered.through)-1].Equal(w.End) {
		t.Errorf("marks %v", delivered.through)
	}
	later := collect(t.Context(), cs[1], fleet.Window{Start: w.End.Add(2 * time.Minute), End: w.End.Add(3 * time.Minute)})
	if later.err != nil || len(later.records) != 0 {
		t.Errorf("later: %d records, %v", len(later.records), later.err)
	}
	var called []string
	for _, c := range seen.seen {
		called = append(called, c.Action)
	}
	slices.Sort(called)
	if got, want := slices.Compact(called), allowed(t, o); !slices.Equal(got, want) {
		t.Errorf("called %v, allowed %v", got, want)
	}
	estimates, err := Estimates(t.Context(), Options{AWS: cfg, KinesisStreams: o.KinesisStreams, Sources: []string{SourceKinesis}}, 1, w)
	must(t, err)
	if estimates[0].Streams != 1 || estimates[0].Quota != "kinesis:GetRecords" || estimates[0].Calls < 4 {
		t.Errorf("plan: %+v", estimates)
	}
	checks, err := Examine(t.Context(), Options{AWS: cfg, KinesisStreams: o.KinesisStreams, Sources: []string{SourceKinesis}})
	must(t, err)
	if !slices.ContainsFunc(checks, func(c Check) bool { return c.Found == "data stream lines has 1 shards and keeps records for 24 hours" }) {
		t.Errorf("doctor: %+v", checks)
	}
	if _, err := Discover(t.Context(), Options{AWS: cfg, Sources: []string{SourceKinesis}}); err == nil {
		t.Error("it is read without a name")
	}
}

// TestExpiredIteratorGoesOnBehindTheLastRecord, and children are read after their
// parents.
func TestExpiredIteratorGoesOnBehindTheLastRecord(t *testing.T) {
	record := func(number string) string {
		return fmt.Sprintf(`{"SequenceNumber":%q,"ApproximateArrivalTimestamp":%d,"PartitionKey":"p","Data":%q}`,
			number, noon.Add(-time.Minute).Unix(), base64.StdEncoding.EncodeToString([]byte(subscribed("l-"+number))))
	}
	s := &script{answers: map[string][]answer{
		"DescribeStreamSummary": {{body: `{"StreamDescriptionSummary":{"StreamName":"lines","StreamStatus":"ACTIVE","RetentionPeriodHours":24}}`}},
		"ListShards":            {{body: `{"Shards":[{"ShardId":"child","ParentShardId":"parent"},{"ShardId":"parent","ParentShardId":"forgotten"}]}`}},
		"GetShardIterator":      {{body: `{"ShardIterator":"i"}`}},
		"GetRecords": {
			{body: `{"Records":[` + record("1") + `],"NextShardIterator":"n","MillisBehindLatest":1000}`},
			failing(400, "ExpiredIteratorException"),
			failing(400, "ProvisionedThroughputExceededException"),
			{body: `{"Records":[` + record("2") + `],"MillisBehindLatest":1}`},
			{body: `{"Records":[` + record("3") + `],"NextShardIterator":"n","MillisBehindLatest":0}`},
		},
	}}
	c := scripted(t, s, Options{KinesisStreams: []string{"lines"}, Sources: []string{SourceKinesis}})
	c.(*dataStream).wait = func(context.Context, time.Duration) error { return nil }
	got := collect(t.Context(), c, fleet.Window{Start: noon.Add(-2 * time.Minute), End: noon})
	if got.err != nil || got.ids() != "l-1 l-2 l-3" {
		t.Errorf("got %s, %v", got.ids(), got.err)
	}
	var asked []string
	for _, in := range s.calls("GetShardIterator") {
		asked = append(asked, fmt.Sprintf("%v %v %v", in["ShardId"], in["ShardIteratorType"], in["StartingSequenceNumber"]))
	}
	if got, want := strings.Join(asked, ", "), "parent AT_TIMESTAMP <nil>, parent AFTER_SEQUENCE_NUMBER 1, child AT_TIMESTAMP <nil>"; got != want {
		t.Errorf("asked for %s", got)
	}
	circle := []types.Shard{{ShardId: aws.String("a"), ParentShardId: aws.String("b")}, {ShardId: aws.String("b"), ParentShardId: aws.String("a")}}
	if got := generations(circle); len(got) != 1 || len(got[0]) != 2 {
		t.Errorf("a circle: %v", got)
	}
}
