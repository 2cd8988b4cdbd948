package localaws

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	"github.com/aws/aws-sdk-go-v2/service/configservice/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
)

func TestManagedRuleFollowsTheResource(t *testing.T) {
	clock := newHandClock()
	s := start(t, Options{Now: clock.Now})
	ctx, config := t.Context(), configservice.NewFromConfig(client(t, s, BootstrapKey))
	_, err := config.PutConfigRule(ctx, &configservice.PutConfigRuleInput{ConfigRule: &types.ConfigRule{
		ConfigRuleName: aws.String("restricted-ssh"), Source: &types.Source{Owner: types.OwnerAws, SourceIdentifier: aws.String("INCOMING_SSH_DISABLED")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	verdict := func() string {
		t.Helper()
		clock.advance(time.Minute)
		out, err := config.GetComplianceDetailsByConfigRule(ctx, &configservice.GetComplianceDetailsByConfigRuleInput{ConfigRuleName: aws.String("restricted-ssh")})
		if err != nil || len(out.EvaluationResults) > 1 {
			t.Fatalf("results %+v, %v", out, err)
		}
		sum, err := config.DescribeComplianceByConfigRule(ctx, &configservice.DescribeComplianceByConfigRuleInput{})
		if err != nil || len(sum.ComplianceByConfigRules) != 1 {
			t.Fatal(err)
		}
		got := string(sum.ComplianceByConfigRules[0].Compliance.ComplianceType)
		if len(out.EvaluationResults) == 1 && string(out.EvaluationResults[0].ComplianceType) != got {
			t.Errorf("the details say %s, the summary %s", out.EvaluationResults[0].ComplianceType, got)
		}
		return got
	}
	got := []string{verdict()}
	ec2 := func(query string) {
		c := &call{Service: "ec2", Account: DefaultAccount, Region: DefaultRegion, Time: clock.Now()}
		c.form = make(map[string][]string)
		for pair := range strings.SplitSeq(query, "&") {
			k, v, _ := strings.Cut(pair, "=")
			c.form[k] = []string{v}
		}
		if _, err := s.services["ec2"][c.form.Get("Action")](ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	ec2("Action=CreateSecurityGroup&GroupName=web&GroupDescription=d")
	got = append(got, verdict())
	const world = "&GroupName=web&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0"
	ec2("Action=AuthorizeSecurityGroupIngress" + world)
	got = append(got, verdict())
	ec2("Action=RevokeSecurityGroupIngress" + world)
	got = append(got, verdict())
	if d := cmp.Diff([]string{"INSUFFICIENT_DATA", "COMPLIANT", "NON_COMPLIANT", "COMPLIANT"}, got); d != "" {
		t.Errorf("verdicts (-want +got):\n%s", d)
	}
}

func TestCustomRuleKeepsItsVerdictsInPages(t *testing.T) {
	s := start(t, Options{})
	ctx, config := t.Context(), configservice.NewFromConfig(client(t, s, BootstrapKey))
	rule := func(name string) {
		_, err := config.PutConfigRule(ctx, &configservice.PutConfigRuleInput{ConfigRule: &types.ConfigRule{
			ConfigRuleName: &name, Source: &types.Source{Owner: types.OwnerCustomLambda, SourceIdentifier: aws.String("arn:aws:lambda:us-east-1:111122223333:function:f")},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(rule, id string, verdict types.ComplianceType, at time.Time) error {
		_, err := config.PutEvaluations(ctx, &configservice.PutEvaluationsInput{ResultToken: &rule, Evaluations: []types.Evaluation{{
			ComplianceResourceType: aws.String("AWS::SQS::Queue"), ComplianceResourceId: &id, ComplianceType: verdict, OrderingTimestamp: &at, Annotation: aws.String("because"),
		}}})
		return err
	}
	rule("tagged")
	rule("encrypted")
	now := time.Now().Truncate(time.Millisecond)
	for i := range 130 {
		verdict := types.ComplianceTypeCompliant
		if i < 120 {
			verdict = types.ComplianceTypeNonCompliant
		}
		if err := put("tagged", fmt.Sprintf("q%03d", i), verdict, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := put("tagged", "q000", types.ComplianceTypeCompliant, now.Add(-time.Hour)); err != nil {
		t.Fatal(err) // older than what is known: it changes nothing
	}
	if err := put("encrypted", "q000", types.ComplianceTypeCompliant, now); err != nil {
		t.Fatal(err)
	}
	wantCode(t, put("none", "q000", types.ComplianceTypeCompliant, now), "InvalidResultTokenException")

	n, pages := 0, 0
	for p := configservice.NewGetComplianceDetailsByConfigRulePaginator(config, &configservice.GetComplianceDetailsByConfigRuleInput{
		ConfigRuleName: aws.String("tagged"), ComplianceTypes: []types.ComplianceType{types.ComplianceTypeNonCompliant},
	}); p.HasMorePages(); pages++ {
		out, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		n += len(out.EvaluationResults)
	}
	if n != 120 || pages != 2 {
		t.Errorf("%d results on %d pages", n, pages)
	}
	sum, err := config.DescribeComplianceByConfigRule(ctx, &configservice.DescribeComplianceByConfigRuleInput{ConfigRuleNames: []string{"tagged"}})
	if err != nil {
		t.Fatal(err)
	}
	if c := sum.ComplianceByConfigRules[0].Compliance.ComplianceContributorCount; c.CappedCount != 100 || !c.CapExceeded {
		t.Errorf("the count is %+v", c)
	}
	one, err := config.GetComplianceDetailsByResource(ctx, &configservice.GetComplianceDetailsByResourceInput{ResourceType: aws.String("AWS::SQS::Queue"), ResourceId: aws.String("q000")})
	if err != nil || len(one.EvaluationResults) != 2 {
		t.Errorf("the queue's results %+v, %v", one, err)
	}
	by, err := config.DescribeComplianceByResource(ctx, &configservice.DescribeComplianceByResourceInput{ResourceId: aws.String("q000"), ResourceType: aws.String("AWS::SQS::Queue")})
	if err != nil || by.ComplianceByResources[0].Compliance.ComplianceType != types.ComplianceTypeNonCompliant {
		t.Errorf("the queue is %+v, %v", by, err)
	}
	_, err = config.GetComplianceDetailsByConfigRule(ctx, &configservice.GetComplianceDetailsByConfigRuleInput{ConfigRuleName: aws.String("none")})
	wantCode(t, err, "NoSuchConfigRuleException")
	if _, err := config.DeleteConfigRule(ctx, &configservice.DeleteConfigRuleInput{ConfigRuleName: aws.String("tagged")}); err != nil {
		t.Fatal(err)
	}
	if rules, err := config.DescribeConfigRules(ctx, &configservice.DescribeConfigRulesInput{}); err != nil || len(rules.ConfigRules) != 1 {
		t.Errorf("rules %+v, %v", rules, err)
	}
	_, err = config.PutConfigRule(ctx, &configservice.PutConfigRuleInput{ConfigRule: &types.ConfigRule{ConfigRuleName: aws.String("x"), Source: &types.Source{Owner: types.OwnerAws, SourceIdentifier: aws.String("NO_SUCH_RULE")}}})
	wantCode(t, err, "InvalidParameterValueException")
}

func makeQueues(t *testing.T, s *Server, names ...string) {
	t.Helper()
	queues := sqs.NewFromConfig(client(t, s, BootstrapKey))
	for _, name := range names {
		if _, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAdvancedQueryAnswersAsRecorded(t *testing.T) {
	s := start(t, Options{})
	makeQueues(t, s, "a", "b", "c")
	s.Drain()
	ctx, config := t.Context(), configservice.NewFromConfig(client(t, s, BootstrapKey))
	in := &configservice.SelectResourceConfigInput{
		Expression: aws.String("SELECT resourceName, configuration.VisibilityTimeout WHERE resourceType = 'AWS::SQS::Queue' ORDER BY resourceName"), Limit: 2,
	}
	var got []string
	for p := configservice.NewSelectResourceConfigPaginator(config, in); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, out.Results...)
	}
	var want []string
	for _, name := range []string{"a", "b", "c"} {
		want = append(want, `{"configuration":{"VisibilityTimeout":"30"},"resourceName":"`+name+`"}`)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("results (-want +got):\n%s", d)
	}
	_, err := config.SelectResourceConfig(ctx, &configservice.SelectResourceConfigInput{Expression: aws.String("SELECT")})
	wantCode(t, err, "InvalidExpressionException")

	// The fields of a recorded answer, and what it says about them.
	var recorded struct {
		Data struct {
			Results   []string
			QueryInfo struct{ SelectFields []struct{ Name string } }
		}
	}
	body, err := os.ReadFile(filepath.Join(corpus(t, "custodian"), "api-recordings", "test_kms_config_source__config.SelectResourceConfig_1.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &recorded); err != nil {
		t.Fatal(err)
	}
	out, err := config.SelectResourceConfig(ctx, &configservice.SelectResourceConfigInput{
		Expression: aws.String("select resourceId, configuration, supplementaryConfiguration where resourceType = 'AWS::SQS::Queue'"),
	})
	if err != nil {
		t.Fatal(err)
	}
	var fields []struct{ Name string }
	for _, f := range out.QueryInfo.SelectFields {
		fields = append(fields, struct{ Name string }{*f.Name})
	}
	if d := cmp.Diff(recorded.Data.QueryInfo.SelectFields, fields); d != "" {
		t.Errorf("fields (-recorded +ours):\n%s", d)
	}
	if d := cmp.Diff(kinds(t, recorded.Data.Results[0]), kinds(t, out.Results[0])); d != "" {
		t.Errorf("a result's members (-recorded +ours):\n%s", d)
	}
}

// kinds are the members of a JSON object and what kind of value each is.
func kinds(t *testing.T, text string) map[string]string {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for k, v := range doc {
		out[k] = fmt.Sprintf("%T", v)
	}
	return out
}

func TestConfigDeliversSnapshotsAndHistory(t *testing.T) {
	s := start(t, Options{})
	ctx, config := t.Context(), configservice.NewFromConfig(client(t, s, BootstrapKey))
	objects := newTestBucket(t, s)
	_, err := config.DeliverConfigSnapshot(ctx, &configservice.DeliverConfigSnapshotInput{DeliveryChannelName: aws.String("default")})
	wantCode(t, err, "NoSuchDeliveryChannelException")
	channel := func(bucket string) error {
		_, err := config.PutDeliveryChannel(ctx, &configservice.PutDeliveryChannelInput{DeliveryChannel: &types.DeliveryChannel{
			Name: aws.String("default"), S3BucketName: &bucket, S3KeyPrefix: aws.String("config"),
		}})
		return err
	}
	wantCode(t, channel("none"), "NoSuchBucketException")
	if err := channel("receipts"); err != nil {
		t.Fatal(err)
	}
	makeQueues(t, s, "a", "b")
	s.Drain()
	made, err := config.DeliverConfigSnapshot(ctx, &configservice.DeliverConfigSnapshotInput{DeliveryChannelName: aws.String("default")})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, key := range keys(t, objects, &s3.ListObjectsV2Input{Bucket: aws.String("receipts"), Prefix: aws.String("config/AWSLogs/111122223333/Config/us-east-1/")}) {
		out, err := objects.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("receipts"), Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(out.Body)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			ConfigSnapshotID   string `json:"configSnapshotId"`
			ConfigurationItems []json.RawMessage
		}
		if err := json.NewDecoder(z).Decode(&file); err != nil {
			t.Fatal(err)
		}
		out.Body.Close()
		kind := strings.Split(key, "/")[8]
		found[kind] += len(file.ConfigurationItems)
		if kind == "ConfigSnapshot" && file.ConfigSnapshotID != *made.ConfigSnapshotId {
			t.Errorf("the snapshot's id is %s, not %s", file.ConfigSnapshotID, *made.ConfigSnapshotId)
		}
		// A recorded item of the same form, but for what later versions left out.
		ours, theirs := kinds(t, string(file.ConfigurationItems[0])), recordedItem(t)
		if d := cmp.Diff(theirs, ours); d != "" {
			t.Errorf("%s: an item's members (-recorded +ours):\n%s", key, d)
		}
	}
	if found["ConfigSnapshot"] != 3 || found["ConfigHistory"] != 3 { // the bucket and the queues
		t.Errorf("files hold items %v", found)
	}
}

// recordedItem are the members of an item as Config notified it.
func recordedItem(t *testing.T) map[string]string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(corpus(t, "custodian"), "aws-config-items", "s3-from-rule.json"))
	if err != nil {
		t.Fatal(err)
	}
	var event struct{ InvokingEvent string }
	if err := json.Unmarshal(body, &event); err != nil {
		t.Fatal(err)
	}
	var notice struct{ ConfigurationItem json.RawMessage }
	if err := json.Unmarshal([]byte(event.InvokingEvent), &notice); err != nil {
		t.Fatal(err)
	}
	return kinds(t, string(notice.ConfigurationItem))
}

func TestConfigItemsGoToEventBridge(t *testing.T) {
	s := start(t, Options{})
	makeQueues(t, s, "changes")
	rawJSON(t, s, "AWSEvents.PutRule", `{"Name":"items","EventPattern":"{\"source\":[\"aws.config\"]}"}`, nil)
	rawJSON(t, s, "AWSEvents.PutTargets", `{"Rule":"items","Targets":[{"Id":"1","Arn":"arn:aws:sqs:us-east-1:111122223333:changes"}]}`, nil)
	makeQueues(t, s, "watched")
	queues := sqs.NewFromConfig(client(t, s, BootstrapKey))
	var bodies []string
	eventually(t, "the item comes", func() bool {
		out, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(s.Endpoint() + "/111122223333/changes")})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			bodies = append(bodies, *m.Body)
		}
		return slices.ContainsFunc(bodies, func(b string) bool {
			return strings.Contains(b, `"detail-type":"Config Configuration Item Change"`) && strings.Contains(b, `"resourceName":"watched"`)
		})
	})
}
