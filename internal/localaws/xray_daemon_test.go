package localaws

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"
	"github.com/google/go-cmp/cmp"
)

// dialDaemon opens the socket that an X-Ray SDK sends segments by.
func dialDaemon(t *testing.T, s *telemetry) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "udp", s.DaemonAddr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // nothing to flush
	return conn
}

func TestDaemonKeepsRecordedDatagramsByteForByte(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpus(t, "xray-sdk-captures"), "*.udp"))
	if err != nil || len(files) != 9 {
		t.Fatalf("got %d datagrams, %v, want 9", len(files), err)
	}
	s := startTelemetry(t, Options{})
	conn := dialDaemon(t, s)
	want, ids := map[string]string{}, map[string]bool{}
	for _, file := range files { // in their order of arrival
		datagram, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(datagram); err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(string(datagram), "\n")
		var d struct {
			ID      string `json:"id"`
			TraceID string `json:"trace_id"`
		}
		if err := json.Unmarshal([]byte(body), &d); err != nil {
			t.Fatal(err)
		}
		want[d.ID], ids[d.TraceID] = body, true // a resent segment replaces itself
	}
	var traceIDs []string
	for id := range ids {
		traceIDs = append(traceIDs, id)
	}
	var diff string
	eventually(t, "all datagrams are stored", func() bool {
		_, got, _ := s.traces(t, traceIDs...)
		diff = cmp.Diff(want, got)
		return diff == "" || len(got) == len(want)
	})
	if diff != "" {
		t.Error(diff)
	}
}

func TestDaemonGoesOnAfterBadDatagrams(t *testing.T) {
	s := startTelemetry(t, Options{})
	conn := dialDaemon(t, s)
	const header = `{"format":"json","version":1}` + "\n"
	good := document(testTrace(1), "00000000000000aa", 1, `"end_time":2`)
	for _, datagram := range []string{"", "no header", header, header + "{", `{"format":"xml","version":1}` + "\n" + good, header + good} {
		if _, err := io.WriteString(conn, datagram); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the good segment is stored", func() bool {
		_, got, _ := s.traces(t, testTrace(1))
		return got["00000000000000aa"] == good
	})
}

// sampling is the part of the sampling calls' answers that SDKs act on.
type sampling struct {
	SamplingRuleRecords     []struct{ SamplingRule samplingRule }
	SamplingTargetDocuments []samplingTarget
	UnprocessedStatistics   []unprocessedStatistics
	LastRuleModification    *float64
}

// postDaemon calls the daemon as SDKs do: by HTTP, without a signature.
func postDaemon(t *testing.T, s *telemetry, path, body string) (status int, answer sampling) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.DaemonAddr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

func TestDaemonAnswersTheSamplingCalls(t *testing.T) {
	clock := newHandClock()
	s := startTelemetry(t, Options{Now: clock.Now})
	status, rules := postDaemon(t, s, "/GetSamplingRules", `{"NextToken": null}`)
	if status != 200 || len(rules.SamplingRuleRecords) != 1 {
		t.Fatalf("got %d %+v", status, rules)
	}
	rule := rules.SamplingRuleRecords[0].SamplingRule
	if rule.RuleName != "Default" || rule.FixedRate != 1 || rule.Version != 1 || rule.ResourceARN != "*" || len(rule.Attributes) != 0 {
		t.Errorf("got rule %+v", rule)
	}
	status, targets := postDaemon(t, s, "/SamplingTargets",
		`{"SamplingStatisticsDocuments":[{"RuleName":"Default","ClientID":"0123456789abcdef01234567","Timestamp":1795557920,"RequestCount":3,"SampledCount":3,"BorrowCount":0},{"RuleName":"gone"}]}`)
	wantTargets := []samplingTarget{{RuleName: "Default", FixedRate: 1, Interval: 10, ReservoirQuotaTTL: timestamp{clock.Now().Add(samplingInterval)}}}
	if diff := cmp.Diff(wantTargets, targets.SamplingTargetDocuments); diff != "" || status != 200 {
		t.Errorf("got %d %s", status, diff)
	}
	if len(targets.UnprocessedStatistics) != 1 || targets.UnprocessedStatistics[0].ErrorCode != "400" {
		t.Errorf("got unprocessed %+v", targets.UnprocessedStatistics)
	}
	// A rule changed later than the client's copy would be fetched every time.
	if targets.LastRuleModification == nil || *targets.LastRuleModification != 0 {
		t.Errorf("got LastRuleModification %v", targets.LastRuleModification)
	}
	if status, _ := postDaemon(t, s, "/TraceSummaries", `{}`); status != 400 {
		t.Errorf("the daemon answered GetTraceSummaries with %d", status)
	}
}

func TestSamplingCallsAtTheEndpoint(t *testing.T) {
	s := startTelemetry(t, Options{})
	rules, err := s.xray.GetSamplingRules(t.Context(), &xray.GetSamplingRulesInput{})
	if err != nil || *rules.SamplingRuleRecords[0].SamplingRule.RuleName != "Default" {
		t.Fatalf("got %+v, %v", rules, err)
	}
	targets, err := s.xray.GetSamplingTargets(t.Context(), &xray.GetSamplingTargetsInput{
		SamplingStatisticsDocuments: []types.SamplingStatisticsDocument{{
			RuleName: aws.String("Default"), ClientID: aws.String("0123456789abcdef01234567"), Timestamp: aws.Time(s.now()), RequestCount: 1, SampledCount: 1,
		}},
	})
	if err != nil || targets.SamplingTargetDocuments[0].FixedRate != 1 {
		t.Errorf("got %+v, %v", targets, err)
	}
}

func TestDaemonNeedsAFreePort(t *testing.T) {
	s := startTelemetry(t, Options{})
	if _, err := Start(t.Context(), Options{DaemonAddr: s.DaemonAddr()}); err == nil {
		t.Error("a second daemon got the first one's port")
	}
}

func FuzzParseDatagram(f *testing.F) {
	f.Add([]byte(`{"format": "json", "version": 1}` + "\n" + `{"id":"a"}`))
	f.Add([]byte(`{"format":"json","version":1}` + "\n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		body, err := parseDatagram(datagram)
		if err == nil && (len(body) == 0 || !strings.HasSuffix(string(datagram), "\n"+string(body))) {
			t.Errorf("%q gave the document %q", datagram, body)
		}
	})
}
