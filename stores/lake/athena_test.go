package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
)

func TestBindLeavesTextNoWayOut(t *testing.T) {
	long := strings.Repeat("'", 600)
	for _, tt := range []struct {
		name, sql string
		args      []any
		want      string
		params    []string
	}{
		{"none", "select '?'", nil, "select '?'", nil},
		{"plain", "a = ?", []any{"x"}, "a = ?", []string{"'x'"}},
		{"quote", "a = ? and b = ?", []any{"' or true --", `\'; drop table x; --`}, "a = ? and b = ?", []string{"''' or true --'", `'\''; drop table x; --'`}},
		{"a question mark in it", "a = ? and b = ?", []any{"?", "y"}, "a = ? and b = ?", []string{"'?'", "'y'"}},
		{"too long for a parameter", "a = ? and b = ? or c = ?", []any{"x", long, "?"}, "a = ? and b = '" + strings.Repeat("'", 1200) + "' or c = ?", []string{"'x'", "'?'"}},
		{"not utf-8", "a = ?", []any{"\xff"}, "a = ?", []string{"'\uFFFD'"}},
	} {
		got, params, err := bind(tt.sql, tt.args)
		if err != nil || got != tt.want || cmp.Diff(tt.params, params) != "" {
			t.Errorf("%s: got %q with %q, error %v", tt.name, got, params, err)
		}
	}
	for _, tt := range []struct {
		sql  string
		args []any
	}{
		{"a = ?", []any{"x", "y"}}, {"a = ? and b = ?", []any{"x"}}, {"a = ?", []any{7}}, {"a = ?", []any{strings.Repeat("x", athenaText)}},
	} {
		if got, _, err := bind(tt.sql, tt.args); err == nil {
			t.Errorf("%.20s with %d arguments: got %.20q and no error", tt.sql, len(tt.args), got)
		}
	}
}

func TestOnlyQueriesGoToAthena(t *testing.T) {
	for _, text := range []string{
		"select 1", " SELECT 1", "-- why\nselect 1", "/* why */ /**/\n(select 1)", "with x as (select 1) select * from x", "values 1",
		"table records", "show tables", "describe records", "explain select 1", "EXPLAIN (TYPE VALIDATE) select 1", "explain analyze verbose\n-- c\nselect 1",
		"explain (format json) with x as (select 1) select * from x", "explain (type io, format json) (select 1)",
	} {
		if !readsOnly(text) {
			t.Errorf("%s: refused", text)
		}
	}
	for _, text := range []string{
		"", "-- nothing", "drop table evidence", "insert into evidence select 1", "delete from evidence", "create table x as select 1",
		"explain analyze insert into evidence select 1", "explain analyze /* x */ delete from evidence", "explain (type distributed) analyze delete from x",
		"/* select */ update evidence set id = ''", "-- select\ndrop view records", "merge into evidence", "unload (select 1) to 's3://x'",
		"using external function f(x int) returns int lambda 'l' select f(1)", "optimize evidence rewrite data using bin_pack", "vacuum evidence",
		"prepare p from select 1", "execute p", "selected", "msck repair table x", "alter table evidence drop column id", "call x()", "grant x", "refresh x",
	} {
		if readsOnly(text) {
			t.Errorf("%s: let through", text)
		}
	}
}

// standIn is Athena's API by its protocol: what each call answers, in order, the
// last one for ever.
type standIn struct {
	mu      sync.Mutex
	answers map[string][]any // by action: a status code and text, or what is answered
	calls   map[string][]map[string]any
	called  chan string
}

type refusal struct{ code, message string }

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	body, _ := io.ReadAll(r.Body)
	var in map[string]any
	_ = json.Unmarshal(body, &in)
	s.mu.Lock()
	n := len(s.calls[action])
	s.calls[action] = append(s.calls[action], in)
	answers := s.answers[action]
	s.mu.Unlock()
	answer := answers[min(n, len(answers)-1)]
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if no, ok := answer.(refusal); ok {
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]any{"__type": no.code, "Message": no.message}
	}
	_ = json.NewEncoder(w).Encode(answer)
	select {
	case s.called <- action:
	default:
	}
}

func (s *standIn) seen(action string) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[action]
}

