package localaws

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/google/go-cmp/cmp"
)

const testGroup = "/muster/orders"

// createStreams makes the test's group with these streams.
func (s *telemetry) createStreams(t *testing.T, streams ...string) {
	t.Helper()
	_, err := s.logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String(testGroup)})
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range streams {
		_, err := s.logs.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{
			LogGroupName: aws.String(testGroup), LogStreamName: aws.String(stream),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// putLines sends one batch; each line's message is its offset and the stream.
func (s *telemetry) putLines(t *testing.T, stream string, base time.Time, offsets ...int64) *cloudwatchlogs.PutLogEventsOutput {
	t.Helper()
	in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: aws.String(testGroup), LogStreamName: aws.String(stream)}
	for _, o := range offsets {
		in.LogEvents = append(in.LogEvents, types.InputLogEvent{
			Timestamp: aws.Int64(base.UnixMilli() + o), Message: aws.String(fmt.Sprintf("%d %s", o, stream)),
		})
	}
	out, err := s.logs.PutLogEvents(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// read pages through a window and returns the messages, the ids and the
// number of pages.
func (s *telemetry) read(t *testing.T, in cloudwatchlogs.FilterLogEventsInput) (messages, ids []string, pages int) {
	t.Helper()
	in.LogGroupName = aws.String(testGroup)
	for p := cloudwatchlogs.NewFilterLogEventsPaginator(s.logs, &in); p.HasMorePages(); pages++ {
		out, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range out.Events {
			messages = append(messages, *e.Message)
			ids = append(ids, *e.EventId)
		}
	}
	return messages, ids, pages
}

func TestFilterLogEventsMergesStreamsInTimeOrder(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now})
	s.createStreams(t, "a", "b")
	s.putLines(t, "a", clock.Now(), 1, 3, 3, 5)
	s.putLines(t, "b", clock.Now(), 2, 3, 4)

	messages, ids, pages := s.read(t, cloudwatchlogs.FilterLogEventsInput{Limit: aws.Int32(2)})
	want := []string{"1 a", "2 b", "3 a", "3 a", "3 b", "4 b", "5 a"}
	if diff := cmp.Diff(want, messages); diff != "" {
		t.Error(diff)
	}
	if pages != 4 {
		t.Errorf("got %d pages, want 4", pages)
	}
	unique := map[string]bool{}
	for _, id := range ids {
		unique[id] = len(id) == 56
	}
	if len(unique) != len(want) {
		t.Errorf("ids are not unique: %v", ids)
	}
	_, again, _ := s.read(t, cloudwatchlogs.FilterLogEventsInput{})
	if diff := cmp.Diff(ids, again); diff != "" {
		t.Errorf("ids changed between readings: %s", diff)
	}
}

func TestFilterLogEventsSelects(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now})
	s.createStreams(t, "api", "api-2", "job")
	s.putLines(t, "api", clock.Now(), 0, 10)
	s.putLines(t, "api-2", clock.Now(), 20)
	s.putLines(t, "job", clock.Now(), 30, 40)
	at := func(offset int64) *int64 { return aws.Int64(clock.Now().UnixMilli() + offset) }

	for name, tt := range map[string]struct {
		in   cloudwatchlogs.FilterLogEventsInput
		want []string
	}{
		"both ends inclusive": {cloudwatchlogs.FilterLogEventsInput{StartTime: at(10), EndTime: at(30)}, []string{"10 api", "20 api-2", "30 job"}},
		"stream names":        {cloudwatchlogs.FilterLogEventsInput{LogStreamNames: []string{"job", "api"}}, []string{"0 api", "10 api", "30 job", "40 job"}},
		"stream prefix":       {cloudwatchlogs.FilterLogEventsInput{LogStreamNamePrefix: aws.String("api")}, []string{"0 api", "10 api", "20 api-2"}},
		"all terms":           {cloudwatchlogs.FilterLogEventsInput{FilterPattern: aws.String(`job 40`)}, []string{"40 job"}},
		"phrase":              {cloudwatchlogs.FilterLogEventsInput{FilterPattern: aws.String(`"0 api-2"`)}, []string{"20 api-2"}},
		"nothing there":       {cloudwatchlogs.FilterLogEventsInput{StartTime: at(41)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, _ := s.read(t, tt.in)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFilterLogEventsEndsAPageAtOneMegabyte(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now})
	s.createStreams(t, "a")
	for i := range 5 {
		_, err := s.logs.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{
			LogGroupName: aws.String(testGroup), LogStreamName: aws.String("a"),
			LogEvents: []types.InputLogEvent{{
				Timestamp: aws.Int64(clock.Now().UnixMilli()),
				Message:   aws.String(strings.Repeat(fmt.Sprint(i), 500_000)),
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if messages, _, pages := s.read(t, cloudwatchlogs.FilterLogEventsInput{}); len(messages) != 5 || pages != 3 {
		t.Errorf("got %d events on %d pages, want 5 on 3", len(messages), pages)
	}
}

func TestFilterLogEventsLosesNothingOnEmptyAndRepeatedPages(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now, Seed: 3, Trouble: Trouble{EmptyPage: 0.5, Repeat: 0.5}})
	s.createStreams(t, "a")
	for i := range int64(30) {
		s.putLines(t, "a", clock.Now(), i)
	}
	messages, ids, pages := s.read(t, cloudwatchlogs.FilterLogEventsInput{Limit: aws.Int32(3)})
	unique := map[string]bool{}
	for _, id := range ids {
		unique[id] = true
	}
	if len(unique) != 30 || len(messages) == 30 || pages < 15 {
		t.Errorf("got %d events, %d of them distinct, on %d pages", len(messages), len(unique), pages)
	}
}

func TestLogEventsAppearLateAndOutOfOrder(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now, Seed: 1, Delay: Delay{Logs: time.Second}, Trouble: Trouble{Late: 0.5}})
	s.createStreams(t, "a")
	var all []string
	for i := range int64(20) {
		s.putLines(t, "a", clock.Now(), i)
		all = append(all, fmt.Sprintf("%d a", i))
	}
	count := func() int {
		messages, _, _ := s.read(t, cloudwatchlogs.FilterLogEventsInput{})
		return len(messages)
	}
	if n := count(); n != 0 {
		t.Fatalf("%d events were visible at once", n)
	}
	clock.advance(time.Second)
	if n := count(); n == 0 || n == 20 {
		t.Fatalf("%d events were visible after the usual delay, want some", n)
	}
	s.putLines(t, "a", clock.Now(), 0)
	s.Drain()
	messages, _, _ := s.read(t, cloudwatchlogs.FilterLogEventsInput{})
	if diff := cmp.Diff(append(all, "0 a"), messages); diff != "" {
		t.Errorf("after draining: %s", diff)
	}
}

func TestFilterLogEventsTokens(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now})
	s.createStreams(t, "a")
	s.putLines(t, "a", clock.Now(), 1, 2)
	filter := func(pattern, token *string) (*cloudwatchlogs.FilterLogEventsOutput, error) {
		return s.logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{
			LogGroupName: aws.String(testGroup), Limit: aws.Int32(1), FilterPattern: pattern, NextToken: token,
		})
	}
	first, err := filter(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filter(nil, first.NextToken); err != nil {
		t.Errorf("a fresh token: %v", err)
	}
	_, err = filter(aws.String("other"), first.NextToken)
	wantCode(t, err, "InvalidParameterException")
	_, err = filter(nil, aws.String("made-up"))
	wantCode(t, err, "InvalidParameterException")
	clock.advance(pageTokenLife)
	_, err = filter(nil, first.NextToken)
	wantCode(t, err, "InvalidParameterException")
}

