package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"muster/internal/localaws"
)

const rootLogin = `{"Records":[{"eventVersion":"1.08","userIdentity":{"type":"Root","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333"},` +
	`"eventTime":"2025-11-24T10:00:00Z","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","awsRegion":"us-east-1",` +
	`"eventID":"11111111-0000-4000-8000-000000000001","recipientAccountId":"111122223333"}]}`

const loginPolicy = `id: any-login
title: A login
severity: low
rationale: Every login is worth a line.
remedy: End the session.
remediate: TOPIC
on: api_call
select: {event_name: [ConsoleLogin]}
when: r.error == ""
message: "{r.principal} logged in"
`

// TestRemediateTriggersOnceWhatWasApproved goes from a finding to the message in
// the queue of a topic's subscriber, and holds what is on record.
func TestRemediateTriggersOnceWhatWasApproved(t *testing.T) {
	server := standIn(t, localaws.Options{})
	t.Setenv("AWS_ENDPOINT_URL", server.Endpoint())
	t.Setenv("AWS_REGION", localaws.DefaultRegion)
	cfg, err := (&awsFlags{}).config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	topics, queues := sns.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("end-session")})
	if err != nil {
		t.Fatal(err)
	}
	queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("remedies")})
	if err != nil {
		t.Fatal(err)
	}
	arn := strings.Replace(strings.Replace(*topic.TopicArn, ":sns:", ":sqs:", 1), "end-session", "remedies", 1)
	if _, err := topics.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: &arn}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	lake, policies := filepath.Join(dir, "lake"), filepath.Join(dir, "policies")
	for name, text := range map[string]string{"root.json": rootLogin, "policies/login.yaml": strings.Replace(loginPolicy, "TOPIC", *topic.TopicArn, 1)} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustMuster(t, "import", "--store", lake, filepath.Join(dir, "root.json"))
	flags := []string{"--store", lake, "--policies", policies}
	remediate := func(more ...string) map[string]any {
		t.Helper()
		var out map[string]any
		if err := json.Unmarshal([]byte(mustMuster(t, append(append([]string{"remediate", "--json"}, flags...), more...)...)), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	stdout, stderr, code := muster(t, append([]string{"audit"}, flags...)...)
	if code != exitOK || !strings.Contains(stderr, "1 wait for an approval, 0 are approved") {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	id := remediate("--remediate")["fingerprint"].(string)
	if got := remediate("--approve", id, "--as", "ada", "--note", "OPS-42"); got["stage"] != "approved" || got["approved_by"] != "ada" {
		t.Errorf("%v", got)
	}
	if received(t, queues, *queue.QueueUrl) != "" {
		t.Error("something was sent before both words were given")
	}
	if _, stderr, code = muster(t, append([]string{"audit", "--remediate"}, flags...)...); code != exitOK || !strings.Contains(stderr, "approved by ada: message ") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	message := received(t, queues, *queue.QueueUrl)
	if !strings.Contains(message, id) || !strings.Contains(message, "OPS-42") {
		t.Errorf("the subscriber got %q", message)
	}
	if got := remediate("--remediate"); got["stage"] != "sent" || got["message_id"] == "" || got["sent_at"] == nil || got["note"] != "OPS-42" {
		t.Errorf("%v", got)
	}
	if received(t, queues, *queue.QueueUrl) != "" {
		t.Error("it was sent twice")
	}
	if _, stderr, code = muster(t, append([]string{"remediate", "--approve", id}, flags...)...); code != 2 || !strings.Contains(stderr, "--again") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// received takes the message that waits in a queue; "" for none.
func received(t *testing.T, queues *sqs.Client, address string) string {
	t.Helper()
	out, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &address})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Messages) == 0 {
		return ""
	}
	if _, err := queues.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &address, ReceiptHandle: out.Messages[0].ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
	return *out.Messages[0].Body
}