func state(name, reason string, more ...any) map[string]any {
	status := map[string]any{"State": name, "StateChangeReason": reason}
	q := map[string]any{"QueryExecutionId": "q1", "StatementType": "DML", "Status": status, "Statistics": map[string]any{"DataScannedInBytes": 11 << 20}}
	for i := 0; i+1 < len(more); i += 2 {
		status[more[i].(string)] = more[i+1]
	}
	return map[string]any{"QueryExecution": q}
}

// page is one of GetQueryResults: rows of texts, nil for NULL.
func page(next string, types []string, rows ...[]any) map[string]any {
	var columns, out []any
	for i, k := range types {
		columns = append(columns, map[string]any{"Name": fmt.Sprint("c", i), "Type": k})
	}
	for _, r := range rows {
		var data []any
		for _, v := range r {
			d := map[string]any{}
			if v != nil {
				d["VarCharValue"] = v
			}
			data = append(data, d)
		}
		out = append(out, map[string]any{"Data": data})
	}
	p := map[string]any{"ResultSet": map[string]any{"Rows": out, "ResultSetMetadata": map[string]any{"ColumnInfo": columns}}}
	if next != "" {
		p["NextToken"] = next
	}
	return p
}

// ask makes a client of a stand-in that answers as told, by default well.
func standInClient(t *testing.T, o AthenaOptions, answers map[string][]any) (*athenaClient, *standIn) {
	t.Helper()
	s := &standIn{answers: map[string][]any{
		"StartQueryExecution": {map[string]any{"QueryExecutionId": "q1"}},
		"GetQueryExecution":   {state("QUEUED", ""), state("RUNNING", ""), state("SUCCEEDED", "")},
		"GetQueryResults":     {page("", []string{"bigint"}, []any{"c0"}, []any{"1"})},
		"StopQueryExecution":  {map[string]any{}},
		"GetWorkGroup":        {map[string]any{"WorkGroup": map[string]any{"Name": "w", "Configuration": map[string]any{"BytesScannedCutoffPerQuery": 10 << 20}}}},
	}, calls: map[string][]map[string]any{}, called: make(chan string, 100)}
	maps.Copy(s.answers, answers)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	cfg := aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: server.Client(),
		Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
	}
	return newAthenaClient(cfg, o, "db", "s3://b/p", slog.New(slog.DiscardHandler)), s
}

// spelled are values with their types, NaN too.
func spelled(values ...any) string { return fmt.Sprintf("%#v", values) }

func TestAthenaAnswersAPageAtATime(t *testing.T) {
	kinds := []string{"varchar", "bigint", "boolean", "double", "timestamp(6) with time zone", "timestamp", "date", "array(varchar)", "varbinary", "decimal(3,1)"}
	first := []any{"a", "7", "true", "NaN", "2026-03-14 12:00:00.123456 UTC", "2026-03-14 12:00:00.123", "2026-03-14", "[x, y]", "de ad", "1.5"}
	c, s := standInClient(t, AthenaOptions{Workgroup: "w", Output: "s3://out/", Reuse: 5 * time.Minute}, map[string][]any{
		"GetQueryResults": {
			page("t", kinds, []any{"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"}, first),
			page("u", kinds), page("", kinds, []any{"", nil, nil, "1", "2026-03-14 12:00:00.000 Europe/Berlin", nil, nil, nil, nil, nil}),
		},
	})
	a, err := c.run(t.Context(), "select ? where x = ?", []any{"l'été", "b"})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.peek(); err != nil {
		t.Fatal(err)
	}
	rows := &Rows{rows: a, columns: make([]string, len(kinds)), types: make([]string, len(kinds)), done: a.Close}
	var got []string
	for rows.Next() {
		got = append(got, spelled(rows.Values()...))
	}
	at := time.Date(2026, 3, 14, 12, 0, 0, 123456000, time.UTC)
	want := []string{
		spelled("a", int64(7), true, math.NaN(), at, at.Truncate(time.Millisecond), "2026-03-14", "[x, y]", []byte{0xde, 0xad}, 1.5),
		spelled("", nil, nil, float64(1), time.Date(2026, 3, 14, 11, 0, 0, 0, time.UTC), nil, nil, nil, nil, nil),
	}
	if diff := cmp.Diff(want, got); diff != "" || rows.Err() != nil {
		t.Errorf("error %v (-want +got):\n%s", rows.Err(), diff)
	}
	started := s.seen("StartQueryExecution")[0]
	token, _ := started["ClientRequestToken"].(string)
	if len(token) < 32 {
		t.Errorf("the token %q is shorter than Athena takes", token)
	}
	delete(started, "ClientRequestToken")
	if diff := cmp.Diff(map[string]any{
		"QueryString": "select ? where x = ?", "ExecutionParameters": []any{"'l''été'", "'b'"}, "WorkGroup": "w",
		"QueryExecutionContext": map[string]any{"Database": "db"}, "ResultConfiguration": map[string]any{"OutputLocation": "s3://out/"},
		"ResultReuseConfiguration": map[string]any{"ResultReuseByAgeConfiguration": map[string]any{"Enabled": true, "MaxAgeInMinutes": 5.0}},
	}, started); diff != "" {
		t.Errorf("what was asked (-want +got):\n%s", diff)
	}
	for i, want := range []any{nil, "t", "u"} {
		if in := s.seen("GetQueryResults")[i]; in["NextToken"] != want || in["MaxResults"] != 1000.0 {
			t.Errorf("page %d was asked for as %v", i, in)
		}
	}
	if cost := a.cost(); cost.Scanned != 11<<20 || fmt.Sprintf("%.6f", cost.Dollars) != "0.000052" {
		t.Errorf("got cost %+v", cost)
	}
}

