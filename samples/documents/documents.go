// Package documents is a Lambda function that writes the papers of an order:
// its queue's messages come in batches, each batch is one invocation, and the
// lines are those of Lambda.
package documents

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"muster/samples/faults"
	"muster/samples/orders"
	"muster/samples/queue"
	"muster/samples/telemetry"
	"muster/samples/truth"
)

const (
	table = "documents"
	// LogGroup is where Lambda puts the lines of a function of this name.
	LogGroup = "/aws/lambda/documents"
	// fieldInvocation is the request id of an invocation in a function's own
	// JSON lines.
	fieldInvocation = "requestId"
	memoryMB        = 128
)

// Documents is the function.
type Documents struct {
	t        *telemetry.Telemetry
	db       *dynamodb.Client
	service  *sqs.Client // Lambda's own poller, which traces nothing
	consumer *queue.Consumer
}

// New makes the function's table. The queue is made by whoever is first, orders
// or the function.
func New(ctx context.Context, t *telemetry.Telemetry) (*Documents, error) {
	if err := t.Table(ctx, table, "id", ""); err != nil {
		return nil, err
	}
	url, err := queue.Open(ctx, t, orders.DocumentsQueue, nil)
	if err != nil {
		return nil, err
	}
	return &Documents{
		t: t, db: dynamodb.NewFromConfig(t.Traced), service: sqs.NewFromConfig(t.Plain), consumer: queue.NewConsumer(t, url),
	}, nil
}

// Handled is how many messages will not come again.
func (d *Documents) Handled() int64 { return d.consumer.Done() }

// Run is Lambda's poller, until the context ends.
func (d *Documents) Run(ctx context.Context) { d.consumer.Run(ctx, d.invoke) }

// invoke runs the function for a batch and deletes what it did not report as
// failed.
func (d *Documents) invoke(ctx context.Context, batch []queue.Message) error {
	id, err := uuid()
	if err != nil {
		return err
	}
	var done []queue.Message
	err = d.t.Do(ctx, telemetry.Work{Invocation: id}, func(ctx context.Context) error {
		began := time.Now()
		d.t.Write(telemetry.Unlinked(ctx), "START RequestId: "+id+" Version: $LATEST")
		for _, m := range batch {
			if d.handle(ctx, id, m) {
				done = append(done, m)
			}
		}
		d.t.Write(telemetry.Unlinked(ctx), "END RequestId: "+id)
		d.t.Write(ctx, d.report(ctx, id, time.Since(began)))
		return nil
	})
	if err != nil || len(done) == 0 {
		return err
	}
	return d.delete(ctx, done)
}

// report is the line that Lambda ends an invocation with.
func (d *Documents) report(ctx context.Context, id string, took time.Duration) string {
	ms := float64(took.Microseconds()) / 1000
	return fmt.Sprintf("REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB\t\n"+
		"XRAY TraceId: %s\tSegmentId: %s\tSampled: true\t", id, ms, int(ms)+1, memoryMB, memoryMB/2, d.t.ShownTrace(ctx), d.t.SpanID(ctx))
}

// handle writes one document, and reports whether it could.
func (d *Documents) handle(ctx context.Context, invocation string, m queue.Message) bool {
	err := d.t.Step(ctx, "document", func(ctx context.Context) error {
		if err := d.t.Consumed(ctx, m.ID); err != nil {
			return err
		}
		var in orders.Document
		if err := json.Unmarshal([]byte(m.Body), &in); err != nil {
			d.poisoned(ctx, m)
			return fmt.Errorf("read message %s: %w", m.ID, err)
		}
		if err := d.keep(ctx, in); err != nil {
			return err
		}
		d.t.Log.InfoContext(telemetry.Unlinked(ctx), "document written", fieldInvocation, invocation, "kind", in.Kind, "order", in.Order,
			"queue", orders.DocumentsQueue, "content_type", contentType(m.Body))
		return nil
	})
	if err != nil {
		d.t.Log.ErrorContext(telemetry.Unlinked(ctx), "message failed", fieldInvocation, invocation,
			telemetry.FieldMessage, m.ID, "receives", m.Receives, "queue", orders.DocumentsQueue, "content_type", contentType(m.Body), "error", err.Error())
		if m.Last() {
			d.consumer.Finish()
		}
	}
	return err == nil
}

// contentType is what a message turned out to be.
func contentType(body string) string {
	if json.Valid([]byte(body)) {
		return "application/json"
	}
	return "text/plain"
}

// poisoned labels a message that cannot be read, when it is tried the last time.
func (d *Documents) poisoned(ctx context.Context, m queue.Message) {
	if m.Last() {
		d.t.Label(ctx, faults.PoisonMessage, orders.DocumentsQueue, truth.Label{Messages: []string{m.ID}})
	}
}

func (d *Documents) keep(ctx context.Context, in orders.Document) error {
	_, err := d.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(table), Item: map[string]types.AttributeValue{
		"id":    &types.AttributeValueMemberS{Value: in.Order + "/" + in.Kind},
		"order": &types.AttributeValueMemberS{Value: in.Order},
	}})
	if err != nil {
		return fmt.Errorf("keep the %s of %s: %w", in.Kind, in.Order, err)
	}
	return nil
}

func (d *Documents) delete(ctx context.Context, done []queue.Message) error {
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &d.consumer.URL}
	for n, m := range done {
		in.Entries = append(in.Entries, sqstypes.DeleteMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(n)), ReceiptHandle: &m.Receipt,
		})
	}
	if _, err := d.service.DeleteMessageBatch(ctx, in); err != nil {
		return fmt.Errorf("delete %d messages: %w", len(done), err)
	}
	for range done {
		d.consumer.Finish()
	}
	return nil
}

// uuid is the id of an invocation.
func uuid() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("draw an invocation's id: %w", err)
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:], nil
}
