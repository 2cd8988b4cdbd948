package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

var findings = []fleet.Finding{
	{
		Fingerprint: "b", Policy: "slow-dependency", Severity: fleet.Medium, Status: fleet.StatusOpen,
		LastSeen: noon, Count: 12, Service: "orders", Message: "orders waited 1.33 s for payments",
	},
	{
		Fingerprint: "a", Policy: "security-group-open", Severity: fleet.High, Status: fleet.StatusNew,
		LastSeen: noon.Add(time.Hour), Count: 1, Resource: "AWS::EC2::SecurityGroup/sg-1", Message: "somebody opened sg-1",
	},
	{
		Fingerprint: "c", Policy: "root-console-login", Severity: fleet.Medium, Status: fleet.StatusResolved,
		LastSeen: noon.Add(time.Minute), Count: 1, Resource: "arn:aws:iam::111122223333:root", Title: "Root signed in",
	},
}

func render(t *testing.T, fs []fleet.Finding, width int) string {
	t.Helper()
	var buf bytes.Buffer
	if err := TableWidth(&buf, fs, width); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestTableIsWorstFirstThenNewest(t *testing.T) {
	var buf bytes.Buffer
	if err := Table(&buf, findings); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
SEVERITY  STATUS    COUNT  LAST SEEN             POLICY               WHERE               WHAT
high      new           1  2026-01-01 13:00:00Z  security-group-open  SecurityGroup/sg-1  somebody opened sg-1
medium    resolved      1  2026-01-01 12:01:00Z  root-console-login   root                Root signed in
medium    open         12  2026-01-01 12:00:00Z  slow-dependency      orders              orders waited 1.33 s for payments
3 findings: 1 high, 1 medium, 1 resolved
`, "\n")
	if diff := cmp.Diff(want, buf.String()); diff != "" {
		t.Error(diff)
	}
	if findings[0].Fingerprint != "b" {
		t.Error("Table has reordered its caller's findings")
	}
}

func TestTableGivesMessagesTheirOwnLineOnNarrowTerminals(t *testing.T) {
	want := strings.TrimPrefix(`
SEVERITY  STATUS  COUNT  LAST SEEN             POLICY           WHERE
  WHAT
medium    open       12  2026-01-01 12:00:00Z  slow-dependency  orders
  orders waited 1.33 s for payments
1 finding: 1 medium
`, "\n")
	if diff := cmp.Diff(want, render(t, findings[:1], 80)); diff != "" {
		t.Error(diff)
	}
}

func TestTableNeverExceedsTheWidth(t *testing.T) {
	long := findings[0]
	long.Message = strings.Repeat("日本語 and more ", 40)
	long.Resource = "AWS::S3::Bucket/" + strings.Repeat("b", 63)
	for _, width := range []int{20, 40, 80, 120, 200} {
		for line := range strings.SplitSeq(strings.TrimSuffix(render(t, []fleet.Finding{long}, width), "\n"), "\n") {
			if n := cells(line); n > width {
				t.Errorf("width %d: a line of %d cells: %q", width, n, line)
			}
		}
	}
}

func TestTableSpellsControlCharactersOut(t *testing.T) {
	evil := findings[0]
	evil.Message = "\x1b]0;owned\x07 line\nnext \u202etxt"
	evil.Resource = "\x1b[2J"
	out := render(t, []fleet.Finding{evil}, 0)
	if strings.ContainsAny(out, "\x1b\x07\u202e") || strings.Count(out, "\n") != 3 {
		t.Errorf("%q", out)
	}
	if !strings.Contains(out, `\x1b]0;owned`) {
		t.Errorf("the escape sequence is not shown: %q", out)
	}
}

func TestTableSaysThatThereIsNothing(t *testing.T) {
	if got := render(t, nil, 80); got != "no findings\n" {
		t.Errorf("%q", got)
	}
}

func TestJSONIsOneFindingALine(t *testing.T) {
	var buf bytes.Buffer
	if err := JSON(&buf, findings); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(buf.String(), "\n"), "\n")
	if len(lines) != len(findings) {
		t.Fatalf("%d lines", len(lines))
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(lines[1]), &got); err != nil {
		t.Fatal(err)
	}
	if got["policy"] != "security-group-open" || got["last_seen"] != "2026-01-01T13:00:00.000000Z" {
		t.Errorf("%v", got)
	}
}

var errFull = errors.New("disk full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestReportsPassWriteErrorsOn(t *testing.T) {
	if err := Table(full{}, findings); !errors.Is(err, errFull) {
		t.Errorf("Table: %v", err)
	}
	if err := JSON(full{}, findings); !errors.Is(err, errFull) {
		t.Errorf("JSON: %v", err)
	}
}

func TestCutCountsCells(t *testing.T) {
	for _, tt := range []struct {
		in   string
		most int
		want string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"日本語", 5, "日本…"},
		{"日本語", 4, "日…"},
		{"e\u0301e\u0301", 2, "e\u0301e\u0301"},
		{"", 1, ""},
	} {
		if got := cut(tt.in, tt.most); got != tt.want {
			t.Errorf("cut(%q, %d) = %q, want %q", tt.in, tt.most, got, tt.want)
		}
	}
}