// TestAthenaKeepsARowThatLooksLikeItsHeader: only SELECT has a header.
func TestAthenaKeepsARowThatLooksLikeItsHeader(t *testing.T) {
	show := state("SUCCEEDED", "")
	show["QueryExecution"].(map[string]any)["StatementType"] = "UTILITY"
	for want, answer := range map[int]map[string]any{1: state("SUCCEEDED", ""), 2: show} {
		c, _ := standInClient(t, AthenaOptions{}, map[string][]any{
			"GetQueryExecution": {answer}, "GetQueryResults": {page("", []string{"varchar"}, []any{"c0"}, []any{"c0"})},
		})
		a, err := c.run(t.Context(), "select", nil)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for a.Next() {
			n++
		}
		if n != want || a.Err() != nil {
			t.Errorf("got %d rows, error %v, want %d", n, a.Err(), want)
		}
	}
}

func TestAthenaIsAskedAgainWhenThrottled(t *testing.T) {
	busy := refusal{"TooManyRequestsException", "You have exceeded the limit"}
	c, s := standInClient(t, AthenaOptions{}, map[string][]any{
		"StartQueryExecution": {busy, busy, map[string]any{"QueryExecutionId": "q1"}},
		"GetQueryExecution":   {refusal{"ThrottlingException", "Rate exceeded"}, state("SUCCEEDED", "")},
		"GetQueryResults":     {refusal{"ThrottlingException", "Rate exceeded"}, page("", []string{"bigint"}, []any{"c0"}, []any{"1"})},
	})
	a, err := c.run(t.Context(), "select 1", nil)
	if err != nil || !a.Next() {
		t.Fatalf("error %v", err)
	}
	calls := s.seen("StartQueryExecution")
	if len(calls) != 3 || calls[0]["ClientRequestToken"] != calls[2]["ClientRequestToken"] {
		t.Errorf("submitted %d times, want 3 with one token", len(calls))
	}
}

