package localaws

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits of Kinesis; maxKinesisRecords and maxKinesisBytes of a stream are the
// stand-in's own: the oldest go first, as AWS's do after a day.
const (
	maxDataStreams      = 50
	maxKinesisRecords   = 50_000
	maxKinesisBytes     = 32 << 20
	maxRecordsPage      = 10_000
	maxRecordsPageBytes = 10 << 20
	iteratorLife        = 5 * time.Minute
)

// theShard is the one shard of every stream.
const theShard = "shardId-000000000000"

// dataStreams is Kinesis of one place: streams of one shard each, so that all
// records of a stream are in order. Safe for concurrent use.
type dataStreams struct {
	s *Server

	mu  sync.Mutex
	all map[string]*dataStream // by name
}

type dataStream struct {
	name, arn string
	created   time.Time
	records   []kinesisRecord // by number
	last      int             // number of the newest record
	size      int             // bytes of all records
}

type kinesisRecord struct {
	number    int
	partition string
	data      []byte
	arrived   time.Time
}

func newDataStreams(s *Server) *dataStreams { return &dataStreams{s: s, all: map[string]*dataStream{}} }

func (ks *dataStreams) operations() map[string]operation {
	return map[string]operation{
		"CreateStream":          ks.create,
		"DescribeStreamSummary": ks.summary,
		"ListShards":            ks.shards,
		"PutRecord":             ks.putRecord,
		"GetShardIterator":      ks.iterator,
		"GetRecords":            ks.get,
	}
}

