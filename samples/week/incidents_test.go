package week

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/samples"
	"muster/samples/truth"
)

// TestIncidentsAreRecordedAsAWSDoes holds each incident of a day to the trail and
// to Config's pictures.
func TestIncidentsAreRecordedAsAWSDoes(t *testing.T) {
	type trailRecord struct {
		EventName, RequestID string
		SourceIPAddress      string
		UserIdentity         struct{ ARN, AccessKeyID string }
	}
	type item struct {
		ResourceType, ResourceName, ConfigurationItemStatus string
		Configuration, SupplementaryConfiguration           json.RawMessage
	}
	calls, pictures, keys := map[string]trailRecord{}, map[string][]string{}, map[string]bool{}
	said := simulate(t, Options{Seed: 7, From: monday.AddDate(0, 0, -1), Until: monday, Rate: 0.15}, func(c Chunk) {
		var trail struct{ Records []trailRecord }
		var items struct{ ConfigurationItems []item }
		for document, into := range map[string]any{string(c.Trail): &trail, string(c.Items): &items} {
			if document == "" {
				continue
			}
			if err := json.Unmarshal([]byte(document), into); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range trail.Records {
			calls[r.RequestID] = r
			if r.SourceIPAddress == "10.0.1.13" { // where payments runs
				keys[r.UserIdentity.AccessKeyID] = true
			}
		}
		for _, i := range items.ConfigurationItems {
			key := i.ResourceType + "/" + i.ResourceName
			pictures[key] = append(pictures[key], i.ConfigurationItemStatus+" "+string(i.Configuration)+" "+string(i.SupplementaryConfiguration))
		}
	})
	var file truth.File
	if err := json.Unmarshal(said, &file); err != nil {
		t.Fatal(err)
	}
	made := map[string][]string{}
	for _, l := range file.Labels {
		if l.Kind != truth.LabelIncident {
			continue
		}
		made[l.Name] = append(made[l.Name], "")
		for _, request := range l.Requests {
			made[l.Name] = append(made[l.Name], calls[request].EventName)
		}
		if l.Name == string(samples.ServiceKeyOutside) {
			if r := calls[l.Requests[0]]; !keys[r.UserIdentity.AccessKeyID] || r.SourceIPAddress != intruderAddress {
				t.Errorf("%s: %+v is not the service's key, used from outside", l.Name, r)
			}
		}
	}
	want := map[string][]string{
		"root-console-login": {""}, "console-login-without-mfa": {""}, "trail-stopped": {"", "StopLogging"},
		"security-group-open": {"", "AuthorizeSecurityGroupIngress"}, "dynamodb-scan-outside": {"", "Scan"},
		"recorder-stopped": {"", "StopConfigurationRecorder"}, "bucket-public": {"", "PutBucketPublicAccessBlock"},
		"administrator-attached": {"", "AttachUserPolicy"}, "kms-key-deletion": {"", "ScheduleKeyDeletion"},
		"service-key-outside": {"", "GetCallerIdentity", "Scan"}, "role-chain": {"", "DescribeTable"},
		"manual-change":        {"", "SetQueueAttributes"},
		"secrets-listed":       {"", "ListSecrets"},
		"config-rule-violated": {"", "AuthorizeSecurityGroupIngress", "", "RevokeSecurityGroupIngress"},
	}
	if d := cmp.Diff(want, made); d != "" {
		t.Errorf("calls by incident (-want +got):\n%s", d)
	}
	for _, i := range samples.Incidents() {
		if made[string(i)] == nil {
			t.Errorf("incident %s of the live fleet does not happen", i)
		}
	}
	for resource, states := range map[string][2]string{
		"AWS::S3::Bucket/receipts":  {`\"blockPublicPolicy\":false`, `\"blockPublicPolicy\":true`},
		"AWS::IAM::User/eve":        {`"policyName":"AdministratorAccess"`, `"attachedManagedPolicies":[]`},
		"AWS::KMS::Key/" + keyID:    {`"KeyState":"PendingDeletion"`, `"KeyState":"Disabled"`},
		"AWS::SQS::Queue/shipments": {`"VisibilityTimeout":"30"`, ``},
	} {
		seen := pictures[resource]
		first := slices.IndexFunc(seen, func(p string) bool { return strings.Contains(p, states[0]) })
		if first < 0 || states[1] != "" && !strings.Contains(seen[len(seen)-1], states[1]) {
			t.Errorf("pictures of %s: %q, want one with %s and last one with %s", resource, seen, states[0], states[1])
		}
	}
}
