package insights

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// events are a few lines, a minute apart.
func events() []Event {
	var out []Event
	for i, m := range []string{
		`{"level":"INFO","service":"orders","took":12,"trace":{"id":"a1"}}`,
		`{"level":"ERROR","service":"payments","took":250,"trace":{"id":"a2"},"tags":["x","y"],"nano":1763985600000000001}`,
		`REPORT RequestId: 8f5 Duration: 3.2 ms`,
		`{"level":"ERROR","service":"orders","took":30,"ok":true,"none":null}`,
	} {
		out = append(out, Event{Time: noon.Add(time.Duration(i) * time.Minute), Ingested: noon, Message: m, Stream: "s", Log: "1:g", Pointer: fmt.Sprint("p", i)})
	}
	return out
}

func TestRun(t *testing.T) {
	for query, want := range map[string]string{
		`fields @timestamp | sort @timestamp asc | limit 1`:                                                          `@timestamp=2026-11-24 12:00:00.000 @ptr=p0`,
		`fields level, service | filter level = "ERROR"`:                                                             `level=ERROR service=orders @ptr=p3;level=ERROR service=payments @ptr=p1`,
		`fields service | filter level = 'ERROR' and took > 100`:                                                     `service=payments @ptr=p1`,
		`fields service | filter level != "ERROR"`:                                                                   `@ptr=p2;service=orders @ptr=p0`,
		`fields trace.id as id | filter ispresent(trace.id) | sort id`:                                               `id=a1 @ptr=p0;id=a2 @ptr=p1`,
		`fields tags.1 | filter tags.0 in ["x", "z"]`:                                                                `tags.1=y @ptr=p1`,
		`fields nano | filter ispresent(nano)`:                                                                       `nano=1763985600000000001 @ptr=p1`,
		`fields ok | filter ok = "true"`:                                                                             `ok=true @ptr=p3`,
		`fields service | filter @message like /ERR.R/ and not (service = "orders")`:                                 `service=payments @ptr=p1`,
		`fields service | filter @message not like "level"`:                                                          `@ptr=p2`,
		"fields `trace.id` | filter `service` =~ /^pay/":                                                             `trace.id=a2 @ptr=p1`,
		`fields took * 2 + 1 as double | filter took = 12`:                                                           `double=25 @ptr=p0`,
		`parse @message "RequestId: * Duration: * ms" as id, ms | filter ispresent(id) | display id, ms`:             `id=8f5 ms=3.2 @ptr=p2`,
		`parse @message /Duration: (?<ms>[0-9.]+)/ | filter ms > 3 | display ms`:                                     `ms=3.2 @ptr=p2`,
		`stats count(*) by level | sort level`:                                                                       `count(*)=1;level=ERROR count(*)=2;level=INFO count(*)=1`,
		`stats count(*) as n, avg(took) as a, max(took), sum(took) by service | filter n > 1 | filter service != ""`: `service=orders n=2 a=21 max(took)=30 sum(took)=42`,
		`stats count(*) as n by bin(2m) | sort n desc, bin(2m)`:                                                      `bin(2m)=2026-11-24 12:00:00.000 n=2;bin(2m)=2026-11-24 12:02:00.000 n=2`,
		`stats count_distinct(service) as s, pct(took, 50) as p, earliest(service) as e, latest(service) as l`:       `s=2 p=30 e=orders l=orders`,
		`filter service = "none" | stats count(*)`:                                                                   `count(*)=0`,
		`fields service | filter ispresent(service) | dedup service | sort service`:                                  `service=orders @ptr=p0;service=payments @ptr=p1`,
		"fields @message # a comment\n| filter @message like 'REPORT'":                                               `@message=REPORT RequestId: 8f5 Duration: 3.2 ms @ptr=p2`,
		`fields strlen(level) as n, concat(service, "-", level) as c | filter took = 30`:                             `n=5 c=orders-ERROR @ptr=p3`,
	} {
		q, err := Parse(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var rows []string
		for _, r := range q.Run(slices.Values(events()), 0).Rows {
			var cells []string
			for _, f := range r {
				cells = append(cells, f.Name+"="+f.Value)
			}
			rows = append(rows, strings.Join(cells, " "))
		}
		if d := cmp.Diff(want, strings.Join(rows, ";")); d != "" {
			t.Errorf("%s (-want +got):\n%s", query, d)
		}
	}
}

func TestRunCountsWhatMatched(t *testing.T) {
	q, err := Parse(`filter level = "ERROR" | stats count(*) by service | filter service = "orders"`)
	if err != nil {
		t.Fatal(err)
	}
	if r := q.Run(slices.Values(events()), 0); r.Scanned != 4 || r.Matched != 2 || len(r.Rows) != 1 {
		t.Errorf("scanned %d, matched %d, %d rows", r.Scanned, r.Matched, len(r.Rows))
	}
}

func TestParseRefuses(t *testing.T) {
	for _, query := range []string{
		"", "select 1", "fields", "fields a,", "filter", "filter a =", "filter a like b", "filter (a = 1", "filter a in 1", "filter a in [1", "filter nothing(a)",
		"limit 0", "limit x", "stats", "stats count", "stats count(*", "stats sum(*) by", "stats pct(a)", "stats pct(a, 200)", "fields bin(x)", "fields bin(5y)",
		`filter a = "open`, "filter a like /open", "filter a like /(/", `parse @message "* *" as a`, `parse @message "*"`, "fields a | ", "fields a b", "sort", "fields a as 1",
		"filter " + strings.Repeat("(", maxDepth+1) + "a", "filter " + strings.Repeat("not ", maxDepth+1) + "a", "fields " + strings.Repeat("-", maxDepth+1) + "1", strings.Repeat("a", maxQuery+1),
	} {
		var syntax *SyntaxError
		if _, err := Parse(query); !errors.As(err, &syntax) {
			t.Errorf("%.60q was taken: %v", query, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, q := range []string{
		`fields @timestamp, a.b as c | filter c like /x/ and not (d in ["e", 1]) | sort c desc | limit 5`,
		`parse @message "a * b *" as x, y | stats count(*) as n, pct(x, 99) by bin(5m), y | dedup y`,
	} {
		f.Add(q)
	}
	f.Fuzz(func(_ *testing.T, query string) {
		if q, err := Parse(query); err == nil {
			q.Run(slices.Values(events()), 0)
		}
	})
}
