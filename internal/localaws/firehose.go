package localaws

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of Firehose; the buffer is also what bounds a stream's memory.
const (
	maxDeliveryStreams     = 50
	firehoseBufferBytes    = 5 << 20
	firehoseBufferInterval = 300 * time.Second
	maxFirehoseRecord      = 1000 << 10
)

// deliveryStreams is Firehose of one place: streams that put what they get into
// S3, as objects of records one behind the other. Safe for concurrent use.
type deliveryStreams struct {
	s *Server

	mu  sync.Mutex
	all []*deliveryStream // oldest first
}

// A deliveryStream gathers records until its buffer is full or old, or until
// somebody looks into the bucket after that.
type deliveryStream struct {
	name, arn, bucket, prefix, role string
	created                         time.Time
	interval                        time.Duration
	size                            int // bytes that fill the buffer
	buffer                          bytes.Buffer
	since                           time.Time // of the buffer's first record
}

func newDeliveryStreams(s *Server) *deliveryStreams { return &deliveryStreams{s: s} }

func (ds *deliveryStreams) operations() map[string]operation {
	return map[string]operation{
		"CreateDeliveryStream":   ds.create,
		"DescribeDeliveryStream": ds.describe,
		"ListDeliveryStreams":    ds.list,
		"DeleteDeliveryStream":   ds.delete,
		"PutRecord":              ds.putRecord,
	}
}

type s3Destination struct {
	RoleARN        string
	BucketARN      string
	Prefix         string
	BufferingHints struct{ SizeInMBs, IntervalInSeconds int }
}

