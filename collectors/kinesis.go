package collectors

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"muster/fleet"
)

// streamMark in a stream's name says that the logs of it come through Kinesis.
const streamMark = "kinesis://"

const (
	// streamOverlap is re-read before each window. Records are found by when they
	// arrived, which Kinesis tells to the millisecond and promises no order of.
	streamOverlap = time.Minute
	// streamReach is the longest that a stream can keep its records.
	streamReach = 365 * 24 * time.Hour
	// Widths of what is read between checkpoints.
	streamLeastSlice, streamMostSlice = 10 * time.Minute, time.Hour
	// shardReads is how many shards are read at once.
	shardReads = 4
	// shardEvery is how often AWS lets a shard be read, by all of its readers.
	shardEvery = 200 * time.Millisecond
	// expiredTries is how often in a row an iterator may have expired, which one
	// does five minutes after it was handed out.
	expiredTries = 20
)

// dataStream reads a data stream of Kinesis, to which log groups are subscribed or
// EventBridge delivers.
type dataStream struct {
	source
	client *kinesis.Client
	name   string // or ARN
	// at is where the reading of each shard goes on: behind this sequence number.
	at map[string]string
}

func newDataStream(o Options, client *kinesis.Client, name string) *dataStream {
	return &dataStream{source: newSource(o, SourceLogs, streamMark+name[strings.LastIndexByte(name, '/')+1:]), client: client, name: name}
}

// discoverStreams reads the named data streams, of whoever calls.
func discoverStreams(_ context.Context, o Options) ([]fleet.Collector, error) {
	client := streamClient(o)
	var cs []fleet.Collector
	for _, name := range o.KinesisStreams {
		cs = append(cs, newDataStream(o, client, name))
	}
	return cs, nil
}

func streamClient(o Options) *kinesis.Client {
	cfg := o.AWS
	if o.bucketAWS != nil {
		cfg = *o.bucketAWS
	}
	return kinesis.NewFromConfig(cfg)
}

// named is the stream as calls want it: by its name, or by its ARN.
func (k *dataStream) named() (name, arn *string) {
	if strings.HasPrefix(k.name, "arn:") {
		return nil, &k.name
	}
	return &k.name, nil
}

// Collect yields what arrived in the window, whenever it happened.
func (k *dataStream) Collect(ctx context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		read := k.bounds(w, streamOverlap, streamReach)
		out := &output{s: &k.source, yield: yield, window: read}
		if err := k.collect(ctx, w, read, out); err != nil {
			out.end(fmt.Errorf("read data stream %s: %w", k.name, err))
		}
	}
}

func (k *dataStream) collect(ctx context.Context, asked, read fleet.Window, out *output) error {
	in := &kinesis.DescribeStreamSummaryInput{}
	in.StreamName, in.StreamARN = k.named()
	about, err := call(ctx, &k.source, "kinesis:DescribeStreamSummary", k.client.DescribeStreamSummary, in)
	if err != nil {
		return err
	}
	hours := aws.ToInt32(about.StreamDescriptionSummary.RetentionPeriodHours)
	read, lost := k.kept(asked, read, time.Duration(hours)*time.Hour)
	out.window = read
	if !lost.End.IsZero() {
		if err := out.send(retentionPassed(lost, fmt.Sprintf("the data stream keeps records for %d hours", hours))); err != nil {
			return err
		}
	}
	k.at = map[string]string{}
	for s := newSlicer(read, streamLeastSlice, streamMostSlice); s.more(); {
		if err := k.slice(ctx, s.slice(), out); err != nil {
			return err
		}
		through := s.slice().End
		s.done(1)
		if s.more() {
			if err := out.send(fleet.Batch{Through: through}); err != nil {
				return err
			}
		}
	}
	return out.finish()
}

// slice reads what arrived in a slice: of shards that were split or merged before
// those that came of them.
func (k *dataStream) slice(ctx context.Context, w fleet.Window, out *output) error {
	var shards []types.Shard
	err := k.afresh(ctx, func() (err error) {
		shards, err = k.shards(ctx, w.Start)
		return err
	})
	if err != nil {
		return err
	}
	positions := make(chan [2]string, len(shards))
	for _, generation := range generations(shards) {
		err := fanOut(ctx, shardReads, generation, out, func(ctx context.Context, id string, send func(fleet.Batch) error) error {
			last, err := k.shard(ctx, id, w, send)
			positions <- [2]string{id, last}
			return err
		})
		if err != nil {
			return err
		}
	}
	for range shards {
		p := <-positions
		k.at[p[0]] = p[1]
	}
	return nil
}

