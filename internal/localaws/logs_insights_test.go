package localaws

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// insight runs a query of the minute around the clock to its end, and returns
// its rows as text.
func (s *telemetry) insight(t *testing.T, clock *handClock, query string) ([]string, *cloudwatchlogs.GetQueryResultsOutput) {
	t.Helper()
	now := clock.Now().Unix()
	begun, err := s.logs.StartQuery(t.Context(), &cloudwatchlogs.StartQueryInput{
		LogGroupName: aws.String(testGroup), QueryString: &query, StartTime: aws.Int64(now - 60), EndTime: aws.Int64(now + 60),
	})
	if err != nil {
		t.Fatal(err)
	}
	in := &cloudwatchlogs.GetQueryResultsInput{QueryId: begun.QueryId}
	if early, err := s.logs.GetQueryResults(t.Context(), in); err != nil || early.Status != types.QueryStatusScheduled || len(early.Results) != 0 {
		t.Fatalf("at once the query is %+v, %v", early, err)
	}
	clock.advance(queryTime)
	var rows []string
	for {
		out, err := s.logs.GetQueryResults(t.Context(), in)
		if err != nil || out.Status != types.QueryStatusComplete {
			t.Fatalf("the query is %+v, %v", out, err)
		}
		for _, r := range out.Results {
			var cells []string
			for _, f := range r {
				if *f.Field != "@ptr" {
					cells = append(cells, *f.Field+"="+*f.Value)
				}
			}
			rows = append(rows, strings.Join(cells, " "))
		}
		if in.NextToken = out.NextToken; out.NextToken == nil {
			return rows, out
		}
	}
}

func TestInsightsAnswersQueries(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now})
	s.createStreams(t, "a")
	s.putMessages(t, clock.Now(), `{"level":"ERROR","order":7}`, `{"level":"INFO","order":8}`, `{"level":"ERROR","order":9}`)
	rows, out := s.insight(t, clock, `fields @timestamp, order | filter level = "ERROR" | sort @timestamp desc | limit 10`)
	if want := "@timestamp=2026-11-24 12:00:00.002 order=9;@timestamp=2026-11-24 12:00:00.000 order=7"; strings.Join(rows, ";") != want {
		t.Errorf("rows %q, want %q", rows, want)
	}
	if out.Statistics.RecordsMatched != 2 || out.Statistics.RecordsScanned != 3 {
		t.Errorf("statistics %+v", out.Statistics)
	}
	if rows, _ := s.insight(t, clock, `stats count(*) as n by bin(1m), level | sort n desc | limit 1`); strings.Join(rows, ";") != "bin(1m)=2026-11-24 12:00:00.000 level=ERROR n=2" {
		t.Errorf("counted %q", rows)
	}
}

func TestInsightsPagesLongResults(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now})
	s.createStreams(t, "a")
	for range 3 {
		var lines []string
		for i := range 5000 {
			lines = append(lines, fmt.Sprint("line ", i))
		}
		s.putMessages(t, clock.Now(), lines...)
	}
	if rows, _ := s.insight(t, clock, "fields @message | limit 14000"); len(rows) != 14_000 {
		t.Errorf("%d rows", len(rows))
	}
}

func TestInsightsRefusesAndStops(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now})
	s.createStreams(t, "a")
	query := func(group, text string) error {
		_, err := s.logs.StartQuery(t.Context(), &cloudwatchlogs.StartQueryInput{
			LogGroupNames: []string{group}, QueryString: &text, StartTime: aws.Int64(1), EndTime: aws.Int64(2),
		})
		return err
	}
	wantCode(t, query("none", "fields @message"), "ResourceNotFoundException")
	wantCode(t, query(testGroup, "select *"), "MalformedQueryException")
	for range maxRunningQueries {
		if err := query(testGroup, "fields @message"); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, query(testGroup, "fields @message"), "LimitExceededException")
	all, err := s.logs.DescribeQueries(t.Context(), &cloudwatchlogs.DescribeQueriesInput{LogGroupName: aws.String(testGroup)})
	if err != nil || len(all.Queries) != maxRunningQueries || *all.Queries[0].QueryString != `SOURCE "`+testGroup+`" START=1000 END=2999 | fields @message` {
		t.Fatalf("queries %+v, %v", all.Queries[:1], err)
	}
	if _, err := s.logs.StopQuery(t.Context(), &cloudwatchlogs.StopQueryInput{QueryId: all.Queries[0].QueryId}); err != nil {
		t.Fatal(err)
	}
	if out, err := s.logs.GetQueryResults(t.Context(), &cloudwatchlogs.GetQueryResultsInput{QueryId: all.Queries[0].QueryId}); err != nil || out.Status != types.QueryStatusCancelled {
		t.Errorf("the stopped query is %+v, %v", out, err)
	}
	clock.advance(time.Minute)
	_, err = s.logs.StopQuery(t.Context(), &cloudwatchlogs.StopQueryInput{QueryId: all.Queries[1].QueryId})
	wantCode(t, err, "InvalidParameterException")
}

func TestLogGroupsAreTaggedRetainedAndDeleted(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a")
	s.putMessages(t, time.Now(), "a line")
	ctx, group, arn := t.Context(), aws.String(testGroup), aws.String("arn:aws:logs:us-east-1:111122223333:log-group:"+testGroup)
	if _, err := s.logs.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"team": "shop", "env": "test"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.logs.UntagResource(ctx, &cloudwatchlogs.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"env"}}); err != nil {
		t.Fatal(err)
	}
	if out, err := s.logs.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: arn}); err != nil || len(out.Tags) != 1 || out.Tags["team"] != "shop" {
		t.Errorf("tags %v, %v", out, err)
	}
	if _, err := s.logs.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: aws.Int32(14)}); err != nil {
		t.Fatal(err)
	}
	if out, err := s.logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{}); err != nil || aws.ToInt32(out.LogGroups[0].RetentionInDays) != 14 {
		t.Errorf("groups %+v, %v", out, err)
	}
	_, err := s.logs.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: aws.Int32(2)})
	wantCode(t, err, "InvalidParameterException")
	if _, err := s.logs.DeleteRetentionPolicy(ctx, &cloudwatchlogs.DeleteRetentionPolicyInput{LogGroupName: group}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: group}); err != nil {
		t.Fatal(err)
	}
	_, err = s.logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group})
	wantCode(t, err, "ResourceNotFoundException")
	if held := s.Server.logs.at(place{DefaultAccount, DefaultRegion}).held.Load(); held != 0 {
		t.Errorf("%d bytes are still held", held)
	}
}
