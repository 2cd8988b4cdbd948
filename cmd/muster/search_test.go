package main

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"muster/internal/localaws"
)

// TestTransactionSearchIsReadByTheUsualCommands: one story by all of them, and a
// trace by its id.
func TestTransactionSearchIsReadByTheUsualCommands(t *testing.T) {
	aws, flags := account(t, localaws.Options{TransactionSearch: true})
	d, err := (&net.Dialer{}).DialContext(t.Context(), "udp", aws.DaemonAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close() // nothing is unsent
	at := float64(time.Now().UnixMicro())/1e6 - 30
	const id, w3c = "1-5f187253-0000000000000000000000a1", "5f1872530000000000000000000000a1"
	if _, err := fmt.Fprintf(d, "{\"format\":\"json\",\"version\":1}\n"+
		`{"trace_id":%q,"id":"00000000000000a1","name":"orders","start_time":%f,"end_time":%f,"http":{"request":{"method":"POST","url":"http://o/orders"},"response":{"status":500}},"fault":true}`,
		id, at, at+1); err != nil {
		t.Fatal(err)
	}
	aws.Drain()
	store, rest := flags[:2], flags[2:]
	if out := mustMuster(t, append([]string{"plan", "--source", "xray"}, rest...)...); !strings.Contains(out, "stored bytes of aws/spans") {
		t.Errorf("got\n%s", out)
	}
	if out, _, _ := muster(t, append([]string{"doctor"}, rest...)...); !strings.Contains(out, "aws/spans keeps every span") {
		t.Errorf("got\n%s", out)
	}
	mustMuster(t, append([]string{"collect", "--source", "xray,logs"}, flags...)...)
	for _, spelling := range []string{id, w3c} {
		if out := mustMuster(t, append([]string{"trace", spelling}, store...)...); strings.Count(out, "POST /orders") == 0 || !strings.Contains(out, "fault") {
			t.Errorf("%s: got\n%s", spelling, out)
		}
	}
	if out := mustMuster(t, append([]string{"sql", "select count(*) as n, count(distinct id) as d from records", "--csv"}, store...)...); !strings.Contains(out, "1,1") {
		t.Errorf("a span is one record: got\n%s", out)
	}

	other := append([]string{"--store", t.TempDir() + "/asked"}, rest...)
	out, stderr, code := muster(t, append([]string{"collect", "--trace", w3c + ",1-5f187253-0000000000000000000000a2"}, other...)...)
	if code != exitFailure || !strings.Contains(stderr, "X-Ray has no trace 1-5f187253-0000000000000000000000a2") || !strings.Contains(out, "collect: ") {
		t.Errorf("exit %d\n%s%s", code, out, stderr)
	}
	if out := mustMuster(t, append([]string{"trace", id}, other[:2]...)...); !strings.Contains(out, "POST /orders") {
		t.Errorf("got\n%s", out)
	}
	if out := mustMuster(t, "collect", "--iam", "--trace", id, "--region", "eu-central-1"); !strings.Contains(out, "xray:StartTraceRetrieval") || strings.Contains(out, "logs:") {
		t.Errorf("got\n%s", out)
	}
}
