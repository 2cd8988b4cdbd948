package localaws

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"
)

const traceHeader = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"

func newTestQueue(t *testing.T, client *sqs.Client, attributes map[string]string) *string {
	t.Helper()
	out, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("events"), Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	return out.QueueUrl
}

// receive takes up to ten messages with all their attributes.
func receive(t *testing.T, client *sqs.Client, queue *string, wait int32) []types.Message {
	t.Helper()
	out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: queue, MaxNumberOfMessages: 10, WaitTimeSeconds: wait,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}, MessageAttributeNames: []string{"All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Messages
}

func TestQueueHandsOverAMessageWithItsAttributesAndTrace(t *testing.T) {
	s := start(t, Options{})
	client := sqs.NewFromConfig(client(t, s, "AKIDSENDER"))
	queue := newTestQueue(t, client, nil)
	sent, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: queue, MessageBody: aws.String("hello"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"kind": {DataType: aws.String("String"), StringValue: aws.String("greeting")},
			"blob": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 2}},
		},
		MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
			"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String(traceHeader)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	messages := receive(t, client, queue, 0)
	if len(messages) != 1 {
		t.Fatalf("received %d messages, want 1", len(messages))
	}
	m := messages[0]
	if *m.MessageId != *sent.MessageId || *m.Body != "hello" {
		t.Errorf("received %s %q, sent %s", *m.MessageId, *m.Body, *sent.MessageId)
	}
	if m.Attributes["AWSTraceHeader"] != traceHeader || m.Attributes["ApproximateReceiveCount"] != "1" {
		t.Errorf("system attributes are %v", m.Attributes)
	}
	if *m.MessageAttributes["kind"].StringValue != "greeting" ||
		!cmp.Equal(m.MessageAttributes["blob"].BinaryValue, []byte{0, 1, 2}) {
		t.Errorf("message attributes are %v", m.MessageAttributes)
	}
	if *sent.MD5OfMessageAttributes != *m.MD5OfMessageAttributes {
		t.Errorf("the attributes' sum was %s and is %s", *sent.MD5OfMessageAttributes, *m.MD5OfMessageAttributes)
	}
}

func TestQueueTakesTheTraceOfTheRequest(t *testing.T) {
	s := start(t, Options{})
	cfg := client(t, s, "AKIDSENDER")
	cfg.APIOptions = append(cfg.APIOptions, smithyhttp.AddHeaderValue("X-Amzn-Trace-Id", traceHeader))
	client := sqs.NewFromConfig(cfg)
	queue := newTestQueue(t, client, nil)
	if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("hello")}); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, client, queue, 0); m[0].Attributes["AWSTraceHeader"] != traceHeader {
		t.Errorf("the trace header is %q", m[0].Attributes["AWSTraceHeader"])
	}
}

func TestAttributesMD5(t *testing.T) {
	if got := attributesMD5(nil); got != "" {
		t.Errorf("no attributes have the sum %q", got)
	}
	text := "test"
	got := attributesMD5(map[string]messageAttribute{"name": {DataType: "String", StringValue: &text}})
	// As "Calculating the MD5 message digest for message attributes" in the
	// developer guide of SQS has it.
	if want := md5Hex("\x00\x00\x00\x04name\x00\x00\x00\x06String\x01\x00\x00\x00\x04test"); got != want {
		t.Errorf("the sum is %s, want %s", got, want)
	}
}

func TestReceiveWaitsForAMessage(t *testing.T) {
	s := start(t, Options{})
	client := sqs.NewFromConfig(client(t, s, "AKIDSENDER"))
	queue := newTestQueue(t, client, nil)
	sent := make(chan error, 1)
	time.AfterFunc(50*time.Millisecond, func() { // by then the receive waits
		_, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("late")})
		sent <- err
	})
	messages := receive(t, client, queue, 20)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if len(messages) != 1 || *messages[0].Body != "late" {
		t.Errorf("received %v, want the message", messages)
	}
}

func TestReceiveWaitsForADelayedMessage(t *testing.T) {
	s := start(t, Options{})
	client := sqs.NewFromConfig(client(t, s, "AKIDSENDER"))
	queue := newTestQueue(t, client, nil)
	if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("slow"), DelaySeconds: 1}); err != nil {
		t.Fatal(err)
	}
	if early := receive(t, client, queue, 0); len(early) != 0 {
		t.Errorf("received %v before its time", early)
	}
	if messages := receive(t, client, queue, 20); len(messages) != 1 {
		t.Errorf("received %d messages, want the delayed one", len(messages))
	}
}

func TestCloseEndsAWaitingReceive(t *testing.T) {
	s, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	client := sqs.NewFromConfig(client(t, s, "AKIDSENDER"))
	queue := newTestQueue(t, client, nil)
	waiting := make(chan struct{})
	go func() {
		defer close(waiting)
		_, _ = client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue, WaitTimeSeconds: 20})
	}()
	<-time.After(50 * time.Millisecond) // by then the receive waits
	began := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	<-waiting
	if d := time.Since(began); d > 10*closeTimeout { // and not the 20 s of the receive
		t.Errorf("closing took %v", d)
	}
}

