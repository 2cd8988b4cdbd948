//go:build engines

package engines

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"
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
