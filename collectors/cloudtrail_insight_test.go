package collectors

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/internal/localaws"
)

// insightText has the form of the events in CloudTrail's user guide.
const insightText = `{"eventVersion":"1.09","eventTime":"2026-01-02T03:04:00Z","awsRegion":"us-east-1","eventID":"i-1",
 "eventType":"AwsCloudTrailInsight","recipientAccountId":"111122223333","sharedEventID":"pair-1","insightDetails":{"state":"Start",
 "eventSource":"autoscaling.amazonaws.com","eventName":"CompleteLifecycleAction","insightType":"ApiCallRateInsight","insightContext":{
 "statistics":{"baseline":{"average":0.0020833333},"insight":{"average":0.6},"insightDuration":5,"baselineDuration":11336},
 "attributions":[{"attribute":"userIdentityArn","insight":[{"value":"arn:aws:sts::111122223333:assumed-role/CodeDeploy/i-2","average":0.6}],
 "baseline":[{"value":"arn:aws:sts::111122223333:assumed-role/CodeDeploy/i-1","average":0.001}]},
 {"attribute":"userAgent","insight":[{"value":"codedeploy.amazonaws.com","average":0.6}],"baseline":[]},
 {"attribute":"errorCode","insight":[{"value":"null","average":0.6}],"baseline":[]}]}},"eventCategory":"Insight"}`

func TestInsightSaysWhatIsUnusualAndIsNoCall(t *testing.T) {
	r := parseTrailEvent([]byte(insightText), origin{})
	want := fleet.Record{
		ID: "i-1", Kind: fleet.KindAPICall, Time: r.Time, Account: "111122223333", Region: "us-east-1",
		Service: "autoscaling", Name: "ApiCallRateInsight autoscaling:CompleteLifecycleAction",
		Principal: "arn:aws:sts::111122223333:assumed-role/CodeDeploy/i-2",
		Seen:      fleet.Keys{Request: "pair-1", Scope: fleet.ScopeAWS},
		Raw:       r.Raw,
		Message:   "an unusual rate of calls of autoscaling:CompleteLifecycleAction began: 0.6 a minute, usually 0.0021, most by CodeDeploy/i-2",
	}
	attributes := r.Attributes
	r.Attributes = nil
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	for name, value := range map[string]string{
		"event_category": "Insight", "event_type": "AwsCloudTrailInsight", "read_only": "true", "shared_event_id": "pair-1",
		"event_source": "", "event_name": "", "insight.state": "Start", "insight.insightType": "ApiCallRateInsight",
		"insight.eventName": "CompleteLifecycleAction", "insight.insightContext.statistics.insight.average": "0.6",
		"insight.insightContext.attributions.1.insight.0.value": "codedeploy.amazonaws.com",
	} {
		if attributes.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, attributes.Get(name), value)
		}
	}
	if r.Attributes = attributes; r.Write() {
		t.Error("it counts as a change")
	}
}

func TestInsightTellsItsEndAndItsErrors(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"end":     {`"state":"Start"`, `"state":"End"`, "an unusual rate of calls of autoscaling:CompleteLifecycleAction ended after 5 min: 0.6 a minute"},
		"errors":  {`"insightType":"ApiCallRateInsight"`, `"insightType":"ApiErrorRateInsight","errorCode":"AccessDenied"`, "an unusual rate of errors of autoscaling:CompleteLifecycleAction (AccessDenied) began"},
		"unknown": {"ApiCallRateInsight", "DataRateInsight", "unusual activity of autoscaling:CompleteLifecycleAction (DataRateInsight) began"},
	} {
		t.Run(name, func(t *testing.T) {
			r := parseTrailEvent([]byte(strings.Replace(insightText, c.old, c.new, 1)), origin{})
			if !strings.HasPrefix(r.Message, c.want) {
				t.Errorf("got %q, want %q…", r.Message, c.want)
			}
		})
	}
	r := parseTrailEvent([]byte(strings.Replace(insightText, `"eventName":"CompleteLifecycleAction",`, "", 1)), origin{})
	if r.Attributes.Get(fleet.AttrUnreadable) == "" || !strings.HasPrefix(r.ID, "i-1!") {
		t.Errorf("an insight of nothing: %s, %s", r.ID, r.Message)
	}
}

