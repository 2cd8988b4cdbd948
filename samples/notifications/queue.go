package notifications

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"muster/fleet"
	"muster/samples/orders"
	"muster/samples/telemetry"
)

const (
	queueName = "notifications"
	// pollSeconds keeps a poll open while the queue is empty: long enough to make
	// few calls, short enough to stop soon.
	pollSeconds = 1
	// pollPatience is how long a poll may take with its retries.
	pollPatience = 10 * time.Second
	// pollBatch is the most that SQS hands out at once.
	pollBatch = 10
	// afterTrouble is the pause after a poll or message that failed, so that a
	// broken queue is not asked in a tight loop.
	afterTrouble = time.Second
)

// openQueue makes the queue, lets the topic send to it, and subscribes it.
func openQueue(ctx context.Context, t *telemetry.Telemetry) (string, error) {
	queueARN := fmt.Sprintf("arn:aws:sqs:%s:%s:%s", t.Region, t.Account, queueName)
	topicARN := orders.TopicARN(t.Region, t.Account)
	policy, err := json.Marshal(map[string]any{
		"Version": "2012-10-17",
		"Statement": map[string]any{
			"Effect": "Allow", "Principal": map[string]string{"Service": "sns.amazonaws.com"},
			"Action": "sqs:SendMessage", "Resource": queueARN,
			"Condition": map[string]any{"ArnEquals": map[string]string{"aws:SourceArn": topicARN}},
		},
	})
	if err != nil {
		return "", fmt.Errorf("write the policy of queue %s: %w", queueName, err)
	}
	made, err := sqs.NewFromConfig(t.Plain).CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName:  aws.String(queueName),
		Attributes: map[string]string{string(types.QueueAttributeNamePolicy): string(policy)},
	})
	if err != nil {
		return "", fmt.Errorf("create queue %s: %w", queueName, err)
	}
	telemetry.Wrote(t.Truth, fleet.ResourceName("AWS::SQS::Queue", queueName), made.ResultMetadata)
	tied, err := sns.NewFromConfig(t.Plain).Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &topicARN, Protocol: aws.String("sqs"), Endpoint: &queueARN,
	})
	if err != nil {
		return "", fmt.Errorf("subscribe queue %s to %s: %w", queueName, orders.Topic, err)
	}
	telemetry.Wrote(t.Truth, fleet.ResourceName("AWS::SNS::Topic", orders.Topic), tied.ResultMetadata)
	return *made.QueueUrl, nil
}

// Run handles messages until the context ends. The message at hand is finished.
func (n *Notifications) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := n.next(ctx); err != nil && ctx.Err() == nil {
			n.t.Log.ErrorContext(ctx, "the queue is in trouble", "error", err.Error())
			pause := time.NewTimer(afterTrouble)
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
			}
		}
	}
}

// next waits for messages and handles them. What fails stays in the queue and
// comes again.
func (n *Notifications) next(ctx context.Context) error {
	// A poll that is given up may already have been handed messages, which then
	// stay hidden until their time-out.
	poll, done := context.WithTimeout(context.WithoutCancel(ctx), pollPatience)
	defer done()
	got, err := n.poll.ReceiveMessage(poll, &sqs.ReceiveMessageInput{
		QueueUrl: &n.url, MaxNumberOfMessages: pollBatch, WaitTimeSeconds: pollSeconds,
	})
	if err != nil {
		return fmt.Errorf("receive messages: %w", err)
	}
	for _, m := range got.Messages {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		in, err := parse(aws.ToString(m.Body), aws.ToString(m.ReceiptHandle))
		if err != nil {
			return err
		}
		if err := n.handle(context.WithoutCancel(ctx), in); err != nil {
			return err
		}
	}
	return nil
}
