//go:build engines

package engines

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"
	"github.com/google/go-cmp/cmp"

	"muster/internal/localaws"
)

// querier asks a stand-in's Athena as any program does.
type querier struct {
	*athena.Client
	t *testing.T
}

func newQuerier(t *testing.T) querier {
	t.Helper()
	endpoint := start(t, localaws.Options{TrinoURL: engine.URL()})
	return querier{athena.New(athena.Options{
		Region: localaws.DefaultRegion, BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(localaws.BootstrapKey, localaws.BootstrapSecret, ""),
	}), t}
}

func input(sql string) *athena.StartQueryExecutionInput {
	return &athena.StartQueryExecutionInput{
		QueryString:           aws.String(sql),
		QueryExecutionContext: &types.QueryExecutionContext{Database: aws.String("muster"), Catalog: aws.String("AwsDataCatalog")},
		ResultConfiguration:   &types.ResultConfiguration{OutputLocation: aws.String("s3://results/here/")},
	}
}

// run runs a statement to whatever end it has.
func (q querier) run(in *athena.StartQueryExecutionInput) *types.QueryExecution {
	q.t.Helper()
	begun, err := q.StartQueryExecution(q.t.Context(), in)
	if err != nil {
		q.t.Fatal(err)
	}
	return q.wait(aws.ToString(begun.QueryExecutionId))
}

func (q querier) wait(id string) *types.QueryExecution {
	q.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := q.GetQueryExecution(q.t.Context(), &athena.GetQueryExecutionInput{QueryExecutionId: &id})
		if err != nil {
			q.t.Fatal(err)
		}
		switch got.QueryExecution.Status.State {
		case types.QueryExecutionStateQueued, types.QueryExecutionStateRunning:
		default:
			return got.QueryExecution
		}
		select {
		case <-q.t.Context().Done():
			q.t.Fatal(q.t.Context().Err())
		case <-tick.C:
		}
	}
}

// pageRows are the rows of a page of results, the most that Athena gives.
const pageRows = 1000

