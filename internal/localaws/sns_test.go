package localaws

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"
)

// topicAndQueue makes a topic that a queue is subscribed to.
func topicAndQueue(t *testing.T, s *Server, raw string) (*sns.Client, *string, *sqs.Client, *string) {
	t.Helper()
	cfg := client(t, s, "AKIDPUBLISHER")
	cfg.APIOptions = append(cfg.APIOptions, smithyhttp.AddHeaderValue("X-Amzn-Trace-Id", traceHeader))
	topics, queues := sns.NewFromConfig(cfg), sqs.NewFromConfig(client(t, s, "AKIDRECEIVER"))
	queue := newTestQueue(t, queues, nil)
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("orders")})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time changes nothing
		if _, err := topics.Subscribe(t.Context(), &sns.SubscribeInput{
			TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), ReturnSubscriptionArn: true,
			Endpoint:   aws.String("arn:aws:sqs:us-east-1:111122223333:events"),
			Attributes: map[string]string{"RawMessageDelivery": raw},
		}); err != nil {
			t.Fatal(err)
		}
	}
	return topics, topic.TopicArn, queues, queue
}

func publish(t *testing.T, topics *sns.Client, topic *string) string {
	t.Helper()
	out, err := topics.Publish(t.Context(), &sns.PublishInput{
		TopicArn: topic, Message: aws.String(`{"order":1}`), Subject: aws.String("created"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"event": {DataType: aws.String("String"), StringValue: aws.String("order.created")},
			"blob":  {DataType: aws.String("Binary"), BinaryValue: []byte{7}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.MessageId
}

func TestPublishDeliversTheEnvelopeAndTheTrace(t *testing.T) {
	topics, topic, queues, queue := topicAndQueue(t, start(t, Options{}), "false")
	id := publish(t, topics, topic)
	messages := receive(t, queues, queue, 0)
	if len(messages) != 1 {
		t.Fatalf("received %d messages, want 1", len(messages))
	}
	if got := messages[0].Attributes["AWSTraceHeader"]; got != traceHeader {
		t.Errorf("the trace header is %q", got)
	}
	var n notification
	if err := json.Unmarshal([]byte(*messages[0].Body), &n); err != nil {
		t.Fatal(err)
	}
	want := notification{
		Type: "Notification", ID: id, Topic: *topic, Subject: "created", Text: `{"order":1}`, Time: n.Time,
		Attributes: map[string]notificationAttribute{"event": {"String", "order.created"}, "blob": {"Binary", "Bw=="}},
	}
	if d := cmp.Diff(want, n); d != "" {
		t.Errorf("the envelope (-want +got):\n%s", d)
	}
}

func TestPublishDeliversRaw(t *testing.T) {
	topics, topic, queues, queue := topicAndQueue(t, start(t, Options{}), "true")
	publish(t, topics, topic)
	messages := receive(t, queues, queue, 0)
	if len(messages) != 1 || *messages[0].Body != `{"order":1}` {
		t.Fatalf("received %v", messages)
	}
	a := messages[0].MessageAttributes
	if *a["event"].StringValue != "order.created" || !cmp.Equal(a["blob"].BinaryValue, []byte{7}) {
		t.Errorf("message attributes are %v", a)
	}
}

func TestTopicErrorsHaveTheTypesOfTheSDK(t *testing.T) {
	topics, topic, _, _ := topicAndQueue(t, start(t, Options{}), "true")
	var missing *types.NotFoundException
	if _, err := topics.Publish(t.Context(), &sns.PublishInput{
		TopicArn: aws.String("arn:aws:sns:us-east-1:111122223333:none"), Message: aws.String("x"),
	}); !errors.As(err, &missing) {
		t.Errorf("Publish to no topic: %v", err)
	}
	var bad *types.InvalidParameterException
	if _, err := topics.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: topic, Protocol: aws.String("email"), Endpoint: aws.String("a@example.com"),
	}); !errors.As(err, &bad) {
		t.Errorf("Subscribe of an email address: %v", err)
	}
}
