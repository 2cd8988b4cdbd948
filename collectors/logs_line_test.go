package collectors

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"muster/fleet"
)

func TestLogLineBecomesARecord(t *testing.T) {
	e := logEvent{
		EventID: "l-1", Group: "/muster/orders", Stream: "a", Timestamp: 1767323045123,
		Message: `{"time":"2026-01-02T03:04:05.123456789Z","level":"error","service":"orders","msg":"no luck\nat all","line":"n-7",` +
			`"trace_id":"` + xrayTrace + `","correlation_id":"c-1","password":"p","log_group":"mine","http_status":503,"a":{"b":[1,true,null]}}`,
	}
	got := e.record(origin{"111122223333", "us-east-1"})
	want := fleet.Record{
		ID: "l-1", Kind: fleet.KindLog, Time: time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC),
		Account: "111122223333", Region: "us-east-1", Service: "orders", Name: "ERROR", Error: "error", Message: "no luck",
		Seen: fleet.Keys{Trace: hexTrace, Correlation: "c-1"},
		Attributes: fleet.AttributesOf(
			"log_group", "/muster/orders", "log_stream", "a", "line", "n-7", "password", maskMark, "field.log_group", "mine",
			"http_status", "503", "a.b.0", "1", "a.b.1", "true",
		),
		Raw: []byte(strings.Replace(e.Message, `"p"`, `"`+maskMark+`"`, 1)),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func TestLevelsAndServicesOfLines(t *testing.T) {
	for line, want := range map[string][2]string{
		`16:42:22.382 INFO  t.s.TravelServiceImpl#532 hello`:   {"INFO", "orders"},
		`[ERROR] 2026-01-02 boom`:                              {"ERROR", "orders"},
		`2026-01-02T03:04:05Z warning: low`:                    {"", "orders"},
		`WARNING: low`:                                         {"WARN", "orders"},
		`{"severity":"Warning","service":{"name":"payments"}}`: {"WARN", "payments"},
		`{"level":30,"msg":"x"}`:                               {"INFO", "orders"},
		`{"log":"16:42 DEBUG x\n","stream":"stdout"}`:          {"DEBUG", "orders"},
		`{"level":"verbose"}`:                                  {"VERBOSE", "orders"},
		`an INFOrmal line`:                                     {"", "orders"},
		``:                                                     {"", "orders"},
	} {
		e := logEvent{EventID: "l", Group: "/muster/orders", Message: line}
		if r := e.record(origin{}); r.Name != want[0] || r.Service != want[1] {
			t.Errorf("%s: got level %q of service %q, want %v", line, r.Name, r.Service, want)
		}
	}
}

func TestLinesWithoutAnIDAreHashed(t *testing.T) {
	a := logEvent{Group: "g", Stream: "s", Timestamp: 1767323045123, Message: "password=a"}
	b := a
	b.Message = "password=b" // the same once masked
	c := a
	c.Group, c.Stream = "gs", ""
	ids := map[string]bool{}
	for _, e := range []logEvent{a, a, b, c} {
		ids[e.hashed(t)] = true
	}
	if len(ids) != 3 {
		t.Errorf("got %d IDs of three lines, one of them twice: %v", len(ids), ids)
	}
}

func (e *logEvent) hashed(t *testing.T) string {
	t.Helper()
	id := e.record(origin{}).ID
	if !strings.HasPrefix(id, "log-") {
		t.Errorf("got ID %s", id)
	}
	return id
}

func TestOnlyAFinerTimeReplacesCloudWatchs(t *testing.T) {
	for own, want := range map[string]string{
		"2026-01-02T04:04:05.123456+01:00": "2026-01-02T03:04:05.123456Z",
		"2026-01-02T03:04:05.124456Z":      "2026-01-02T03:04:05.123Z",
		"yesterday":                        "2026-01-02T03:04:05.123Z",
	} {
		e := logEvent{EventID: "l", Timestamp: 1767323045123, Message: `{"time":"` + own + `"}`}
		if got := e.record(origin{}).Time.Format(time.RFC3339Nano); got != want {
			t.Errorf("%s: got %s, want %s", own, got, want)
		}
	}
}

func TestSubscriptionPayloadsOfTheCorpus(t *testing.T) {
	var want []struct {
		Input   string `json:"input"`
		Records []struct {
			Account string  `json:"account"`
			Region  *string `json:"region"`
			Group   string  `json:"log_group"`
			Stream  string  `json:"log_stream"`
			Nanos   string  `json:"time_unix_nano"`
			Body    string  `json:"body"`
		} `json:"records"`
	}
	folder := corpus(t, "otel-subscription-filter")
	must(t, json.Unmarshal([]byte(fileText(t, filepath.Join(folder, "expected.json"))), &want))
	for _, w := range want {
		rs, _ := readFile(t, filepath.Join(folder, w.Input))
		if len(rs) != len(w.Records) {
			t.Fatalf("%s: got %d lines, want %d", w.Input, len(rs), len(w.Records))
		}
		for i, r := range rs {
			e := w.Records[i]
			region := ""
			if e.Region != nil {
				region = *e.Region
			}
			got := []string{r.Account, r.Region, r.Attributes.Get(fleet.AttrLogGroup), r.Attributes.Get("log_stream"), strconv.FormatInt(r.Time.UnixNano(), 10), string(r.Raw)}
			if diff := cmp.Diff([]string{e.Account, region, e.Group, e.Stream, e.Nanos, e.Body}, got); diff != "" {
				t.Errorf("%s, line %d (-want +got):\n%s", w.Input, i, diff)
			}
		}
	}
}

func TestLambdaEventCarriesASubscriptionPayload(t *testing.T) {
	rs, _ := readFile(t, filepath.Join(corpus(t, "lambda-go-events"), "cloudwatch-logs-event.json"))
	if len(rs) != 2 || rs[0].Kind != fleet.KindLog || rs[0].Attributes.Get(fleet.AttrLogGroup) != "testLogGroup" {
		t.Errorf("got %d records: %+v", len(rs), rs)
	}
	for _, err := range ReadFile(t.Context(), write(t, []byte(`{"awslogs":{"data":"H4sIAAAA"}}`)), FileOptions{}) {
		if err == nil || !strings.Contains(err.Error(), "awslogs.data: corrupt gzip") {
			t.Errorf("got %v", err)
		}
	}
}

// TestNezhasLinesShowTheirTraceAndSpan holds the scan of text against the ids
// that the publishers of a real system's logs put beside each line.
func TestNezhasLinesShowTheirTraceAndSpan(t *testing.T) {
	lines, found := 0, 0
	for _, p := range corpusFiles(t, "nezha-trainticket", "*_log.csv.gz") {
		for _, row := range csvRows(t, p) {
			e := logEvent{Group: "/nezha/" + row["PodName"], Message: row["Log"], Timestamp: 1}
			k := e.record(origin{}).Seen
			lines++
			if k.Trace == row["TraceID"] && k.Span == row["SpanID"] {
				found++
			} else if lines-found < 5 {
				t.Errorf("got %s/%s of %v", k.Trace, k.Span, row)
			}
		}
	}
	if lines != 29695 || found != lines {
		t.Errorf("found the ids of %d of %d lines", found, lines)
	}
}

func csvRows(t *testing.T, path string) []map[string]string {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(t, err)
	rows, err := csv.NewReader(z).ReadAll()
	must(t, err)
	out := make([]map[string]string, 0, len(rows))
	for _, r := range rows[1:] {
		m := map[string]string{}
		for i, name := range rows[0] {
			m[name] = r[i]
		}
		out = append(out, m)
	}
	return out
}

// A line whose time is none is kept where stores and the ledger have room for it.
func TestLogLineWithoutATimeIsKeptAtTheEpoch(t *testing.T) {
	for _, ms := range []int64{-1, math.MinInt64, math.MaxInt64} {
		e := logEvent{EventID: "1", Group: "/muster/orders", Timestamp: ms, Message: "hello"}
		r := e.record(origin{})
		if !r.Time.Equal(time.UnixMicro(0)) || r.Attributes.Get(fleet.AttrUnreadable) == "" {
			t.Errorf("timestamp %d: got %s, %v", ms, r.Time, r.Attributes)
		}
		if w := unreadableEntry(&r, "").Window; !w.Start.Before(w.End) {
			t.Errorf("timestamp %d: the ledger's window %v is empty", ms, w)
		}
	}
}
