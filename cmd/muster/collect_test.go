package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"muster/internal/localaws"
)

// account is a stand-in, and the flags and environment by which it is read.
func account(t *testing.T, o localaws.Options) (*localaws.Server, []string) {
	t.Helper()
	aws, err := localaws.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, aws.Close) })
	t.Setenv("AWS_ACCESS_KEY_ID", localaws.BootstrapKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", localaws.BootstrapSecret)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	return aws, []string{
		"--store", filepath.Join(t.TempDir(), "lake"), "--endpoint-url", aws.Endpoint(),
		"--region", localaws.DefaultRegion, "--quota-share", "0",
	}
}

// everyRead are the actions without which nothing of the default sources is read.
var everyRead = []string{
	"xray:GetTraceSummaries", "logs:DescribeLogGroups", "cloudtrail:LookupEvents",
	"config:ListDiscoveredResources", "config:DescribeComplianceByConfigRule", "states:ListStateMachines",
}

func TestCollectFailsWhereNothingMayBeRead(t *testing.T) {
	_, flags := account(t, localaws.Options{Deny: everyRead})
	stdout, stderr, code := muster(t, append([]string{"collect"}, flags...)...)
	if code != exitFailure || !strings.Contains(stderr, "nothing may be read: all 7 streams are denied") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	for _, action := range everyRead {
		if !strings.Contains(stderr, "allow "+action) {
			t.Errorf("%s is not named:\n%s", action, stderr)
		}
	}
}

func TestCollectGoesOnWhereOneIsDeniedOrABucketIsMissing(t *testing.T) {
	_, flags := account(t, localaws.Options{Deny: everyRead[:2]})
	if stdout, stderr, code := muster(t, append([]string{"collect"}, flags...)...); code != exitOK || !strings.Contains(stderr, "allow xray:GetTraceSummaries") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	stdout, stderr, code := muster(t, append([]string{"collect", "--trail-bucket", "no-such-bucket"}, flags...)...)
	if code != exitFailure || !strings.Contains(stderr, "no-such-bucket") || !strings.Contains(stdout, "collect: ") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

func TestCollectPrintsThePolicyThatItNeeds(t *testing.T) {
	out := mustMuster(t, "collect", "--iam", "--region", "eu-central-1", "--account", "1", "--log-group-prefix", "/ecs/", "--source", "logs,cloudtrail")
	var policy struct{ Statement []struct{ Resource []string } }
	if err := json.Unmarshal([]byte(out), &policy); err != nil || len(policy.Statement) != 3 {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(out, `"arn:aws:logs:eu-central-1:1:log-group:/ecs/*:*"`) {
		t.Errorf("got\n%s", out)
	}
}

func TestDoctorSaysWhatIsMissingForWhat(t *testing.T) {
	aws, flags := account(t, localaws.Options{Deny: []string{"xray:BatchGetTraces", "cloudtrail:GetTrailStatus"}, TransactionSearch: true})
	stdout, stderr, code := muster(t, append([]string{"doctor", "--json", "--trail-bucket", aws.TrailBucket()}, flags[2:]...)...)
	if code != exitFindings {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	states := map[string]string{}
	for line := range strings.Lines(stdout) {
		var c struct{ Subject, State, Found, For, Remedy string }
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		if (c.State == "ok") != (c.For == "" && c.Remedy == "") {
			t.Errorf("it must say for what and what to do, if anything: %s", line)
		}
		states[c.Found] = c.State
	}
	for found, state := range map[string]string{
		"xray:BatchGetTraces is denied":          "missing",
		"segments go to CloudWatch Logs":         "missing",
		"cloudtrail:GetTrailStatus is denied":    "unknown",
		"trail muster delivers to s3://":         "ok",
		"there is no log group to read":          "missing",
		"AWS Config records":                     "ok",
		"within ":                                "ok",
		"sampling rule Default keeps every":      "ok",
		"AWS Config has no rules":                "missing",
		"cloudtrail:LookupEvents is allowed":     "ok",
		"xray:GetTraceSummaries is allowed":      "ok",
		"config:ListDiscoveredResources is allo": "ok",
	} {
		said := ""
		for text, s := range states {
			if strings.HasPrefix(text, found) {
				said = s
			}
		}
		if said != state {
			t.Errorf("%q is %q, want %q\n%s", found, said, state, stdout)
		}
	}
}

func TestPlanNamesTheQuotaThatBinds(t *testing.T) {
	aws, flags := account(t, localaws.Options{})
	w := &world{cfg: localConfig(aws.Endpoint(), nil), aws: aws, truth: map[string]bool{}}
	if err := w.happen(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	queues := sqs.NewFromConfig(w.cfg)
	for i := range 120 {
		if _, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: awssdk.String(fmt.Sprintf("q-%d", i))}); err != nil {
			t.Fatal(err)
		}
	}
	aws.Drain()
	args := append([]string{"plan", "--since", "30d", "--trail-bucket", aws.TrailBucket(), "--quota-share", "0.01"}, flags[2:6]...)
	out := mustMuster(t, args...)
	// Calls by the dozen within a second are more than LookupEvents could give.
	for _, want := range []string{"binds: cloudtrail:LookupEvents, 2 a second", "LookupEvents cannot keep up", "use the trail's bucket", "stored bytes of the groups"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for line := range strings.Lines(mustMuster(t, append(args, "--json")...)) {
		var e struct {
			Source  string
			Calls   int
			Minutes float64
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Source == "" || e.Calls == 0 || e.Minutes < 0 {
			t.Errorf("%v: %s", err, line)
		}
	}
}

// TestCollectReadsATrailByItsQueue: what the queue tells of is stored once, and a
// second pass has nothing of it to read.
func TestCollectReadsATrailByItsQueue(t *testing.T) {
	aws, flags := account(t, localaws.Options{})
	cfg := localConfig(aws.Endpoint(), nil)
	queues := sqs.NewFromConfig(cfg)
	out, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: awssdk.String("trail-files")})
	if err != nil {
		t.Fatal(err)
	}
	buckets := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	_, err = buckets.PutBucketNotificationConfiguration(t.Context(), &s3.PutBucketNotificationConfigurationInput{
		Bucket: awssdk.String(aws.TrailBucket()), NotificationConfiguration: &s3types.NotificationConfiguration{
			QueueConfigurations: []s3types.QueueConfiguration{{
				QueueArn: awssdk.String("arn:aws:sqs:us-east-1:111122223333:trail-files"), Events: []s3types.Event{"s3:ObjectCreated:*"},
			}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: awssdk.String("orders")}); err != nil {
		t.Fatal(err)
	}
	aws.Drain()
	by := append([]string{"collect", "--source", "trail", "--trail-bucket", aws.TrailBucket(), "--trail-queue", *out.QueueUrl}, flags...)
	for range 2 {
		if stdout, stderr, code := muster(t, by...); code != exitOK {
			t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
		}
	}
	found := mustMuster(t, "sql", "--store", flags[1], "--json",
		"select count(*) as n, count(distinct id) as ids from api_calls where event_name = 'CreateQueue' and message like '%orders%'")
	if !strings.Contains(found, `"n":1`) || !strings.Contains(found, `"ids":1`) {
		t.Errorf("got %s", found)
	}
	_, stderr, code := muster(t, append(by, "--until", "1m")...)
	if code != exitFailure || !strings.Contains(stderr, "leave out --until") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
