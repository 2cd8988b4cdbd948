package localaws

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"muster/internal/localaws/insights"
)

// Limits of Logs Insights.
const (
	maxQueriedGroups  = 50
	maxRunningQueries = 100 // at a time in an account and region
	maxResultPage     = 10_000
)

// maxQueries and maxQueryRows bound the queries and rows that a place remembers;
// the oldest query is forgotten first, and then is unknown. AWS keeps results
// for seven days.
const (
	maxQueries   = 200
	maxQueryRows = 200_000
)

// queryTime is how long a query is Scheduled and then Running.
const queryTime = 500 * time.Millisecond

// A logsQuery is an execution of a query of Logs Insights.
type logsQuery struct {
	id, text   string
	groups     []string // names
	start, end int64    // Unix milliseconds, both inclusive
	begun      time.Time
	limit      int // zero: the query's own
	query      *insights.Query
	cancelled  bool
	ran        bool
	result     insights.Result
}

func (q *logsQuery) status(now time.Time) string {
	switch age := now.Sub(q.begun); {
	case q.cancelled:
		return "Cancelled"
	case age < queryTime/2:
		return "Scheduled"
	case age < queryTime:
		return "Running"
	}
	return "Complete"
}

type startQueryInput struct {
	QueryLanguage       string   `json:"queryLanguage"`
	LogGroupName        string   `json:"logGroupName"`
	LogGroupNames       []string `json:"logGroupNames"`
	LogGroupIdentifiers []string `json:"logGroupIdentifiers"`
	StartTime           *int64   `json:"startTime"` // Unix seconds; AWS takes milliseconds too
	EndTime             *int64   `json:"endTime"`
	QueryString         string   `json:"queryString"`
	Limit               *int     `json:"limit"`
}

type startQueryOutput struct {
	QueryID string `json:"queryId"`
}

// startQuery is StartQuery.
func (s *logStore) startQuery(c *call, in startQueryInput) (startQueryOutput, error) {
	var out startQueryOutput
	if in.QueryLanguage != "" && in.QueryLanguage != "CWLI" {
		return out, failf("InvalidParameterException", "This stand-in has no query language %s.", in.QueryLanguage)
	}
	if in.StartTime == nil || in.EndTime == nil || *in.EndTime < *in.StartTime || *in.StartTime < 0 {
		return out, failf("InvalidParameterException", "Query's end date and time must not be before its start date and time.")
	}
	if in.Limit != nil && (*in.Limit < 1 || *in.Limit > insights.MaxLimit) {
		return out, logsInvalid("Value '%d' at 'limit' failed to satisfy constraint: Member must have value between 1 and %d", *in.Limit, insights.MaxLimit)
	}
	names := append(slices.Clone(in.LogGroupNames), in.LogGroupIdentifiers...)
	if in.LogGroupName != "" {
		names = append(names, in.LogGroupName)
	}
	if len(names) == 0 || len(names) > maxQueriedGroups {
		return out, failf("InvalidParameterException", "A query needs 1 to %d log groups, not %d.", maxQueriedGroups, len(names))
	}
	parsed, err := insights.Parse(in.QueryString)
	if syntax, ok := errors.AsType[*insights.SyntaxError](err); ok {
		return out, failf("MalformedQueryException", "%s", syntax.Reason)
	}
	q := &logsQuery{
		id: newUUID(), text: in.QueryString, begun: c.Time, query: parsed,
		start: milliseconds(*in.StartTime, 0), end: milliseconds(*in.EndTime, 999),
	}
	if in.Limit != nil {
		q.limit = *in.Limit
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		g, err := s.group("", name)
		if err != nil {
			return out, failf("ResourceNotFoundException",
				"Log group '%s' does not exist for account ID '%s' (Service: AWSLogs; Status Code: 400; Error Code: ResourceNotFoundException; Request ID: %s; Proxy: null)",
				name, c.Account, c.RequestID)
		}
		q.groups = append(q.groups, g.name)
	}
	running := 0
	for _, o := range s.queries {
		if st := o.status(c.Time); st == "Running" || st == "Scheduled" {
			running++
		}
	}
	if running >= maxRunningQueries {
		return out, failf("LimitExceededException", "Account maximum query concurrency limit of [%d] reached.", maxRunningQueries)
	}
	if len(s.queries) >= maxQueries {
		s.queries = slices.Delete(s.queries, 0, 1)
	}
	s.queries = append(s.queries, q)
	return startQueryOutput{q.id}, nil
}

// milliseconds reads a time that is in seconds, or already in milliseconds; rest
// is what a second lacks of its end.
func milliseconds(t, rest int64) int64 {
	if t > 100_000_000_000 { // as seconds, the year 5138
		return t
	}
	return t*1000 + rest
}

type queryIDInput struct {
	QueryID   string `json:"queryId"`
	NextToken string `json:"nextToken"`
	MaxItems  *int   `json:"maxItems"`
}

type queryResultsOutput struct {
	QueryLanguage string             `json:"queryLanguage"`
	Results       [][]insights.Field `json:"results"`
	Statistics    map[string]float64 `json:"statistics"`
	Status        string             `json:"status"`
	NextToken     string             `json:"nextToken,omitempty"`
}

// A resultPosition is the index of the row that a page begins with.
type resultPosition struct {
	Query string // its id
	Next  int
}

