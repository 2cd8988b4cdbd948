package lake

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"
)

const (
	// athenaTries is how often a call is tried. Athena answers
	// TooManyRequestsException both to calls that come too fast and to queries
	// beyond those that an account may run at once; a place comes free in seconds.
	athenaTries = 10
	// athenaResubmits is how often a query that Athena itself says is worth it is
	// submitted again.
	athenaResubmits = 2
	// athenaFirstPause and athenaLastPause bound the growing pauses between two
	// looks at a running query. The shortest queries take half a second.
	athenaFirstPause = 100 * time.Millisecond
	athenaLastPause  = 3 * time.Second
	// athenaGoodbye bounds what is still done for a caller who has left: learning
	// the id of a query that is being submitted, and stopping it.
	athenaGoodbye = 15 * time.Second
	// athenaPage is the number of rows that is held at a time, and the most that
	// Athena hands over.
	athenaPage = 1000
	// athenaResults is where answers are put below a lake when neither a flag nor
	// the workgroup says where.
	athenaResults = "/athena-results/"
)

// AthenaOptions say how a lake on S3 is asked.
type AthenaOptions struct {
	Workgroup string // "": primary
	// Output is the s3:// URL that answers are written below; "": where the
	// workgroup says, else athena-results/ below the lake.
	Output string
	// Reuse lets Athena answer from an earlier answer to the same text that is at
	// most so old, in whole minutes. Zero, the default, reads anew: what was
	// collected a moment ago must not be missing.
	Reuse time.Duration
}

// athenaAPI is what is used of Amazon Athena.
type athenaAPI interface {
	StartQueryExecution(context.Context, *athena.StartQueryExecutionInput, ...func(*athena.Options)) (*athena.StartQueryExecutionOutput, error)
	GetQueryExecution(context.Context, *athena.GetQueryExecutionInput, ...func(*athena.Options)) (*athena.GetQueryExecutionOutput, error)
	GetQueryResults(context.Context, *athena.GetQueryResultsInput, ...func(*athena.Options)) (*athena.GetQueryResultsOutput, error)
	StopQueryExecution(context.Context, *athena.StopQueryExecutionInput, ...func(*athena.Options)) (*athena.StopQueryExecutionOutput, error)
	GetWorkGroup(context.Context, *athena.GetWorkGroupInput, ...func(*athena.Options)) (*athena.GetWorkGroupOutput, error)
}

// athenaClient runs SQL through Amazon Athena. For several goroutines at once.
type athenaClient struct {
	api      athenaAPI
	options  AthenaOptions
	database string
	fallback string // the output when neither flag nor workgroup names one
	logger   *slog.Logger
	nowhere  atomic.Bool // the workgroup names no output, as the first query told
}

func newAthenaClient(cfg aws.Config, o AthenaOptions, database, root string, logger *slog.Logger) *athenaClient {
	if o.Workgroup == "" {
		o.Workgroup = "primary"
	}
	return &athenaClient{
		api:     athena.NewFromConfig(cfg, func(o *athena.Options) { o.RetryMaxAttempts = athenaTries }),
		options: o, database: database, fallback: root + athenaResults, logger: logger,
	}
}

// run submits a text, waits for its end and returns its answer. When ctx ends
// first, the query is stopped.
func (c *athenaClient) run(ctx context.Context, text string, args []any) (*athenaAnswer, error) {
	text, parameters, err := bind(text, args)
	if err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		q, err := c.execute(ctx, text, parameters)
		var failed *athenaError
		if errors.As(err, &failed) && failed.retryable && try < athenaResubmits {
			c.logger.DebugContext(ctx, "athena query again", "query", failed.id, "reason", failed.reason)
			continue
		}
		if err != nil {
			return nil, err
		}
		return &athenaAnswer{ctx: ctx, client: c, execution: q}, nil
	}
}

// execute runs a query to its end.
func (c *athenaClient) execute(ctx context.Context, text string, parameters []string) (*types.QueryExecution, error) {
	id, err := c.start(ctx, text, parameters)
	if err != nil {
		return nil, err
	}
	q, err := c.wait(ctx, id)
	if err != nil {
		if ctx.Err() != nil {
			err = errors.Join(ctx.Err(), c.stop(ctx, id))
		}
		return nil, err
	}
	s := q.Statistics
	if s == nil {
		s = &types.QueryExecutionStatistics{}
	}
	c.logger.DebugContext(ctx, "athena query", "query", id, "bytes", aws.ToInt64(s.DataScannedInBytes),
		"milliseconds", aws.ToInt64(s.TotalExecutionTimeInMillis))
	return q, c.failure(ctx, q)
}

