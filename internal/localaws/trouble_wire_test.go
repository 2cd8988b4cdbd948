package localaws

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/smithy-go"
)

// TestQuotasAreThoseOfTheOperationAccountAndRegion: a burst of a second goes, then
// as much as the rate refills.
func TestQuotasAreThoseOfTheOperationAccountAndRegion(t *testing.T) {
	clock := newHandClock()
	s := startOrganization(t, Options{Now: clock.Now, Quotas: true})
	ctx := t.Context()
	look := func(cfg aws.Config) (n int) {
		for range 60 {
			_, err := cloudtrail.NewFromConfig(cfg).LookupEvents(ctx, &cloudtrail.LookupEventsInput{})
			if err != nil {
				wantCode(t, err, "ThrottlingException")
				continue
			}
			n++
		}
		return n
	}
	filter := func(cfg aws.Config) (n int) {
		for range 60 {
			_, err := cloudwatchlogs.NewFromConfig(cfg).FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("none")})
			var e smithy.APIError
			if errors.As(err, &e) && e.ErrorCode() == "ResourceNotFoundException" {
				n++
			}
		}
		return n
	}
	home, shop, frankfurt := client(t, s, BootstrapKey), in(t, s, shopAccount, DefaultRegion), in(t, s, shopAccount, "eu-central-1")
	for _, tt := range []struct {
		name      string
		got, want int
	}{
		{"LookupEvents", look(home), 2},
		{"LookupEvents of another account", look(shop), 2},
		{"FilterLogEvents in us-east-1", filter(home), 25},
		{"FilterLogEvents in eu-central-1", filter(frankfurt), 5},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %d calls of 60 went, want %d", tt.name, tt.got, tt.want)
		}
	}
	clock.advance(500 * time.Millisecond)
	if n := look(home); n != 1 {
		t.Errorf("half a second later %d calls went, want 1", n)
	}
}

// TestLateItemsAreLateUpToTheirLimit: some are, none by more.
func TestLateItemsAreLateUpToTheirLimit(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now, Seed: 3, Trouble: Trouble{Late: 0.5, LateBy: time.Hour}})
	s.createStreams(t, "a")
	for i := range int64(100) {
		s.putLines(t, "a", clock.Now(), i)
	}
	var seen []int
	for range 5 {
		got, _, _ := s.read(t, cloudwatchlogs.FilterLogEventsInput{})
		seen = append(seen, len(got))
		clock.advance(20 * time.Minute)
	}
	if seen[0] < 30 || seen[0] > 70 || seen[1] <= seen[0] || seen[2] <= seen[1] || seen[3] != 100 {
		t.Errorf("every 20 minutes there are %v of 100 events", seen)
	}
}

func TestEventsShareTheirMillisecond(t *testing.T) {
	s := startTelemetry(t, Options{Seed: 3, Trouble: Trouble{SameMillisecond: 0.7}})
	s.createStreams(t, "a")
	var offsets []int64
	for i := range int64(200) {
		offsets = append(offsets, i)
	}
	s.putLines(t, "a", time.Now(), offsets...)
	out, err := s.logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String(testGroup)})
	if err != nil || len(out.Events) != 200 {
		t.Fatalf("%d events, %v", len(out.Events), err)
	}
	times, ids := map[int64]bool{}, map[string]bool{}
	for _, e := range out.Events {
		times[*e.Timestamp], ids[*e.EventId] = true, true
	}
	if len(ids) != 200 || len(times) > 100 {
		t.Errorf("%d ids and %d times of 200 events", len(ids), len(times))
	}
}

// TestConnectionsAreResetBeforeAndInAnswers: clients see an error that is no API
// error, and those that retry get everything.
func TestConnectionsAreResetBeforeAndInAnswers(t *testing.T) {
	s := startTelemetry(t, Options{Seed: 1, Trouble: Trouble{Reset: 0.5}})
	s.createStreams(t, "a")
	s.putLines(t, "a", time.Now(), 0, 1, 2, 3, 4)
	plain := cloudwatchlogs.NewFromConfig(client(t, s.Server, BootstrapKey))
	broken := 0
	for range 40 {
		_, err := plain.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String(testGroup)})
		if _, ok := errors.AsType[smithy.APIError](err); ok {
			t.Fatalf("a reset shows as %v", err)
		}
		if err != nil {
			broken++
		}
	}
	if broken < 5 || broken > 35 {
		t.Errorf("%d of 40 calls broke", broken)
	}
	if got, _, _ := s.read(t, cloudwatchlogs.FilterLogEventsInput{Limit: aws.Int32(1)}); len(got) != 5 {
		t.Errorf("%d of 5 events through resets", len(got))
	}
	bucket := aws.String(s.TrailBucket())
	if _, err := s3.NewFromConfig(retrying(t, s.Server, "AKIDREADER")).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: bucket}); err != nil {
		t.Error(err)
	}
}