// TestAthenaOutputFallsBack asks below the lake when nothing else says where,
// and remembers it.
func TestAthenaOutputFallsBack(t *testing.T) {
	c, s := standInClient(t, AthenaOptions{}, map[string][]any{
		"StartQueryExecution": {refusal{"InvalidRequestException", "No output location provided. An output location is required"}, map[string]any{"QueryExecutionId": "q1"}},
	})
	for range 2 {
		if _, err := c.run(t.Context(), "select 1", nil); err != nil {
			t.Fatal(err)
		}
	}
	var outputs []any
	for _, in := range s.seen("StartQueryExecution") {
		outputs = append(outputs, in["ResultConfiguration"])
	}
	below := map[string]any{"OutputLocation": "s3://b/p/athena-results/"}
	if diff := cmp.Diff([]any{nil, below, below}, outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

func TestAthenaSaysWhyThereIsNoAnswer(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers map[string][]any
		want    string
		starts  int
	}{
		{"failed", map[string][]any{"GetQueryExecution": {state("FAILED", "DIVISION_BY_ZERO: Division by zero")}}, "Athena query q1: DIVISION_BY_ZERO: Division by zero", 1},
		{"no view", map[string][]any{"GetQueryExecution": {state("FAILED", "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.db.records' does not exist")}}, "muster lake views --apply", 1},
		{"over the limit", map[string][]any{"GetQueryExecution": {state("CANCELLED", "Bytes scanned limit was exceeded")}}, "read more than the 10.0 MB that workgroup primary allows", 1},
		{"over a limit that one may not see", map[string][]any{
			"GetQueryExecution": {state("CANCELLED", "Bytes scanned limit was exceeded")}, "GetWorkGroup": {refusal{"AccessDeniedException", "no"}},
		}, "read more than workgroup primary allows", 1},
		{"stopped by another", map[string][]any{"GetQueryExecution": {state("CANCELLED", "by the administrator")}}, "cancelled: by the administrator", 1},
		{"worth another try, three times", map[string][]any{
			"GetQueryExecution": {state("FAILED", "GENERIC_INTERNAL_ERROR", "AthenaError", map[string]any{"Retryable": true})},
		}, "GENERIC_INTERNAL_ERROR", 3},
		{"worth another try, and well", map[string][]any{
			"GetQueryExecution": {state("FAILED", "x", "AthenaError", map[string]any{"Retryable": true}), state("SUCCEEDED", "")},
		}, "", 2},
		{"denied", map[string][]any{"StartQueryExecution": {refusal{"AccessDeniedException", "You are not authorized"}}}, "start a query in Athena workgroup primary", 1},
		{"the answer cannot be read", map[string][]any{"GetQueryResults": {refusal{"InvalidRequestException", "gone"}}}, "gone", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, s := standInClient(t, AthenaOptions{}, tt.answers)
			a, err := c.run(t.Context(), "select 1", nil)
			if err == nil {
				for a.Next() {
				}
				err = a.Err()
			}
			if got := fmt.Sprint(err); !strings.Contains(got, tt.want) || (tt.want == "") != (err == nil) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
			if n := len(s.seen("StartQueryExecution")); n != tt.starts {
				t.Errorf("submitted %d times, want %d", n, tt.starts)
			}
		})
	}
}

// TestAthenaStopsAQueryThatNobodyWaitsFor is Ctrl-C, at the two moments at which
// a query may be running.
func TestAthenaStopsAQueryThatNobodyWaitsFor(t *testing.T) {
	for _, when := range []string{"StartQueryExecution", "GetQueryExecution"} {
		t.Run(when, func(t *testing.T) {
			c, s := standInClient(t, AthenaOptions{}, map[string][]any{"GetQueryExecution": {state("RUNNING", "")}})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				for action := range s.called {
					if action == when {
						cancel()
						return
					}
				}
			}()
			if _, err := c.run(ctx, "select 1", nil); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want that it was cancelled", err)
			}
			stopped := s.seen("StopQueryExecution")
			if len(stopped) != 1 || stopped[0]["QueryExecutionId"] != "q1" {
				t.Errorf("stopped %v, want q1 once", stopped)
			}
		})
	}
	c, s := standInClient(t, AthenaOptions{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.run(ctx, "select 1", nil); !errors.Is(err, context.Canceled) || len(s.seen("StartQueryExecution")) != 0 {
		t.Errorf("cancelled before: error %v, %d queries", err, len(s.seen("StartQueryExecution")))
	}
}

// TestViewsAreTrinos: what only DuckDB knows must not be in them.
func TestViewsAreTrinos(t *testing.T) {
	names := map[string]bool{}
	for _, v := range Views() {
		names[v.Name] = true
		if text := withoutComments(v.SQL); !strings.HasPrefix(text, "CREATE OR REPLACE VIEW "+v.Name+" AS") || strings.Contains(text, "moment(") {
			t.Errorf("view %s is made by\n%s", v.Name, text)
		}
	}
	for _, name := range []string{"records", "spans", "logs", "api_calls", "changes", "verdicts", "traces", "findings", "runs"} {
		if !names[name] {
			t.Errorf("there is no view %s", name)
		}
	}
}
