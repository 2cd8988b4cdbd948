package correlate

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	nezhaset "muster/internal/nezha"
)

// joins counts how the log rows of one minute found their traces. The names in
// JSON are those of the published expectation.
type joins struct {
	Minute      string `json:"minute"`
	Logs        int    `json:"log_rows"`
	Spans       int    `json:"span_rows"`
	Traceless   int    `json:"log_rows_without_trace_id"`
	LogTraces   int    `json:"distinct_trace_ids_in_logs"`
	SpanTraces  int    `json:"distinct_trace_ids_in_spans"`
	BothTraces  int    `json:"trace_ids_in_both"`
	ByTrace     int    `json:"log_rows_joined_by_trace_id"`       // the log's trace has a span
	ByTraceSpan int    `json:"log_rows_joined_by_trace_and_span"` // the log's span is there
}

// minutes lists the minutes of the Nezha set in order.
func minutes(t *testing.T, dir string) []joins {
	var expected []joins
	readJSON(t, filepath.Join(dir, "expected_join.json"), &expected)
	return expected
}

// removal says which rows go: those for which it is true. SQL says the same.
type removal func(key string) bool

func nothing(string) bool { return false }

// fifth removes a fifth of the rows, another one for each seed.
func fifth(seed int) removal {
	return func(key string) bool {
		sum := md5.Sum([]byte(strconv.Itoa(seed) + ":" + key))
		return binary.BigEndian.Uint32(sum[:])%5 == 0
	}
}

// nezha reads one minute as records. Spans that are removed are absent; logs
// that are removed lose their trace and span ids, and nothing else.
func nezha(t *testing.T, dir, minute string, gone removal) []fleet.Record {
	var rs []fleet.Record
	for _, row := range nezhaset.Spans(t, dir, minute) {
		if gone(row["SpanID"]) {
			continue
		}
		seen := fleet.Keys{Trace: row["TraceID"], Span: row["SpanID"]}
		if row["ParentID"] != "root" {
			seen.Parent = row["ParentID"]
		}
		rs = append(rs, fleet.Record{
			ID: fleet.SpanID(row["TraceID"], row["SpanID"]), Kind: fleet.KindSpan,
			Time: nanoseconds(t, row["StartTimeUnixNano"]), Service: row["PodName"], Name: row["OperationName"], Seen: seen,
		})
	}
	for _, row := range nezhaset.Logs(t, dir, minute) {
		seen := fleet.Keys{Trace: row["TraceID"], Span: row["SpanID"]}
		if gone(row["TimeUnixNano"] + ":" + row["Log"]) {
			seen = fleet.Keys{}
		}
		rs = append(rs, fleet.Record{
			ID: fmt.Sprintf("%s-%05d", minute, len(rs)), Kind: fleet.KindLog,
			Time: nanoseconds(t, row["TimeUnixNano"]), Service: row["PodName"], Message: row["Log"], Seen: seen,
		})
	}
	return rs
}

func nanoseconds(t *testing.T, s string) time.Time {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatalf("read time: %v", err)
	}
	return time.Unix(0, n).UTC().Truncate(time.Microsecond)
}

// count counts the joins that resolving made.
func count(minute string, rs []fleet.Record) joins {
	type span struct{ trace, span string }
	j := joins{Minute: minute}
	spans, spanTraces, logTraces := map[span]bool{}, map[string]bool{}, map[string]bool{}
	for _, r := range rs {
		if r.Kind == fleet.KindSpan {
			j.Spans++
			spans[span{r.Keys.Trace, r.Keys.Span}] = true
			spanTraces[r.Keys.Trace] = true
		}
	}
	for _, r := range rs {
		if r.Kind != fleet.KindLog {
			continue
		}
		j.Logs++
		if r.Keys.Trace == "" {
			j.Traceless++
			continue
		}
		logTraces[r.Keys.Trace] = true
		if spanTraces[r.Keys.Trace] {
			j.ByTrace++
		}
		if spans[span{r.Keys.Trace, r.Keys.Span}] {
			j.ByTraceSpan++
		}
	}
	j.LogTraces, j.SpanTraces = len(logTraces), len(spanTraces)
	for trace := range logTraces {
		if spanTraces[trace] {
			j.BothTraces++
		}
	}
	return j
}

