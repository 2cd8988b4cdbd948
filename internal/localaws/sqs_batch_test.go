package localaws

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func TestBatchIsSentAndSpentMessagesGoToTheDeadLetterQueue(t *testing.T) {
	s := start(t, Options{})
	c := sqs.NewFromConfig(client(t, s, BootstrapKey))
	ctx := t.Context()
	dead, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("dead")})
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("work"), Attributes: map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:` + DefaultRegion + ":" + DefaultAccount + `:dead","maxReceiveCount":"2"}`,
	}})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := c.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: made.QueueUrl, Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("a"), MessageBody: aws.String("good")},
		{Id: aws.String("b"), MessageBody: aws.String("late"), DelaySeconds: 901},
		{Id: aws.String("c"), MessageBody: aws.String("poison")},
	}})
	if err != nil || len(sent.Successful) != 2 || len(sent.Failed) != 1 || *sent.Failed[0].Id != "b" {
		t.Fatalf("sent %+v, %v; want a and c, and b refused", sent, err)
	}
	receive := func(url *string) []types.Message {
		got, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10, VisibilityTimeout: 1})
		if err != nil {
			t.Fatal(err)
		}
		return got.Messages
	}
	for range 2 {
		for _, m := range receive(made.QueueUrl) {
			if *m.Body != "good" {
				continue
			}
			_, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: made.QueueUrl, ReceiptHandle: m.ReceiptHandle})
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := receive(dead.QueueUrl); len(got) != 0 {
			t.Fatalf("%d messages are dead already", len(got))
		}
		time.Sleep(1100 * time.Millisecond) // the time that a message stays hidden
	}
	if got := receive(made.QueueUrl); len(got) != 0 {
		t.Errorf("a message was handed out a third time: %s", *got[0].Body)
	}
	if got := receive(dead.QueueUrl); len(got) != 1 || *got[0].Body != "poison" {
		t.Errorf("in the dead-letter queue: %+v, want poison", got)
	}
}
