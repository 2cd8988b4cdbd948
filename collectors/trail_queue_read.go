package collectors

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"muster/fleet"
)

// notified is a file, and the messages of a page that tell of it.
type notified struct {
	notice
	by []int
}

// take reads the files that a page of messages tells of. Messages of which
// nothing is left to read are deleted when what was read is durable; the others
// come again, and go to the dead-letter queue in the end.
func (q *trailQueue) take(ctx context.Context, page []sqstypes.Message, out *output) error {
	if len(page) == 0 {
		return nil
	}
	stays := make([]bool, len(page))
	files, err := q.files(ctx, page, stays, out)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	err = fanOut(ctx, trailReads, files, out, func(ctx context.Context, f *notified, send func(fleet.Batch) error) error {
		object := types.Object{Key: &f.key, LastModified: &f.at}
		fate, err := q.file(ctx, &object, send)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			fate = fileDenied
			q.Logger.WarnContext(ctx, "a trail's file could not be read, its message is left", "stream", q.stream, "key", f.key, "error", err)
			err = send(unreadFile(&object, "failed", err.Error()))
		case fate == fileGone:
			err = send(unreadFile(&object, "retention", "it was deleted before it was read"))
		}
		mu.Lock()
		defer mu.Unlock()
		for _, i := range f.by {
			stays[i] = stays[i] || fate == fileDenied
		}
		q.seen[f.id()] = fate != fileDenied
		return err
	})
	if err != nil {
		return err
	}
	var over []sqstypes.DeleteMessageBatchRequestEntry
	for i, m := range page {
		if !stays[i] {
			over = append(over, sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
		}
	}
	if len(over) == 0 {
		return nil
	}
	return out.send(fleet.Batch{Done: q.forget(over)})
}

// files are those to read of a page of messages, each once, and whether messages
// stay that cannot be understood.
func (q *trailQueue) files(ctx context.Context, page []sqstypes.Message, stays []bool, out *output) ([]*notified, error) {
	found := map[string]*notified{}
	for i := range page {
		m := &page[i]
		said, err := readNotice(aws.ToString(m.Body))
		if err != nil {
			stays[i] = true
			if err := out.send(misread(m, err)); err != nil {
				return nil, err
			}
			continue
		}
		if at := sentAt(m); said.test && at.After(out.window.Start) {
			lost := fleet.Window{Start: out.window.Start, End: at}
			if err := out.send(retentionPassed(lost, "notifications were set up then: read what is older once from the bucket, without --trail-queue")); err != nil {
				return nil, err
			}
		}
		for _, n := range said.objects {
			if n.at.IsZero() {
				n.at = sentAt(m)
			}
			if !q.wantsNotice(ctx, &n) || q.seen[n.id()] {
				continue
			}
			f := found[n.id()]
			if f == nil {
				f = &notified{notice: n}
				found[n.id()] = f
			}
			f.by = append(f.by, i)
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b *notified) int { return strings.Compare(a.id(), b.id()) }), nil
}

// misread is the ledger's word on a message that cannot be understood.
func misread(m *sqstypes.Message, why error) fleet.Batch {
	at := sentAt(m)
	times := m.Attributes[string(sqstypes.MessageSystemAttributeNameApproximateReceiveCount)]
	return fleet.Batch{Ledger: []fleet.LedgerEntry{{
		Window:   fleet.Window{Start: at.Add(-trailDelay), End: at},
		Coverage: fleet.Partial, Reason: "unreadable",
		Detail: fmt.Sprintf("message %s, received %s times, is left in the queue: %v: %s",
			clean(aws.ToString(m.MessageId)), firstOf(times, "some"), why, oneLine(aws.ToString(m.Body))),
	}}}
}

// wantsNotice reports whether an object is a file to read. Those of another
// bucket are left with a word, since the queue is somebody else's too.
func (q *trailQueue) wantsNotice(ctx context.Context, n *notice) bool {
	if n.bucket != q.bucket {
		if !q.strays[n.bucket] {
			q.strays[n.bucket] = true
			q.Logger.WarnContext(ctx, "the queue tells of files in a bucket that is not the trail's: they are not read", "stream", q.stream, "bucket", clip(n.bucket, maxIDBytes))
		}
		return false
	}
	at, ok := placeOf(q.folder, n.key)
	return ok && q.wants(n.key) && slices.Contains(trailFolderKinds, at.kind) &&
		(len(q.Accounts.IDs) == 0 || slices.Contains(q.Accounts.IDs, at.account)) && !slices.Contains(q.Accounts.Exclude, at.account)
}

// forget deletes messages. One that cannot be deleted comes again, and what its
// files hold is known by then.
func (q *trailQueue) forget(messages []sqstypes.DeleteMessageBatchRequestEntry) func(context.Context) {
	return func(ctx context.Context) {
		out, err := call(ctx, &q.source, "sqs:DeleteMessage", q.queue.DeleteMessageBatch, &sqs.DeleteMessageBatchInput{
			QueueUrl: &q.TrailQueue, Entries: messages,
		})
		if err == nil && len(out.Failed) > 0 {
			err = fmt.Errorf("%d of %d messages: %s", len(out.Failed), len(messages), aws.ToString(out.Failed[0].Message))
		}
		if err != nil {
			q.Logger.WarnContext(ctx, "messages whose files are stored could not be deleted: they come again", "stream", q.stream, "error", err)
		}
	}
}
