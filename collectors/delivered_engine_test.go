//go:build engines

package collectors

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"muster/fleet"
)

// witnessExecutions has ministack's Step Functions run a saga, and reads it.
// Its events do not say which came before them, and moto's executions have a canned
// history, so that it is not asked.
func witnessExecutions(t *testing.T, cfg aws.Config) {
	client, machine := couriers(t, cfg)
	var got collected
	for deadline := time.Now().Add(time.Minute); ; {
		cs, err := Discover(t.Context(), Options{AWS: cfg, Sources: []string{SourceExecutions}, Machines: MachineChoice{Names: []string{machine}}})
		must(t, err)
		got = collect(t.Context(), cs[0], recent())
		if s := executionNames(got.records); strings.Contains(s, "Rest/cheap+") && strings.Contains(s, "book-courier/dear!") || time.Now().After(deadline) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	must(t, got.err)
	if s, want := executionNames(got.records), "Book/cheap Book/dear Insure/cheap Insure/dear Release/dear Rest/cheap+ Uninsured/dear! book-courier/cheap+ book-courier/dear!"; s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
	for _, r := range got.records {
		if r.Seen.Correlation != "journey-"+r.Attributes["saga_id"] {
			t.Errorf("%s of %s is in journey %q", r.Name, r.Attributes["saga_id"], r.Seen.Correlation)
		}
	}
	_ = client
}

// witnessDataStream has Kinesis hold what subscriptions would send, before and
// after its shard was split, and reads it.
func witnessDataStream(t *testing.T, cfg aws.Config) {
	client, name := kinesis.NewFromConfig(cfg), aws.String("lines")
	_, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1)})
	must(t, err)
	active := func() {
		must(t, kinesis.NewStreamExistsWaiter(client, func(o *kinesis.StreamExistsWaiterOptions) { o.MinDelay = 100 * time.Millisecond }).
			Wait(t.Context(), &kinesis.DescribeStreamInput{StreamName: name}, time.Minute))
	}
	active()
	put := func(key string, data []byte) {
		_, err := client.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: name, PartitionKey: &key, Data: data})
		must(t, err)
	}
	for i := range 20 {
		put(fmt.Sprint(i), zip(t, []byte(subscribed(fmt.Sprintf("a-%02d", i)))))
	}
	put("p", aggregated(subscribed("b-0"), subscribed("b-1")))
	shards, err := client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: name})
	must(t, err)
	_, err = client.SplitShard(t.Context(), &kinesis.SplitShardInput{
		StreamName: name, ShardToSplit: shards.Shards[0].ShardId, NewStartingHashKey: aws.String("170141183460469231731687303715884105728"),
	})
	must(t, err)
	active()
	for i := range 20 {
		put(fmt.Sprint(i), zip(t, []byte(subscribed(fmt.Sprintf("c-%02d", i)))))
	}
	cs, err := Discover(t.Context(), Options{AWS: cfg, Sources: []string{SourceKinesis}, KinesisStreams: []string{*name}})
	must(t, err)
	got := collect(t.Context(), cs[0], recent())
	ids := strings.Fields(got.ids())
	slices.Sort(ids)
	if got.err != nil || len(slices.Compact(ids)) != 42 || got.ledger[len(got.ledger)-1].Coverage != fleet.Complete {
		t.Errorf("%d lines, %s: %v", len(ids), got.summary(), got.err)
	}
}

// witnessLiveTail is woken by ministack's Live Tail, and looks.
func witnessLiveTail(t *testing.T, cfg aws.Config) {
	logs, group := cloudwatchlogs.NewFromConfig(cfg), aws.String("/ecs/tailed")
	_, err := logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group})
	must(t, err)
	_, err = logs.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: aws.String("a")})
	must(t, err)
	looks, said := tailing(t, Options{AWS: cfg, LiveTail: true, Sources: []string{SourceLogs}, Groups: GroupChoice{Prefixes: []string{"/ecs/"}}})
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	for n := 0; ; n++ { // a session that is not open yet has missed a line
		_, err := logs.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: aws.String("a"), LogEvents: []logtypes.InputLogEvent{
			{Message: aws.String(fmt.Sprintf("INFO line %d", n)), Timestamp: aws.Int64(time.Now().UnixMilli())},
		}})
		must(t, err)
		select {
		case look := <-looks:
			got := collect(t.Context(), look.Stream, fleet.Window{Start: look.From})
			if got.err != nil || len(got.records) == 0 || got.records[0].ID == "" || !strings.HasPrefix(got.records[0].Message, "INFO line ") {
				t.Errorf("a look at %s from %v found %s: %v", look.Stream.Stream(), look.From, got.summary(), got.err)
			}
			return
		case <-time.After(time.Second):
		case <-ctx.Done():
			t.Fatalf("no look is asked for after %d lines:\n%s", n, &said.b)
		}
	}
}
