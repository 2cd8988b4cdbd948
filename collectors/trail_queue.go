package collectors

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"muster/fleet"
)

const (
	// queueWait is how long a call waits for a first message. Any wait makes SQS
	// ask all of its servers, so that an empty answer means an empty queue.
	queueWait = 2 * time.Second
	// queueHide is for how long a message that was handed out is hidden from others:
	// its files are read and committed in seconds, and a killed process's messages
	// come again after that.
	queueHide = 5 * time.Minute
	// queueKeeps is the longest that a queue can keep messages.
	queueKeeps = 14 * day
	// queuePage is the most messages that one call hands out or deletes.
	queuePage = 10
)

// trailQueue reads the files of a trail's bucket that messages in a queue tell
// of. A message is deleted once what its files hold is in the lake, so that a
// crash reads it again, and never loses it.
type trailQueue struct {
	trail
	queue  *sqs.Client
	seen   map[string]bool // files of this pass, and whether they were read
	strays map[string]bool // buckets that are not read, and were told of
}

func newTrailQueue(o Options) (*trailQueue, error) {
	address, err := parseQueueURL(o.TrailQueue)
	if err != nil {
		return nil, err
	}
	s := newSource(o, SourceTrail, o.trailPlace()+"/queue/"+address.name)
	cfg := o.AWS
	if o.bucketAWS != nil {
		cfg = *o.bucketAWS
	}
	client := sqs.NewFromConfig(cfg, func(so *sqs.Options) {
		if address.region != "" && o.AWS.BaseEndpoint == nil {
			so.Region = address.region
		}
	})
	return &trailQueue{
		trail: trail{source: s, client: bucketClient(o), bucket: o.TrailBucket, folder: o.trailRoot()},
		queue: client, seen: map[string]bool{}, strays: map[string]bool{},
	}, nil
}

// trailPlace is where a trail delivers, as the names of its streams have it.
func (o *Options) trailPlace() string {
	if o.TrailPrefix != "" {
		return o.TrailBucket + "/" + o.TrailPrefix
	}
	return o.TrailBucket
}

// trailRoot is the folder below which a trail delivers.
func (o *Options) trailRoot() string {
	root := o.TrailPrefix
	if root != "" && !strings.HasSuffix(root, "/") {
		root += "/"
	}
	return root + "AWSLogs/"
}

// queueAddress is what the URL of a queue says.
type queueAddress struct {
	region, account, name string // region is "" of an endpoint that is not AWS's
}

// parseQueueURL reads the URL of a queue:
// https://sqs.eu-central-1.amazonaws.com/111122223333/name.
func parseQueueURL(text string) (queueAddress, error) {
	u, err := url.Parse(text)
	if err == nil {
		parts := strings.Split(strings.Trim(u.Path, "/"), "/")
		host := strings.Split(u.Hostname(), ".")
		if (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && len(parts) == 2 && parts[0] != "" && parts[1] != "" {
			q := queueAddress{account: parts[0], name: parts[1]}
			if len(host) > 2 && host[0] == "sqs" && regionForm.MatchString(host[1]) {
				q.region = host[1]
			}
			return q, nil
		}
	}
	return queueAddress{}, fmt.Errorf("%q is no queue: give its URL, such as https://sqs.eu-central-1.amazonaws.com/111122223333/trail-files", clip(text, maxAttributeBytes))
}

// Collect yields the events of the files that the queue tells of, until it is
// empty. The window bounds nothing: what a queue has is new.
func (q *trailQueue) Collect(ctx context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		out := &output{s: &q.source, yield: yield, window: q.bounds(w, 0, day)}
		if err := q.collect(ctx, out); err != nil {
			out.end(fmt.Errorf("read the files that %s tells of: %w", q.TrailQueue, err))
		}
	}
}

func (q *trailQueue) collect(ctx context.Context, out *output) error {
	if err := q.reach(ctx, out); err != nil {
		return err
	}
	for {
		page, err := call(ctx, &q.source, "sqs:ReceiveMessage", q.queue.ReceiveMessage, &sqs.ReceiveMessageInput{
			QueueUrl: &q.TrailQueue, MaxNumberOfMessages: queuePage,
			WaitTimeSeconds: int32(queueWait / time.Second), VisibilityTimeout: int32(queueHide / time.Second),
			MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{
				sqstypes.MessageSystemAttributeNameSentTimestamp, sqstypes.MessageSystemAttributeNameApproximateReceiveCount,
			},
		})
		if err != nil {
			return err
		}
		if err := q.take(ctx, page.Messages, out); err != nil {
			return err
		}
		// What is sent while a pass reads is read too, and does not keep it from ending.
		old := func(m sqstypes.Message) bool { return sentAt(&m).Before(out.window.End) }
		if !slices.ContainsFunc(page.Messages, old) {
			return out.finish()
		}
	}
}

// reach cuts the window to what the queue can tell of: what was delivered since
// there is a queue, and within the time for which it keeps messages.
func (q *trailQueue) reach(ctx context.Context, out *output) error {
	has, err := q.attributes(ctx)
	if err != nil {
		return err
	}
	began := q.Now().Add(-has.kept)
	if has.created.After(began) {
		began = has.created
	}
	if !out.window.Start.Before(began) {
		return nil
	}
	lost := fleet.Window{Start: out.window.Start, End: began}
	if lost.End.After(out.window.End) {
		lost.End = out.window.End
	}
	out.window.Start = lost.End
	return out.send(retentionPassed(lost, "the queue tells of no files from before "+fleet.FormatTime(began)+
		": read them once from the bucket, without --trail-queue"))
}

// queueAttributes are what is known of a queue.
type queueAttributes struct {
	created         time.Time
	kept            time.Duration // for how long it keeps messages
	waiting, hidden int64         // messages, about
	dead            bool          // it has a dead-letter queue
}

func (q *trailQueue) attributes(ctx context.Context) (queueAttributes, error) {
	out, err := call(ctx, &q.source, "sqs:GetQueueAttributes", q.queue.GetQueueAttributes, &sqs.GetQueueAttributesInput{
		QueueUrl: &q.TrailQueue, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	if err != nil {
		return queueAttributes{}, err
	}
	number := func(name sqstypes.QueueAttributeName) int64 {
		n, _ := strconv.ParseInt(out.Attributes[string(name)], 10, 64) // 0 where it is not told
		return n
	}
	has := queueAttributes{
		created: time.Unix(number(sqstypes.QueueAttributeNameCreatedTimestamp), 0).UTC(),
		kept:    time.Duration(number(sqstypes.QueueAttributeNameMessageRetentionPeriod)) * time.Second,
		waiting: number(sqstypes.QueueAttributeNameApproximateNumberOfMessages),
		hidden:  number(sqstypes.QueueAttributeNameApproximateNumberOfMessagesNotVisible),
		dead:    out.Attributes[string(sqstypes.QueueAttributeNameRedrivePolicy)] != "",
	}
	if has.kept == 0 { // not told
		has.kept = queueKeeps
	}
	return has, nil
}

// sentAt is when a message was sent; zero where SQS does not say.
func sentAt(m *sqstypes.Message) time.Time {
	ms, err := strconv.ParseInt(m.Attributes[string(sqstypes.MessageSystemAttributeNameSentTimestamp)], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
