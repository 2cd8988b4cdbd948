package localaws

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	configtypes "github.com/aws/aws-sdk-go-v2/service/configservice/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/google/go-cmp/cmp"
)

const (
	shopAccount = "444455556666"
	dataAccount = "777788889999"
)

func startOrganization(t *testing.T, o Options) *Server {
	t.Helper()
	o.Members = []Member{{shopAccount, "shop"}, {ID: dataAccount}}
	return start(t, o)
}

// in is the configuration of a session in a member account.
func in(t *testing.T, s *Server, account, region string) aws.Config {
	t.Helper()
	cfg := client(t, s, BootstrapKey)
	out, err := sts.NewFromConfig(cfg).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + account + ":role/" + organizationRole), RoleSessionName: aws.String("collector"),
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Region = region
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	return cfg
}

func TestOrganizationListsItsAccountsInPages(t *testing.T) {
	s := startOrganization(t, Options{})
	org := organizations.NewFromConfig(client(t, s, BootstrapKey))
	var got []string
	for pages := organizations.NewListAccountsPaginator(org, &organizations.ListAccountsInput{MaxResults: aws.Int32(2)}); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Accounts {
			got = append(got, *a.Id+" "+*a.Name+" "+string(a.Status))
		}
	}
	want := []string{DefaultAccount + " management ACTIVE", shopAccount + " shop ACTIVE", dataAccount + " account-" + dataAccount + " ACTIVE"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("accounts (-want +got):\n%s", d)
	}
	about, err := org.DescribeOrganization(t.Context(), &organizations.DescribeOrganizationInput{})
	if err != nil || *about.Organization.MasterAccountId != DefaultAccount {
		t.Errorf("the organization is %+v, %v", about, err)
	}
	_, err = organizations.NewFromConfig(in(t, s, shopAccount, DefaultRegion)).ListAccounts(t.Context(), &organizations.ListAccountsInput{})
	wantCode(t, err, "AccessDeniedException")
	_, err = organizations.NewFromConfig(client(t, start(t, Options{}), BootstrapKey)).DescribeOrganization(t.Context(), &organizations.DescribeOrganizationInput{})
	wantCode(t, err, "AWSOrganizationsNotInUseException")
}

func TestPlacesShareNothing(t *testing.T) {
	s := startOrganization(t, Options{})
	ctx := t.Context()
	configs := map[string]aws.Config{
		"home": client(t, s, BootstrapKey), "shop": in(t, s, shopAccount, DefaultRegion), "data": in(t, s, dataAccount, DefaultRegion), "shop in Frankfurt": in(t, s, shopAccount, "eu-central-1"),
	}
	for name, cfg := range configs {
		if _, err := cloudwatchlogs.NewFromConfig(cfg).CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/muster/orders")}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := sqs.NewFromConfig(cfg).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("orders")}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	id := testTrace(1)
	if _, err := xray.NewFromConfig(configs["shop"]).PutTraceSegments(ctx, &xray.PutTraceSegmentsInput{
		TraceSegmentDocuments: []string{document(id, "00000000000000aa", 1, `"end_time":2`)},
	}); err != nil {
		t.Fatal(err)
	}
	s.Drain()
	for name, cfg := range configs {
		groups, err := cloudwatchlogs.NewFromConfig(cfg).DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{})
		if err != nil || len(groups.LogGroups) != 1 {
			t.Errorf("%s has %d log groups, %v", name, len(groups.LogGroups), err)
		}
		traces, err := xray.NewFromConfig(cfg).BatchGetTraces(ctx, &xray.BatchGetTracesInput{TraceIds: []string{id}})
		if err != nil || len(traces.Traces) == 1 != (name == "shop") {
			t.Errorf("%s has %d traces, %v", name, len(traces.Traces), err)
		}
		queues, err := configservice.NewFromConfig(cfg).ListDiscoveredResources(ctx, &configservice.ListDiscoveredResourcesInput{ResourceType: configtypes.ResourceTypeQueue})
		if err != nil || len(queues.ResourceIdentifiers) != 1 {
			t.Errorf("%s has %d queues in Config, %v", name, len(queues.ResourceIdentifiers), err)
		}
		events, err := cloudtrail.NewFromConfig(cfg).LookupEvents(ctx, &cloudtrail.LookupEventsInput{})
		if err != nil {
			t.Fatal(err)
		}
		made := 0
		for _, ev := range events.Events {
			if *ev.EventName == "CreateQueue" {
				made++
			}
		}
		if made != 1 {
			t.Errorf("%s has %d CreateQueue events", name, made)
		}
	}
}

