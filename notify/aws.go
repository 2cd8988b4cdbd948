package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/securityhub"
	hubtypes "github.com/aws/aws-sdk-go-v2/service/securityhub/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"

	"muster/fleet"
)

// maxBody is the most that SNS and EventBridge take, in bytes, less what their
// envelopes need.
const maxBody = 240 << 10

// snsSubject is SNS's bound for subjects, in ASCII characters.
const snsSubject = 100

// Topic publishes to an SNS topic; on a FIFO topic the key is the deduplication
// id, which AWS remembers for five minutes.
type Topic struct {
	Client *sns.Client
	ARN    string
}

// Name is the topic's.
func (t Topic) Name() string { return "sns " + t.ARN }

// Send publishes one message.
func (t Topic) Send(ctx context.Context, m Message) error {
	body, err := m.fitting()
	if err != nil {
		return err
	}
	in := &sns.PublishInput{
		TopicArn: &t.ARN, Message: aws.String(string(body)), Subject: aws.String(subject(m.Title)),
		MessageAttributes: map[string]snstypes.MessageAttributeValue{
			"severity":   {DataType: aws.String("String"), StringValue: aws.String(string(m.Severity))},
			"policy":     {DataType: aws.String("String"), StringValue: aws.String(m.Findings[0].Policy)},
			"dedupe_key": {DataType: aws.String("String"), StringValue: aws.String(m.Key)},
		},
	}
	if strings.HasSuffix(t.ARN, ".fifo") {
		in.MessageDeduplicationId, in.MessageGroupId = &m.Key, aws.String(m.Findings[0].Policy)
	}
	_, err = t.Client.Publish(ctx, in)
	return err
}

// subject is a title as SNS takes it.
func subject(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= utf8.RuneSelf {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), snsSubject)]
}

// fitting is the body with as many findings as fit; the text tells of the others.
func (m *Message) fitting() ([]byte, error) {
	part := *m
	for {
		body, err := part.body()
		if err != nil || len(body) <= maxBody || len(part.Findings) <= 1 {
			return body, err
		}
		part.Findings = part.Findings[:len(part.Findings)/2]
	}
}

// Bus puts events on an EventBridge bus: source "muster", detail type "Muster
// Finding", the message in the detail.
type Bus struct {
	Client *eventbridge.Client
	Bus    string
}

// Name is the bus's.
func (b Bus) Name() string { return "eventbridge " + b.Bus }

// Send puts one event.
func (b Bus) Send(ctx context.Context, m Message) error {
	body, err := m.fitting()
	if err != nil {
		return err
	}
	var resources []string
	for i := range m.Findings {
		if r := m.Findings[i].Resource; strings.HasPrefix(r, "arn:") {
			resources = append(resources, r)
		}
	}
	out, err := b.Client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{
		EventBusName: &b.Bus, Source: aws.String("muster"), DetailType: aws.String("Muster Finding"),
		Detail: aws.String(string(body)), Resources: resources,
	}}})
	if err != nil {
		return err
	}
	if out.FailedEntryCount > 0 && len(out.Entries) > 0 {
		return fmt.Errorf("the bus refused the event: %s: %s", aws.ToString(out.Entries[0].ErrorCode), aws.ToString(out.Entries[0].ErrorMessage))
	}
	return nil
}

// Hub imports findings into Security Hub. ASFF spells them as Security Hub's
// format has them, one JSON object each; their ids make importing again free.
type Hub struct {
	Client *securityhub.Client
	Region string
	ASFF   func([]fleet.Finding) ([]json.RawMessage, error)
}

// hubBatch is the most findings that BatchImportFindings takes.
const hubBatch = 100

// Name has the region.
func (h Hub) Name() string { return "securityhub " + h.Region }

// Send imports the findings of one message.
func (h Hub) Send(ctx context.Context, m Message) error {
	docs, err := h.ASFF(m.Findings)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(docs, hubBatch) {
		in := &securityhub.BatchImportFindingsInput{}
		for _, d := range batch {
			var f hubtypes.AwsSecurityFinding
			if err := json.Unmarshal(d, &f); err != nil {
				return fmt.Errorf("spell a finding for Security Hub: %w", err)
			}
			in.Findings = append(in.Findings, f)
		}
		out, err := h.Client.BatchImportFindings(ctx, in)
		if err != nil {
			return err
		}
		if n := aws.ToInt32(out.FailedCount); n > 0 && len(out.FailedFindings) > 0 {
			f := out.FailedFindings[0]
			return fmt.Errorf("%d findings were refused, the first %s: %s: %s", n, aws.ToString(f.Id), aws.ToString(f.ErrorCode), aws.ToString(f.ErrorMessage))
		}
	}
	return nil
}

// Trigger publishes to the topics that start remedies, each message once: the
// SDK's own tries after a lost answer would start a remedy twice.
type Trigger struct{ Client *sns.Client }

// Publish sends one message in the topic's region.
func (t Trigger) Publish(ctx context.Context, topic, key string, body []byte) (string, error) {
	in := &sns.PublishInput{
		TopicArn: &topic, Message: aws.String(string(body)),
		MessageAttributes: map[string]snstypes.MessageAttributeValue{
			"action":     {DataType: aws.String("String"), StringValue: aws.String("remediate")},
			"dedupe_key": {DataType: aws.String("String"), StringValue: &key},
		},
	}
	if strings.HasSuffix(topic, ".fifo") {
		in.MessageDeduplicationId, in.MessageGroupId = &key, &key
	}
	out, err := t.Client.Publish(ctx, in, func(o *sns.Options) {
		o.Retryer = aws.NopRetryer{}
		if r := region(topic); r != "" {
			o.Region = r
		}
	})
	if err == nil {
		return aws.ToString(out.MessageId), nil
	}
	// Only what the service refuses by name was surely not taken.
	if refused, ok := errors.AsType[smithy.APIError](err); ok && refused.ErrorFault() == smithy.FaultClient {
		return "", err
	}
	if lost, ok := errors.AsType[*net.OpError](err); ok && lost.Op == "dial" {
		return "", err // nothing was sent
	}
	return "", fmt.Errorf("%w: %w", ErrUncertain, err)
}