func TestMessageIsGoneOnceDeleted(t *testing.T) {
	s := start(t, Options{})
	client := sqs.NewFromConfig(client(t, s, "AKIDSENDER"))
	queue := newTestQueue(t, client, map[string]string{"VisibilityTimeout": "0"})
	if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("again")}); err != nil {
		t.Fatal(err)
	}
	stale := receive(t, client, queue, 0)[0].ReceiptHandle
	if _, err := client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: stale}); err != nil {
		t.Fatal(err)
	}
	if left := receive(t, client, queue, 0); len(left) != 0 {
		t.Errorf("%d messages are left after DeleteMessage", len(left))
	}
}

func TestStaleHandleDeletesNothing(t *testing.T) {
	s := start(t, Options{})
	client := sqs.NewFromConfig(client(t, s, "AKIDSENDER"))
	queue := newTestQueue(t, client, map[string]string{"VisibilityTimeout": "0"})
	if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("again")}); err != nil {
		t.Fatal(err)
	}
	stale := receive(t, client, queue, 0)[0].ReceiptHandle
	fresh := receive(t, client, queue, 0)[0].ReceiptHandle
	if _, err := client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: stale}); err != nil {
		t.Fatal(err)
	}
	out, err := client.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: queue, Entries: []types.DeleteMessageBatchRequestEntry{
		{Id: aws.String("good"), ReceiptHandle: fresh}, {Id: aws.String("bad"), ReceiptHandle: aws.String("?")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Successful) != 1 || len(out.Failed) != 1 || *out.Failed[0].Id != "bad" {
		t.Errorf("the batch deleted %v and failed %v", out.Successful, out.Failed)
	}
	if left := receive(t, client, queue, 0); len(left) != 0 {
		t.Errorf("%d messages are left", len(left))
	}
}

func TestQueueAttributes(t *testing.T) {
	s := start(t, Options{})
	client := sqs.NewFromConfig(client(t, s, "AKIDSENDER"))
	queue := newTestQueue(t, client, nil)
	if _, err := client.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: queue, Attributes: map[string]string{"Policy": "{}"},
	}); err != nil {
		t.Fatal(err)
	}
	out, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: queue, AttributeNames: []types.QueueAttributeName{"QueueArn", "Policy", "ApproximateNumberOfMessages"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"QueueArn": "arn:aws:sqs:us-east-1:111122223333:events", "Policy": "{}", "ApproximateNumberOfMessages": "0",
	}
	if d := cmp.Diff(want, out.Attributes); d != "" {
		t.Errorf("attributes (-want +got):\n%s", d)
	}
	named, err := client.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("events")})
	if err != nil || *named.QueueUrl != *queue {
		t.Errorf("GetQueueUrl = %v, %v; want %s", named, err, *queue)
	}
}

func TestQueueErrorsHaveTheTypesOfTheSDK(t *testing.T) {
	s := start(t, Options{})
	client := sqs.NewFromConfig(client(t, s, "AKIDSENDER"))
	ctx, queue := t.Context(), newTestQueue(t, client, nil)
	var missing *types.QueueDoesNotExist
	if _, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("other")}); !errors.As(err, &missing) {
		t.Errorf("GetQueueUrl of no queue: %v", err)
	}
	var exists *types.QueueNameExists
	if _, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: aws.String("events"), Attributes: map[string]string{"VisibilityTimeout": "1"},
	}); !errors.As(err, &exists) {
		t.Errorf("CreateQueue with another timeout: %v", err)
	}
	var handle *types.ReceiptHandleIsInvalid
	if _, err := client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: aws.String("?")}); !errors.As(err, &handle) {
		t.Errorf("DeleteMessage of no handle: %v", err)
	}
	for _, in := range []*sqs.ReceiveMessageInput{
		{QueueUrl: queue, MaxNumberOfMessages: 11}, {QueueUrl: queue, WaitTimeSeconds: 21}, {QueueUrl: queue, VisibilityTimeout: -1},
	} {
		_, err := client.ReceiveMessage(ctx, in)
		wantCode(t, err, "InvalidParameterValue")
	}
	_, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("x"), DelaySeconds: 901})
	wantCode(t, err, "InvalidParameterValue")
	var value *types.InvalidAttributeValue
	if _, err := client.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
		QueueUrl: queue, Attributes: map[string]string{"ReceiveMessageWaitTimeSeconds": "21"},
	}); !errors.As(err, &value) {
		t.Errorf("SetQueueAttributes with a long wait: %v", err)
	}
	var attribute *types.InvalidAttributeName
	if _, err := client.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
		QueueUrl: queue, Attributes: map[string]string{"Colour": "blue"},
	}); !errors.As(err, &attribute) {
		t.Errorf("SetQueueAttributes of no attribute: %v", err)
	}
}

func TestFullQueueRefuses(t *testing.T) {
	q := newQueue("events", "arn", time.Now())
	q.messages = make([]*message, maxQueued)
	var e *apiError
	if err := q.add(&message{}, 0); !errors.As(err, &e) || e.Code != "OverLimit" {
		t.Errorf("a full queue answers %v", err)
	}
}

func TestTakeEndsWithItsContext(t *testing.T) {
	q := newQueue("events", "arn", time.Now())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := q.take(ctx, 1, 0, time.Hour); len(got) != 0 {
		t.Errorf("took %d messages from an empty queue", len(got))
	}
}