// queryResults is GetQueryResults. It has no rows before the query is complete.
func (s *logStore) queryResults(c *call, in queryIDInput) (queryResultsOutput, error) {
	out := queryResultsOutput{QueryLanguage: "CWLI", Results: [][]insights.Field{}}
	limit := maxResultPage
	if in.MaxItems != nil && *in.MaxItems > 0 {
		limit = *in.MaxItems
	}
	if limit > maxResultPage {
		return out, logsInvalid("Value '%d' at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to %d", limit, maxResultPage)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.query(in.QueryID)
	if err != nil {
		return out, err
	}
	from := resultPosition{Query: q.id}
	if in.NextToken != "" {
		if err := s.tokens.open(c.Time, in.NextToken, &from); err != nil || from.Query != q.id {
			return out, failf("InvalidParameterException", "The specified nextToken is invalid.")
		}
	}
	out.Status = q.status(c.Time)
	if out.Status == "Complete" {
		s.run(c, q)
		end := min(from.Next+limit, len(q.result.Rows))
		out.Results = append(out.Results, q.result.Rows[min(from.Next, end):end]...)
		if end < len(q.result.Rows) {
			out.NextToken = s.tokens.seal(c.Time, resultPosition{q.id, end})
		}
	}
	out.Statistics = map[string]float64{
		"recordsMatched": float64(q.result.Matched), "recordsScanned": float64(q.result.Scanned), "bytesScanned": float64(q.result.Bytes),
		"estimatedRecordsSkipped": 0, "estimatedBytesSkipped": 0, "logGroupsScanned": float64(len(q.groups)), "resultCount": float64(len(q.result.Rows)),
	}
	return out, nil
}

// query finds an execution. The caller holds the lock.
func (s *logStore) query(id string) (*logsQuery, error) {
	for _, q := range s.queries {
		if q.id == id {
			return q, nil
		}
	}
	return nil, failf("ResourceNotFoundException", "The specified query does not exist.")
}

// run answers a query, once. It sees what was visible when the query began. The
// caller holds the lock.
func (s *logStore) run(c *call, q *logsQuery) {
	if q.ran {
		return
	}
	s.settle(q.begun)
	q.ran = true
	q.result = q.query.Run(func(yield func(insights.Event) bool) {
		for _, name := range q.groups {
			g := s.groups[name]
			if g == nil {
				continue // deleted since
			}
			for _, e := range g.events[g.after(q.start-1, math.MaxUint64):] {
				if e.timestamp > q.end {
					break
				}
				if !yield(insights.Event{
					Time: time.UnixMilli(e.timestamp).UTC(), Ingested: time.UnixMilli(e.ingested).UTC(),
					Message: e.message, Stream: e.stream, Log: c.Account + ":" + name, Pointer: e.id,
				}) {
					return
				}
			}
		}
	}, q.limit)
	rows := 0
	for i, o := range slices.Backward(s.queries) {
		if rows += len(o.result.Rows); rows > maxQueryRows && o != q {
			s.queries = slices.Delete(s.queries, 0, i+1)
			break
		}
	}
}

type stopQueryOutput struct {
	Success bool `json:"success"`
}

// stopQuery is StopQuery; one that has ended cannot be stopped.
func (s *logStore) stopQuery(c *call, in queryIDInput) (stopQueryOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.query(in.QueryID)
	if err != nil {
		return stopQueryOutput{}, err
	}
	if st := q.status(c.Time); st != "Running" && st != "Scheduled" {
		return stopQueryOutput{}, failf("InvalidParameterException", "Query %s has ended or has been cancelled: its status is %s.", q.id, st)
	}
	q.cancelled = true
	return stopQueryOutput{true}, nil
}

type describeQueriesInput struct {
	LogGroupName string `json:"logGroupName"`
	Status       string `json:"status"`
	MaxResults   *int   `json:"maxResults"`
	NextToken    string `json:"nextToken"`
}

type describeQueriesOutput struct {
	Queries   []describedQuery `json:"queries"`
	NextToken string           `json:"nextToken,omitempty"`
}

type describedQuery struct {
	QueryLanguage string `json:"queryLanguage"`
	QueryID       string `json:"queryId"`
	QueryString   string `json:"queryString"`
	Status        string `json:"status"`
	CreateTime    int64  `json:"createTime"`
	LogGroupName  string `json:"logGroupName"`
}

// describeQueries is DescribeQueries, newest first.
func (s *logStore) describeQueries(c *call, in describeQueriesInput) (describeQueriesOutput, error) {
	out := describeQueriesOutput{Queries: []describedQuery{}}
	from := resultPosition{Query: fingerprint("queries", in.LogGroupName, in.Status)}
	of := from.Query
	if in.NextToken != "" {
		if err := s.tokens.open(c.Time, in.NextToken, &from); err != nil || from.Query != of {
			return out, failf("InvalidParameterException", "The specified nextToken is invalid.")
		}
	}
	limit := 1000
	if in.MaxResults != nil {
		limit = *in.MaxResults
	}
	if limit < 1 || limit > 1000 {
		return out, logsInvalid("Value '%d' at 'maxResults' failed to satisfy constraint: Member must have value between 1 and 1000", limit)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []describedQuery
	for _, q := range s.queries {
		st := q.status(c.Time)
		if in.Status != "" && in.Status != st || in.LogGroupName != "" && !slices.Contains(q.groups, in.LogGroupName) {
			continue
		}
		sources := make([]string, len(q.groups))
		for i, g := range q.groups {
			sources[i] = fmt.Sprintf("%q", g)
		}
		all = append(all, describedQuery{
			"CWLI", q.id, fmt.Sprintf("SOURCE %s START=%d END=%d | %s", strings.Join(sources, " "), q.start, q.end, q.text),
			st, q.begun.UnixMilli(), q.groups[0],
		})
	}
	slices.SortStableFunc(all, func(a, b describedQuery) int { return cmp.Compare(b.CreateTime, a.CreateTime) })
	end := min(from.Next+limit, len(all))
	out.Queries = append(out.Queries, all[min(from.Next, end):end]...)
	if end < len(all) {
		out.NextToken = s.tokens.seal(c.Time, resultPosition{of, end})
	}
	return out, nil
}