// start submits a query and returns its id, even when ctx ends meanwhile: a
// query that was submitted runs, and must be known to be stopped. The token
// makes a call that is repeated because its reply was lost the same query.
func (c *athenaClient) start(ctx context.Context, text string, parameters []string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	in := &athena.StartQueryExecutionInput{
		QueryString: &text, ExecutionParameters: parameters,
		WorkGroup: &c.options.Workgroup, ClientRequestToken: aws.String(rand.Text() + rand.Text()),
		QueryExecutionContext: &types.QueryExecutionContext{Database: &c.database},
	}
	switch {
	case c.options.Output != "":
		in.ResultConfiguration = &types.ResultConfiguration{OutputLocation: &c.options.Output}
	case c.nowhere.Load():
		in.ResultConfiguration = &types.ResultConfiguration{OutputLocation: &c.fallback}
	}
	if minutes := int32(c.options.Reuse / time.Minute); minutes > 0 {
		in.ResultReuseConfiguration = &types.ResultReuseConfiguration{
			ResultReuseByAgeConfiguration: &types.ResultReuseByAgeConfiguration{Enabled: true, MaxAgeInMinutes: &minutes},
		}
	}
	out, err := c.submit(ctx, in)
	var invalid *types.InvalidRequestException
	if errors.As(err, &invalid) && in.ResultConfiguration == nil && strings.Contains(strings.ToLower(invalid.ErrorMessage()), "output location") {
		in.ResultConfiguration = &types.ResultConfiguration{OutputLocation: &c.fallback}
		in.ClientRequestToken = aws.String(rand.Text() + rand.Text())
		c.nowhere.Store(true)
		out, err = c.submit(ctx, in)
	}
	if err != nil {
		return "", fmt.Errorf("start a query in Athena workgroup %s: %w", c.options.Workgroup, err)
	}
	return aws.ToString(out.QueryExecutionId), nil
}

// submit leaves a caller who goes away a moment's time to learn the query's id.
func (c *athenaClient) submit(ctx context.Context, in *athena.StartQueryExecutionInput) (*athena.StartQueryExecutionOutput, error) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		t := time.AfterFunc(athenaGoodbye, cancel)
		context.AfterFunc(longer, func() { t.Stop() })
	})()
	return c.api.StartQueryExecution(longer, in)
}

// wait looks at a query until it has ended.
func (c *athenaClient) wait(ctx context.Context, id string) (*types.QueryExecution, error) {
	for pause := athenaFirstPause; ; pause = min(pause*3/2, athenaLastPause) {
		out, err := c.api.GetQueryExecution(ctx, &athena.GetQueryExecutionInput{QueryExecutionId: &id})
		if err != nil {
			return nil, fmt.Errorf("look at Athena query %s: %w", id, err)
		}
		q := out.QueryExecution
		if q == nil || q.Status == nil {
			return nil, fmt.Errorf("look at Athena query %s: the answer says nothing about it", id)
		}
		switch q.Status.State {
		case types.QueryExecutionStateQueued, types.QueryExecutionStateRunning:
		default:
			return q, nil
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		case <-t.C:
		}
	}
}

// stop ends a query that nobody waits for any more: it would go on reading, and
// reading is what Athena charges for.
func (c *athenaClient) stop(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), athenaGoodbye)
	defer cancel()
	if _, err := c.api.StopQueryExecution(ctx, &athena.StopQueryExecutionInput{QueryExecutionId: &id}); err != nil {
		return fmt.Errorf("stop Athena query %s: %w: it may go on, and cost", id, err)
	}
	return nil
}

// athenaError is a query that ended without an answer.
type athenaError struct {
	id, reason string
	retryable  bool
	advice     string
}

func (e *athenaError) Error() string {
	text := fmt.Sprintf("Athena query %s: %s", e.id, e.reason)
	if e.advice != "" {
		text += ": " + e.advice
	}
	return text
}

// failure says why a query ended without an answer; nil when it has one.
func (c *athenaClient) failure(ctx context.Context, q *types.QueryExecution) error {
	if q.Status.State == types.QueryExecutionStateSucceeded {
		return nil
	}
	e := &athenaError{id: aws.ToString(q.QueryExecutionId), reason: aws.ToString(q.Status.StateChangeReason)}
	if a := q.Status.AthenaError; a != nil {
		e.retryable = a.Retryable
		if e.reason == "" {
			e.reason = aws.ToString(a.ErrorMessage)
		}
	}
	switch {
	case e.reason == "":
		e.reason = strings.ToLower(string(q.Status.State)) + ", and Athena does not say why"
	case strings.Contains(strings.ToLower(e.reason), "bytes scanned limit"):
		e.reason, e.retryable = "stopped, since it read more than "+c.byteLimit(ctx)+" ("+e.reason+")", false
		e.advice = "ask for a shorter time or fewer kinds, or raise the limit of the workgroup"
	case strings.Contains(e.reason, "TABLE_NOT_FOUND"), strings.Contains(e.reason, "does not exist"):
		e.advice = "muster lake views --apply makes the views of a lake"
	case q.Status.State == types.QueryExecutionStateCancelled:
		e.reason = "cancelled: " + e.reason
	}
	return e
}

// byteLimit spells the limit of the workgroup, which only it knows.
func (c *athenaClient) byteLimit(ctx context.Context) string {
	name := "workgroup " + c.options.Workgroup + " allows a query"
	out, err := c.api.GetWorkGroup(ctx, &athena.GetWorkGroupInput{WorkGroup: &c.options.Workgroup})
	if err != nil || out.WorkGroup == nil || out.WorkGroup.Configuration == nil {
		return name // the reader may not be allowed to ask
	}
	if limit := out.WorkGroup.Configuration.BytesScannedCutoffPerQuery; limit != nil {
		return fmt.Sprintf("the %s that %s", spellBytes(*limit), name)
	}
	return name
}
