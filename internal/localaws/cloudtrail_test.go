package localaws

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
)

// found are the request ids of looked-up events, sorted.
func found(t *testing.T, events []types.Event) []string {
	t.Helper()
	var out []string
	for _, e := range events {
		var ev event
		if err := json.Unmarshal([]byte(*e.CloudTrailEvent), &ev); err != nil {
			t.Fatal(err)
		}
		if ev.EventID != *e.EventId || ev.EventName != *e.EventName {
			t.Errorf("event %s %s holds %s %s", *e.EventId, *e.EventName, ev.EventID, ev.EventName)
		}
		if ev.EventName != "LookupEvents" {
			out = append(out, ev.RequestID)
		}
	}
	slices.Sort(out)
	return out
}

func TestLookupEventsPagesNewestFirst(t *testing.T) {
	clock := newHandClock()
	s := start(t, Options{Now: clock.Now})
	var want []string
	for range 3 {
		want = append(want, identify(t, s, 40)...)
		clock.advance(1500 * time.Millisecond)
	}
	slices.Sort(want)
	events := lookup(t, s)
	if d := cmp.Diff(want, found(t, events)); d != "" {
		t.Errorf("requests (-want +got):\n%s", d)
	}
	if !slices.IsSortedFunc(events, func(a, b types.Event) int { return b.EventTime.Compare(*a.EventTime) }) {
		t.Error("the events are not newest first")
	}
	for _, e := range events {
		if e.EventTime.Nanosecond() != 0 {
			t.Errorf("an event's time is %v", e.EventTime)
		}
	}
}

func TestLookupEventsIsLateAndSurvivesTrouble(t *testing.T) {
	clock := newHandClock()
	s := start(t, Options{
		Now: clock.Now, Seed: 3, Delay: Delay{Lookup: time.Minute},
		Trouble: Trouble{Throttle: 0.2, Fail: 0.2, EmptyPage: 0.3, Repeat: 0.5, Late: 0.5},
	})
	want := identify(t, s, 200)
	slices.Sort(want)
	if early := found(t, lookup(t, s)); len(early) != 0 {
		t.Errorf("%d events can be looked up at once", len(early))
	}
	clock.advance(time.Minute)
	some := slices.Compact(found(t, lookup(t, s)))
	if len(some) == 0 || len(some) >= len(want) {
		t.Errorf("%d of %d events came in time, want some", len(some), len(want))
	}
	s.Drain()
	if d := cmp.Diff(want, slices.Compact(found(t, lookup(t, s)))); d != "" {
		t.Errorf("requests once drained (-want +got):\n%s", d)
	}
}

func TestLookupEventsSelects(t *testing.T) {
	clock := newHandClock()
	s := start(t, Options{Now: clock.Now})
	first := clock.Now()
	identify(t, s, 2)
	clock.advance(time.Minute)
	identify(t, s, 3)
	reader := cloudtrail.NewFromConfig(client(t, s, "AKIDREADER"))
	attribute := func(key types.LookupAttributeKey, value string) []types.LookupAttribute {
		return []types.LookupAttribute{{AttributeKey: key, AttributeValue: &value}}
	}
	for _, tt := range []struct {
		name string
		in   cloudtrail.LookupEventsInput
		want int
	}{
		{"to the first second, inclusive", cloudtrail.LookupEventsInput{EndTime: aws.Time(first)}, 2},
		{"from a fraction of the first second", cloudtrail.LookupEventsInput{StartTime: aws.Time(first.Add(500 * time.Millisecond)), EndTime: aws.Time(first.Add(time.Second))}, 2},
		{"from the next second", cloudtrail.LookupEventsInput{StartTime: aws.Time(first.Add(time.Second)), LookupAttributes: attribute("EventSource", "sts.amazonaws.com")}, 3},
		{"by name", cloudtrail.LookupEventsInput{LookupAttributes: attribute("EventName", "GetCallerIdentity")}, 5},
		{"by user", cloudtrail.LookupEventsInput{LookupAttributes: attribute("Username", "AKIDCALLER")}, 5},
		{"by key", cloudtrail.LookupEventsInput{LookupAttributes: attribute("AccessKeyId", "AKIDCALLER")}, 5},
		{"writes", cloudtrail.LookupEventsInput{LookupAttributes: attribute("ReadOnly", "false")}, 0},
		{"by another name", cloudtrail.LookupEventsInput{LookupAttributes: attribute("EventName", "AssumeRole")}, 0},
		{"by resource", cloudtrail.LookupEventsInput{LookupAttributes: attribute("ResourceName", "arn:aws:s3:::none")}, 0},
		{"insights", cloudtrail.LookupEventsInput{EventCategory: types.EventCategoryInsight}, 0},
	} {
		out, err := reader.LookupEvents(t.Context(), &tt.in)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if len(out.Events) != tt.want {
			t.Errorf("%s: %d events, want %d", tt.name, len(out.Events), tt.want)
		}
	}
}

