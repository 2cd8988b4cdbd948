package localaws

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	"github.com/aws/aws-sdk-go-v2/service/configservice/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
)

// timeline is what Config recorded of a resource's compliance, oldest first: its
// rules' verdicts, and the times apart.
func timeline(t *testing.T, config *configservice.Client, kind, id string) []string {
	t.Helper()
	out, err := config.GetResourceConfigHistory(t.Context(), &configservice.GetResourceConfigHistoryInput{
		ResourceType: complianceKind, ResourceId: aws.String(kind + "/" + id), ChronologicalOrder: types.ChronologicalOrderForward, Limit: 100,
	})
	if unknown := (*types.ResourceNotDiscoveredException)(nil); errors.As(err, &unknown) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	last := time.Time{}
	for _, item := range out.ConfigurationItems {
		if !item.ConfigurationItemCaptureTime.After(last) {
			t.Errorf("an item of %v comes after one of %v", item.ConfigurationItemCaptureTime, last)
		}
		last = *item.ConfigurationItemCaptureTime
		var c complianceConfiguration
		if err := json.Unmarshal([]byte(*item.Configuration), &c); err != nil {
			t.Fatal(err)
		}
		said := []string{string(item.ConfigurationItemStatus), c.Compliance}
		for _, v := range c.ConfigRuleList {
			said = append(said, v.Name+"="+v.Compliance)
		}
		got = append(got, strings.TrimSpace(strings.Join(said, " ")))
	}
	return got
}

func TestComplianceHasAHistory(t *testing.T) {
	for name, drained := range map[string]bool{"as time goes": false, "drained": true} {
		t.Run(name, func(t *testing.T) {
			clock := newHandClock()
			s := start(t, Options{Now: clock.Now, Delay: Delay{Config: time.Minute}})
			cfg := client(t, s, BootstrapKey)
			ctx, config, queues := t.Context(), configservice.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
			step := func(_ any, err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				if !drained {
					clock.advance(2 * time.Minute)
				}
			}
			rule := func(name, owner, id string) {
				step(config.PutConfigRule(ctx, &configservice.PutConfigRuleInput{ConfigRule: &types.ConfigRule{
					ConfigRuleName: &name, Source: &types.Source{Owner: types.Owner(owner), SourceIdentifier: &id},
				}}))
			}
			q, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("q")})
			step(q, err)
			rule("dlq", "AWS", "SQS_QUEUE_DLQ_CHECK")
			set := func(v string) {
				step(queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: q.QueueUrl, Attributes: map[string]string{"RedrivePolicy": v}}))
			}
			dead, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("dead")})
			step(dead, err)
			set(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:111122223333:dead","maxReceiveCount":3}`)
			set(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:111122223333:dead","maxReceiveCount":4}`) // no news
			rule("owner", "CUSTOM_LAMBDA", "arn:aws:lambda:us-east-1:111122223333:function:f")
			put := func(verdict types.ComplianceType) {
				step(config.PutEvaluations(ctx, &configservice.PutEvaluationsInput{ResultToken: aws.String("owner"), Evaluations: []types.Evaluation{{
					ComplianceResourceType: aws.String("AWS::SQS::Queue"), ComplianceResourceId: q.QueueUrl, ComplianceType: verdict, OrderingTimestamp: aws.Time(clock.Now()),
				}}}))
			}
			put(types.ComplianceTypeNonCompliant)
			step(config.DeleteConfigRule(ctx, &configservice.DeleteConfigRuleInput{ConfigRuleName: aws.String("dlq")}))
			put(types.ComplianceTypeCompliant)
			step(config.DeleteConfigRule(ctx, &configservice.DeleteConfigRuleInput{ConfigRuleName: aws.String("owner")}))
			if drained {
				if got := timeline(t, config, "AWS::SQS::Queue", *q.QueueUrl); len(got) > 0 {
					t.Errorf("before the drain there is %v", got)
				}
				s.Drain()
				clock.advance(time.Second)
			}
			want := []string{
				"ResourceDiscovered NON_COMPLIANT dlq=NON_COMPLIANT",
				"OK COMPLIANT dlq=COMPLIANT",
				"OK NON_COMPLIANT dlq=COMPLIANT owner=NON_COMPLIANT",
				"OK NON_COMPLIANT owner=NON_COMPLIANT",
				"OK COMPLIANT owner=COMPLIANT",
				"ResourceDeleted",
			}
			if d := cmp.Diff(want, timeline(t, config, "AWS::SQS::Queue", *q.QueueUrl)); d != "" {
				t.Errorf("timeline (-want +got):\n%s", d)
			}
		})
	}
}
