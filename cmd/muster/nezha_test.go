package main

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite"

	"muster/fleet"
	nezhaset "muster/internal/nezha"
)

// joinCounts are the facts of expected_join.json that the lake can be asked for.
// Times are left out: CloudWatch Logs keeps milliseconds, the set nanoseconds.
type joinCounts struct {
	LogRows     int `json:"log_rows"`
	SpanRows    int `json:"span_rows"`
	LogTraces   int `json:"distinct_trace_ids_in_logs"`
	SpanTraces  int `json:"distinct_trace_ids_in_spans"`
	Both        int `json:"trace_ids_in_both"`
	ByTrace     int `json:"log_rows_joined_by_trace_id"`
	ByTraceSpan int `json:"log_rows_joined_by_trace_and_span"`
}

// TestNezhaJoinsAsPublished takes a real system of 40 services through the
// program: the set is converted to what AWS would hand out, imported, and the
// joins in the lake are counted.
func TestNezhaJoinsAsPublished(t *testing.T) {
	dir := corpus(t, "nezha-trainticket")
	var want []struct {
		Minute string `json:"minute"`
		joinCounts
	}
	text, err := os.ReadFile(filepath.Join(dir, "expected_join.json"))
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	if err != nil || len(want) == 0 {
		t.Fatalf("expected_join.json: %v", err)
	}
	var whole, less joinCounts
	for _, w := range want {
		n := readNezha(t, dir, w.Minute)
		got := n.joined(t, nothing)
		if diff := cmp.Diff(w.joinCounts, got); diff != "" {
			t.Errorf("%s: %s", w.Minute, diff)
		}
		whole.ByTrace += got.ByTrace
	}
	// A fifth of the spans and of the logs' ids is gone, as sampling and broken
	// propagation have it. What is left to join is counted by another engine.
	for _, w := range want[:3] {
		n := readNezha(t, dir, w.Minute)
		got := n.joined(t, fifth)
		if diff := cmp.Diff(n.expected(t, fifth), got); diff != "" {
			t.Errorf("%s, a fifth removed: %s", w.Minute, diff)
		}
		less.ByTrace += got.ByTrace
	}
	if less.ByTrace == 0 || less.ByTrace >= whole.ByTrace {
		t.Errorf("the removal changed nothing: %d of %d logs are joined", less.ByTrace, whole.ByTrace)
	}
}

// remove says which rows lose their ids.
type remove func(kind, id string) bool

func nothing(string, string) bool { return false }

// fifth removes a seeded fifth, chosen by a hash of the row.
func fifth(kind, id string) bool {
	const seed = "7"
	h := fnv.New32a()
	h.Write([]byte(seed + kind + id))
	return h.Sum32()%5 == 0
}

// nezha is one minute of the set.
type nezha struct{ logs, spans []map[string]string }

func readNezha(t *testing.T, dir, minute string) nezha {
	t.Helper()
	return nezha{
		logs:  nezhaset.Logs(t, dir, minute),
		spans: nezhaset.Spans(t, dir, minute),
	}
}

// joined imports the minute and asks the lake.
func (n nezha) joined(t *testing.T, gone remove) joinCounts {
	t.Helper()
	dir := t.TempDir()
	store := filepath.Join(dir, "lake")
	mustMuster(t, "import", "--store", store, "--account", "111122223333", "--region", "us-east-1",
		n.writeSpans(t, dir, gone), n.writeLogs(t, dir, gone))
	return joinCounts{
		LogRows:    count(t, store, "select count(*) from logs"),
		SpanRows:   count(t, store, "select count(*) from spans"),
		LogTraces:  count(t, store, "select count(distinct trace_id) from logs where trace_id <> ''"),
		SpanTraces: count(t, store, "select count(distinct trace_id) from spans"),
		Both: count(t, store, `select count(*) from (select trace_id from logs where trace_id <> ''
			intersect select trace_id from spans)`),
		ByTrace: count(t, store, "select count(*) from logs where trace_id in (select trace_id from spans)"),
		ByTraceSpan: count(t, store, `select count(*) from logs l
			where exists (select 1 from spans s where s.trace_id = l.trace_id and s.span_id = l.span_id)`),
	}
}

