package notifications

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"muster/fleet"
	"muster/samples/orders"
	"muster/samples/queue"
	"muster/samples/telemetry"
)

const queueName = "notifications"

// openQueue makes the queue, lets the topic send to it, and subscribes it.
func openQueue(ctx context.Context, t *telemetry.Telemetry) (string, error) {
	queueARN, topicARN := queue.ARN(t, queueName), orders.TopicARN(t.Region, t.Account)
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
	url, err := queue.Open(ctx, t, queueName, map[string]string{string(types.QueueAttributeNamePolicy): string(policy)})
	if err != nil {
		return "", err
	}
	tied, err := sns.NewFromConfig(t.Plain).Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &topicARN, Protocol: aws.String("sqs"), Endpoint: &queueARN,
	})
	if err != nil {
		return "", fmt.Errorf("subscribe queue %s to %s: %w", queueName, orders.Topic, err)
	}
	telemetry.Wrote(t.Truth, fleet.ResourceName("AWS::SNS::Topic", orders.Topic), tied.ResultMetadata)
	return url, nil
}

// Run handles messages until the context ends. The messages at hand are finished.
func (n *Notifications) Run(ctx context.Context) { n.consumer.Run(ctx, queue.Each(n.handle)) }