// succeed runs a statement that must go well and returns its results.
func (q querier) succeed(in *athena.StartQueryExecutionInput) (*types.QueryExecution, [][]string) {
	q.t.Helper()
	e := q.run(in)
	if e.Status.State != types.QueryExecutionStateSucceeded {
		q.t.Fatalf("%s: %s", e.Status.State, aws.ToString(e.Status.StateChangeReason))
	}
	var rows [][]string
	pages := athena.NewGetQueryResultsPaginator(q.Client, &athena.GetQueryResultsInput{QueryExecutionId: e.QueryExecutionId, MaxResults: aws.Int32(pageRows)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(q.t.Context())
		if err != nil {
			q.t.Fatal(err)
		}
		for _, row := range page.ResultSet.Rows {
			var cells []string
			for _, cell := range row.Data {
				if cell.VarCharValue == nil {
					cells = append(cells, "(null)")
					continue
				}
				cells = append(cells, *cell.VarCharValue)
			}
			rows = append(rows, cells)
		}
	}
	return e, rows
}

func TestResultsReadAsAthenaPrintsThem(t *testing.T) {
	q := newQuerier(t)
	e, rows := q.succeed(input(`SELECT 'a' AS s, CAST(NULL AS varchar) AS n, 1 AS i, 1e20 AS d, DECIMAL '1.50' AS m,
		TIMESTAMP '2026-11-25 23:59:59.999999' AS t, TIMESTAMP '2026-11-25 23:59:59.999999 UTC' AS z,
		ARRAY['x', NULL] AS l, MAP(ARRAY['k'], ARRAY[1]) AS o, CAST(ROW(1, 'x') AS row(id integer, name varchar)) AS r`))
	want := [][]string{
		{"s", "n", "i", "d", "m", "t", "z", "l", "o", "r"},
		{
			"a", "(null)", "1", "1.0E20", "1.50", "2026-11-25 23:59:59.999", "2026-11-25 23:59:59.999 UTC",
			"[x, null]", "{k=1}", "{id=1, name=x}",
		},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if e.StatementType != types.StatementTypeDml || aws.ToString(e.QueryExecutionContext.Catalog) != "awsdatacatalog" {
		t.Errorf("execution: %v %v", e.StatementType, e.QueryExecutionContext)
	}
	results, err := q.GetQueryResults(t.Context(), &athena.GetQueryResultsInput{QueryExecutionId: e.QueryExecutionId})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, c := range results.ResultSet.ResultSetMetadata.ColumnInfo {
		kinds = append(kinds, aws.ToString(c.Type))
	}
	if got := strings.Join(kinds, " "); got != "varchar varchar integer double decimal timestamp timestamp with time zone array map row" {
		t.Errorf("types: %s", got)
	}
}

func TestLongResultsComeInPages(t *testing.T) {
	_, rows := newQuerier(t).succeed(input("SELECT n FROM UNNEST(sequence(1, 2500)) AS t (n) ORDER BY n"))
	if len(rows) != 2501 || rows[0][0] != "n" || rows[2500][0] != "2500" {
		t.Errorf("%d rows, from %v to %v", len(rows), rows[0], rows[len(rows)-1])
	}
}

func TestExecutionParametersAreBound(t *testing.T) {
	in := input("SELECT ? AS a, ? AS b, ? AS c, '?' AS d")
	in.ExecutionParameters = []string{"'it''s'", "1 + 1", "plain text"}
	_, rows := newQuerier(t).succeed(in)
	if diff := cmp.Diff([][]string{{"a", "b", "c", "d"}, {"it's", "2", "plain text", "?"}}, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestBadStatementsFailAsInAthena(t *testing.T) {
	q := newQuerier(t)
	_, err := q.StartQueryExecution(t.Context(), input("SELEC 1"))
	refused, ok := errors.AsType[*types.InvalidRequestException](err)
	if !ok || aws.ToString(refused.AthenaErrorCode) != "MALFORMED_QUERY" || !strings.HasPrefix(aws.ToString(refused.Message), "line 1:1: mismatched input 'SELEC'") {
		t.Errorf("bad syntax: %v", err)
	}
	e := q.run(input("SELECT * FROM nowhere"))
	want := "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.muster.nowhere' does not exist"
	if e.Status.State != types.QueryExecutionStateFailed || aws.ToString(e.Status.StateChangeReason) != want ||
		aws.ToInt32(e.Status.AthenaError.ErrorType) != 1301 {
		t.Errorf("no table: %s %q %+v", e.Status.State, aws.ToString(e.Status.StateChangeReason), e.Status.AthenaError)
	}
	_, err = q.GetQueryResults(t.Context(), &athena.GetQueryResultsInput{QueryExecutionId: e.QueryExecutionId})
	if err == nil || !strings.Contains(err.Error(), "Query did not finish successfully. Final query state: FAILED") {
		t.Errorf("results of a failed statement: %v", err)
	}
}

func TestStoppedQueriesAreCancelledInTheEngine(t *testing.T) {
	q := newQuerier(t)
	begun, err := q.StartQueryExecution(t.Context(), input(
		"SELECT count(*) FROM UNNEST(sequence(1, 9000)) a (x) CROSS JOIN UNNEST(sequence(1, 9000)) b (y) CROSS JOIN UNNEST(sequence(1, 9000)) c (z) /* long */"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.StopQueryExecution(t.Context(), &athena.StopQueryExecutionInput{QueryExecutionId: begun.QueryExecutionId}); err != nil {
		t.Fatal(err)
	}
	e := q.wait(aws.ToString(begun.QueryExecutionId))
	if e.Status.State != types.QueryExecutionStateCancelled || aws.ToString(e.Status.StateChangeReason) != "Query cancelled by user" {
		t.Errorf("stopped: %s %s", e.Status.State, aws.ToString(e.Status.StateChangeReason))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		result, err := engine.Query(ctx, "SELECT query FROM system.runtime.queries WHERE state IN ('QUEUED', 'RUNNING', 'PLANNING') AND query LIKE '%/* long */'")
		if err != nil {
			t.Fatal(err)
		}
		if len(result.Rows) == 0 {
			return
		}
	}
}

func TestTokensAndReuseRunAStatementOnce(t *testing.T) {
	q := newQuerier(t)
	in := input("SELECT random() AS once")
	in.ClientRequestToken = aws.String(strings.Repeat("t", 32))
	first, rows := q.succeed(in)
	if again := q.run(in); *again.QueryExecutionId != *first.QueryExecutionId {
		t.Error("the same token began another execution")
	}
	other := input("SELECT 2")
	other.ClientRequestToken = in.ClientRequestToken
	if _, err := q.StartQueryExecution(t.Context(), other); err == nil || !strings.Contains(err.Error(), "Idempotent parameters do not match") {
		t.Errorf("one token for two statements: %v", err)
	}
	in.ClientRequestToken = nil
	in.ResultReuseConfiguration = &types.ResultReuseConfiguration{
		ResultReuseByAgeConfiguration: &types.ResultReuseByAgeConfiguration{Enabled: true, MaxAgeInMinutes: aws.Int32(5)},
	}
	reused, same := q.succeed(in)
	if diff := cmp.Diff(rows, same); diff != "" || !reused.Statistics.ResultReuseInformation.ReusedPreviousResult {
		t.Errorf("reused: %v (-first +again):\n%s", reused.Statistics.ResultReuseInformation, diff)
	}
}

func TestWorkGroupsLimitWhatIsRead(t *testing.T) {
	q := newQuerier(t)
	q.succeed(input(`CREATE TABLE ids AS SELECT CAST(uuid() AS varchar) AS a, CAST(uuid() AS varchar) AS b
		FROM UNNEST(sequence(1, 600)) x (x) CROSS JOIN UNNEST(sequence(1, 500)) y (y)`))
	const limit = 10_000_000
	if _, err := q.CreateWorkGroup(t.Context(), &athena.CreateWorkGroupInput{
		Name: aws.String("frugal"), Configuration: &types.WorkGroupConfiguration{
			ResultConfiguration:        &types.ResultConfiguration{OutputLocation: aws.String("s3://group/")},
			BytesScannedCutoffPerQuery: aws.Int64(limit),
		},
	}); err != nil {
		t.Fatal(err)
	}
	const all = "SELECT max(a), max(b) FROM ids"
	free, _ := q.succeed(input(all))
	if scanned := aws.ToInt64(free.Statistics.DataScannedInBytes); scanned < limit {
		t.Fatalf("%d bytes scanned, of a table that should have more than %d", scanned, limit)
	}
	wide := input(all) // the client writes its token into what it is given
	wide.WorkGroup = aws.String("frugal")
	e := q.run(wide)
	if e.Status.State != types.QueryExecutionStateCancelled || aws.ToString(e.Status.StateChangeReason) != "Bytes scanned limit was exceeded" {
		t.Errorf("over the limit: %s %s", e.Status.State, aws.ToString(e.Status.StateChangeReason))
	}
	narrow := input("SELECT count(*) FROM ids")
	narrow.WorkGroup = aws.String("frugal")
	cheap, rows := q.succeed(narrow)
	if rows[1][0] != "300000" || !strings.HasPrefix(aws.ToString(cheap.ResultConfiguration.OutputLocation), "s3://group/") {
		t.Errorf("under the limit: %v, results at %s", rows, aws.ToString(cheap.ResultConfiguration.OutputLocation))
	}
}
