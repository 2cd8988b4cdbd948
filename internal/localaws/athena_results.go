package localaws

import (
	"context"
	"strconv"
	"strings"

	"muster/internal/localaws/trino"
)

// queryExecution is an execution as AWS shows it.
type queryExecution struct {
	QueryExecutionID         string `json:"QueryExecutionId"`
	Query                    string
	StatementType            string
	SubstatementType         string `json:",omitempty"`
	ResultConfiguration      map[string]string
	ResultReuseConfiguration *resultReuse `json:",omitempty"`
	QueryExecutionContext    queryContext
	Status                   executionStatus
	Statistics               executionStatistics
	WorkGroup                string
	EngineVersion            engineVersion
	ExecutionParameters      []string `json:",omitempty"`
}

type executionStatus struct {
	State              string
	StateChangeReason  string `json:",omitempty"`
	SubmissionDateTime timestamp
	CompletionDateTime timestamp    `json:",omitzero"`
	AthenaError        *athenaError `json:",omitempty"`
}

type executionStatistics struct {
	EngineExecutionTimeInMillis      int64
	DataScannedInBytes               int64
	TotalExecutionTimeInMillis       int64
	QueryQueueTimeInMillis           int64
	QueryPlanningTimeInMillis        int64
	ServicePreProcessingTimeInMillis int64
	ServiceProcessingTimeInMillis    int64
	ResultReuseInformation           struct{ ReusedPreviousResult bool }
}

// describe shows an execution.
func (a *statements) describe(e *execution) queryExecution {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := queryExecution{
		QueryExecutionID: e.id, Query: e.sql, StatementType: e.kind, SubstatementType: e.substatement,
		ResultConfiguration:      map[string]string{"OutputLocation": e.output},
		ResultReuseConfiguration: e.reuse, QueryExecutionContext: e.context,
		Status: executionStatus{
			State: e.state, StateChangeReason: e.reason, AthenaError: e.failure,
			SubmissionDateTime: timestamp{e.submitted}, CompletionDateTime: timestamp{e.completed},
		},
		Statistics: executionStatistics{
			DataScannedInBytes: e.stats.PhysicalInputBytes, EngineExecutionTimeInMillis: e.stats.ElapsedMillis,
			QueryQueueTimeInMillis: e.stats.QueuedMillis, QueryPlanningTimeInMillis: e.stats.PlanningMillis,
		},
		WorkGroup: e.group, EngineVersion: athenaVersion, ExecutionParameters: e.parameters,
	}
	until := a.s.now()
	if ended(e.state) {
		until = e.completed
	}
	q.Statistics.TotalExecutionTimeInMillis = max(until.Sub(e.submitted).Milliseconds(), 0)
	q.Statistics.ResultReuseInformation.ReusedPreviousResult = e.reused
	return q
}

func (a *statements) get(_ context.Context, c *call) (any, error) {
	e, err := a.named(c)
	if err != nil {
		return nil, err
	}
	return map[string]queryExecution{"QueryExecution": a.describe(e)}, nil
}

// maxBatch is how many executions one BatchGetQueryExecution may name.
const maxBatch = 50

type unprocessedExecution struct {
	QueryExecutionID string `json:"QueryExecutionId"`
	ErrorCode        string
	ErrorMessage     string
}

func (a *statements) batchGet(_ context.Context, c *call) (any, error) {
	var in struct{ QueryExecutionIDs []string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.QueryExecutionIDs) == 0 || len(in.QueryExecutionIDs) > maxBatch {
		return nil, badQuery("INVALID_INPUT", "1 validation error detected: Value at 'queryExecutionIds' failed to satisfy constraint: Member must have length from 1 to %d", maxBatch)
	}
	out := struct {
		QueryExecutions              []queryExecution
		UnprocessedQueryExecutionIDs []unprocessedExecution `json:"UnprocessedQueryExecutionIds"`
	}{[]queryExecution{}, []unprocessedExecution{}}
	for _, id := range in.QueryExecutionIDs {
		e, err := a.find(id)
		if err != nil {
			refused := asAPIError(err)
			out.UnprocessedQueryExecutionIDs = append(out.UnprocessedQueryExecutionIDs, unprocessedExecution{id, refused.AthenaCode, refused.Message})
			continue
		}
		out.QueryExecutions = append(out.QueryExecutions, a.describe(e))
	}
	return out, nil
}

// maxResults is the most rows that a page may have, and has if nobody says less.
const maxResults = 1000

type resultsInput struct {
	QueryExecutionID string
	NextToken        *string
	MaxResults       *int
}

// resultsCursor is what a page token of results holds.
type resultsCursor struct {
	ID     string
	Offset int
}

