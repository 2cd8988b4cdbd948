package localaws

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"sync"
	"time"

	"muster/internal/localaws/trino"
)

// maxExecutions bounds how many query executions are remembered, with their
// results; the oldest is forgotten first, and then is unknown. AWS keeps them 45
// days.
const maxExecutions = 1000

// statements is Athena: it hands statements to a Trino, which is the same engine,
// and answers for it as AWS does. Of DDL it takes what Trino takes; Hive's is
// refused as a statement that cannot be read. It writes no result files: results
// are had by GetQueryResults. Safe for concurrent use.
type statements struct {
	s      *Server
	engine trino.Client

	stop    context.CancelFunc
	ctx     context.Context // of all running statements; ends with the server
	running sync.WaitGroup

	mu         sync.Mutex
	groups     map[string]*workGroup
	executions map[string]*execution // by id
	order      []*execution          // oldest first
	tokens     map[string]*execution // by ClientRequestToken
}

// newStatements returns an Athena whose engine is at a URL. "" is an Athena without
// an engine: it says so to every caller.
func newStatements(s *Server, o Options) *statements {
	ctx, stop := context.WithCancel(context.Background())
	a := &statements{
		s: s, ctx: ctx, stop: stop,
		engine:     trino.Client{URL: o.TrinoURL, Catalog: o.TrinoCatalog, HTTP: &http.Client{Transport: &http.Transport{}}},
		groups:     make(map[string]*workGroup),
		executions: make(map[string]*execution), tokens: make(map[string]*execution),
	}
	a.groups[primaryGroup] = &workGroup{Name: primaryGroup, State: "ENABLED", CreationTime: timestamp{s.now()}, Configuration: defaultGroup()}
	return a
}

func (a *statements) operations() map[string]operation {
	ops := map[string]operation{
		"StartQueryExecution":    a.start,
		"StopQueryExecution":     a.stopExecution,
		"GetQueryExecution":      a.get,
		"BatchGetQueryExecution": a.batchGet,
		"GetQueryResults":        a.results,
		"GetWorkGroup":           a.getGroup,
		"CreateWorkGroup":        a.createGroup,
	}
	if a.engine.URL == "" {
		for name := range ops {
			ops[name] = func(context.Context, *call) (any, error) {
				return nil, badQuery("INVALID_INPUT", "This stand-in has no SQL engine: start it with --trino URL of a Trino whose catalog reads Glue")
			}
		}
	}
	return ops
}

// close cancels what runs.
func (a *statements) close() {
	a.stop()
	a.running.Wait()
	a.engine.HTTP.CloseIdleConnections()
}

// badQuery is an InvalidRequestException with Athena's own code.
func badQuery(code, format string, args ...any) *apiError {
	e := failf("InvalidRequestException", format, args...)
	e.AthenaCode = code
	return e
}

// execution is one statement. What is fixed when it starts can be read freely;
// the rest is guarded by statements.mu.
type execution struct {
	id, sql, kind, substatement string
	context                     queryContext
	group, output               string
	cutoff                      int64 // bytes; 0 is none
	parameters                  []string
	reuse                       *resultReuse
	submitted                   time.Time

	state, reason string
	failure       *athenaError
	completed     time.Time
	stats         trino.Stats
	reused        bool
	result        trino.Result
	cancel        context.CancelFunc
}

type queryContext struct {
	Database string `json:",omitempty"`
	Catalog  string `json:",omitempty"`
}

type resultReuse struct {
	ResultReuseByAgeConfiguration struct {
		Enabled         bool
		MaxAgeInMinutes int
	}
}

// The states of an execution.
const (
	queued    = "QUEUED"
	running   = "RUNNING"
	succeeded = "SUCCEEDED"
	failed    = "FAILED"
	cancelled = "CANCELLED"
)

func ended(state string) bool { return state == succeeded || state == failed || state == cancelled }

// find returns the execution that a request names.
func (a *statements) find(id string) (*execution, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.executions[id]
	if e == nil {
		return nil, badQuery("QUERY_EXECUTION_NOT_FOUND", "QueryExecution %s was not found", id)
	}
	return e, nil
}