func (n nezha) writeLogs(t *testing.T, dir string, gone remove) string {
	t.Helper()
	return writeLines(t, filepath.Join(dir, "logs.ndjson"), len(n.logs), func(i int) any {
		r := n.logs[i]
		text := r["Log"]
		if gone("log", strconv.Itoa(i)) {
			text = strings.NewReplacer(r["TraceID"], "-", r["SpanID"], "-").Replace(text)
		}
		ns, err := strconv.ParseInt(r["TimeUnixNano"], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return map[string]any{
			"logGroupName": "/trainticket/" + r["PodName"], "logStreamName": "server", "eventId": fmt.Sprint("e", i),
			"timestamp": ns / 1e6, "ingestionTime": ns / 1e6, "message": text,
		}
	})
}

func (n nezha) writeSpans(t *testing.T, dir string, gone remove) string {
	t.Helper()
	var kept []map[string]string
	for _, r := range n.spans {
		if !gone("span", r["TraceID"]+r["SpanID"]) {
			kept = append(kept, r)
		}
	}
	return writeLines(t, filepath.Join(dir, "segments.json"), len(kept), func(i int) any {
		r := kept[i]
		doc := map[string]any{
			"trace_id": fleet.FormatTraceID(r["TraceID"]), "id": r["SpanID"], "name": r["PodName"],
			"start_time": seconds(t, r["StartTimeUnixNano"]), "end_time": seconds(t, r["EndTimeUnixNano"]),
			"annotations": map[string]any{"operation": r["OperationName"]},
		}
		if r["ParentID"] != "root" {
			doc["parent_id"] = r["ParentID"]
		}
		return doc
	})
}

func seconds(t *testing.T, ns string) json.Number {
	t.Helper()
	n, err := strconv.ParseInt(ns, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return json.Number(fmt.Sprintf("%d.%09d", n/1e9, n%1e9))
}

func writeLines(t *testing.T, path string, n int, line func(int) any) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	enc := json.NewEncoder(w)
	for i := range n {
		if err := enc.Encode(line(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return path
}

// expected counts the same in SQLite, from the set itself.
func (n nezha) expected(t *testing.T, gone remove) joinCounts {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "nezha.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	exec := func(q string, args ...any) {
		t.Helper()
		if _, err := tx.ExecContext(t.Context(), q, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec("create table logs (trace text, span text)")
	exec("create table spans (trace text, span text, primary key (trace, span))")
	for i, r := range n.logs {
		if gone("log", strconv.Itoa(i)) {
			exec("insert into logs values ('', '')")
		} else {
			exec("insert into logs values (?, ?)", r["TraceID"], r["SpanID"])
		}
	}
	for _, r := range n.spans {
		if !gone("span", r["TraceID"]+r["SpanID"]) {
			exec("insert or ignore into spans values (?, ?)", r["TraceID"], r["SpanID"])
		}
	}
	var c joinCounts
	for q, into := range map[string]*int{
		"select count(*) from logs":                                                                   &c.LogRows,
		"select count(*) from spans":                                                                  &c.SpanRows,
		"select count(distinct trace) from logs where trace <> ''":                                    &c.LogTraces,
		"select count(distinct trace) from spans":                                                     &c.SpanTraces,
		"select count(*) from (select trace from logs intersect select trace from spans)":             &c.Both,
		"select count(*) from logs where trace in (select trace from spans)":                          &c.ByTrace,
		"select count(*) from logs join spans on logs.trace = spans.trace and logs.span = spans.span": &c.ByTraceSpan,
	} {
		if err := tx.QueryRowContext(t.Context(), q).Scan(into); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	return c
}
