package collectors

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	"github.com/aws/aws-sdk-go-v2/service/configservice/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/internal/localaws"
)

// Answers of AWS Config's about its rules.
func ruleList(token string, names ...string) answer {
	var rules []string
	for _, n := range names {
		rules = append(rules, `{"ConfigRuleName":"`+n+`","Compliance":{"ComplianceType":"COMPLIANT"}}`)
	}
	return answer{body: `{"ComplianceByConfigRules":[` + strings.Join(rules, ",") + `]` + token + `}`}
}

func evaluation(rule, id, compliance string, recorded time.Time) string {
	return fmt.Sprintf(`{"EvaluationResultIdentifier":{"EvaluationResultQualifier":{"ConfigRuleName":%q,"ResourceType":"AWS::S3::Bucket","ResourceId":%q},"OrderingTimestamp":1},"ComplianceType":%q,"ResultRecordedTime":%d,"Annotation":"because"}`,
		rule, id, compliance, recorded.Unix())
}

func results(token string, evaluations ...string) answer {
	return answer{body: `{"EvaluationResults":[` + strings.Join(evaluations, ",") + `]` + token + `}`}
}

func recorder(group string) answer {
	return answer{body: `{"ConfigurationRecorders":[{"name":"default","recordingGroup":` + group + `}]}`}
}

// said is an item of a bucket's timeline.
func said(at time.Time, status string, verdicts ...string) string {
	var rules []string
	for _, v := range verdicts {
		rule, compliance, _ := strings.Cut(v, "=")
		rules = append(rules, `{"configRuleName":"`+rule+`","configRuleArn":"arn:aws:config:us-east-1:111122223333:config-rule/x","complianceType":"`+compliance+`"}`)
	}
	configuration, _ := json.Marshal(`{"complianceType":"x","configRuleList":[` + strings.Join(rules, ",") + `]}`) // a string always marshals
	return fmt.Sprintf(`{"resourceType":"AWS::Config::ResourceCompliance","resourceId":"AWS::S3::Bucket/b","configurationItemCaptureTime":%d,"configurationItemStatus":%q,"configurationStateId":"1","configuration":%s}`,
		at.Unix(), status, configuration)
}

func items(token string, documents ...string) answer {
	return answer{body: `{"configurationItems":[` + strings.Join(documents, ",") + `]` + token + `}`}
}

const (
	everything = `{"allSupported":true}`
	nothing    = `{"resourceIdentifiers":[]}`
)

func verdictLines(got collected) []string {
	var lines []string
	for _, r := range got.records {
		lines = append(lines, r.ID+" "+r.Attributes.Get("compliance")+" "+r.Error)
	}
	return lines
}

