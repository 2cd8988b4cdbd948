package collectors

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the sum that Kinesis's producer library adds
	"encoding/binary"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// aggregateMagic begins what Kinesis's producer library packs into one record: a
// message of protocol buffers, and its MD5 sum.
var aggregateMagic = []byte{0xf3, 0x89, 0x9a, 0xc2}

// deaggregated are the payloads of a record: its data, or what was packed into it.
func deaggregated(data []byte) [][]byte {
	alone := [][]byte{data}
	if len(data) < len(aggregateMagic)+md5.Size || !bytes.HasPrefix(data, aggregateMagic) {
		return alone
	}
	message, sum := data[len(aggregateMagic):len(data)-md5.Size], data[len(data)-md5.Size:]
	if want := md5.Sum(message); !bytes.Equal(sum, want[:]) { //nolint:gosec // as above
		return alone
	}
	// AggregatedRecord.records = 3, Record.data = 3
	const records, payload = 3, 3
	var all [][]byte
	ok := protoFields(message, func(field uint64, record []byte) bool {
		return field != records || protoFields(record, func(field uint64, data []byte) bool {
			if field == payload {
				all = append(all, data)
			}
			return true
		})
	})
	if !ok {
		return alone
	}
	return all
}

// protoFields calls each with the fields of a message that hold bytes, and reports
// whether it is one.
func protoFields(message []byte, each func(field uint64, value []byte) bool) bool {
	const varint, fixed64, delimited, fixed32 = 0, 1, 2, 5
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return false
		}
		message = message[n:]
		length := uint64(0)
		switch tag & 7 {
		case varint:
			if _, n = binary.Uvarint(message); n <= 0 {
				return false
			}
			length = uint64(n) //nolint:gosec // positive
		case fixed64:
			length = 8
		case fixed32:
			length = 4
		case delimited:
			if length, n = binary.Uvarint(message); n <= 0 {
				return false
			}
			message = message[n:]
		default:
			return false
		}
		if length > uint64(len(message)) {
			return false
		}
		if tag&7 == delimited && !each(tag>>3, message[:length]) {
			return false
		}
		message = message[length:]
	}
	return true
}

// streams tries to read each data stream.
func (d *doctor) streams(ctx context.Context) {
	client := streamClient(d.Options)
	for _, name := range d.KinesisStreams {
		k := newDataStream(d.Options, client, name)
		about := &kinesis.DescribeStreamSummaryInput{}
		about.StreamName, about.StreamARN = k.named()
		out, err := call(ctx, &d.source, "kinesis:DescribeStreamSummary", client.DescribeStreamSummary, about)
		if !d.asked("kinesis:DescribeStreamSummary", forLogs, err) {
			continue
		}
		shards, err := k.shards(ctx, d.Now())
		if !d.asked("kinesis:ListShards", forLogs, err) || len(shards) == 0 {
			continue
		}
		iterator, err := k.iterator(ctx, *shards[len(shards)-1].ShardId, "", d.Now())
		if !d.asked("kinesis:GetShardIterator", forLogs, err) {
			continue
		}
		one := int32(1)
		_, err = call(ctx, &d.source, "kinesis:GetRecords", client.GetRecords, &kinesis.GetRecordsInput{ShardIterator: iterator, Limit: &one})
		d.asked("kinesis:GetRecords", forLogs, err)
		s := out.StreamDescriptionSummary
		hours := int32(0)
		if s.RetentionPeriodHours != nil {
			hours = *s.RetentionPeriodHours
		}
		if s.StreamStatus != types.StreamStatusActive && s.StreamStatus != types.StreamStatusUpdating {
			d.missing("kinesis", forLogs, "name a stream that is active", "data stream %s is %s", name, s.StreamStatus)
			continue
		}
		d.ok("kinesis", "data stream %s has %d shards and keeps records for %d hours", name, len(shards), hours)
	}
}

// streams counts shards: AWS does not say how much lies in them.
func (e *estimator) streams(ctx context.Context) (Estimate, error) {
	one := Estimate{Streams: len(e.KinesisStreams)}
	client := streamClient(e.Options)
	all := 0
	for _, name := range e.KinesisStreams {
		shards, err := newDataStream(e.Options, client, name).shards(ctx, e.window.Start)
		if err != nil {
			return one, err
		}
		all += len(shards)
	}
	reads := slicesOf(e.window, streamMostSlice)
	one.Calls = int64(len(e.KinesisStreams)) + reads*(int64(len(e.KinesisStreams))+3*int64(all))
	one.Basis = fmt.Sprintf("at least: %d shards; AWS does not say how much lies in them, and gives 2 MB a second of each", all)
	return e.timed(one, "kinesis:GetRecords"), nil
}
