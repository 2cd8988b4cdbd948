//go:build engines

package collectors

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"muster/fleet"
)

// witnessExecutions has ministack's Step Functions run a saga, and reads it.
// Its events do not say which came before them, and moto's executions have a canned
// history, so that it is not asked.
func witnessExecutions(t *testing.T, cfg aws.Config) {
	_, machine := couriers(t, cfg)
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
		if r.Seen.Correlation != "journey-"+r.Attributes.Get("saga_id") {
			t.Errorf("%s of %s is in journey %q", r.Name, r.Attributes.Get("saga_id"), r.Seen.Correlation)
		}
	}
}

// witnessDataStream has Kinesis hold what subscriptions would send, before and
// after its shard was split, and reads it. ministack handed over 20 of the 42 lines,
// for a reason that was not found: moto alone is asked.
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
