package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"html"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"muster/audit"
	"muster/fleet"
)

const evil = "</script><script>alert(1)</script>\x1b[2J\" onload=x | `@everyone` https://bad.example [a](b)\u202e"

// sample is a report with a finding of every status, evidence of every kind, and
// text from outside that wants to be something else.
func sample() *Report {
	trace := strings.Repeat("ab", 16)
	span := func(id, parent, name string, at, ms int) fleet.Record {
		return fleet.Record{
			ID: fleet.SpanID(trace, id), Kind: fleet.KindSpan, Time: noon.Add(time.Duration(at) * time.Millisecond),
			Duration: time.Duration(ms) * time.Millisecond, Account: "111122223333", Region: "eu-central-1", Service: "orders", Name: name,
			Keys: fleet.Keys{Trace: trace, Span: id, Parent: parent, TraceLink: fleet.Link{Via: fleet.RungSeen, Sure: fleet.Exact}},
		}
	}
	call := fleet.Record{
		ID: "event-1", Kind: fleet.KindAPICall, Time: noon, Account: "111122223333", Region: "eu-central-1", Name: "ec2:AuthorizeSecurityGroupIngress",
		Principal: "arn:aws:iam::111122223333:user/" + evil, Message: evil,
		Resources: []string{"AWS::EC2::SecurityGroup/sg-1", "arn:aws:ec2:eu-central-1:111122223333:security-group/sg-1"},
		Attributes: fleet.AttributesOf(
			fleet.AttrEventName, "AuthorizeSecurityGroupIngress", fleet.AttrEventSource, "ec2.amazonaws.com", fleet.AttrSourceIP, "203.0.113.10",
		),
		Keys: fleet.Keys{Request: "req-1", Trace: trace, TraceLink: fleet.Link{Via: fleet.RungRequest, Sure: fleet.Inferred}},
	}
	spans := []fleet.Record{
		span("a1", "", "POST /orders", 0, 1350), span("b1", "a1", "payments", 10, 1310), span("c1", "b1", evil, 20, 1000),
	}
	r := &Report{
		Run: fleet.Run{
			ID: "run-1", Started: noon.Add(time.Hour), Policies: 4, NotJudged: map[string]string{"absent-call": "<b>cloudtrail</b> was not read"},
			Window: fleet.Window{Start: noon.Add(-time.Hour)},
		},
		Version: "1.0.0",
		Policies: []audit.Policy{
			{ID: "security-group-open", Title: "Open", Severity: fleet.High, Rationale: "It is " + evil, Remedy: "Close it", Tags: []string{"attack.t1562.007", "attack.defense-evasion"}, References: []string{"https://docs.aws.amazon.com/x"}},
			{ID: "slow-dependency", Title: "Slow", Severity: fleet.Medium},
			{ID: "absent-call", Title: "Absent", Severity: fleet.Low},
			{ID: "quiet", Title: "Quiet", Severity: fleet.Info},
		},
		Waiting:  map[string]int{"slow-dependency": 2},
		Waived:   map[string]string{"w": "payments until 2026-12-31: <i>known</i>"},
		Evidence: map[string]fleet.Record{call.ID: call, spans[1].ID: spans[1]},
		Changes: map[string]fleet.Record{"AWS::EC2::SecurityGroup/sg-1": {
			Kind: fleet.KindChange, Raw: []byte(`{"tags":{"team":"shop","env":"prod"}}`),
		}},
		Traces: map[string][]fleet.Record{trace: append(spans, call)},
	}
	one := func(fingerprint, policy string, s fleet.Severity, status fleet.Status) fleet.Finding {
		return fleet.Finding{
			Fingerprint: fingerprint, Policy: policy, Title: "Title " + evil, Severity: s, Status: status, FirstSeen: noon, LastSeen: noon.Add(time.Minute),
			Count: 3, Message: evil, Remedy: evil,
		}
	}
	open := one("a", "security-group-open", fleet.High, fleet.StatusNew)
	open.Resource, open.Evidence, open.Trace = "AWS::EC2::SecurityGroup/sg-1", []string{call.ID, "gone"}, trace
	slow := one("b", "slow-dependency", fleet.Medium, fleet.StatusOpen)
	slow.Service, slow.Evidence, slow.Trace = "orders", []string{spans[1].ID}, trace
	root := one("e", "not-loaded", fleet.Critical, fleet.StatusReopened)
	root.Resource = "arn:aws:iam::444455556666:root"
	r.Findings = []fleet.Finding{
		slow, open, one("w", "slow-dependency", fleet.Low, fleet.StatusWaived), one("r", "quiet", fleet.Info, fleet.StatusResolved), root,
	}
	return r
}