func TestVerdictsAreTheChangesOfATimeline(t *testing.T) {
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes-60) * time.Minute) }
	s := &script{answers: map[string][]answer{
		"DescribeConformancePacks":       {noPacks()},
		"DescribeComplianceByConfigRule": {ruleList(`,"NextToken":"1"`, "private"), ruleList(`,"NextToken":"2"`), throttled(), ruleList("", "owned", "private")},
		"GetComplianceDetailsByConfigRule": {
			results(`,"NextToken":"1"`, evaluation("owned", "old", "COMPLIANT", noon.Add(-3*time.Hour))),
			results("", evaluation("owned", "b", "COMPLIANT", at(5))),
			results("", evaluation("private", "b", "COMPLIANT", at(30))),
		},
		"DescribeConfigurationRecorders": {recorder(everything)},
		"ListDiscoveredResources":        {{body: nothing}},
		"GetResourceConfigHistory": {
			items(`,"nextToken":"1"`, said(at(5), "OK", "private=COMPLIANT", "owned=COMPLIANT")),
			items(`,"nextToken":"1"`), // of what was before
			items("", said(at(-600), "OK", "private=COMPLIANT", "owned=NON_COMPLIANT")),
			items("", said(at(20), "OK", "private=NON_COMPLIANT", "owned=COMPLIANT"), said(at(30), "OK", "private=COMPLIANT", "owned=COMPLIANT")),
		},
	}}
	got := collect(t.Context(), scripted(t, s, Options{Sources: []string{SourceVerdicts}}), lastHour)
	want := []string{
		"owned/AWS::S3::Bucket/b@2026-01-02T11:05:00Z COMPLIANT ",
		"private/AWS::S3::Bucket/b@2026-01-02T11:20:00Z NON_COMPLIANT NON_COMPLIANT",
		"private/AWS::S3::Bucket/b@2026-01-02T11:30:00Z COMPLIANT ",
	}
	if d := cmp.Diff(want, verdictLines(got)); d != "" || got.summary() != "through 12:00, complete" {
		t.Fatalf("%s, %v; verdicts (-want +got):\n%s", got.summary(), got.err, d)
	}
	r := got.records[2]
	wantRecord := fleet.Record{
		ID: r.ID, Kind: fleet.KindVerdict, Time: at(30), Account: testAccount, Region: testRegion, Service: "s3", Name: "private",
		Resources: []string{"AWS::S3::Bucket/b"}, Message: "private says COMPLIANT of AWS::S3::Bucket/b: because",
		Attributes: fleet.AttributesOf(
			"resource_type", "AWS::S3::Bucket", "resource_id", "b", "compliance", "COMPLIANT", "annotation", "because",
			"rule_arn", "arn:aws:config:us-east-1:111122223333:config-rule/x",
		),
		Raw: []byte(`{"configRuleName":"private","configRuleArn":"arn:aws:config:us-east-1:111122223333:config-rule/x","complianceType":"COMPLIANT","resourceType":"AWS::S3::Bucket","resourceId":"b","resultRecordedTime":"2026-01-02T11:30:00Z","annotation":"because"}`),
	}
	if d := cmp.Diff(wantRecord, r); d != "" {
		t.Errorf("record (-want +got):\n%s", d)
	}
}

func TestVerdictsOnWhatWasDeletedAreFound(t *testing.T) {
	s := &script{answers: map[string][]answer{
		"DescribeConformancePacks":         {noPacks()},
		"DescribeComplianceByConfigRule":   {ruleList("", "private")},
		"GetComplianceDetailsByConfigRule": {results("")},
		"DescribeConfigurationRecorders":   {recorder(everything)},
		"ListDiscoveredResources":          {{body: fmt.Sprintf(`{"resourceIdentifiers":[{"resourceType":"AWS::Config::ResourceCompliance","resourceId":"AWS::S3::Bucket/b","resourceDeletionTime":%d},{"resourceType":"AWS::Config::ResourceCompliance","resourceId":"AWS::S3::Bucket/kept"}]}`, noon.Unix()-60)}},
		"GetResourceConfigHistory":         {items("", said(noon.Add(-time.Minute*5), "ResourceDiscovered", "private=NON_COMPLIANT"), said(noon.Add(-time.Minute), "ResourceDeleted"))},
	}}
	got := collect(t.Context(), scripted(t, s, Options{Sources: []string{SourceVerdicts}}), lastHour)
	if d := cmp.Diff([]string{"private/AWS::S3::Bucket/b@2026-01-02T11:55:00Z NON_COMPLIANT NON_COMPLIANT"}, verdictLines(got)); d != "" || got.err != nil {
		t.Errorf("%v; verdicts (-want +got):\n%s", got.err, d)
	}
	if n := len(s.calls("GetResourceConfigHistory")); n != 1 {
		t.Errorf("%d histories were read, want that of the deleted bucket alone", n)
	}
}

