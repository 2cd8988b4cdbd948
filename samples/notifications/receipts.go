package notifications

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"muster/fleet"
	"muster/samples/telemetry"
)

const bucket = "receipts"

// receipts are the service's files. Their bucket is made when the first is
// filed: a change of the fleet that a request is behind.
type receipts struct {
	t      *telemetry.Telemetry
	client *s3.Client
	mu     sync.Mutex
	ready  bool
}

func newReceipts(t *telemetry.Telemetry) *receipts {
	return &receipts{t: t, client: s3.NewFromConfig(t.Traced, func(o *s3.Options) {
		o.UsePathStyle = true // no host names by bucket on one machine
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	})}
}

// file writes the receipt of a message.
func (r *receipts) file(ctx context.Context, m message) error {
	if err := r.open(ctx); err != nil {
		return err
	}
	body, err := json.Marshal(m.event)
	if err != nil {
		return fmt.Errorf("file receipt of %s: %w", m.event.Order, err)
	}
	_, err = r.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String(m.event.Type + "/" + m.event.Order + ".json"),
		Body: strings.NewReader(string(body)), ContentType: aws.String("application/json"),
	})
	if err != nil {
		return fmt.Errorf("file receipt of %s: %w", m.event.Order, err)
	}
	return nil
}

func (r *receipts) open(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ready {
		return nil
	}
	made, err := r.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)})
	var owned *types.BucketAlreadyOwnedByYou
	switch {
	case errors.As(err, &owned): // an earlier run made it
	case err != nil:
		return fmt.Errorf("create bucket %s: %w", bucket, err)
	default:
		telemetry.Wrote(r.t.Truth, fleet.ResourceName("AWS::S3::Bucket", bucket), made.ResultMetadata)
	}
	r.ready = true
	return nil
}