// TestInsightsComeByEveryWay makes a burst of calls, and finds the insight that
// CloudTrail makes of it by the API, in the bucket, and in an event of the bus.
func TestInsightsComeByEveryWay(t *testing.T) {
	var ahead atomic.Int64 // what the stand-in's clock is ahead of the real one
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	s, cfg := standIn(t, localaws.Options{Now: now})
	deployer := cfg
	deployer.Credentials = credentials.NewStaticCredentialsProvider(localaws.BootstrapKey, localaws.BootstrapSecret, "")
	_, err := cloudtrail.NewFromConfig(deployer).PutInsightSelectors(t.Context(), &cloudtrail.PutInsightSelectorsInput{
		TrailName: aws.String("muster"), InsightSelectors: []types.InsightSelector{{InsightType: types.InsightTypeApiCallRateInsight}},
	})
	must(t, err)
	queues := sqs.NewFromConfig(deployer)
	create := func(n int) {
		t.Helper()
		for range n {
			_, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("events")})
			must(t, err)
		}
	}
	create(1)
	ahead.Add(int64(time.Minute))
	create(25)
	ahead.Add(int64(time.Minute))
	create(1)
	s.Drain()
	all := map[string]collected{}
	cs, err := Discover(t.Context(), Options{AWS: cfg, TrailBucket: s.TrailBucket(), Sources: []string{SourceCloudTrail, SourceTrail}, Now: now})
	must(t, err)
	for _, c := range cs {
		all[c.Stream()] = collect(t.Context(), c, fleet.Window{Start: now().Add(-time.Hour), End: now().Add(time.Second)})
	}
	var first string
	for _, stream := range []string{"cloudtrail/111122223333/us-east-1/insight", "trail/111122223333/us-east-1/muster-trail/CloudTrail-Insight"} {
		got := all[stream]
		fleet.Sort(got.records)
		if len(got.records) != 2 {
			t.Fatalf("%s: got %s, want a start and an end", stream, got.summary())
		}
		start, end := got.records[0], got.records[1]
		if start.Attributes.Get("insight.state") != "Start" || end.Attributes.Get("insight.state") != "End" || start.Seen.Request != end.Seen.Request || start.Service != "sqs" {
			t.Errorf("%s: got %q and %q", stream, start.Message, end.Message)
		}
		if first == "" {
			first = got.ids()
		}
		if got.ids() != first {
			t.Errorf("%s: the ids differ: %s", stream, got.ids())
		}
	}
	for _, stream := range []string{"cloudtrail/111122223333/us-east-1", "trail/111122223333/us-east-1/muster-trail"} {
		for _, r := range all[stream].records {
			if r.Attributes.Get(fleet.AttrEventCategory) == "Insight" {
				t.Errorf("%s has an insight too: %s", stream, r.Message)
			}
		}
	}
}

func TestInsightInAnEventAndInALogGroup(t *testing.T) {
	event := `{"version":"0","id":"x","detail-type":"AWS Insight via CloudTrail","source":"aws.cloudtrail","account":"111122223333",` +
		`"time":"2026-01-02T03:04:00Z","region":"us-east-1","resources":[],"detail":` + strings.ReplaceAll(insightText, "\n", "") + `}`
	path := filepath.Join(t.TempDir(), "event.json")
	must(t, os.WriteFile(path, []byte(event), 0o600))
	rs, _ := readFile(t, path)
	line := logEvent{EventID: "l-1", Message: strings.ReplaceAll(insightText, "\n", "")}
	for way, rs := range map[string][]fleet.Record{"event": rs, "line": line.records(origin{})} {
		if len(rs) != 1 || rs[0].ID != "i-1" || rs[0].Kind != fleet.KindAPICall || rs[0].Attributes.Get(fleet.AttrUnreadable) != "" {
			t.Errorf("%s: got %+v", way, rs)
		}
	}
	must(t, os.WriteFile(path, []byte(`{"Records":[`+insightText+`]}`), 0o600))
	if rs, _ := readFile(t, path); len(rs) != 1 || rs[0].ID != "i-1" {
		t.Errorf("file: got %+v", rs)
	}
}
