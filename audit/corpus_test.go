package audit

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// corpus is a folder of real data beside the project. Without it the test is
// skipped, and says so.
func corpus(t testing.TB, folder string) string {
	t.Helper()
	root := os.Getenv("MUSTER_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "data")
	}
	dir := filepath.Join(root, folder)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("SKIPPED: no real data at %s (set MUSTER_CORPUS)", dir)
	}
	return dir
}

// trailRecord reads as much of a CloudTrail event as policies look at. The
// program's own reader is the collectors', which the audit does not know.
func trailRecord(t testing.TB, doc json.RawMessage) fleet.Record {
	t.Helper()
	var e struct {
		EventID, EventTime, EventSource, EventName, AWSRegion, SourceIPAddress, ErrorCode, RecipientAccountID string

		UserIdentity struct{ ARN string }
	}
	if err := json.Unmarshal(doc, &e); err != nil {
		t.Fatalf("%v in %.200s", err, doc)
	}
	at, err := time.Parse(time.RFC3339, e.EventTime)
	if err != nil {
		at = noon // some of other projects' test events have no time, or one of their own
	}
	service, _, _ := strings.Cut(e.EventSource, ".")
	return fleet.Record{
		ID: e.EventID, Kind: fleet.KindAPICall, Time: at, Account: e.RecipientAccountID, Region: e.AWSRegion,
		Service: service, Name: service + ":" + e.EventName, Principal: e.UserIdentity.ARN, Error: e.ErrorCode, Raw: doc,
		Attributes: fleet.AttributesOf(
			fleet.AttrEventSource, e.EventSource, fleet.AttrEventName, e.EventName, fleet.AttrSourceIP, e.SourceIPAddress,
		),
	}
}

// trailFiles reads the CloudTrail files of a folder: native ones, and arrays.
func trailFiles(t testing.TB, dir string) map[string][]fleet.Record {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]fleet.Record{}
	for _, name := range names {
		if filepath.Base(name) == "expected_facts.json" {
			continue
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct{ Records []json.RawMessage }
		if json.Unmarshal(raw, &file.Records) != nil && json.Unmarshal(raw, &file) != nil {
			t.Fatalf("%s is no CloudTrail file", name)
		}
		for _, doc := range file.Records {
			out[filepath.Base(name)] = append(out[filepath.Base(name)], trailRecord(t, doc))
		}
	}
	return out
}

// written are the shipped policies that are written in CEL.
func written(t testing.TB) []Policy {
	t.Helper()
	return slices.DeleteFunc(catalogue(t), func(p Policy) bool { return p.Language != CEL })
}