func TestWithoutTimelinesTheLastVerdictsStand(t *testing.T) {
	for name, group := range map[string]string{
		"other types":     `{"allSupported":false,"resourceTypes":["AWS::S3::Bucket"]}`,
		"all but this":    `{"allSupported":false,"exclusionByResourceTypes":{"resourceTypes":["AWS::Config::ResourceCompliance"]},"recordingStrategy":{"useOnly":"EXCLUSION_BY_RESOURCE_TYPES"}}`,
		"nothing is said": `{}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{answers: map[string][]answer{
				"DescribeConformancePacks":       {noPacks()},
				"DescribeComplianceByConfigRule": {ruleList("", "gone", "private")},
				"GetComplianceDetailsByConfigRule": {
					failing(400, "NoSuchConfigRuleException"),
					results("", evaluation("private", "b", "NON_COMPLIANT", noon.Add(-time.Minute)), evaluation("private", "later", "COMPLIANT", noon.Add(time.Minute)), evaluation("private", "a", "COMPLIANT", noon.Add(-time.Hour))),
				},
				"DescribeConfigurationRecorders": {recorder(group)},
			}}
			got := collect(t.Context(), scripted(t, s, Options{Sources: []string{SourceVerdicts}}), lastHour)
			want := []string{"private/AWS::S3::Bucket/a@2026-01-02T11:00:00Z COMPLIANT ", "private/AWS::S3::Bucket/b@2026-01-02T11:59:00Z NON_COMPLIANT NON_COMPLIANT"}
			lines := verdictLines(got)
			if len(lines) == 2 && lines[0] > lines[1] {
				lines[0], lines[1] = lines[1], lines[0] // resources are read at once
			}
			if d := cmp.Diff(want, lines); d != "" || got.summary() != "through 12:00, complete" {
				t.Errorf("%s, %v; verdicts (-want +got):\n%s", got.summary(), got.err, d)
			}
		})
	}
}

func TestVerdictsThatCannotBeReadAreNoVerdicts(t *testing.T) {
	for name, tt := range map[string]struct {
		operation string
		answer    answer
		want      string // of the ledger; "" expects an error
	}{
		"rules denied":     {"DescribeComplianceByConfigRule", denied(), "allow config:DescribeComplianceByConfigRule"},
		"details denied":   {"GetComplianceDetailsByConfigRule", denied(), "allow config:GetComplianceDetailsByConfigRule"},
		"recorder denied":  {"DescribeConfigurationRecorders", denied(), "allow config:DescribeConfigurationRecorders"},
		"timeline denied":  {"GetResourceConfigHistory", denied(), "allow config:GetResourceConfigHistory"},
		"timeline torn":    {"GetResourceConfigHistory", answer{body: strings.ReplaceAll(items("", said(noon, "OK", "private=COMPLIANT")).body, `{\"complianceType\"`, `[`)}, ""},
		"token goes round": {"DescribeComplianceByConfigRule", ruleList(`,"NextToken":"1"`), ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{answers: map[string][]answer{
				"DescribeConformancePacks":         {noPacks()},
				"DescribeComplianceByConfigRule":   {ruleList("", "private")},
				"GetComplianceDetailsByConfigRule": {results("", evaluation("private", "b", "COMPLIANT", noon.Add(-time.Minute)))},
				"DescribeConfigurationRecorders":   {recorder(everything)},
				"ListDiscoveredResources":          {{body: nothing}},
				"GetResourceConfigHistory":         {items("")},
			}}
			s.answers[tt.operation] = []answer{tt.answer}
			got := collect(t.Context(), scripted(t, s, Options{Sources: []string{SourceVerdicts}}), lastHour)
			if len(got.records) > 0 || len(got.through) > 0 || (tt.want == "") != (got.err != nil) {
				t.Fatalf("%d records, %s, %v", len(got.records), got.summary(), got.err)
			}
			if tt.want != "" && (len(got.ledger) != 1 || got.ledger[0].Reason != "denied" || !strings.Contains(got.ledger[0].Detail, tt.want)) {
				t.Errorf("ledger: %+v", got.ledger)
			}
		})
	}
}