func written(t *testing.T, format string, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, format, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// schema is a published one. google/jsonschema-go knows no draft 4, of which
// SARIF's uses nothing that draft 7 has not.
func schema(t *testing.T, file string) *jsonschema.Resolved {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`"http://json-schema.org/draft-04/schema#"`), []byte(`"http://json-schema.org/draft-07/schema#"`), 1)
	text = bytes.Replace(text, []byte(`"id":"https://docs.oasis-open.org`), []byte(`"$id":"https://docs.oasis-open.org`), 1)
	var s jsonschema.Schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

func parsed(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSARIFMeetsItsSchema(t *testing.T) {
	s := schema(t, "sarif-2.1.0.schema.json")
	v := parsed(t, written(t, "sarif", sample()))
	if err := s.Validate(v); err != nil {
		t.Error(err)
	}
	if err := s.Validate(parsed(t, written(t, "sarif", &Report{}))); err != nil {
		t.Errorf("an empty report: %v", err)
	}
	v["runs"].([]any)[0].(map[string]any)["results"].([]any)[0].(map[string]any)["level"] = "terrible"
	if s.Validate(v) == nil {
		t.Error("the schema takes anything")
	}
}

func TestSARIFTellsWaivedFromWhatStands(t *testing.T) {
	run := parsed(t, written(t, "sarif", sample()))["runs"].([]any)[0].(map[string]any)
	var suppressed []string
	for _, r := range run["results"].([]any) {
		if s := r.(map[string]any)["suppressions"]; s != nil {
			suppressed = append(suppressed, s.([]any)[0].(map[string]any)["justification"].(string))
		}
	}
	if !slices.Equal(suppressed, []string{"payments until 2026-12-31: <i>known</i>"}) {
		t.Errorf("suppressed: %q", suppressed)
	}
	rules := run["tool"].(map[string]any)["driver"].(map[string]any)["rules"].([]any)
	if len(rules) != 5 {
		t.Errorf("%d rules, want those of 4 policies and of one that only a finding names", len(rules))
	}
}

func TestOCSFMeetsItsSchema(t *testing.T) {
	s := schema(t, "ocsf-1.6.0-detection-finding.schema.json")
	lines := strings.Split(strings.TrimSuffix(written(t, "ocsf", sample()), "\n"), "\n")
	if len(lines) != 5 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		v := parsed(t, line)
		if err := s.Validate(v); err != nil {
			t.Errorf("%v\n%s", err, line)
		}
		v["colour"] = "red"
		if s.Validate(v) == nil {
			t.Error("the schema takes anything")
		}
	}
}

func TestOCSFHasTheSceneOfTheEvidence(t *testing.T) {
	lines := strings.Split(written(t, "ocsf", sample()), "\n")
	for _, want := range []string{
		`"account":{"uid":"111122223333"}`, `"region":"eu-central-1"`, `"technique":{"uid":"T1562.007"}`, `"src_endpoint":{"ip":"203.0.113.10"}`,
		`"uid":"arn:aws:ec2:eu-central-1:111122223333:security-group/sg-1"`, `"tags":[{"name":"env","value":"prod"},{"name":"team","value":"shop"}]`,
		`"operation":"AuthorizeSecurityGroupIngress"`, `"type_uid":200401`,
	} {
		if !strings.Contains(lines[1], want) {
			t.Errorf("%s is not in %s", want, lines[1])
		}
	}
}

func TestASFFStaysInSecurityHubsBounds(t *testing.T) {
	r := sample()
	r.Findings[0].Message, r.Findings[0].Remedy = strings.Repeat("é", 5000), strings.Repeat("x", 5000)
	got := r.ASFF()
	if len(got) != len(r.Findings) {
		t.Fatalf("%d findings", len(got))
	}
	for _, a := range got {
		if n := len([]rune(a.Description)); n > 1024 || n == 0 {
			t.Errorf("a description of %d characters", n)
		}
		if a.Remediation != nil && len([]rune(a.Remediation.Recommendation.Text)) > 512 {
			t.Error("a remedy that is too long")
		}
		if !regexp.MustCompile(`^\d{12}$`).MatchString(a.AwsAccountID) {
			t.Errorf("account %q", a.AwsAccountID)
		}
	}
	states := map[string]string{}
	for _, a := range got {
		states[a.ID] = a.RecordState + " " + a.Workflow.Status + " " + a.Severity.Label + " " + a.Resources[0].Type
	}
	want := map[string]string{
		"muster/a": "ACTIVE NEW HIGH AwsEc2SecurityGroup", "muster/b": "ACTIVE NEW MEDIUM Other", "muster/w": "ACTIVE SUPPRESSED LOW Other",
		"muster/r": "ARCHIVED RESOLVED INFORMATIONAL Other", "muster/e": "ACTIVE NEW CRITICAL Other",
	}
	if !maps.Equal(states, want) {
		t.Errorf("%v", states)
	}
}