func TestNezhaJoinsAsPublished(t *testing.T) {
	dir := corpus(t, "nezha-trainticket")
	expected := minutes(t, dir)
	if len(expected) == 0 {
		t.Fatal("expected_join.json lists no minute")
	}
	for _, want := range expected {
		rs := nezha(t, dir, want.Minute, nothing)
		Resolve(rs)
		if diff := cmp.Diff(want, count(want.Minute, rs)); diff != "" {
			t.Errorf("published (-) and resolved (+) differ:\n%s", diff)
		}
	}
}

// expectedInSQL counts joins straight from the CSV files, with the same rows
// removed, knowing nothing of the ladder.
const expectedInSQL = `
WITH spans AS (
  SELECT TraceID, SpanID FROM read_csv($1, all_varchar = true, header = true)
  WHERE CAST('0x' || substr(md5($3 || ':' || SpanID), 1, 8) AS BIGINT) % 5 <> 0
), logs AS (
  SELECT CAST('0x' || substr(md5($3 || ':' || TimeUnixNano || ':' || Log), 1, 8) AS BIGINT) % 5 = 0 AS gone, TraceID, SpanID
  FROM read_csv($2, all_varchar = true, header = true)
), showing AS (
  SELECT TraceID, SpanID FROM logs WHERE NOT gone
)
SELECT (SELECT count(*) FROM logs), (SELECT count(*) FROM spans), (SELECT count(*) FROM logs WHERE gone),
  (SELECT count(DISTINCT TraceID) FROM showing), (SELECT count(DISTINCT TraceID) FROM spans),
  (SELECT count(DISTINCT TraceID) FROM showing WHERE TraceID IN (SELECT TraceID FROM spans)),
  (SELECT count(*) FROM showing WHERE TraceID IN (SELECT TraceID FROM spans)),
  (SELECT count(*) FROM showing l WHERE EXISTS (SELECT 1 FROM spans s WHERE s.TraceID = l.TraceID AND s.SpanID = l.SpanID))`

func TestNezhaJoinsWithAFifthRemoved(t *testing.T) {
	dir := corpus(t, "nezha-trainticket")
	db := openDuckDB(t)
	for seed, minute := range minutes(t, dir) {
		want := joins{Minute: minute.Minute}
		err := db.QueryRowContext(t.Context(), expectedInSQL,
			filepath.Join(dir, minute.Minute+"_trace.csv.gz"), filepath.Join(dir, minute.Minute+"_log.csv.gz"), strconv.Itoa(seed),
		).Scan(&want.Logs, &want.Spans, &want.Traceless, &want.LogTraces, &want.SpanTraces, &want.BothTraces, &want.ByTrace, &want.ByTraceSpan)
		if err != nil {
			t.Fatalf("count in SQL: %v", err)
		}
		rs := nezha(t, dir, minute.Minute, fifth(seed))
		Resolve(rs)
		if diff := cmp.Diff(want, count(minute.Minute, rs)); diff != "" {
			t.Errorf("SQL on the files (-) and resolved (+) differ:\n%s", diff)
		}
		if lost := minute.Spans - want.Spans; lost < minute.Spans/6 || lost > minute.Spans/4 {
			t.Errorf("%s: %d of %d spans removed, want a fifth", minute.Minute, lost, minute.Spans)
		}
	}
}

// TestNezhaInBatches feeds the set as it would arrive: out of order, in batches.
// One log in ten shows its span's id as a request id in place of its trace id,
// so that spans that come late change earlier answers.
func TestNezhaInBatches(t *testing.T) {
	dir := corpus(t, "nezha-trainticket")
	var rs []fleet.Record
	for _, m := range minutes(t, dir)[:3] {
		rs = append(rs, nezha(t, dir, m.Minute, nothing)...)
	}
	for i := range rs {
		r := &rs[i]
		r.Seen.Request, r.Seen.Scope = strings.Clone(r.Seen.Span), fleet.ScopeLambda
		if r.Kind == fleet.KindLog && i%10 == 0 {
			r.Seen.Trace = ""
		}
	}
	rnd := rand.New(rand.NewPCG(7, 7))
	rnd.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
	kept := &store{t, map[string]fleet.Record{}}
	r := NewResolver(time.Hour, Bound{})
	amendments := 0
	for len(rs) > 0 {
		n := min(1+rnd.IntN(2000), len(rs))
		amendments += kept.add(r, rs[:n])
		rs = rs[n:]
	}
	got := kept.all()
	if diff := diffKeys(resolved(got), got); diff != "" {
		t.Errorf("Resolve (-) and Resolver (+) differ:\n%s", diff)
	}
	if amendments == 0 {
		t.Error("no answer was amended: nothing was late")
	}
}