func TestFilterLogEventsRefuses(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a")
	group := aws.String(testGroup)
	for name, tt := range map[string]struct {
		in   cloudwatchlogs.FilterLogEventsInput
		code string
	}{
		"pattern":            {cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, FilterPattern: aws.String(`{ $.level = "error"`)}, "InvalidParameterException"},
		"limit":              {cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, Limit: aws.Int32(10_001)}, "InvalidParameterException"},
		"end before start":   {cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, StartTime: aws.Int64(2), EndTime: aws.Int64(1)}, "InvalidParameterException"},
		"negative start":     {cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, StartTime: aws.Int64(-1)}, "InvalidParameterException"},
		"newest first":       {cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, StartFromHead: aws.Bool(false)}, "InvalidParameterException"},
		"names and prefix":   {cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, LogStreamNames: []string{"a"}, LogStreamNamePrefix: group}, "InvalidParameterException"},
		"name and ARN":       {cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, LogGroupIdentifier: group}, "InvalidParameterException"},
		"no group":           {cloudwatchlogs.FilterLogEventsInput{}, "InvalidParameterException"},
		"unknown group":      {cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("other")}, "ResourceNotFoundException"},
		"unknown group, ARN": {cloudwatchlogs.FilterLogEventsInput{LogGroupIdentifier: aws.String("arn:aws:logs:us-east-1:111122223333:log-group:other")}, "ResourceNotFoundException"},
		"unknown stream":     {cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, LogStreamNames: []string{"a", "b"}}, "ResourceNotFoundException"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.logs.FilterLogEvents(t.Context(), &tt.in)
			wantCode(t, err, tt.code)
		})
	}
}

func TestFilterLogEventsTakesTheGroupsARN(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a")
	s.putLines(t, "a", time.Now(), 0)
	out, err := s.logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{
		LogGroupIdentifier: aws.String("arn:aws:logs:us-east-1:111122223333:log-group:" + testGroup),
	})
	if err != nil || len(out.Events) != 1 {
		t.Fatalf("got %v, %v", out, err)
	}
}

func TestLogEventsSurviveConcurrentWritersAndReaders(t *testing.T) {
	s := startTelemetry(t, Options{Delay: Delay{Logs: time.Millisecond}})
	s.createStreams(t, "a", "b", "c", "d")
	var writers sync.WaitGroup
	for _, stream := range []string{"a", "b", "c", "d"} {
		writers.Go(func() {
			for i := range int64(25) {
				s.putLines(t, stream, time.Now(), i)
				s.read(t, cloudwatchlogs.FilterLogEventsInput{})
			}
		})
	}
	writers.Wait()
	s.Drain()
	if messages, _, _ := s.read(t, cloudwatchlogs.FilterLogEventsInput{}); len(messages) != 100 {
		t.Errorf("got %d events, want 100", len(messages))
	}
}
