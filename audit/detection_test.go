package audit

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

const bucketRule = `title: Bucket gone
id: 39C9F26D-6e3b-4dbb-9c7a-4154b0281112
name: bucket_gone
description: Somebody deleted a bucket.
author: Ada
tags: [attack.impact, attack.t1485]
references: [https://example.com/buckets]
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventSource: s3.amazonaws.com, eventName: DeleteBucket}
  failed: {errorCode|contains: '*'}
  condition: selection and not failed
falsepositives: [Tidying up]
level: high
`

func trailCall(id string, at time.Duration, who, source, event, more string) fleet.Record {
	service, _, _ := strings.Cut(source, ".")
	return fleet.Record{
		ID: id, Kind: fleet.KindAPICall, Time: noon.Add(at), Account: "111122223333", Region: "eu-west-1", Principal: who,
		Service: service, Name: service + ":" + event,
		Attributes: fleet.AttributesOf(fleet.AttrEventSource, source, fleet.AttrEventName, event),
		Raw: []byte(`{"eventSource":"` + source + `","eventName":"` + event + `","eventTime":"` + noon.Add(at).Format(time.RFC3339) +
			`","userIdentity":{"userName":"` + who + `"}` + more + `}`),
	}
}

func loadText(t *testing.T, files map[string]string) []Policy {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	ps, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

func TestASigmaRuleIsAPolicy(t *testing.T) {
	ps := loadText(t, map[string]string{"a/bucket.yml": bucketRule, "expected.json": `{"patterns":[{"pattern":"x"}]}`})
	p := ps[0]
	got := []string{p.ID, p.Title, string(p.Severity), p.Rationale, string(p.On), string(p.Language), p.File, p.Author, p.Tags[1], p.References[0]}
	want := []string{
		"39c9f26d-6e3b-4dbb-9c7a-4154b0281112", "Bucket gone", "high", "Somebody deleted a bucket.", "api_call", "Sigma",
		"a/bucket.yml", "Ada", "attack.t1485", "https://example.com/buckets",
	}
	if diff := cmp.Diff(want, got); diff != "" || len(ps) != 1 {
		t.Errorf("%d policies (-want +got):\n%s", len(ps), diff)
	}
}

func TestASigmaRulesFindings(t *testing.T) {
	gone := trailCall("e1", 0, "ada", "s3.amazonaws.com", "DeleteBucket", "")
	gone.Resources = []string{"AWS::S3::Bucket/logs"}
	again := trailCall("e2", time.Minute, "bob", "s3.amazonaws.com", "DeleteBucket", `,"errorCode":null`)
	again.Resources = gone.Resources
	src := &memory{records: []fleet.Record{
		gone, again,
		trailCall("e3", 0, "ada", "s3.amazonaws.com", "DeleteBucket", `,"errorCode":"AccessDenied"`),
		trailCall("e4", 0, "ada", "s3.amazonaws.com", "CreateBucket", ""),
	}}
	result := judge(t, loadText(t, map[string]string{"x.yml": bucketRule}), Input{Reader: src})
	if len(result.Findings) != 1 {
		t.Fatalf("findings: %+v", result.Findings)
	}
	f := result.Findings[0]
	want := fleet.Finding{
		Fingerprint: f.Fingerprint, Policy: "39c9f26d-6e3b-4dbb-9c7a-4154b0281112", Title: "Bucket gone", Severity: fleet.High,
		Status: fleet.StatusNew, FirstSeen: noon, LastSeen: noon.Add(time.Minute), Count: 2,
		Message:  "Bucket gone: bob called s3:DeleteBucket on AWS::S3::Bucket/logs",
		Remedy:   "Harmless when: Tidying up\nTags: attack.impact, attack.t1485\nReferences: https://example.com/buckets",
		Resource: "AWS::S3::Bucket/logs", Evidence: []string{"e2", "e1"},
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

const loginRules = `title: Failed login
name: failed
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: ConsoleLogin, responseElements.ConsoleLogin: Failure}, condition: s}
---
title: Login
name: login
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: ConsoleLogin, responseElements.ConsoleLogin: Success}, condition: s}
---
title: Many failed logins
name: many
correlation: {type: event_count, rules: [failed], group-by: [userIdentity.userName], timespan: 5m, condition: {gte: 3}}
level: medium
---
title: Guessed password
id: guessed-password
correlation:
  type: temporal_ordered
  rules: [many, login]
  group-by: [who]
  aliases: {who: {many: userIdentity.userName, login: userIdentity.userName}}
  timespan: 10m
level: critical
`

func logins(who string, minutes ...int) []fleet.Record {
	var out []fleet.Record
	for i, m := range minutes {
		how := `,"responseElements":{"ConsoleLogin":"Failure"}`
		if i == len(minutes)-1 {
			how = `,"responseElements":{"ConsoleLogin":"Success"}`
		}
		id := who + string(rune('a'+i))
		out = append(out, trailCall(id, time.Duration(m)*time.Minute, who, "signin.amazonaws.com", "ConsoleLogin", how))
	}
	return out
}

func TestACorrelationOfACorrelation(t *testing.T) {
	ps := loadText(t, map[string]string{"x.yml": loginRules})
	if len(ps) != 1 {
		t.Fatalf("%d policies, want the outermost correlation alone", len(ps))
	}
	records := slices.Concat(
		logins("ada", 0, 1, 2, 8),  // found
		logins("bob", 0, 4, 8, 9),  // three, but not within five minutes
		logins("cyd", 0, 1, 2, 30), // too late
	)
	for _, tt := range []struct {
		name   string
		window fleet.Window
		want   []string
	}{
		{"all", fleet.Window{}, []string{"adad", "adac", "adab", "adaa"}},
		{"what began before the window counts", fleet.Window{Start: noon.Add(7 * time.Minute)}, []string{"adad", "adac", "adab", "adaa"}},
		{"what is complete after it does not", fleet.Window{End: noon.Add(7 * time.Minute)}, nil},
	} {
		result := judge(t, ps, Input{Reader: &memory{records: records}, Window: tt.window})
		var got []string
		for _, f := range result.Findings {
			got = append(got, f.Evidence...)
			if f.Policy != "guessed-password" || f.Severity != fleet.Critical ||
				f.Message != "Guessed password: 4 events within 10m0s, who ada: ConsoleLogin" {
				t.Errorf("%s: %+v", tt.name, f)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestFilterPatternsAreRead(t *testing.T) {
	ps := loadText(t, map[string]string{
		"own.yaml":       "id: bucket-gone\ntitle: Bucket gone\nseverity: high\npattern: '{ $.eventName = DeleteBucket }'\n",
		"aws.json":       `{"metricFilters":[{"filterName":"RootUse","filterPattern":"{ $.userIdentity.type = Root }","metricTransformations":[],"creationTime":1,"logGroupName":"t"}]}`,
		"cis.json":       `[{"cis_v1_5":"4.4","check":["x"],"pattern":"{ $.eventName = PutRolePolicy }","from":"y"}]`,
		"bare.pattern":   "# Anything by ada\n\"ada\" -bob\n",
		"own2.yml":       "pattern: '{ $.eventName = A }'\n---\npattern: '{ $.eventName = B }'\n",
		"unrelated.json": `{"a":1}`,
	})
	var got []string
	for _, p := range ps {
		got = append(got, p.ID+"|"+p.Title+"|"+string(p.Severity)+"|"+string(p.Language))
	}
	want := []string{
		"rootuse|RootUse|medium|filter pattern",
		"bare|Anything by ada|medium|filter pattern",
		"cis-1-5-4-4|CIS AWS Foundations 1.5, control 4.4|medium|filter pattern",
		"bucket-gone|Bucket gone|high|filter pattern",
		"own2-1|An event matches the filter pattern own2-1|medium|filter pattern",
		"own2-2|An event matches the filter pattern own2-2|medium|filter pattern",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	src := &memory{records: []fleet.Record{trailCall("e1", 0, "ada", "s3.amazonaws.com", "DeleteBucket", "")}}
	var found []string
	for _, f := range judge(t, ps, Input{Reader: src}).Findings {
		found = append(found, f.Policy+" "+f.Message)
	}
	if diff := cmp.Diff([]string{
		"bucket-gone Bucket gone: ada called s3:DeleteBucket", "bare Anything by ada: ada called s3:DeleteBucket",
	}, found); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPlaceholdersStandBesideTheRules(t *testing.T) {
	rule := strings.Replace(bucketRule, "eventName: DeleteBucket", "userIdentity.userName|expand: '%admins%'", 1)
	ps := loadText(t, map[string]string{"x.yml": rule, "values.yaml": "placeholders:\n  admins: [ada, 'c*']\n"})
	var records []fleet.Record
	for _, who := range []string{"ada", "bob", "cyd"} {
		records = append(records, trailCall(who, 0, who, "s3.amazonaws.com", "X", ""))
	}
	if got := found(t, ps, records); got[ps[0].ID] != 2 {
		t.Errorf("found %v", got)
	}
}

func TestWhatIsWrongWithADetectionIsSaid(t *testing.T) {
	for _, tt := range []struct {
		name, file, text string
		want             []string
	}{
		{"sigma", "x.yml", strings.Replace(bucketRule, "not failed", "not fail", 1), []string{`x.yml:12: rule "Bucket gone": condition: there is no selection "fail"`}},
		{"taken", "x.yml", bucketRule + "---\n" + bucketRule, []string{"x.yml:16: ", `the name or id "bucket_gone" is also that of x.yml:1`}},
		{"correlation", "x.yml", strings.Replace(loginRules, "[failed]", "[fail]", 1), []string{`x.yml:13: rule "Many failed logins": there is no rule "fail"`}},
		{"unknown field", "x.yaml", "pattern: a\nseverty: high\n", []string{`x.yaml:2: unknown field "severty" of a filter pattern`, "severity"}},
		{"pattern", "x.yaml", "title: t\npattern: '{ $.a = }'\n", []string{"x.yaml:2: policy x: the pattern cannot be read: a value is missing"}},
		{"severity", "x.yaml", "pattern: a\nseverity: worst\n", []string{`x.yaml:2: policy x: unknown severity "worst"`}},
		{"empty", "x.pattern", "# title\n\n", []string{"x.pattern:2: policy x: the pattern is empty"}},
		{"something else beside patterns", "x.yaml", "pattern: a\n---\nid: b\non: trace\n", []string{`x.yaml:4: unknown field "on" of a filter pattern`}},
		{"nothing beside patterns", "x.yaml", "- pattern: a\n- title: t\n- 5\n", []string{"x.yaml:2: policy x-2: the pattern is empty", "x.yaml:3: this is no filter pattern"}},
		{"no YAML behind a pattern", "x.yaml", "pattern: a\n---\nb: [\n", []string{"x.yaml:3: did not find"}},
		{"of AWS", "x.json", "[\n{\"pattern\": \"{ a }\"}]", []string{"x.json:2: policy x: the pattern cannot be read"}},
	} {
		_, err := Load(fstest.MapFS{tt.file: {Data: []byte(tt.text)}})
		var e *LoadError
		if !errors.As(err, &e) || e.Line == 0 {
			t.Errorf("%s: no *LoadError with a line in %v", tt.name, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not in %v", tt.name, want, err)
			}
		}
	}
}

func TestARuleOnAnotherLogIsNotJudged(t *testing.T) {
	ps := loadText(t, map[string]string{"x.yml": strings.Replace(bucketRule, "product: aws, service: cloudtrail", "product: windows, category: process_creation", 1)})
	result := judge(t, ps, Input{Reader: &memory{records: []fleet.Record{trailCall("e1", 0, "ada", "s3.amazonaws.com", "DeleteBucket", "")}}})
	if why := result.Run.NotJudged[ps[0].ID]; !strings.Contains(why, "windows/process_creation") || len(result.Findings) > 0 {
		t.Errorf("not judged: %q, findings %v", why, result.Findings)
	}
}

func TestEvidenceThatIsNoJSONIsSaid(t *testing.T) {
	odd := trailCall("e1", 0, "ada", "s3.amazonaws.com", "DeleteBucket", "")
	odd.Raw = []byte("eventName=DeleteBucket")
	src := &memory{records: []fleet.Record{odd, trailCall("e2", 0, "ada", "s3.amazonaws.com", "DeleteBucket", "")}}
	ps := loadText(t, map[string]string{"x.yml": bucketRule})
	result := judge(t, ps, Input{Reader: src})
	if why := result.Run.NotJudged[ps[0].ID]; !strings.Contains(why, "1 events whose evidence cannot be read, the first: e1: ") {
		t.Errorf("not judged: %q", why)
	}
	if len(result.Findings) != 1 || result.Findings[0].Count != 1 {
		t.Errorf("findings %+v", result.Findings)
	}
}

// That few events came can be said only where all of them were read.
func TestACorrelationOfAbsenceNeedsProof(t *testing.T) {
	ps := loadText(t, map[string]string{"x.yml": `title: Backup
name: backup
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: StartBackupJob}, condition: s}
---
title: Few backups
id: few-backups
correlation: {type: event_count, rules: [backup], timespan: 10m, condition: {lt: 2}}
`})
	src := &memory{records: []fleet.Record{trailCall("e1", 0, "ada", "backup.amazonaws.com", "StartBackupJob", "")}}
	ledger := func(until time.Duration) []fleet.LedgerEntry {
		return []fleet.LedgerEntry{{Stream: "trail/x", Window: fleet.Window{Start: noon.Add(-time.Hour), End: noon.Add(until)}, Coverage: fleet.Complete}}
	}
	in := Input{Reader: src, Now: noon.Add(time.Hour), Ledger: ledger(time.Hour)}
	result := judge(t, ps, in)
	if len(result.Findings) != 1 || result.Findings[0].Policy != "few-backups" {
		t.Errorf("findings %+v, not judged %v", result.Findings, result.Run.NotJudged)
	}
	in.Ledger = ledger(5 * time.Minute)
	result = judge(t, ps, in)
	if why := result.Run.NotJudged["few-backups"]; len(result.Findings) > 0 || !strings.Contains(why, "trail/x is unknown") {
		t.Errorf("findings %+v, not judged %q", result.Findings, why)
	}
}

// A finding is resolved when its event was judged again and the rule no longer
// finds it, as for policies in CEL.
func TestADetectionsFindingIsResolved(t *testing.T) {
	src := &memory{records: []fleet.Record{trailCall("e1", 0, "ada", "s3.amazonaws.com", "DeleteBucket", "")}, findings: map[string]fleet.Finding{}}
	first := judge(t, loadText(t, map[string]string{"x.yml": bucketRule}), Input{Reader: src})
	src.findings[first.Findings[0].Fingerprint] = first.Findings[0]
	narrower := strings.Replace(bucketRule, "eventName: DeleteBucket", "eventName: DeleteBucket, userAgent: x", 1)
	second := judge(t, loadText(t, map[string]string{"x.yml": narrower}), Input{Reader: src})
	if len(second.Findings) != 1 || second.Findings[0].Status != fleet.StatusResolved {
		t.Errorf("findings %+v", second.Findings)
	}
}

// TestPublishedRulesFind holds the whole way, from a folder of rules to findings,
// against what other engines hit.
func TestPublishedRulesFind(t *testing.T) {
	dir := corpus(t, "sigma-aws")
	ps, err := Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "expected_hits.json"))
	if err != nil {
		t.Fatal(err)
	}
	var expected struct {
		Rules []struct {
			ID   string
			Hits []struct{ Dataset string }
		}
	}
	if err := json.Unmarshal(raw, &expected); err != nil {
		t.Fatal(err)
	}
	for _, set := range []string{"invictus", "stratus"} {
		want := map[string]int{}
		for _, r := range expected.Rules {
			for _, h := range r.Hits {
				if h.Dataset == set {
					want[r.ID]++
				}
			}
		}
		var all []fleet.Record
		for _, rs := range trailFiles(t, corpus(t, "cloudtrail-"+set)) {
			all = append(all, rs...)
		}
		if diff := cmp.Diff(want, found(t, ps, all)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", set, diff)
		}
	}
}
