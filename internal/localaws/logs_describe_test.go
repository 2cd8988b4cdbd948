package localaws

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestDescribeLogGroupsPages(t *testing.T) {
	s := startTelemetry(t, Options{})
	var want []string
	for i := range 120 {
		name := fmt.Sprintf("/muster/%03d", i)
		want = append(want, name)
		if _, err := s.logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name}); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		in    cloudwatchlogs.DescribeLogGroupsInput
		want  []string
		pages int
	}{
		"all":     {cloudwatchlogs.DescribeLogGroupsInput{}, want, 3},
		"prefix":  {cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("/muster/00")}, want[:10], 1},
		"limit":   {cloudwatchlogs.DescribeLogGroupsInput{Limit: aws.Int32(30)}, want, 4},
		"pattern": {cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePattern: aws.String("TER/11")}, want[110:], 1},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			pages := 0
			for p := cloudwatchlogs.NewDescribeLogGroupsPaginator(s.logs, &tt.in); p.HasMorePages(); pages++ {
				out, err := p.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, g := range out.LogGroups {
					got = append(got, *g.LogGroupName)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if pages != tt.pages {
				t.Errorf("got %d pages, want %d", pages, tt.pages)
			}
		})
	}
}

func TestDescribeLogGroupsRefuses(t *testing.T) {
	s := startTelemetry(t, Options{})
	for name, in := range map[string]cloudwatchlogs.DescribeLogGroupsInput{
		"limit":              {Limit: aws.Int32(51)},
		"token":              {NextToken: aws.String("made-up")},
		"prefix and pattern": {LogGroupNamePrefix: aws.String("a"), LogGroupNamePattern: aws.String("abc")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.logs.DescribeLogGroups(t.Context(), &in)
			wantCode(t, err, "InvalidParameterException")
		})
	}
}

func TestDescribeTellsWhatWasWritten(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now})
	s.createStreams(t, "a")
	created := clock.Now().UnixMilli()
	clock.advance(time.Minute)
	s.putLines(t, "a", clock.Now(), 0, 5)

	groups, err := s.logs.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{})
	if err != nil {
		t.Fatal(err)
	}
	arn := "arn:aws:logs:us-east-1:111122223333:log-group:" + testGroup
	wantGroups := []types.LogGroup{{
		LogGroupName: aws.String(testGroup), CreationTime: &created, Arn: aws.String(arn + ":*"), LogGroupArn: &arn,
		LogGroupClass: types.LogGroupClassStandard, MetricFilterCount: aws.Int32(0),
		StoredBytes: aws.Int64(2 * (3 + 26)), DeletionProtectionEnabled: aws.Bool(false),
	}}
	if diff := cmp.Diff(wantGroups, groups.LogGroups, cmpopts.IgnoreUnexported(types.LogGroup{})); diff != "" {
		t.Error(diff)
	}
	streams, err := s.logs.DescribeLogStreams(t.Context(), &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: aws.String(testGroup)})
	if err != nil {
		t.Fatal(err)
	}
	now := clock.Now().UnixMilli()
	wantStreams := []types.LogStream{{
		LogStreamName: aws.String("a"), CreationTime: &created, Arn: aws.String(arn + ":log-stream:a"),
		FirstEventTimestamp: aws.Int64(now), LastEventTimestamp: aws.Int64(now + 5), LastIngestionTime: aws.Int64(now),
		StoredBytes: aws.Int64(0),
	}}
	ignore := cmpopts.IgnoreFields(types.LogStream{}, "UploadSequenceToken")
	if diff := cmp.Diff(wantStreams, streams.LogStreams, cmpopts.IgnoreUnexported(types.LogStream{}), ignore); diff != "" {
		t.Error(diff)
	}
}

func TestDescribeLogStreamsOrders(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now})
	s.createStreams(t, "a", "b", "c", "d")
	s.putLines(t, "a", clock.Now(), 3)
	s.putLines(t, "b", clock.Now(), 1)
	s.putLines(t, "c", clock.Now(), 1)

	for name, tt := range map[string]struct {
		in   cloudwatchlogs.DescribeLogStreamsInput
		want []string
	}{
		"by name":             {cloudwatchlogs.DescribeLogStreamsInput{}, []string{"a", "b", "c", "d"}},
		"by name, descending": {cloudwatchlogs.DescribeLogStreamsInput{Descending: aws.Bool(true)}, []string{"d", "c", "b", "a"}},
		"by last event":       {cloudwatchlogs.DescribeLogStreamsInput{OrderBy: types.OrderByLastEventTime}, []string{"d", "b", "c", "a"}},
		"prefix":              {cloudwatchlogs.DescribeLogStreamsInput{LogStreamNamePrefix: aws.String("b")}, []string{"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.in.LogGroupName, tt.in.Limit = aws.String(testGroup), aws.Int32(1)
			var got []string
			for p := cloudwatchlogs.NewDescribeLogStreamsPaginator(s.logs, &tt.in); p.HasMorePages(); {
				out, err := p.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, st := range out.LogStreams {
					got = append(got, *st.LogStreamName)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	_, err := s.logs.DescribeLogStreams(t.Context(), &cloudwatchlogs.DescribeLogStreamsInput{
		LogGroupName: aws.String(testGroup), OrderBy: types.OrderByLastEventTime, LogStreamNamePrefix: aws.String("a"),
	})
	wantCode(t, err, "InvalidParameterException")
	_, err = s.logs.DescribeLogStreams(t.Context(), &cloudwatchlogs.DescribeLogStreamsInput{
		LogGroupName: aws.String(testGroup), LogGroupIdentifier: aws.String(testGroup),
	})
	wantCode(t, err, "ValidationException")
}
