//go:build engines

package notify

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/securityhub"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"muster/audit/report"
	"muster/fleet"
	"muster/internal/engines"
)

// engineStart bounds the start of an emulator on a busy machine.
const engineStart = 4 * time.Minute

func account(url string) aws.Config {
	return aws.Config{
		Region: engines.Region, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider(engines.Key, engines.Secret, ""),
	}
}

func moto(t *testing.T) aws.Config {
	ctx, stop := context.WithTimeout(t.Context(), engineStart)
	defer stop()
	m, err := engines.StartMoto(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return account(m.URL())
}

func ministack(t *testing.T) aws.Config {
	ctx, stop := context.WithTimeout(t.Context(), engineStart)
	defer stop()
	m, err := engines.StartMinistack(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return account(m.URL())
}

// queue makes a queue and tells its address and ARN.
func queue(t *testing.T, cfg aws.Config) (address, arn string) {
	t.Helper()
	client := sqs.NewFromConfig(cfg)
	q, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("findings")})
	if err != nil {
		t.Fatal(err)
	}
	a, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: q.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{"QueueArn"}})
	if err != nil {
		t.Fatal(err)
	}
	return *q.QueueUrl, a.Attributes["QueueArn"]
}

func received(t *testing.T, cfg aws.Config, address string) string {
	t.Helper()
	out, err := sqs.NewFromConfig(cfg).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &address, WaitTimeSeconds: 5})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Messages) != 1 {
		t.Fatalf("%d messages", len(out.Messages))
	}
	return *out.Messages[0].Body
}

// subscribed makes a topic with a queue behind it, and tells the topic's ARN and
// the queue's address.
func subscribed(t *testing.T, cfg aws.Config, name string) (topic, address string) {
	t.Helper()
	address, arn := queue(t, cfg)
	client := sns.NewFromConfig(cfg)
	made, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: made.TopicArn, Protocol: aws.String("sqs"), Endpoint: &arn}); err != nil {
		t.Fatal(err)
	}
	return *made.TopicArn, address
}

func TestTopicReachesItsSubscribers(t *testing.T) {
	for name, start := range map[string]func(*testing.T) aws.Config{"moto": moto, "ministack": ministack} {
		t.Run(name, func(t *testing.T) {
			cfg := start(t)
			topic, address := subscribed(t, cfg, "findings")
			m := NewMessage([]fleet.Finding{finding("a", "a", fleet.StatusNew)})
			if err := (Topic{sns.NewFromConfig(cfg), topic}).Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			if got := received(t, cfg, address); !strings.Contains(got, m.Key) {
				t.Error(got)
			}
		})
	}
}

// An approved remedy reaches the topic's subscriber once, with who approved it; a
// topic that is not there leaves the approval as it was.
func TestRemedyReachesItsSubscribersOnce(t *testing.T) {
	for name, start := range map[string]func(*testing.T) aws.Config{"moto": moto, "ministack": ministack} {
		t.Run(name, func(t *testing.T) {
			cfg := start(t)
			topic, address := subscribed(t, cfg, "close-port")
			topics := map[string]string{"open": topic, "lost": strings.Replace(topic, "close-port", "nobody", 1)}
			r := Remedies{Folder: t.TempDir()}
			s := Sender{Publisher: Trigger{sns.NewFromConfig(cfg)}, Rate: 100, Most: 10, Now: func() time.Time { return noon }}
			a, b := finding("a", "open", fleet.StatusNew), finding("b", "lost", fleet.StatusNew)
			for _, f := range []fleet.Finding{a, b} {
				if _, err := r.Approve(f, topics[f.Policy], "ada", "ticket 1", noon, false); err != nil {
					t.Fatal(err)
				}
			}
			send := func() ([]Remediation, error) {
				offers, err := r.Offers([]fleet.Finding{a, b}, topics)
				if err != nil {
					t.Fatal(err)
				}
				sent, _, err := r.Send(t.Context(), offers, s)
				return sent, err
			}
			sent, err := send()
			if err == nil || !strings.Contains(err.Error(), "finding b") || len(sent) != 1 || sent[0].MessageID == "" {
				t.Fatalf("sent %+v, %v", sent, err)
			}
			if got := received(t, cfg, address); !strings.Contains(got, sent[0].Key) || !strings.Contains(got, "ada") || !strings.Contains(got, sent[0].MessageID) {
				t.Error(got)
			}
			if again, err := send(); len(again) != 0 || err == nil {
				t.Errorf("sent again: %+v, %v", again, err)
			}
			for id, want := range map[string]Stage{"a": Triggered, "b": Approved} {
				if m, err := r.Of(id); err != nil || m.Stage != want {
					t.Errorf("%s is %s, want %s: %v", id, m.Stage, want, err)
				}
			}
		})
	}
}

func TestBusReachesItsTargets(t *testing.T) {
	for name, start := range map[string]func(*testing.T) aws.Config{"moto": moto, "ministack": ministack} {
		t.Run(name, func(t *testing.T) {
			cfg := start(t)
			address, arn := queue(t, cfg)
			client := eventbridge.NewFromConfig(cfg)
			if _, err := client.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("r"), EventPattern: aws.String(`{"source":["muster"]}`)}); err != nil {
				t.Fatal(err)
			}
			if _, err := client.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("r"), Targets: []ebtypes.Target{{Id: aws.String("q"), Arn: &arn}}}); err != nil {
				t.Fatal(err)
			}
			m := NewMessage([]fleet.Finding{finding("a", "a", fleet.StatusNew)})
			if err := (Bus{client, "default"}).Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			if got := received(t, cfg, address); !strings.Contains(got, m.Key) || !strings.Contains(got, "Muster Finding") {
				t.Error(got)
			}
		})
	}
}

func TestHubTakesFindings(t *testing.T) {
	cfg := moto(t)
	client := securityhub.NewFromConfig(cfg)
	if _, err := client.EnableSecurityHub(t.Context(), &securityhub.EnableSecurityHubInput{}); err != nil {
		t.Fatal(err)
	}
	f := finding("a", "a", fleet.StatusNew)
	f.Evidence = []string{"event-1"}
	hub := Hub{Client: client, Region: engines.Region, ASFF: func(fs []fleet.Finding) ([]json.RawMessage, error) {
		r := report.Report{Findings: fs, Evidence: map[string]fleet.Record{"event-1": {ID: "event-1", Account: "123456789012", Region: engines.Region}}}
		var out []json.RawMessage
		for _, a := range r.ASFF() {
			b, err := json.Marshal(a)
			if err != nil {
				return nil, err
			}
			out = append(out, b)
		}
		return out, nil
	}}
	for range 2 { // again is free
		if err := hub.Send(t.Context(), NewMessage([]fleet.Finding{f})); err != nil {
			t.Fatal(err)
		}
	}
	out, err := client.GetFindings(t.Context(), &securityhub.GetFindingsInput{})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Findings) != 1 || *out.Findings[0].Id != "muster/a" || *out.Findings[0].AwsAccountId != "123456789012" || out.Findings[0].Severity.Label != "HIGH" {
		t.Errorf("%+v", out.Findings)
	}
}
