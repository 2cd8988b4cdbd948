package localaws

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
)

func TestTrailDeliversToItsLogGroup(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now, Delay: Delay{Trail: time.Minute}})
	s.createStreams(t)
	trails := cloudtrail.NewFromConfig(client(t, s.Server, BootstrapKey))
	arn := "arn:aws:logs:us-east-1:111122223333:log-group:" + testGroup + ":*"
	if _, err := trails.UpdateTrail(t.Context(), &cloudtrail.UpdateTrailInput{
		Name: aws.String(trailName), CloudWatchLogsLogGroupArn: &arn, CloudWatchLogsRoleArn: aws.String("arn:aws:iam::111122223333:role/muster-trail"),
	}); err != nil {
		t.Fatal(err)
	}
	if out, err := trails.DescribeTrails(t.Context(), &cloudtrail.DescribeTrailsInput{}); err != nil || aws.ToString(out.TrailList[0].CloudWatchLogsLogGroupArn) != arn {
		t.Fatalf("the trail is %+v, %v", out, err)
	}
	ids := identify(t, s.Server, 3)
	read := func() (got []string) {
		messages, _, _ := s.read(t, cloudwatchlogs.FilterLogEventsInput{
			FilterPattern: aws.String(`{ $.eventName = "GetCallerIdentity" }`), LogStreamNamePrefix: aws.String("111122223333_CloudTrail_us-east-1"),
		})
		for _, m := range messages {
			var ev event
			if err := json.Unmarshal([]byte(m), &ev); err != nil {
				t.Fatal(err)
			}
			got = append(got, ev.RequestID)
		}
		return got
	}
	if early := read(); len(early) != 0 {
		t.Errorf("%d events are there before their time", len(early))
	}
	clock.advance(time.Minute + time.Second)
	if d := cmp.Diff(ids, read()); d != "" {
		t.Errorf("requests (-want +got):\n%s", d)
	}
}

// TestStoppedTrailWritesNothing but the call that stopped it; the event history
// goes on.
func TestStoppedTrailWritesNothing(t *testing.T) {
	s := start(t, Options{})
	trails := cloudtrail.NewFromConfig(client(t, s, BootstrapKey))
	if _, err := trails.StopLogging(t.Context(), &cloudtrail.StopLoggingInput{Name: aws.String(trailName)}); err != nil {
		t.Fatal(err)
	}
	identify(t, s, 2)
	if st, err := trails.GetTrailStatus(t.Context(), &cloudtrail.GetTrailStatusInput{Name: aws.String(trailName)}); err != nil || *st.IsLogging || st.StopLoggingTime == nil {
		t.Errorf("the status is %+v, %v", st, err)
	}
	var names []string
	for _, ev := range trailEvents(t, s) {
		names = append(names, ev.EventName)
	}
	if d := cmp.Diff([]string{"StopLogging"}, names); d != "" {
		t.Errorf("the files' events (-want +got):\n%s", d)
	}
	if n := len(lookup(t, s)); n < 4 {
		t.Errorf("%d events in the history", n)
	}
	if _, err := trails.StartLogging(t.Context(), &cloudtrail.StartLoggingInput{Name: aws.String(trailName)}); err != nil {
		t.Fatal(err)
	}
	identify(t, s, 2)
	if n := len(trailEvents(t, s)); n != 4 {
		t.Errorf("%d events in the files after logging went on, want 4", n)
	}
}

func TestAddendaBringWhatTheirOriginalsLack(t *testing.T) {
	s := start(t, Options{Trouble: Trouble{Addendum: 0.999999}})
	newTestBucket(t, s)
	originals, addenda := map[string]event{}, 0
	all := trailEvents(t, s)
	for _, ev := range all {
		if ev.Addendum == nil {
			originals[ev.EventID] = ev
		}
	}
	for _, ev := range all {
		if ev.Addendum == nil {
			continue
		}
		addenda++
		first, ok := originals[ev.Addendum.OriginalEventID]
		if !ok || first.Resources != nil || ev.Resources == nil || first.RequestID != ev.RequestID || ev.Addendum.Reason != "UPDATED_DATA" {
			t.Errorf("addendum %+v of %+v", ev, first)
		}
	}
	if addenda == 0 {
		t.Errorf("no addendum among %d records", len(all))
	}
}