func TestOneAccountCannotReachIntoAnother(t *testing.T) {
	s := startOrganization(t, Options{})
	ctx := t.Context()
	home, shop := client(t, s, BootstrapKey), in(t, s, shopAccount, DefaultRegion)
	made, err := sqs.NewFromConfig(home).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("orders")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = sqs.NewFromConfig(shop).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: made.QueueUrl, MessageBody: aws.String("m")})
	wantCode(t, err, "AWS.SimpleQueueService.NonExistentQueue")
	_, err = dynamodb.NewFromConfig(shop).DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("orders")})
	wantCode(t, err, "ResourceNotFoundException")

	bucket := aws.String(s.TrailBucket())
	_, err = s3.NewFromConfig(shop).ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket})
	wantCode(t, err, "AccessDenied")
	_, err = s3.NewFromConfig(shop).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})
	wantCode(t, err, "BucketAlreadyExists")
	for cfg, want := range map[*aws.Config]int{&home: 1, &shop: 0} {
		if out, err := s3.NewFromConfig(*cfg).ListBuckets(ctx, &s3.ListBucketsInput{}); err != nil || len(out.Buckets) != want {
			t.Errorf("%d buckets are listed, %v, want %d", len(out.Buckets), err, want)
		}
	}
	_, err = sts.NewFromConfig(shop).AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + dataAccount + ":role/muster-orders"), RoleSessionName: aws.String("task"),
	})
	wantCode(t, err, "AccessDenied")
}

func TestOrganizationTrailHoldsAllAccounts(t *testing.T) {
	s := startOrganization(t, Options{})
	in(t, s, shopAccount, DefaultRegion)
	s.Drain()
	found := map[string]int{}
	for _, key := range keys(t, s3.NewFromConfig(client(t, s, BootstrapKey)), &s3.ListObjectsV2Input{Bucket: aws.String(s.TrailBucket())}) {
		parts := strings.Split(key, "/")
		if !strings.HasPrefix(parts[1], "o-") {
			t.Errorf("key %s is not in an organization's folder", key)
		}
		found[parts[2]]++
	}
	if found[DefaultAccount] == 0 || found[shopAccount] == 0 {
		t.Errorf("the trail has files of %v", found)
	}
}

// TestAssumeRoleIntoAnotherAccountIsRecordedInBoth: by its shared id the two
// events are one call.
func TestAssumeRoleIntoAnotherAccountIsRecordedInBoth(t *testing.T) {
	s := startOrganization(t, Options{})
	theirs := in(t, s, shopAccount, DefaultRegion)
	shared := map[string]int{}
	for _, cfg := range []aws.Config{client(t, s, BootstrapKey), theirs} {
		out, err := cloudtrail.NewFromConfig(cfg).LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{})
		if err != nil || len(out.Events) != 1 {
			t.Fatalf("%d events, %v", len(out.Events), err)
		}
		var ev event
		if err := json.Unmarshal([]byte(*out.Events[0].CloudTrailEvent), &ev); err != nil {
			t.Fatal(err)
		}
		if ev.UserIdentity.AccountID != DefaultAccount {
			t.Errorf("the caller is %+v", ev.UserIdentity)
		}
		shared[ev.SharedEventID]++
	}
	if len(shared) != 1 || shared[""] != 0 {
		t.Errorf("the events share %v", shared)
	}
}

func TestSessionsExpire(t *testing.T) {
	clock := newHandClock()
	s := startOrganization(t, Options{Now: clock.Now})
	cfg := in(t, s, shopAccount, DefaultRegion)
	logs := cloudwatchlogs.NewFromConfig(cfg)
	if _, err := logs.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{}); err != nil {
		t.Fatal(err)
	}
	clock.advance(defaultSessionSeconds * time.Second)
	_, err := logs.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{})
	wantCode(t, err, "ExpiredTokenException")
	_, err = s3.NewFromConfig(cfg).ListBuckets(t.Context(), &s3.ListBucketsInput{})
	wantCode(t, err, "ExpiredToken")
	_, err = sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	wantCode(t, err, "ExpiredToken")
}

func TestUnknownRegionsAreRefused(t *testing.T) {
	s := start(t, Options{})
	cfg := client(t, s, BootstrapKey)
	cfg.Region = "xx-nowhere-1"
	_, err := cloudwatchlogs.NewFromConfig(cfg).DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{})
	wantCode(t, err, "InvalidSignatureException")
}