func catalogue(t testing.TB) []Policy {
	t.Helper()
	ps, err := Load(Shipped())
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

// found counts occurrences by policy.
func found(t *testing.T, ps []Policy, rs []fleet.Record) map[string]int {
	t.Helper()
	result := judge(t, ps, Input{Reader: &memory{records: rs}})
	if len(result.Run.NotJudged) > 0 {
		t.Errorf("not judged: %v", result.Run.NotJudged)
	}
	out := map[string]int{}
	for _, f := range result.Findings {
		out[f.Policy] += f.Count
	}
	return out
}

func TestRecordedAttacksAreFoundAndNothingElse(t *testing.T) {
	ps := written(t)
	want := map[string]map[string]int{
		"aws.credential-access.ec2-get-password-data.json":              {"windows-password-read": 30, "write-outside-change-window": 2},
		"aws.defense-evasion.dns-delete-logs.json":                      {"dns-log-deleted": 1},
		"aws.discovery.ec2-download-user-data.json":                     {"user-data-read": 15},
		"aws.execution.ec2-launch-unusual-instances.json":               {"unusual-instance-launched": 1},
		"aws.execution.ec2-user-data.json":                              {"user-data-changed": 1},
		"aws.exfiltration.ec2-security-group-open-port-22-ingress.json": {"security-group-open": 1},
		"aws.exfiltration.ec2-share-ami.json":                           {"image-shared": 1},
		"aws.exfiltration.ec2-share-ebs-snapshot.json":                  {"snapshot-shared": 1},
		"aws.initial-access.console-login-without-mfa.json":             {"console-login-without-mfa": 1},
		"aws.lateral-movement.ec2-instance-connect.json":                {"ssh-key-sent": 3},
		"aws.persistence.iam-backdoor-role.json":                        {"role-trusts-other-account": 1},
		"aws.persistence.iam-backdoor-user.json":                        {"access-key-for-another": 1, "write-outside-change-window": 1},
		"aws.persistence.iam-create-admin-user.json":                    {"access-key-for-another": 1, "admin-policy-attached": 1},
		"aws.persistence.iam-create-backdoor-role.json":                 {"admin-policy-attached": 1},
		"aws.persistence.iam-create-user-login-profile.json":            {"console-password-given": 1},
		"aws.persistence.lambda-layer-extension.json":                   {"function-layer-changed": 1, "write-outside-change-window": 1},
		"aws.persistence.lambda-overwrite-code.json":                    {"deployer-not-allowed": 1, "function-code-changed": 1},
		"aws.persistence.rolesanywhere-create-trust-anchor.json":        {"trust-anchor-created": 1},
		"aws.privilege-escalation.iam-update-user-login-profile.json":   {"console-password-given": 1},
	}
	files := trailFiles(t, corpus(t, "cloudtrail-stratus"))
	if len(files) != 19 {
		t.Errorf("%d files, want 19", len(files))
	}
	got := map[string]map[string]int{}
	for name, rs := range files {
		if f := found(t, ps, rs); len(f) > 0 {
			got[name] = f
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// In this account's half hour of attacks one trail was deleted and four attempts
// on trails failed; its two bucket policies let CloudTrail in, nobody else. It read
// what instances are given at their start and the passwords of Windows.
func TestARecordedAttackedAccount(t *testing.T) {
	var all []fleet.Record
	for _, rs := range trailFiles(t, corpus(t, "cloudtrail-invictus")) {
		all = append(all, rs...)
	}
	if len(all) != 1448 {
		t.Errorf("%d events, want 1448", len(all))
	}
	want := map[string]int{"trail-stopped": 1, "unusual-instance-launched": 1, "user-data-read": 18, "windows-password-read": 29}
	if diff := cmp.Diff(want, found(t, written(t), all)); diff != "" {
		t.Error(diff)
	}
}

// The test events of another project's rules carry the verdict that they expect;
// our policies for the same things must agree.
func TestPoliciesAgreeWithAnotherProjectsTests(t *testing.T) {
	ours := map[string]string{
		"AWS.IAM.AttachAdminRolePolicy":     "admin-policy-attached",
		"AWS.CloudTrail.ResourceMadePublic": "bucket-public",
		"AWS.S3.DeletePublicAccessBlock":    "bucket-public",
	}
	f, err := os.Open(filepath.Join(corpus(t, "panther"), "rules.tests.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	ps, ran := catalogue(t), map[string]int{}
	for lines.Scan() {
		var test struct {
			ID, Test         string
			Expected, Mocked bool
			Input            json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &test); err != nil {
			t.Fatal(err)
		}
		policy := ours[test.ID]
		if policy == "" || test.Mocked {
			continue
		}
		rec := trailRecord(t, test.Input)
		i := slices.IndexFunc(ps, func(p Policy) bool { return p.ID == policy })
		if !slices.Contains(ps[i].selects.names, rec.Attributes.Get(fleet.AttrEventName)) {
			continue // that rule covers other services, too
		}
		ran[test.ID]++
		if got := found(t, ps[i:i+1], []fleet.Record{rec})[policy] > 0; got != test.Expected {
			t.Errorf("%s: %s: %v, want %v", test.ID, test.Test, got, test.Expected)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprint(ran); s != "map[AWS.CloudTrail.ResourceMadePublic:6 AWS.IAM.AttachAdminRolePolicy:2 AWS.S3.DeletePublicAccessBlock:4]" {
		t.Errorf("ran %s", s)
	}
}