func TestInsightsFindABurst(t *testing.T) {
	clock := newHandClock()
	s := start(t, Options{Now: clock.Now})
	trails := cloudtrail.NewFromConfig(client(t, s, BootstrapKey))
	_, err := trails.GetInsightSelectors(t.Context(), &cloudtrail.GetInsightSelectorsInput{TrailName: aws.String(trailName)})
	wantCode(t, err, "InsightNotEnabledException")
	if _, err := trails.PutInsightSelectors(t.Context(), &cloudtrail.PutInsightSelectorsInput{
		TrailName: aws.String(trailName), InsightSelectors: []types.InsightSelector{{InsightType: types.InsightTypeApiCallRateInsight}},
	}); err != nil {
		t.Fatal(err)
	}
	queues, n := sqs.NewFromConfig(client(t, s, BootstrapKey)), 0
	minute := func(calls int) {
		for range calls {
			n++
			if _, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(fmt.Sprint("q", n))}); err != nil {
				t.Fatal(err)
			}
		}
		clock.advance(time.Minute)
	}
	for range 5 {
		minute(2)
	}
	minute(insightLeastCalls + 5)
	minute(1)
	out, err := trails.LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{EventCategory: types.EventCategoryInsight})
	if err != nil || len(out.Events) != 2 {
		t.Fatalf("%d insight events, %v", len(out.Events), err)
	}
	var states []string
	shared := map[string]bool{}
	for _, e := range out.Events {
		var ev insightEvent
		if err := json.Unmarshal([]byte(*e.CloudTrailEvent), &ev); err != nil {
			t.Fatal(err)
		}
		states = append(states, ev.InsightDetails.State+" "+ev.InsightDetails.EventName)
		shared[ev.SharedEventID] = true
	}
	if d := cmp.Diff([]string{"End CreateQueue", "Start CreateQueue"}, states); d != "" || len(shared) != 1 {
		t.Errorf("insights (-want +got):\n%s, shared ids %v", d, shared)
	}
	s.Drain()
	found := false
	for _, key := range keys(t, s3.NewFromConfig(client(t, s, "AKIDREADER")), &s3.ListObjectsV2Input{Bucket: aws.String(s.TrailBucket())}) {
		found = found || strings.HasPrefix(key, "AWSLogs/111122223333/CloudTrail-Insight/us-east-1/2026/11/24/111122223333_CloudTrail-Insight_us-east-1_")
	}
	if !found {
		t.Error("no file of Insights events")
	}
}

// TestEventBridgeWrapsRecordsAsRecorded holds the envelope to a recorded one.
func TestEventBridgeWrapsRecordsAsRecorded(t *testing.T) {
	s := start(t, Options{})
	queues := sqs.NewFromConfig(client(t, s, BootstrapKey))
	made, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("trail")})
	if err != nil {
		t.Fatal(err)
	}
	rawJSON(t, s, "AWSEvents.PutRule", `{"Name":"writes","EventPattern":"{\"source\":[\"aws.s3\"],\"detail-type\":[\"AWS API Call via CloudTrail\"],\"detail\":{\"eventName\":[{\"prefix\":\"Create\"}]}}"}`, nil)
	rawJSON(t, s, "AWSEvents.PutTargets", `{"Rule":"writes","Targets":[{"Id":"1","Arn":"arn:aws:sqs:us-east-1:111122223333:trail"}]}`, nil)
	newTestBucket(t, s, "a")
	out, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: made.QueueUrl, MaxNumberOfMessages: 10})
	if err != nil || len(out.Messages) != 1 {
		t.Fatalf("%d messages, %v, want the CreateBucket only", len(out.Messages), err)
	}
	members := func(body []byte) map[string]string {
		var doc map[string]any
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatal(err)
		}
		kinds := map[string]string{}
		for k, v := range doc {
			kinds[k] = fmt.Sprintf("%T", v)
		}
		delete(kinds, "debug") // which the recorder added
		return kinds
	}
	recorded, err := os.ReadFile(filepath.Join(corpus(t, "custodian"), "eventbridge-events", "event-cloud-trail-tag-rest-stage.json"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(members(recorded), members([]byte(*out.Messages[0].Body))); d != "" {
		t.Errorf("the envelope (-recorded +ours):\n%s", d)
	}
}

func TestEventPatterns(t *testing.T) {
	const text = `{"source":"aws.s3","detail":{"eventName":"CreateBucket","errorCode":"x","list":["a","b"]}}`
	var event map[string]any
	if err := json.Unmarshal([]byte(text), &event); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]bool{
		`{"source":["aws.s3","aws.sqs"]}`:                                      true,
		`{"source":["aws.sqs"]}`:                                               false,
		`{"detail":{"eventName":[{"prefix":"Create"}]}}`:                       true,
		`{"detail":{"eventName":[{"suffix":"Bucket"}]}}`:                       true,
		`{"detail":{"eventName":[{"anything-but":["DeleteBucket"]}]}}`:         true,
		`{"detail":{"eventName":[{"anything-but":"CreateBucket"}]}}`:           false,
		`{"detail":{"eventName":[{"equals-ignore-case":"createbucket"}]}}`:     true,
		`{"detail":{"errorCode":[{"exists":true}],"none":[{"exists":false}]}}`: true,
		`{"detail":{"none":[{"exists":true}]}}`:                                false,
		`{"detail":{"list":["b"]}}`:                                            true,
		`{"detail":{"eventName":{"deeper":["x"]}}}`:                            false,
	} {
		p, err := parseEventPattern(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		if got := p.matches(event); got != want {
			t.Errorf("%s matches: %v", pattern, got)
		}
	}
	for _, pattern := range []string{``, `{}`, `[]`, `{"a":1}`, `{"a":[{"numeric":[">",1]}]}`, `{"a":[{"prefix":1}]}`} {
		if _, err := parseEventPattern(pattern); err == nil || asAPIError(err).Code != "InvalidEventPatternException" {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}
