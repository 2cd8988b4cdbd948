package localaws

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"muster/internal/localaws/trino"
)

type startInput struct {
	QueryString              string
	ClientRequestToken       *string
	QueryExecutionContext    queryContext
	ResultConfiguration      struct{ OutputLocation string }
	WorkGroup                string
	ExecutionParameters      []string
	ResultReuseConfiguration *resultReuse
}

// Limits of StartQueryExecution from AWS's documentation.
const (
	maxQuery    = 262144 // bytes of UTF-8
	minToken    = 32
	maxToken    = 128
	maxReuseAge = 7 * 24 * 60 // minutes
	// defaultReuseAge is in minutes too.
	defaultReuseAge = 60
)

// outputLocation is what Athena takes for a place in S3.
var outputLocation = regexp.MustCompile(`^s3://[^/]+(/.*)?$`)

// start is StartQueryExecution. Checks come in the order in which AWS makes
// them: the shape, the place of the results, the syntax, the token.
func (a *statements) start(ctx context.Context, c *call) (any, error) {
	var in startInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	e, err := a.prepare(c, in)
	if err != nil {
		return nil, err
	}
	sql, err := a.statement(ctx, e)
	if err != nil {
		return nil, err
	}
	e, err = a.begin(e, *in.ClientRequestToken, in.ResultConfiguration.OutputLocation, sql)
	if err != nil {
		return nil, err
	}
	answer := map[string]string{"QueryExecutionId": e.id}
	c.record(nil, map[string]string{"queryExecutionId": e.id})
	return answer, nil
}

// check finds what is wrong with a request's shape.
func (in *startInput) check() error {
	broken := func(value, constraint string) error {
		return badQuery("INVALID_INPUT", "1 validation error detected: Value %s failed to satisfy constraint: Member must %s", value, constraint)
	}
	switch {
	case in.QueryString == "":
		return broken("null at 'queryString'", "not be null")
	case len(in.QueryString) > maxQuery:
		return broken("at 'queryString'", fmt.Sprintf("have length less than or equal to %d", maxQuery))
	case in.ClientRequestToken == nil:
		return badQuery("INVALID_INPUT", "clientRequestToken is null or empty")
	case utf8.RuneCountInString(*in.ClientRequestToken) < minToken:
		return broken("at 'clientRequestToken'", fmt.Sprintf("have length greater than or equal to %d", minToken))
	case utf8.RuneCountInString(*in.ClientRequestToken) > maxToken:
		return broken("at 'clientRequestToken'", fmt.Sprintf("have length less than or equal to %d", maxToken))
	}
	if r := in.ResultReuseConfiguration; r != nil && (r.ResultReuseByAgeConfiguration.MaxAgeInMinutes < 0 || r.ResultReuseByAgeConfiguration.MaxAgeInMinutes > maxReuseAge) {
		return broken("at 'resultReuseConfiguration.resultReuseByAgeConfiguration.maxAgeInMinutes'", fmt.Sprintf("have value less than or equal to %d", maxReuseAge))
	}
	return nil
}

// prepare makes the execution that a request asks for, by its work group.
func (a *statements) prepare(c *call, in startInput) (*execution, error) {
	e := &execution{
		id: newUUID(), sql: strings.TrimSpace(strings.Trim(strings.TrimSpace(in.QueryString), ";")),
		context: in.QueryExecutionContext, group: in.WorkGroup, output: in.ResultConfiguration.OutputLocation,
		parameters: in.ExecutionParameters, reuse: in.ResultReuseConfiguration,
		submitted: c.Time, state: queued,
	}
	e.context.Catalog = strings.ToLower(e.context.Catalog)
	e.kind, e.substatement = classifySQL(e.sql)
	if e.group == "" {
		e.group = primaryGroup
	}
	group, err := a.findGroup(e.group)
	if err != nil {
		return nil, err
	}
	if place := group.Configuration.ResultConfiguration.OutputLocation; place != "" && (e.output == "" || group.Configuration.EnforceWorkGroupConfiguration) {
		e.output = place
	}
	e.cutoff = group.Configuration.BytesScannedCutoffPerQuery
	if e.output == "" {
		return nil, badQuery("INVALID_INPUT", "No output location provided. An output location is required either through the Workgroup result configuration setting or as an API input.")
	}
	if !outputLocation.MatchString(e.output) {
		return nil, badQuery("INVALID_INPUT", "outputLocation is not a valid S3 path.")
	}
	return e, nil
}

// begin starts an execution, unless its token has started one, or an earlier
// one's result is new enough to be taken again.
func (a *statements) begin(e *execution, token, sentOutput, sql string) (*execution, error) {
	e.output = strings.TrimSuffix(e.output, "/") + "/" + e.id + resultSuffix(e.kind)
	a.mu.Lock()
	defer a.mu.Unlock()
	if before := a.tokens[token]; before != nil {
		if before.sql != e.sql || before.context != e.context || sentOutput != "" && folder(before.output) != folder(e.output) {
			return nil, badQuery("IDEMPOTENT_PARAMETER_MISMATCH", "Idempotent parameters do not match")
		}
		return before, nil
	}
	a.keep(e, token)
	if before := a.reusable(e); before != nil {
		e.result, e.reused = before.result, true
		a.end(e, succeeded, "", nil)
		return e, nil
	}
	ctx, cancel := context.WithCancel(a.ctx)
	e.cancel = cancel
	a.running.Go(func() { a.run(ctx, e, sql) })
	return e, nil
}

func folder(location string) string { return location[:strings.LastIndexByte(location, '/')] }