// TestEveryPassBringsEachVerdictOnce: a rule violated and obeyed again between
// two passes, on a stand-in that is late, throttles and repeats itself.
func TestEveryPassBringsEachVerdictOnce(t *testing.T) {
	var ahead atomic.Int64 // what the stand-in's clock is ahead of the real one
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	s, cfg := standIn(t, localaws.Options{
		Now: now, Seed: 3, Delay: localaws.Delay{Config: 5 * time.Minute},
		Trouble: localaws.Trouble{Throttle: 0.1, Fail: 0.1, EmptyPage: 0.2, Repeat: 0.3},
	})
	deployer := awsAt(t, s.Endpoint())
	config, buckets := configservice.NewFromConfig(deployer), s3.NewFromConfig(deployer, func(o *s3.Options) { o.UsePathStyle = true })
	_, err := config.PutConfigRule(t.Context(), &configservice.PutConfigRuleInput{ConfigRule: &types.ConfigRule{
		ConfigRuleName: aws.String("private"), Source: &types.Source{Owner: types.OwnerAws, SourceIdentifier: aws.String("S3_BUCKET_PUBLIC_READ_PROHIBITED")},
	}})
	must(t, err)
	_, err = buckets.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("receipts")})
	must(t, err)
	c, err := Discover(t.Context(), Options{AWS: cfg, Sources: []string{SourceVerdicts}, Now: now})
	must(t, err)
	seen := map[string]int{}
	var order []string
	mark := now().Add(-time.Hour)
	pass := func() {
		end := now()
		got := collect(t.Context(), c[0], fleet.Window{Start: mark, End: end})
		must(t, got.err)
		mark = end
		for _, r := range got.records {
			if seen[r.ID]++; seen[r.ID] == 1 {
				order = append(order, r.Attributes.Get("compliance")+" "+strings.Join(r.Resources, " "))
			}
		}
	}
	ahead.Add(int64(6 * time.Minute))
	pass()
	_, err = buckets.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String("receipts"), Policy: aws.String(
		`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::receipts/*"}]}`)})
	must(t, err)
	ahead.Add(int64(2 * time.Minute))
	_, err = buckets.DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: aws.String("receipts")})
	must(t, err)
	for range 4 {
		ahead.Add(int64(6 * time.Minute))
		pass()
	}
	const name = " AWS::S3::Bucket/receipts"
	if d := cmp.Diff([]string{"COMPLIANT" + name, "NON_COMPLIANT" + name, "COMPLIANT" + name}, order); d != "" {
		t.Errorf("verdicts (-want +got):\n%s", d)
	}
}

// TestVerdictsOfAFileAreThoseOfTheTimeline: Config's files have the items of
// timelines too.
func TestVerdictsOfAFileAreThoseOfTheTimeline(t *testing.T) {
	at := noon.Add(-40 * time.Minute)
	item := said(at, "ResourceDiscovered", "private=NON_COMPLIANT", "owned=COMPLIANT")
	s := &script{answers: map[string][]answer{
		"DescribeConformancePacks":       {noPacks()},
		"DescribeComplianceByConfigRule": {ruleList("", "private")},
		"GetComplianceDetailsByConfigRule": {
			results("", evaluation("private", "b", "COMPLIANT", noon)), // whose annotation is not that of before
		},
		"DescribeConfigurationRecorders": {recorder(everything)},
		"ListDiscoveredResources":        {{body: nothing}},
		"GetResourceConfigHistory":       {items("", item)},
	}}
	read := collect(t.Context(), scripted(t, s, Options{Sources: []string{SourceVerdicts}}), lastHour)
	var i map[string]json.RawMessage
	must(t, json.Unmarshal([]byte(item), &i))
	var text string
	must(t, json.Unmarshal(i["configuration"], &text))
	spelled := func(state, configuration string) string { // as files do
		return `{"awsAccountId":"` + testAccount + `","awsRegion":"` + testRegion + `","resourceType":"AWS::Config::ResourceCompliance","resourceId":"AWS::S3::Bucket/b",
			"configurationItemCaptureTime":"` + at.Format(time.RFC3339) + `","configurationItemStatus":"OK","configurationStateId":` + state + `,"configuration":` + configuration + `}`
	}
	file := `{"fileVersion":"1.0","configurationItems":[` + spelled("1", text) + `,` + spelled("2", "null") + `]}`
	var imported []fleet.Record
	for b, err := range ReadStream(t.Context(), "history", strings.NewReader(file), FileOptions{}) {
		must(t, err)
		imported = append(imported, b.Records...)
	}
	if d := cmp.Diff(read.records, imported); d != "" || len(imported) != 2 {
		t.Errorf("%v; %d verdicts (-timeline +file):\n%s", read.err, len(imported), d)
	}
	torn := parseItem([]byte(spelled("3", "[]")), origin{})
	if len(torn) != 1 || torn[0].Kind != fleet.KindVerdict || torn[0].Attributes.Get(fleet.AttrUnreadable) == "" {
		t.Errorf("of a torn item: %+v", torn)
	}
}

func noPacks() answer { return answer{body: `{"ConformancePackDetails":[]}`} }