func (ks *dataStreams) create(_ context.Context, c *call) (any, error) {
	var in struct{ StreamName string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	arn := c.arn("stream/" + in.StreamName)
	c.touch("AWS::Kinesis::Stream", arn)
	if !dataStreamName.allows(in.StreamName) {
		return nil, failf("ValidationException", "1 validation error detected: Value '%s' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+", in.StreamName)
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if ks.all[in.StreamName] != nil {
		return nil, failf("ResourceInUseException", "Stream %s under account %s already exists.", in.StreamName, c.Account)
	}
	if len(ks.all) >= maxDataStreams {
		return nil, failf("LimitExceededException", "This request would exceed the stream limit for the account %s in %s.", c.Account, c.Region)
	}
	ks.all[in.StreamName] = &dataStream{name: in.StreamName, arn: arn, created: c.Time}
	return nil, nil
}

type streamInput struct {
	StreamName string
	StreamARN  string
}

// find returns the stream of a request. The caller holds mu.
func (ks *dataStreams) find(c *call, in streamInput) (*dataStream, error) {
	name := in.StreamName
	if name == "" {
		name = in.StreamARN[strings.LastIndexByte(in.StreamARN, '/')+1:]
	}
	st := ks.all[name]
	if st == nil || in.StreamARN != "" && in.StreamARN != st.arn {
		return nil, failf("ResourceNotFoundException", "Stream %s under account %s not found.", name, c.Account)
	}
	return st, nil
}

func (ks *dataStreams) summary(_ context.Context, c *call) (any, error) {
	var in streamInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	st, err := ks.find(c, in)
	if err != nil {
		return nil, err
	}
	return map[string]any{"StreamDescriptionSummary": map[string]any{
		"StreamName": st.name, "StreamARN": st.arn, "StreamStatus": "ACTIVE", "RetentionPeriodHours": 24,
		"StreamCreationTimestamp": timestamp{st.created}, "EnhancedMonitoring": []any{}, "OpenShardCount": 1,
		"StreamModeDetails": map[string]string{"StreamMode": "PROVISIONED"},
	}}, nil
}

func (ks *dataStreams) shards(_ context.Context, c *call) (any, error) {
	var in streamInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if _, err := ks.find(c, in); err != nil {
		return nil, err
	}
	return map[string]any{"Shards": []any{map[string]any{
		"ShardId":             theShard,
		"HashKeyRange":        map[string]string{"StartingHashKey": "0", "EndingHashKey": "340282366920938463463374607431768211455"},
		"SequenceNumberRange": map[string]string{"StartingSequenceNumber": sequenceNumber(0)},
	}}}, nil
}

// sequenceNumber has Kinesis's 56 digits.
func sequenceNumber(n int) string { return fmt.Sprintf("49%054d", n) }

func (ks *dataStreams) putRecord(_ context.Context, c *call) (any, error) {
	var in struct {
		streamInput
		PartitionKey string
		Data         string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.record(map[string]any{"streamName": in.StreamName, "partitionKey": in.PartitionKey}, nil)
	data, err := base64.StdEncoding.DecodeString(in.Data)
	if err != nil || len(data) > 1<<20 || in.PartitionKey == "" {
		return nil, failf("ValidationException", "A record needs a partition key and at most 1 MiB of data, in base64.")
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	st, err := ks.find(c, in.streamInput)
	if err != nil {
		return nil, err
	}
	return map[string]any{"ShardId": theShard, "SequenceNumber": sequenceNumber(ks.add(st, in.PartitionKey, data))}, nil
}

// take is a subscriber: of a stream's ARN.
func (ks *dataStreams) take(arn, partition string, record []byte) bool {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	st := ks.all[arn[strings.LastIndexByte(arn, '/')+1:]]
	if st == nil || st.arn != arn {
		return false
	}
	ks.add(st, partition, record)
	return true
}

// add appends a record and returns its number. The caller holds mu.
func (ks *dataStreams) add(st *dataStream, partition string, data []byte) int {
	st.size += len(data)
	for len(st.records) > 0 && (len(st.records) >= maxKinesisRecords || st.size > maxKinesisBytes) {
		old := len(st.records)/10 + 1
		for _, r := range st.records[:old] {
			st.size -= len(r.data)
		}
		st.records = slices.Delete(st.records, 0, old)
	}
	st.last++
	st.records = append(st.records, kinesisRecord{st.last, partition, data, ks.s.now()})
	return st.last
}

// A shardIterator is what a token of GetShardIterator and GetRecords holds: the
// number that the next record must be beyond.
type shardIterator struct {
	Stream  string // its ARN
	Beyond  int
	Expires int64 // Unix milliseconds
}

func (ks *dataStreams) iterator(_ context.Context, c *call) (any, error) {
	var in struct {
		streamInput
		ShardID                string `json:"ShardId"`
		ShardIteratorType      string
		StartingSequenceNumber string
		Timestamp              timestamp
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	st, err := ks.find(c, in.streamInput)
	if err != nil {
		return nil, err
	}
	if in.ShardID != theShard {
		return nil, failf("ResourceNotFoundException", "Shard %s in stream %s under account %s does not exist", in.ShardID, st.name, c.Account)
	}
	at := shardIterator{Stream: st.arn, Expires: c.Time.Add(iteratorLife).UnixMilli()}
	number, numberErr := strconv.Atoi(strings.TrimPrefix(in.StartingSequenceNumber, "49"))
	switch in.ShardIteratorType {
	case "TRIM_HORIZON":
	case "LATEST":
		at.Beyond = st.last
	case "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER":
		if numberErr != nil {
			return nil, failf("InvalidArgumentException", "StartingSequenceNumber %s used in GetShardIterator on shard %s in stream %s is invalid.", in.StartingSequenceNumber, theShard, st.name)
		}
		at.Beyond = number
		if in.ShardIteratorType == "AT_SEQUENCE_NUMBER" {
			at.Beyond--
		}
	case "AT_TIMESTAMP":
		at.Beyond = st.last
		if i := slices.IndexFunc(st.records, func(r kinesisRecord) bool { return !r.arrived.Before(in.Timestamp.Time) }); i >= 0 {
			at.Beyond = st.records[i].number - 1
		}
	default:
		return nil, failf("ValidationException", "1 validation error detected: Value '%s' at 'shardIteratorType' failed to satisfy constraint: Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]", in.ShardIteratorType)
	}
	return map[string]any{"ShardIterator": ks.s.tokens.seal(c.Time, at)}, nil
}

// get is GetRecords; trouble may make it an empty answer that goes on at the same
// place.
func (ks *dataStreams) get(_ context.Context, c *call) (any, error) {
	var in struct {
		ShardIterator string
		Limit         *int
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	limit := maxRecordsPage
	if in.Limit != nil {
		limit = *in.Limit
	}
	if limit < 1 || limit > maxRecordsPage {
		return nil, failf("ValidationException", "Limit must be from 1 to %d.", maxRecordsPage)
	}
	var at shardIterator
	if err := ks.s.tokens.open(c.Time, in.ShardIterator, &at); err != nil {
		return nil, failf("InvalidArgumentException", "Invalid ShardIterator.")
	}
	if c.Time.UnixMilli() >= at.Expires {
		return nil, failf("ExpiredIteratorException", "Iterator expired. The iterator was created more than %d seconds ago.", int(iteratorLife.Seconds()))
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	st, err := ks.find(c, streamInput{StreamARN: at.Stream})
	if err != nil {
		return nil, err
	}
	records := []any{}
	size := 0
	if !ks.s.trouble.emptyPage(c) {
		from, _ := slices.BinarySearchFunc(st.records, at.Beyond+1, func(r kinesisRecord, n int) int { return r.number - n })
		for _, r := range st.records[from:] {
			if size += len(r.data); len(records) >= limit || len(records) > 0 && size > maxRecordsPageBytes {
				break
			}
			records = append(records, map[string]any{
				"SequenceNumber": sequenceNumber(r.number), "PartitionKey": r.partition,
				"ApproximateArrivalTimestamp": timestamp{r.arrived}, "Data": base64.StdEncoding.EncodeToString(r.data),
			})
			at.Beyond = r.number
		}
	}
	at.Expires = c.Time.Add(iteratorLife).UnixMilli()
	behind := int64(0)
	if next, _ := slices.BinarySearchFunc(st.records, at.Beyond+1, func(r kinesisRecord, n int) int { return r.number - n }); next < len(st.records) {
		behind = c.Time.Sub(st.records[next].arrived).Milliseconds()
	}
	return map[string]any{"Records": records, "NextShardIterator": ks.s.tokens.seal(c.Time, at), "MillisBehindLatest": max(behind, 0)}, nil
}