type resultRow struct{ Data []datum }

// datum is one value; null is left out.
type datum struct {
	VarCharValue *string `json:",omitempty"`
}

type resultSet struct {
	Rows              []resultRow
	ResultSetMetadata struct{ ColumnInfo []columnInfo }
}

// results is GetQueryResults, with its checks in AWS's order.
func (a *statements) results(_ context.Context, c *call) (any, error) {
	var in resultsInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	limit := maxResults
	if in.MaxResults != nil {
		limit = *in.MaxResults
	}
	if limit < 1 {
		return nil, badQuery("INVALID_INPUT", "1 validation error detected: Value at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1")
	}
	e, err := a.find(in.QueryExecutionID)
	if err != nil {
		return nil, err
	}
	if limit > maxResults {
		return nil, badQuery("INVALID_INPUT", "MaxResults is more than maximum allowed length %d", maxResults)
	}
	result, err := a.finished(e)
	if err != nil {
		return nil, err
	}
	at := resultsCursor{ID: e.id}
	if in.NextToken != nil {
		if err := a.s.tokens.open(c.Time, *in.NextToken, &at); err != nil || at.ID != e.id {
			return nil, badQuery("INVALID_INPUT", "Malformed nextPageToken %s", *in.NextToken)
		}
	}
	return a.page(c, e, result, at, limit), nil
}

// finished is the result of an execution that has one.
func (a *statements) finished(e *execution) (trino.Result, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch e.state {
	case succeeded:
		return e.result, nil
	case failed:
		return trino.Result{}, badQuery("INVALID_QUERY_EXECUTION_STATE", "Query did not finish successfully. Final query state: FAILED")
	case cancelled:
		return trino.Result{}, badQuery("RESULT_NOT_FOUND", "Could not find results")
	}
	return trino.Result{}, badQuery("INVALID_QUERY_EXECUTION_STATE", "Query has not yet finished. Current state: %s", e.state)
}

// page is a part of a result. Row 0 of a query's result are the names of its
// columns; a statement that wrote rows has none and says how many it wrote.
func (a *statements) page(c *call, e *execution, result trino.Result, at resultsCursor, limit int) any {
	out := struct {
		UpdateCount *int64 `json:",omitempty"`
		ResultSet   resultSet
		NextToken   *string `json:",omitempty"`
	}{UpdateCount: result.UpdateCount}
	out.ResultSet.Rows, out.ResultSet.ResultSetMetadata.ColumnInfo = []resultRow{}, []columnInfo{}
	for _, column := range result.Columns {
		out.ResultSet.ResultSetMetadata.ColumnInfo = append(out.ResultSet.ResultSetMetadata.ColumnInfo, columnInfoOf(column))
	}
	rows := result.Rows
	if result.UpdateType != "" {
		rows = nil
	} else if out.UpdateCount == nil && e.substatement != "EXPLAIN" {
		out.UpdateCount = new(int64)
	}
	if e.substatement == "EXPLAIN" || e.substatement == "SHOW_CREATE_TABLE" {
		rows = byLine(rows, e.substatement == "EXPLAIN")
	}
	heading := 0
	if e.kind == "DML" && result.UpdateType == "" {
		heading = 1
	}
	end := min(at.Offset+limit, heading+len(rows))
	for i := at.Offset; i < end; i++ {
		if i < heading {
			out.ResultSet.Rows = append(out.ResultSet.Rows, headingOf(result.Columns))
			continue
		}
		out.ResultSet.Rows = append(out.ResultSet.Rows, rowOf(result.Columns, rows[i-heading]))
	}
	if end < heading+len(rows) {
		out.NextToken = orNil(a.s.tokens.seal(c.Time, resultsCursor{e.id, end}))
	}
	return out
}

// byLine makes a row of each line of a text, which the engine answers as one
// value. Of a plan, AWS also shows the empty lines at its end and one more.
func byLine(rows [][]any, plan bool) [][]any {
	var lines [][]any
	for _, row := range rows {
		text := textOf(row[0])
		if plan {
			text += "\n"
		}
		for line := range strings.SplitSeq(text, "\n") {
			lines = append(lines, []any{line})
		}
	}
	return lines
}

func textOf(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

func headingOf(columns []trino.Column) resultRow {
	row := resultRow{Data: make([]datum, len(columns))}
	for i := range columns {
		row.Data[i].VarCharValue = &columns[i].Name
	}
	return row
}

func rowOf(columns []trino.Column, values []any) resultRow {
	row := resultRow{Data: make([]datum, len(values))}
	for i, v := range values {
		if v == nil {
			continue
		}
		text := athenaText(v, columns[i].Signature)
		row.Data[i].VarCharValue = &text
	}
	return row
}