// shards lists those that were open at a time or later.
func (k *dataStream) shards(ctx context.Context, from time.Time) ([]types.Shard, error) {
	in := &kinesis.ListShardsInput{ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeFromTimestamp, Timestamp: &from}}
	in.StreamName, in.StreamARN = k.named()
	var all []types.Shard
	var p pager
	for {
		page, err := call(ctx, &k.source, "kinesis:ListShards", k.client.ListShards, in)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Shards...)
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			return all, err
		}
		in = &kinesis.ListShardsInput{NextToken: page.NextToken} // which stands for all of the rest
	}
}

// generations are the ids of shards, parents before their children.
func generations(shards []types.Shard) [][]string {
	left := map[string]bool{}
	for i := range shards {
		left[aws.ToString(shards[i].ShardId)] = true
	}
	var all [][]string
	for len(left) > 0 {
		var ready []string
		for i := range shards {
			s := &shards[i]
			if id := aws.ToString(s.ShardId); left[id] && !left[aws.ToString(s.ParentShardId)] && !left[aws.ToString(s.AdjacentParentShardId)] {
				ready = append(ready, id)
			}
		}
		if len(ready) == 0 { // a circle, which there is not
			for id := range left {
				ready = append(ready, id)
			}
		}
		for _, id := range ready {
			delete(left, id)
		}
		all = append(all, ready)
	}
	return all
}

// shard reads what arrived in a window at one shard, and returns the last sequence
// number that it handed over.
func (k *dataStream) shard(ctx context.Context, id string, w fleet.Window, send func(fleet.Batch) error) (last string, err error) {
	last = k.at[id]
	iterator, err := k.iterator(ctx, id, last, w.Start)
	for expired := 0; err == nil && iterator != nil; {
		var page *kinesis.GetRecordsOutput
		page, err = call(ctx, &k.source, "kinesis:GetRecords", k.client.GetRecords, &kinesis.GetRecordsInput{ShardIterator: iterator})
		if _, old := errors.AsType[*types.ExpiredIteratorException](err); old && expired < expiredTries {
			expired++
			iterator, err = k.iterator(ctx, id, last, w.Start)
			continue
		}
		if err != nil {
			break
		}
		expired = 0
		var b fleet.Batch
		beyond := false
		for i := range page.Records {
			if beyond = !aws.ToTime(page.Records[i].ApproximateArrivalTimestamp).Before(w.End); beyond {
				break
			}
			k.take(&page.Records[i], id, &b)
			last = aws.ToString(page.Records[i].SequenceNumber)
		}
		if len(b.Records)+len(b.Ledger) > 0 {
			if err := send(b); err != nil {
				return last, err
			}
		}
		if beyond || aws.ToInt64(page.MillisBehindLatest) == 0 {
			return last, nil
		}
		if iterator = page.NextShardIterator; iterator != nil && k.Limiter.share > 0 {
			err = k.wait(ctx, time.Duration(float64(shardEvery)/k.Limiter.share))
		}
	}
	if _, gone := errors.AsType[*types.ResourceNotFoundException](err); gone {
		return last, nil // a shard that was closed, and whose last record is too old
	}
	if err != nil {
		return last, fmt.Errorf("read %s: %w", id, err)
	}
	return last, nil
}

// iterator leads behind a sequence number, or to a time where none was read yet.
func (k *dataStream) iterator(ctx context.Context, id, last string, from time.Time) (*string, error) {
	in := &kinesis.GetShardIteratorInput{ShardId: &id, ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: &from}
	if last != "" {
		in.ShardIteratorType, in.StartingSequenceNumber, in.Timestamp = types.ShardIteratorTypeAfterSequenceNumber, &last, nil
	}
	in.StreamName, in.StreamARN = k.named()
	out, err := call(ctx, &k.source, "kinesis:GetShardIterator", k.client.GetShardIterator, in)
	if err != nil {
		return nil, err
	}
	return out.ShardIterator, nil
}

// take adds what a record holds. What cannot be understood is in the ledger: it is
// somebody else's, or broken.
func (k *dataStream) take(r *types.Record, shard string, b *fleet.Batch) {
	at := aws.ToTime(r.ApproximateArrivalTimestamp)
	rs, err := parsePacked(r.Data, k.origin)
	if err != nil {
		b.Ledger = append(b.Ledger, fleet.LedgerEntry{
			Window: fleet.Window{Start: at, End: at.Add(time.Microsecond)}, Coverage: fleet.Partial, Reason: "unreadable",
			Detail: shard + ": record " + aws.ToString(r.SequenceNumber) + ": " + err.Error(), Records: 1,
		})
	}
	b.Records = append(b.Records, rs...)
}
