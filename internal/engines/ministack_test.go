//go:build engines

package engines

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

func TestMinistackRunsAStatement(t *testing.T) {
	ministack := started(t, StartMinistack)
	client := athena.New(athena.Options{
		Region: Region, BaseEndpoint: aws.String(ministack.URL()), Credentials: credentials.NewStaticCredentialsProvider(Key, Secret, ""),
	})
	ctx := t.Context()
	if err := ministack.MakeBucket(ctx, "results"); err != nil {
		t.Fatal(err)
	}
	begun, err := client.StartQueryExecution(ctx, &athena.StartQueryExecutionInput{
		QueryString: aws.String("SELECT 6 * 7 AS answer"), ResultConfiguration: &types.ResultConfiguration{OutputLocation: aws.String("s3://results/")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range time.Tick(100 * time.Millisecond) {
		got, err := client.GetQueryExecution(ctx, &athena.GetQueryExecutionInput{QueryExecutionId: begun.QueryExecutionId})
		if err != nil {
			t.Fatal(err)
		}
		if state := got.QueryExecution.Status.State; state == types.QueryExecutionStateSucceeded {
			break
		} else if state == types.QueryExecutionStateFailed {
			t.Fatal(aws.ToString(got.QueryExecution.Status.StateChangeReason))
		}
	}
	results, err := client.GetQueryResults(ctx, &athena.GetQueryResultsInput{QueryExecutionId: begun.QueryExecutionId})
	if err != nil {
		t.Fatal(err)
	}
	var cells []string
	for _, row := range results.ResultSet.Rows {
		for _, cell := range row.Data {
			cells = append(cells, aws.ToString(cell.VarCharValue))
		}
	}
	if got := strings.Join(cells, " "); got != "answer 42" {
		t.Errorf("results are %q", got)
	}
}

// TestPagesReachWhatMinistackCutsOff puts more than a page holds of lines and of
// calls, and reads all of both.
func TestPagesReachWhatMinistackCutsOff(t *testing.T) {
	ministack := started(t, StartMinistack)
	ctx, transport := t.Context(), http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	cfg := aws.Config{
		Region: Region, BaseEndpoint: aws.String(ministack.URL()), Credentials: credentials.NewStaticCredentialsProvider(Key, Secret, ""),
		HTTPClient: Pages{Client: &http.Client{Transport: transport}},
	}
	logs, group, stream := cloudwatchlogs.NewFromConfig(cfg), aws.String("/g"), aws.String("s")
	if _, err := logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group}); err != nil {
		t.Fatal(err)
	}
	if _, err := logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream}); err != nil {
		t.Fatal(err)
	}
	const puts, lines = 60, 350
	from := time.Now().Add(-time.Minute).UnixMilli()
	for p := range puts {
		in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: group, LogStreamName: stream}
		for n := range lines {
			in.LogEvents = append(in.LogEvents, logtypes.InputLogEvent{
				Timestamp: aws.Int64(from + int64(p)), Message: aws.String(fmt.Sprint(p*lines + n)), // many at one time
			})
		}
		if _, err := logs.PutLogEvents(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	read, pages := map[string]bool{}, 0
	for p := cloudwatchlogs.NewFilterLogEventsPaginator(logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group}); p.HasMorePages(); pages++ {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			read[*e.Message] = true
		}
	}
	if len(read) != puts*lines || pages < 3 {
		t.Errorf("%d of %d lines on %d pages", len(read), puts*lines, pages)
	}
	calls := map[string]bool{}
	for p := cloudtrail.NewLookupEventsPaginator(cloudtrail.NewFromConfig(cfg), &cloudtrail.LookupEventsInput{}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			if *e.EventName == "PutLogEvents" {
				calls[*e.EventId] = true
			}
		}
	}
	if len(calls) != puts {
		t.Errorf("%d of %d calls", len(calls), puts)
	}
}
