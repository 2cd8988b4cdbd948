package lake

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"
)

// athenaAnswer are the rows of a query that has ended, a page at a time. Athena
// hands all values over as text.
type athenaAnswer struct {
	ctx       context.Context //nolint:containedctx // of the question, whose answer this is
	client    *athenaClient
	execution *types.QueryExecution

	started bool
	token   *string
	columns []types.ColumnInfo
	page    []types.Row
	row     []types.Datum
	err     error
}

// Next reads the next row; false at the end and after an error.
func (a *athenaAnswer) Next() bool {
	for len(a.page) == 0 {
		if a.err != nil || a.started && a.token == nil {
			return false
		}
		if a.err = a.turn(); a.err != nil {
			return false
		}
	}
	a.row, a.page = a.page[0].Data, a.page[1:]
	return true
}

// turn reads the next page. The first row of the first page has the names of the
// columns, if the query was a SELECT.
func (a *athenaAnswer) turn() error {
	out, err := a.client.api.GetQueryResults(a.ctx, &athena.GetQueryResultsInput{
		QueryExecutionId: a.execution.QueryExecutionId, NextToken: a.token, MaxResults: aws.Int32(athenaPage),
	})
	if err != nil {
		return fmt.Errorf("read the answer of Athena query %s: %w", aws.ToString(a.execution.QueryExecutionId), err)
	}
	first := !a.started
	a.started, a.token = true, out.NextToken
	if out.ResultSet == nil {
		return nil
	}
	a.page = out.ResultSet.Rows
	if first {
		if m := out.ResultSet.ResultSetMetadata; m != nil {
			a.columns = m.ColumnInfo
		}
		if len(a.page) > 0 && a.heads(a.page[0].Data) {
			a.page = a.page[1:]
		}
	}
	return nil
}

// heads reports whether a row is the header.
func (a *athenaAnswer) heads(row []types.Datum) bool {
	if a.execution.StatementType != types.StatementTypeDml || len(row) != len(a.columns) {
		return false
	}
	for i, d := range row {
		if aws.ToString(d.VarCharValue) != aws.ToString(a.columns[i].Name) {
			return false
		}
	}
	return true
}

// peek reads the first page, so that the columns are known.
func (a *athenaAnswer) peek() error {
	if !a.started {
		a.err = a.turn()
	}
	return a.err
}

// Scan reads the row into targets as database/sql does, of the kinds that the
// lake's rows have. NULL is for *any and sql.Scanner only.
func (a *athenaAnswer) Scan(targets ...any) error {
	if len(targets) != len(a.row) {
		return fmt.Errorf("the answer has %d columns, not %d", len(a.row), len(targets))
	}
	for i, t := range targets {
		if err := a.scan(i, t); err != nil {
			return fmt.Errorf("column %d of Athena query %s: %w", i+1, aws.ToString(a.execution.QueryExecutionId), err)
		}
	}
	return nil
}

func (a *athenaAnswer) scan(i int, target any) (err error) {
	value := a.row[i].VarCharValue
	switch t := target.(type) {
	case *any:
		*t, err = athenaValue(aws.ToString(a.columns[i].Type), value)
		return err
	case sql.Scanner:
		if value == nil {
			return t.Scan(nil)
		}
		return t.Scan(*value)
	}
	if value == nil {
		return errors.New("it is NULL")
	}
	switch t := target.(type) {
	case *string:
		*t = *value
	case *bool:
		*t, err = strconv.ParseBool(*value)
	case *int:
		*t, err = strconv.Atoi(*value)
	case *int32:
		var n int64
		n, err = strconv.ParseInt(*value, 10, 32)
		*t = int32(n)
	case *int64:
		*t, err = strconv.ParseInt(*value, 10, 64)
	default:
		err = fmt.Errorf("cannot scan into %T", target)
	}
	return err
}

// Err is the error that ended the rows.
func (a *athenaAnswer) Err() error { return a.err }

// Close has nothing to let go of: the query has ended.
func (*athenaAnswer) Close() error { return nil }

// athenaValue is a value as Rows.Values hands it over. Lists, maps and rows come
// as Athena spells them, which cannot be taken apart: "[a, b]" may have one
// element or two.
func athenaValue(kind string, value *string) (any, error) {
	if value == nil {
		return nil, nil //nolint:nilnil // NULL
	}
	switch {
	case kind == "boolean":
		return strconv.ParseBool(*value)
	case kind == "tinyint", kind == "smallint", kind == "integer", kind == "bigint":
		return strconv.ParseInt(*value, 10, 64)
	case kind == "float", kind == "real", kind == "double", strings.HasPrefix(kind, "decimal"):
		return strconv.ParseFloat(*value, 64)
	case kind == "varbinary":
		return hex.DecodeString(strings.ReplaceAll(*value, " ", ""))
	case strings.HasPrefix(kind, "timestamp"):
		return athenaTime(*value)
	}
	return *value, nil
}

// athenaTime reads a time as Athena spells it, with or without a zone. One
// without is of UTC. A zone with a name that this machine does not know stays text.
func athenaTime(s string) (any, error) {
	if len(s) < len(time.DateTime) {
		return s, nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05.999999999", "2006-01-02 15:04:05.999999999 UTC", "2006-01-02 15:04:05.999999999 -07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	if i := strings.LastIndexByte(s, ' '); i > len(time.DateOnly) {
		if zone, err := time.LoadLocation(s[i+1:]); err == nil {
			if t, err := time.ParseInLocation("2006-01-02 15:04:05.999999999", s[:i], zone); err == nil {
				return t.UTC(), nil
			}
		}
	}
	return s, nil
}