// reusable is the newest execution whose result e may have again: the same
// statement in the same work group, not older than e allows. The caller holds
// the lock.
func (a *statements) reusable(e *execution) *execution {
	if e.reuse == nil || !e.reuse.ResultReuseByAgeConfiguration.Enabled || e.substatement != "SELECT" {
		return nil
	}
	minutes := e.reuse.ResultReuseByAgeConfiguration.MaxAgeInMinutes
	if minutes == 0 {
		minutes = defaultReuseAge
	}
	oldest := e.submitted.Add(-time.Duration(minutes) * time.Minute)
	for _, old := range slices.Backward(a.order) {
		if old.state == succeeded && !old.reused && old.sql == e.sql && old.context == e.context && old.group == e.group &&
			slices.Equal(old.parameters, e.parameters) && !old.completed.Before(oldest) {
			return old
		}
	}
	return nil
}

// statement is what the engine is given for an execution. One that it cannot
// read is refused here, as AWS does, and becomes no execution.
func (a *statements) statement(ctx context.Context, e *execution) (string, error) {
	engine := a.engine
	engine.Schema = e.context.Database
	_, err := engine.Run(ctx, "PREPARE statement FROM\n"+e.sql, nil)
	if refused, ok := errors.AsType[*trino.Error](err); ok {
		at := refused.Location
		text := strings.Replace(refused.Message, fmt.Sprintf("line %d:", at.Line), fmt.Sprintf("line %d:", max(at.Line-1, 1)), 1)
		return "", badQuery("MALFORMED_QUERY", "%s", text)
	}
	if err != nil {
		return "", err
	}
	if len(e.parameters) == 0 {
		return e.sql, nil
	}
	values := make([]string, len(e.parameters))
	for i, p := range e.parameters {
		if values[i], err = a.parameter(ctx, p); err != nil {
			return "", err
		}
	}
	return "EXECUTE IMMEDIATE " + quoteSQL(e.sql) + " USING " + strings.Join(values, ", "), nil
}

// literal is a parameter that needs no second look.
var literal = regexp.MustCompile(`^(?i:(date|timestamp|time|decimal)\s*)?'([^']|'')*'$|^[+-]?\d+(\.\d+)?$|^(?i:null|true|false)$`)

// parameter is the SQL of an execution parameter. AWS takes one as an expression
// where it is one without columns, and as a string else.
func (a *statements) parameter(ctx context.Context, value string) (string, error) {
	if literal.MatchString(strings.TrimSpace(value)) {
		return value, nil
	}
	result, err := a.engine.Run(ctx, "SELECT ("+value+")", nil)
	if refused, ok := errors.AsType[*trino.Error](err); ok {
		if refused.Name == "SYNTAX_ERROR" || refused.Name == "COLUMN_NOT_FOUND" {
			return quoteSQL(value), nil
		}
		return value, nil // the statement will fail as this did
	}
	if err != nil {
		return "", err
	}
	if len(result.Columns) != 1 {
		return quoteSQL(value), nil
	}
	return value, nil
}

func quoteSQL(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// sqlComments begin statements that are classified by what comes after them.
var sqlComments = regexp.MustCompile(`^(\s|--[^\n]*(\n|$)|/\*(?s:.*?)\*/|\()+`)

// firstWords are the first two words of a statement.
var firstWords = regexp.MustCompile(`^(\w+)(?:\s+(?:OR\s+REPLACE\s+)?(\w+))?`)

// statementKinds are Athena's names for the statements that Trino takes.
var statementKinds = map[string][2]string{
	"SELECT": {"DML", "SELECT"}, "WITH": {"DML", "SELECT"}, "VALUES": {"DML", "SELECT"}, "TABLE": {"DML", "SELECT"},
	"EXPLAIN": {"DML", "EXPLAIN"}, "INSERT": {"DML", "INSERT"}, "UPDATE": {"DML", "UPDATE"},
	"DELETE": {"DML", "DELETE"}, "MERGE": {"DML", "MERGE"},
	"SHOW TABLES": {"UTILITY", "SHOW_TABLES"}, "SHOW COLUMNS": {"UTILITY", "SHOW_COLUMNS"},
	"SHOW SCHEMAS": {"UTILITY", "SHOW_DATABASES"}, "SHOW CREATE": {"UTILITY", "SHOW_CREATE_TABLE"},
	"DESCRIBE": {"UTILITY", "DESCRIBE_TABLE"}, "DESC": {"UTILITY", "DESCRIBE_TABLE"}, "SHOW": {"UTILITY", ""},
	"CREATE VIEW": {"DDL", "CREATE_VIEW"}, "DROP VIEW": {"DDL", "DROP_VIEW"},
	"CREATE TABLE": {"DDL", "CREATE_TABLE"}, "DROP TABLE": {"DDL", "DROP_TABLE"},
	"CREATE SCHEMA": {"DDL", "CREATE_DATABASE"}, "DROP SCHEMA": {"DDL", "DROP_DATABASE"},
}

// classifySQL is a statement's type and subtype; the subtype may be "".
func classifySQL(sql string) (kind, substatement string) {
	m := firstWords.FindStringSubmatch(strings.ToUpper(sql[len(sqlComments.FindString(sql)):]))
	if m == nil {
		return "DDL", ""
	}
	for _, words := range []string{m[1] + " " + m[2], m[1]} {
		if k, ok := statementKinds[words]; ok {
			return k[0], k[1]
		}
	}
	return "DDL", ""
}

// resultSuffix is how the name of a result's file ends.
func resultSuffix(kind string) string {
	if kind == "DML" {
		return ".csv"
	}
	return ".txt"
}
