// Package queue is what the fleet's consumers share: an SQS queue with a
// dead-letter queue behind it, and the loop that takes batches from it.
package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"muster/fleet"
	"muster/samples/telemetry"
)

const (
	// pollSeconds keeps a poll open while the queue is empty: long enough to make
	// few calls, short enough to stop soon.
	pollSeconds = 1
	// pollPatience is how long a poll may take with its retries.
	pollPatience = 10 * time.Second
	// pollBatch is the most that SQS hands out at once.
	pollBatch = 10
	// afterTrouble is the pause after a poll that failed, so that a broken queue
	// is not asked in a tight loop.
	afterTrouble = time.Second
	// visibleAfter is when a message that was not handled comes again: above
	// what handling one takes.
	visibleAfter = time.Second
	// MaxReceives is how often a message is tried before SQS moves it to the
	// dead-letter queue.
	MaxReceives = 3
)

// DeadLetter is the name of the queue behind a queue.
func DeadLetter(name string) string { return name + "-dead" }

// ARN is a queue's name in full.
func ARN(t *telemetry.Telemetry, name string) string {
	return fmt.Sprintf("arn:aws:sqs:%s:%s:%s", t.Region, t.Account, name)
}

// Open makes a queue and its dead-letter queue, with further attributes, and
// returns its URL.
func Open(ctx context.Context, t *telemetry.Telemetry, name string, more map[string]string) (string, error) {
	if _, err := create(ctx, t, DeadLetter(name), nil); err != nil {
		return "", err
	}
	redrive, err := json.Marshal(map[string]string{
		"deadLetterTargetArn": ARN(t, DeadLetter(name)), "maxReceiveCount": strconv.Itoa(MaxReceives),
	})
	if err != nil {
		return "", fmt.Errorf("create queue %s: %w", name, err)
	}
	attributes := map[string]string{
		string(types.QueueAttributeNameRedrivePolicy):     string(redrive),
		string(types.QueueAttributeNameVisibilityTimeout): strconv.Itoa(int(visibleAfter / time.Second)),
	}
	maps.Copy(attributes, more)
	return create(ctx, t, name, attributes)
}

func create(ctx context.Context, t *telemetry.Telemetry, name string, attributes map[string]string) (string, error) {
	made, err := sqs.NewFromConfig(t.Plain).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		return "", fmt.Errorf("create queue %s: %w", name, err)
	}
	telemetry.Wrote(t.Truth, fleet.ResourceName("AWS::SQS::Queue", name), made.ResultMetadata)
	return *made.QueueUrl, nil
}

// Message is a message as the queue handed it out.
type Message struct {
	ID, Body, Receipt string
	Header            string // the trace header that came with it; "" for none
	Receives          int    // how often it was handed out, with this time
}

// Last reports whether the message goes to the dead-letter queue when this try
// fails too.
func (m Message) Last() bool { return m.Receives >= MaxReceives }

// Consumer takes messages from a queue.
type Consumer struct {
	t      *telemetry.Telemetry
	URL    string
	traced *sqs.Client // for what belongs to a message
	poll   *sqs.Client // for asking whether there is one
	done   atomic.Int64
}

// NewConsumer is a consumer of the queue at a URL.
func NewConsumer(t *telemetry.Telemetry, url string) *Consumer {
	return &Consumer{t: t, URL: url, traced: sqs.NewFromConfig(t.Traced), poll: sqs.NewFromConfig(t.Plain)}
}

// Done is how many different messages will not come again: they are handled,
// or were given up.
func (c *Consumer) Done() int64 { return c.done.Load() }

// Finish counts a message that will not come again.
func (c *Consumer) Finish() { c.done.Add(1) }

// Run hands batches to handle until the context ends; the batch at hand is
// finished. What is not deleted comes again.
func (c *Consumer) Run(ctx context.Context, handle func(context.Context, []Message) error) {
	for ctx.Err() == nil {
		if err := c.next(ctx, handle); err != nil && ctx.Err() == nil {
			c.t.Log.ErrorContext(ctx, "the queue is in trouble", "error", err.Error())
			pause := time.NewTimer(afterTrouble)
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
			}
		}
	}
}

func (c *Consumer) next(ctx context.Context, handle func(context.Context, []Message) error) error {
	// A poll that is given up may already have been handed messages, which then
	// stay hidden until their time-out.
	poll, done := context.WithTimeout(context.WithoutCancel(ctx), pollPatience)
	defer done()
	got, err := c.poll.ReceiveMessage(poll, &sqs.ReceiveMessageInput{
		QueueUrl: &c.URL, MaxNumberOfMessages: pollBatch, WaitTimeSeconds: pollSeconds,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameAWSTraceHeader, types.MessageSystemAttributeNameApproximateReceiveCount,
		},
	})
	if err != nil {
		return fmt.Errorf("receive messages: %w", err)
	}
	batch := make([]Message, 0, len(got.Messages))
	for _, m := range got.Messages {
		n, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
		if err != nil {
			return fmt.Errorf("message %s: how often it was received: %w", aws.ToString(m.MessageId), err)
		}
		batch = append(batch, Message{
			ID: aws.ToString(m.MessageId), Body: aws.ToString(m.Body), Receipt: aws.ToString(m.ReceiptHandle),
			Header: m.Attributes[string(types.MessageSystemAttributeNameAWSTraceHeader)], Receives: n,
		})
	}
	if len(batch) == 0 {
		return nil
	}
	return handle(context.WithoutCancel(ctx), batch)
}

// Each makes a handler of batches from one of messages. What goes wrong with
// one message is no matter of the others.
func Each(handle func(context.Context, Message) error) func(context.Context, []Message) error {
	return func(ctx context.Context, batch []Message) error {
		var errs []error
		for _, m := range batch {
			errs = append(errs, handle(ctx, m))
		}
		return errors.Join(errs...)
	}
}

// Delete takes a message from the queue, as a part of handling it.
func (c *Consumer) Delete(ctx context.Context, m Message) error {
	_, err := c.traced.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &c.URL, ReceiptHandle: &m.Receipt})
	if err != nil {
		return fmt.Errorf("delete message %s: %w", m.ID, err)
	}
	return nil
}
