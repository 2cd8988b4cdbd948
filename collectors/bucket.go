package collectors

import (
	"context"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"muster/fleet"
)

// bucketMark in a stream's name says that the logs of it come through a bucket.
const bucketMark = "s3://"

// discoverBucket reads a bucket that logs are delivered to: objects of Firehose,
// exports of log groups, access logs of load balancers, in whatever folders.
func discoverBucket(_ context.Context, o Options) ([]fleet.Collector, error) {
	return []fleet.Collector{newBucket(o)}, nil
}

func newBucket(o Options) *trail {
	place := bucketMark + o.LogBucket
	if o.LogBucketPrefix != "" {
		place += "/" + o.LogBucketPrefix
	}
	return &trail{
		source: newSource(o, SourceLogs, place), client: bucketClient(o),
		bucket: o.LogBucket, folder: o.LogBucketPrefix, any: true,
	}
}

// bucketClient is a client of S3; a stand-in has no host for each bucket.
func bucketClient(o Options) *s3.Client {
	cfg := o.AWS
	if o.bucketAWS != nil {
		cfg = *o.bucketAWS
	}
	return s3.NewFromConfig(cfg, func(so *s3.Options) { so.UsePathStyle = o.AWS.BaseEndpoint != nil })
}

// wants reports whether an object may hold evidence. Firehose's have no ending
// unless they are given one.
func (t *trail) wants(key string) bool {
	if t.any {
		name := path.Base(key)
		return !strings.HasSuffix(key, "/") && name != "aws-logs-write-test" && name != "ELBAccessLogTestFile"
	}
	return strings.HasSuffix(key, ".json.gz") || strings.HasSuffix(key, ".json")
}