// TestPageTokensExpire in each service with the code that it uses.
func TestPageTokensExpire(t *testing.T) {
	s := startTelemetry(t, Options{Trouble: Trouble{ExpiredPage: 0.999999}})
	ctx := t.Context()
	s.createStreams(t, "a")
	s.putLines(t, "a", time.Now(), 0, 1)
	makeQueues(t, s.Server, "a", "b")
	s.Drain()
	logs, err := s.logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String(testGroup), Limit: aws.Int32(1)})
	if err != nil || logs.NextToken == nil {
		t.Fatal(err)
	}
	_, err = s.logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String(testGroup), Limit: aws.Int32(1), NextToken: logs.NextToken})
	wantCode(t, err, "InvalidParameterException")
	trail := cloudtrail.NewFromConfig(client(t, s.Server, BootstrapKey))
	events, err := trail.LookupEvents(ctx, &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(1)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = trail.LookupEvents(ctx, &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(1), NextToken: events.NextToken})
	wantCode(t, err, "InvalidNextTokenException")
	config := configservice.NewFromConfig(client(t, s.Server, BootstrapKey))
	found, err := config.ListDiscoveredResources(ctx, &configservice.ListDiscoveredResourcesInput{ResourceType: "AWS::SQS::Queue", Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = config.ListDiscoveredResources(ctx, &configservice.ListDiscoveredResourcesInput{ResourceType: "AWS::SQS::Queue", Limit: 1, NextToken: found.NextToken})
	wantCode(t, err, "InvalidNextTokenException")
}

func TestSessionsExpireBeforeTheirTime(t *testing.T) {
	s := startOrganization(t, Options{Trouble: Trouble{ExpiredSession: 0.999999}})
	_, err := cloudwatchlogs.NewFromConfig(in(t, s, shopAccount, DefaultRegion)).DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{})
	wantCode(t, err, "ExpiredTokenException")
	if _, err := cloudwatchlogs.NewFromConfig(client(t, s, BootstrapKey)).DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{}); err != nil {
		t.Errorf("a user's key, which does not expire: %v", err)
	}
}

// TestSkewedClocksAreRefusedAndStamped: what is near enough is taken, and bears
// AWS's time.
func TestSkewedClocksAreRefusedAndStamped(t *testing.T) {
	ctx := t.Context()
	for _, skew := range []time.Duration{time.Hour, -time.Hour} {
		s := start(t, Options{Skew: skew})
		_, err := xray.NewFromConfig(client(t, s, BootstrapKey)).GetGroups(ctx, &xray.GetGroupsInput{})
		wantCode(t, err, "InvalidSignatureException")
		_, err = s3.NewFromConfig(client(t, s, BootstrapKey)).ListBuckets(ctx, &s3.ListBucketsInput{})
		wantCode(t, err, "RequestTimeTooSkewed")
	}
	s := start(t, Options{Skew: 4 * time.Minute})
	if _, err := sqs.NewFromConfig(client(t, s, BootstrapKey)).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("q")}); err != nil {
		t.Fatal(err)
	}
	events := lookup(t, s)
	i := slices.IndexFunc(events, func(e types.Event) bool { return *e.EventName == "CreateQueue" })
	var ev event
	if err := json.Unmarshal([]byte(*events[i].CloudTrailEvent), &ev); err != nil {
		t.Fatal(err)
	}
	if at, err := time.Parse(eventTimeFormat, ev.EventTime); err != nil || time.Until(at) < 3*time.Minute {
		t.Errorf("the event's time is %s, %v", ev.EventTime, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint()+"/none", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client(t, s, "").HTTPClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if at, err := http.ParseTime(resp.Header.Get("Date")); err != nil || time.Until(at) < 3*time.Minute {
		t.Errorf("the answer's date is %s, %v", resp.Header.Get("Date"), err)
	}
}