func TestLookupEventsRefusesWhatAWSRefuses(t *testing.T) {
	s := start(t, Options{})
	identify(t, s, 2)
	reader := cloudtrail.NewFromConfig(client(t, s, "AKIDREADER"))
	two := make([]types.LookupAttribute, 2)
	for i := range two {
		two[i] = types.LookupAttribute{AttributeKey: "EventName", AttributeValue: aws.String("x")}
	}
	page, err := reader.LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(1)})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		in   cloudtrail.LookupEventsInput
		want string
	}{
		{cloudtrail.LookupEventsInput{MaxResults: aws.Int32(51)}, "InvalidMaxResultsException"},
		{cloudtrail.LookupEventsInput{NextToken: aws.String("x")}, "InvalidNextTokenException"},
		{cloudtrail.LookupEventsInput{NextToken: page.NextToken, EndTime: aws.Time(time.Now())}, "InvalidNextTokenException"},
		{cloudtrail.LookupEventsInput{LookupAttributes: two}, "InvalidLookupAttributesException"},
		{cloudtrail.LookupEventsInput{StartTime: aws.Time(time.Now()), EndTime: aws.Time(time.Now().Add(-time.Hour))}, "InvalidTimeRangeException"},
	} {
		_, err := reader.LookupEvents(t.Context(), &tt.in)
		wantCode(t, err, tt.want)
	}
}

func TestLookupEventsKnowsItsRegionOnly(t *testing.T) {
	s := start(t, Options{})
	identify(t, s, 1)
	cfg := client(t, s, "AKIDREADER")
	cfg.Region = "eu-central-1"
	out, err := cloudtrail.NewFromConfig(cfg).LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{})
	if err != nil || len(out.Events) != 0 {
		t.Errorf("another region has %v, %v", out, err)
	}
}

func TestLookupForgetsTheOldest(t *testing.T) {
	s := start(t, Options{})
	s.trail.lookup = make([]*recorded, maxLookup)
	identify(t, s, 1)
	if n := len(s.trail.lookup); n != maxLookup-maxLookup/10+1 {
		t.Errorf("%d events are kept", n)
	}
}

func TestDataEventsAreInTheTrailOnly(t *testing.T) {
	s, items := newTestTable(t)
	put(t, items, map[string]dynamotypes.AttributeValue{"pk": text("a"), "n": number("1"), "secret": text("x")})
	if n := len(found(t, lookup(t, s))); n != 1 {
		t.Errorf("%d events can be looked up, want CreateTable's only", n)
	}
	events := trailEvents(t, s)
	i := slices.IndexFunc(events, func(ev event) bool { return ev.EventName == "PutItem" })
	if i < 0 {
		t.Fatal("the trail has no PutItem")
	}
	want := map[string]any{
		"tableName": "orders", "key": map[string]any{"pk": "a", "n": "1"}, "item": []any{"n", "pk", "secret"},
	}
	if d := cmp.Diff(any(want), events[i].RequestParameters); d != "" {
		t.Errorf("PutItem's parameters (-want +got):\n%s", d)
	}
	wantResources := []eventResource{{DefaultAccount, "AWS::DynamoDB::Table", "arn:aws:dynamodb:us-east-1:111122223333:table/orders"}}
	if d := cmp.Diff(wantResources, events[i].Resources); d != "" {
		t.Errorf("PutItem's resources (-want +got):\n%s", d)
	}
	if events[i].ManagementEvent || events[i].ReadOnly || events[i].EventCategory != "Data" {
		t.Errorf("PutItem is %+v", events[i])
	}
}

func TestRefusedCallsAreRecordedWithTheirError(t *testing.T) {
	s, items := newTestTable(t)
	_, err := items.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("none")})
	wantCode(t, err, "ResourceNotFoundException")
	for _, ev := range trailEvents(t, s) {
		if ev.EventName != "DescribeTable" {
			continue
		}
		if ev.ErrorCode != "ResourceNotFoundException" || ev.ErrorMessage == "" || !ev.ReadOnly || ev.ResponseElements != nil {
			t.Errorf("the event is %+v", ev)
		}
		return
	}
	t.Error("the call left no event")
}

func TestTheTrailDescribesItself(t *testing.T) {
	s := start(t, Options{})
	reader := cloudtrail.NewFromConfig(client(t, s, "AKIDREADER"))
	trails, err := reader.DescribeTrails(t.Context(), &cloudtrail.DescribeTrailsInput{})
	if err != nil {
		t.Fatal(err)
	}
	if len(trails.TrailList) != 1 || *trails.TrailList[0].S3BucketName != s.TrailBucket() {
		t.Fatalf("the trails are %+v", trails.TrailList)
	}
	arn := trails.TrailList[0].TrailARN
	status, err := reader.GetTrailStatus(t.Context(), &cloudtrail.GetTrailStatusInput{Name: arn})
	if err != nil || !*status.IsLogging {
		t.Errorf("the trail's status is %v, %v", status, err)
	}
	selectors, err := reader.GetEventSelectors(t.Context(), &cloudtrail.GetEventSelectorsInput{TrailName: arn})
	if err != nil || len(selectors.AdvancedEventSelectors) != 5 {
		t.Errorf("the trail's selectors are %v, %v", selectors, err)
	}
	_, err = reader.GetTrailStatus(t.Context(), &cloudtrail.GetTrailStatusInput{Name: aws.String("other")})
	wantCode(t, err, "TrailNotFoundException")
}