// keep remembers a new execution. The caller holds the lock.
func (a *statements) keep(e *execution, token string) {
	a.executions[e.id], a.tokens[token] = e, e
	a.order = append(a.order, e)
	if len(a.order) <= maxExecutions {
		return
	}
	oldest := a.order[0]
	a.order = a.order[1:]
	delete(a.executions, oldest.id)
	for token, e := range a.tokens {
		if e == oldest {
			delete(a.tokens, token)
		}
	}
}

// stopExecution is StopQueryExecution: one that has ended stays as it is.
func (a *statements) stopExecution(_ context.Context, c *call) (any, error) {
	e, err := a.named(c)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !ended(e.state) {
		a.end(e, cancelled, "Query cancelled by user", nil)
		e.cancel()
	}
	return nil, nil
}

// named reads a request that is nothing but the id of an execution.
func (a *statements) named(c *call) (*execution, error) {
	var in struct{ QueryExecutionID string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.QueryExecutionID == "" {
		return nil, badQuery("INVALID_INPUT", "1 validation error detected: Value null at 'queryExecutionId' failed to satisfy constraint: Member must not be null")
	}
	return a.find(in.QueryExecutionID)
}

// end sets the last state of an execution that has not ended. The caller holds
// the lock.
func (a *statements) end(e *execution, state, reason string, failure *athenaError) {
	if ended(e.state) {
		return
	}
	e.state, e.reason, e.failure, e.completed = state, reason, failure, a.s.now()
}

// errCutoff ends a statement that has read more than its work group allows, and
// cutoffReason is what AWS says of it.
var errCutoff = errors.New("over the work group's limit")

const cutoffReason = "Bytes scanned limit was exceeded"

// run runs a statement to its end on the engine.
func (a *statements) run(ctx context.Context, e *execution, sql string) {
	defer e.cancel()
	engine := a.engine
	engine.Schema = e.context.Database
	result, err := engine.Run(ctx, sql, func(stats trino.Stats) error {
		a.mu.Lock()
		defer a.mu.Unlock()
		if !ended(e.state) && stats.State != queued {
			e.state = running
		}
		e.stats = stats
		if e.cutoff > 0 && stats.PhysicalInputBytes > e.cutoff {
			return errCutoff
		}
		return nil
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	if refused, ok := errors.AsType[*trino.Error](err); ok {
		failure := failureOf(refused)
		a.end(e, failed, failure.ErrorMessage, failure)
		return
	}
	switch {
	case errors.Is(err, errCutoff):
		a.end(e, cancelled, cutoffReason, nil)
	case err != nil:
		text := "GENERIC_INTERNAL_ERROR: " + err.Error()
		a.end(e, failed, text, &athenaError{ErrorCategory: 1, ErrorType: 100, Retryable: true, ErrorMessage: text})
	case !ended(e.state):
		e.result, e.stats = result, result.Stats
		a.end(e, succeeded, "", nil)
	}
}

// athenaError says who is to blame: category 1 the system, 2 the user.
type athenaError struct {
	ErrorCategory, ErrorType int
	Retryable                bool
	ErrorMessage             string
}

// errorTypes are Athena's numbers for the names of Trino's errors; 1000 stands
// for every other error of the user.
var errorTypes = map[string]int{
	"DIVISION_BY_ZERO": 1001, "TYPE_MISMATCH": 1002, "COLUMN_NOT_FOUND": 1006, "CATALOG_NOT_FOUND": 1006,
	"INVALID_CAST_ARGUMENT": 1100, "NOT_SUPPORTED": 1200, "TABLE_NOT_FOUND": 1301, "SCHEMA_NOT_FOUND": 1301,
	"FUNCTION_NOT_FOUND": 1303,
}

// catalogName is how Trino's errors name a table's catalog.
var catalogName = regexp.MustCompile(`(Table|View) '[\w]+\.`)

// failureOf words an engine's error as Athena does: the name, then the text, in
// which the catalog has AWS's name.
func failureOf(e *trino.Error) *athenaError {
	text := e.Name + ": " + catalogName.ReplaceAllString(e.Message, "$1 'awsdatacatalog.")
	if e.Type != "USER_ERROR" {
		return &athenaError{ErrorCategory: 1, ErrorType: 200, ErrorMessage: text}
	}
	kind, known := errorTypes[e.Name]
	if !known {
		kind = 1000
	}
	return &athenaError{ErrorCategory: 2, ErrorType: kind, ErrorMessage: text}
}