func (ds *deliveryStreams) create(_ context.Context, c *call) (any, error) {
	var in struct {
		DeliveryStreamName                 string
		DeliveryStreamType                 string
		S3DestinationConfiguration         *s3Destination
		ExtendedS3DestinationConfiguration *s3Destination
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	arn := c.arn("deliverystream/" + in.DeliveryStreamName)
	c.touch("AWS::KinesisFirehose::DeliveryStream", arn)
	to := in.ExtendedS3DestinationConfiguration
	if to == nil {
		to = in.S3DestinationConfiguration
	}
	bucket, ok := "", false
	if to != nil {
		bucket, ok = strings.CutPrefix(to.BucketARN, "arn:aws:s3:::")
	}
	if !deliveryStreamName.allows(in.DeliveryStreamName) || !ok || in.DeliveryStreamType != "" && in.DeliveryStreamType != "DirectPut" {
		return nil, failf("InvalidArgumentException", "A delivery stream needs a name and an S3 destination, and takes direct puts.")
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.find(in.DeliveryStreamName) != nil {
		return nil, failf("ResourceInUseException", "Firehose %s under accountId %s already exists", in.DeliveryStreamName, c.Account)
	}
	if len(ds.all) >= maxDeliveryStreams {
		return nil, failf("LimitExceededException", "You have already consumed your firehose quota of %d hoses.", maxDeliveryStreams)
	}
	d := &deliveryStream{
		name: in.DeliveryStreamName, arn: arn, bucket: bucket, prefix: to.Prefix, role: to.RoleARN, created: c.Time,
		interval: firehoseBufferInterval, size: firehoseBufferBytes,
	}
	if n := to.BufferingHints.IntervalInSeconds; n > 0 {
		d.interval = time.Duration(min(n, 900)) * time.Second
	}
	if n := to.BufferingHints.SizeInMBs; n > 0 {
		d.size = min(n, 128) << 20
	}
	ds.all = append(ds.all, d)
	ds.s.objects.gathers(bucket)
	return map[string]any{"DeliveryStreamARN": arn}, nil
}

// find returns a stream, or nil. The caller holds mu.
func (ds *deliveryStreams) find(name string) *deliveryStream {
	i := slices.IndexFunc(ds.all, func(d *deliveryStream) bool { return d.name == name })
	if i < 0 {
		return nil
	}
	return ds.all[i]
}

// named reads a request that names a stream. The caller holds mu.
func (ds *deliveryStreams) named(c *call, name string) (*deliveryStream, error) {
	d := ds.find(name)
	if d == nil {
		return nil, failf("ResourceNotFoundException", "Firehose %s under account %s not found.", name, c.Account)
	}
	return d, nil
}

func (ds *deliveryStreams) describe(_ context.Context, c *call) (any, error) {
	var in struct{ DeliveryStreamName string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	d, err := ds.named(c, in.DeliveryStreamName)
	if err != nil {
		return nil, err
	}
	to := map[string]any{
		"RoleARN": d.role, "BucketARN": "arn:aws:s3:::" + d.bucket, "Prefix": d.prefix, "CompressionFormat": "UNCOMPRESSED",
		"BufferingHints":          map[string]int{"SizeInMBs": d.size >> 20, "IntervalInSeconds": int(d.interval.Seconds())},
		"EncryptionConfiguration": map[string]string{"NoEncryptionConfig": "NoEncryption"},
	}
	return map[string]any{"DeliveryStreamDescription": map[string]any{
		"DeliveryStreamName": d.name, "DeliveryStreamARN": d.arn, "DeliveryStreamStatus": "ACTIVE", "DeliveryStreamType": "DirectPut",
		"VersionId": "1", "CreateTimestamp": timestamp{d.created}, "HasMoreDestinations": false,
		"Destinations": []any{map[string]any{
			"DestinationId": "destinationId-000000000001", "S3DestinationDescription": to, "ExtendedS3DestinationDescription": to,
		}},
	}}, nil
}

// list answers names in their order, from behind one of them.
func (ds *deliveryStreams) list(_ context.Context, c *call) (any, error) {
	var in struct {
		Limit                            *int
		ExclusiveStartDeliveryStreamName string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	limit := 10
	if in.Limit != nil {
		limit = *in.Limit
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	names := []string{}
	for _, d := range ds.all {
		names = append(names, d.name)
	}
	slices.Sort(names)
	names = slices.DeleteFunc(names, func(n string) bool { return n <= in.ExclusiveStartDeliveryStreamName })
	more := len(names) > limit
	return map[string]any{"DeliveryStreamNames": names[:max(min(limit, len(names)), 0)], "HasMoreDeliveryStreams": more}, nil
}

func (ds *deliveryStreams) delete(_ context.Context, c *call) (any, error) {
	var in struct{ DeliveryStreamName string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	d, err := ds.named(c, in.DeliveryStreamName)
	if err != nil {
		return nil, err
	}
	c.touch("AWS::KinesisFirehose::DeliveryStream", d.arn)
	ds.write(d)
	ds.all = slices.DeleteFunc(ds.all, func(o *deliveryStream) bool { return o == d })
	return nil, nil
}

func (ds *deliveryStreams) putRecord(_ context.Context, c *call) (any, error) {
	var in struct {
		DeliveryStreamName string
		Record             struct{ Data string }
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.record(map[string]any{"deliveryStreamName": in.DeliveryStreamName}, nil)
	data, err := base64.StdEncoding.DecodeString(in.Record.Data)
	if err != nil || len(data) == 0 || len(data) > maxFirehoseRecord {
		return nil, failf("InvalidArgumentException", "A record must have 1 to %d bytes, in base64.", maxFirehoseRecord)
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	d, err := ds.named(c, in.DeliveryStreamName)
	if err != nil {
		return nil, err
	}
	ds.add(d, data)
	return map[string]any{"RecordId": newHex(200), "Encrypted": false}, nil
}

// take is a subscriber: of a stream's ARN.
func (ds *deliveryStreams) take(arn string, record []byte) bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	i := slices.IndexFunc(ds.all, func(d *deliveryStream) bool { return d.arn == arn })
	if i < 0 {
		return false
	}
	ds.add(ds.all[i], record)
	return true
}

// add buffers a record. The caller holds mu.
func (ds *deliveryStreams) add(d *deliveryStream, record []byte) {
	if d.buffer.Len() == 0 {
		d.since = ds.s.now()
	}
	d.buffer.Write(record)
	if d.buffer.Len() >= d.size {
		ds.write(d)
	}
}

// deliver writes the buffers that are old enough; all of them with everything.
func (ds *deliveryStreams) deliver(everything bool) {
	now := ds.s.now()
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, d := range ds.all {
		if everything || now.Sub(d.since) >= d.interval {
			ds.write(d)
		}
	}
}

// write puts the buffer into an object that is named as Firehose names them. The
// caller holds mu.
func (ds *deliveryStreams) write(d *deliveryStream) {
	if d.buffer.Len() == 0 {
		return
	}
	now := ds.s.now()
	key := fmt.Sprintf("%s%s/%s-1-%s-%s", d.prefix, now.Format("2006/01/02/15"), d.name, now.Format("2006-01-02-15-04-05"), newUUID())
	if err := ds.s.objects.putAs("application/octet-stream", d.bucket, key, d.buffer.Bytes()); err != nil {
		ds.s.log.Error("a delivery stream cannot write to its bucket", "stream", d.name, "bucket", d.bucket, "err", err)
	}
	d.buffer.Reset()
}