func TestJUnitCountsWhatItWrites(t *testing.T) {
	text := written(t, "junit", sample())
	var got junitSuites
	if err := xml.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	tests, failures, skipped := 0, 0, 0
	for _, s := range got.Suites {
		for _, c := range s.Cases {
			tests++
			if c.Failure != nil {
				failures++
			}
			if c.Skipped != nil {
				skipped++
			}
		}
	}
	if tests != got.Tests || failures != got.Failures || skipped != got.Skipped {
		t.Errorf("says %d, %d, %d; has %d, %d, %d", got.Tests, got.Failures, got.Skipped, tests, failures, skipped)
	}
	if failures != 3 || skipped != 2 {
		t.Errorf("%d failures and %d skipped; want the 3 that stand, and the waived and the unjudged one", failures, skipped)
	}
}

func TestMarkdownTakesNoMarkupFromOutside(t *testing.T) {
	text := written(t, "markdown", sample())
	for _, bad := range []string{"<script", "@everyone", "https://bad", "[a](b)", "\x1b", "\u202e", "<b>cloudtrail"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q is in the report", bad)
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "| ") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != 8 {
			t.Errorf("a row that has not seven cells: %s", line)
		}
	}
}

func TestPageLetsNothingInAndNothingOut(t *testing.T) {
	text := written(t, "html", sample())
	if n := strings.Count(text, "<script"); n != 1 {
		t.Errorf("%d scripts", n)
	}
	for _, bad := range []string{`" onload`, "\x1b", "\u202e", "<b>cloudtrail", "ZgotmplZ", "<i>known"} {
		if strings.Contains(text, bad) {
			t.Errorf("%q is in the page", bad)
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href|action|data|xlink:href)\s*=\s*"([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(m[1], "#") {
			t.Errorf("the page reaches out: %s", m[0])
		}
	}
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(text)
	script := regexp.MustCompile(`(?s)<script>(.*)</script>`).FindStringSubmatch(text)
	for _, part := range [][]string{style, script} {
		if part == nil || !strings.Contains(html.UnescapeString(text), "'"+contentHash(part[1])+"'") {
			t.Error("a style or script that the page's own policy stops")
		}
	}
	if strings.Contains(text, "style=") {
		t.Error("a style attribute, which the page's own policy stops")
	}
}

func TestWaterfallKeepsTheEvidence(t *testing.T) {
	trace := strings.Repeat("cd", 16)
	var rs []fleet.Record
	for i := range 200 {
		id := strings.Repeat("0", 13) + string(rune('a'+i/26/26)) + string(rune('a'+i/26%26)) + string(rune('a'+i%26))
		rs = append(rs, fleet.Record{
			ID: fleet.SpanID(trace, id), Kind: fleet.KindSpan, Time: noon.Add(time.Duration(i) * time.Millisecond), Duration: time.Millisecond,
			Keys: fleet.Keys{Trace: trace, Span: id},
		})
	}
	f := fleet.Finding{Trace: trace, Evidence: []string{rs[150].ID, rs[199].ID}}
	w := newWaterfall(&f, rs)
	marked := 0
	for _, row := range w.Rows {
		if row.Marked {
			marked++
		}
	}
	if marked != 2 || len(w.Rows) != waterfallRows || w.Left != 200-waterfallRows {
		t.Errorf("%d rows, %d marked, %d left out", len(w.Rows), marked, w.Left)
	}
}

func TestWaterfallShowsSpansThatCallEachOtherInACircle(t *testing.T) {
	span := func(id, parent string) fleet.Record {
		return fleet.Record{ID: id, Kind: fleet.KindSpan, Time: noon, Keys: fleet.Keys{Span: id, Parent: parent}}
	}
	w := newWaterfall(&fleet.Finding{}, []fleet.Record{span("a", "b"), span("b", "a"), span("c", "c")})
	if len(w.Rows) != 3 {
		t.Errorf("%d rows", len(w.Rows))
	}
}

func TestWriteKnowsEveryFormatItNames(t *testing.T) {
	for _, name := range Formats() {
		if len(written(t, name, sample())) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
	if err := Write(&bytes.Buffer{}, "pdf", sample()); err == nil || !strings.Contains(err.Error(), "html") {
		t.Errorf("%v", err)
	}
}
