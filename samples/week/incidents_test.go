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

// trailRecord is what the test looks at of an event in the trail.
type trailRecord struct {
	EventName, RequestID string
	SourceIPAddress      string
	UserIdentity         struct{ ARN, AccessKeyID string }
}

// recorded is a day as the trail and Config have it, beside its truth.
type recorded struct {
	calls    map[string]trailRecord // by request id
	pictures map[string][]string    // of a resource, the earliest first
	keys     map[string]bool        // that payments works with
	labels   []truth.Label
}

func recordedDay(t *testing.T) recorded {
	t.Helper()
	type item struct {
		ResourceType, ResourceName, ConfigurationItemStatus string
		Configuration, SupplementaryConfiguration           json.RawMessage
	}
	d := recorded{calls: map[string]trailRecord{}, pictures: map[string][]string{}, keys: map[string]bool{}}
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
			d.calls[r.RequestID] = r
			if r.SourceIPAddress == places[samples.Payments] {
				d.keys[r.UserIdentity.AccessKeyID] = true
			}
		}
		for _, i := range items.ConfigurationItems {
			key := i.ResourceType + "/" + i.ResourceName
			d.pictures[key] = append(d.pictures[key], i.ConfigurationItemStatus+" "+string(i.Configuration)+" "+string(i.SupplementaryConfiguration))
		}
	})
	var file truth.File
	if err := json.Unmarshal(said, &file); err != nil {
		t.Fatal(err)
	}
	d.labels = file.Labels
	return d
}

// incidents are the calls of each incident that happened, with "" before those of
// each label.
func (d *recorded) incidents() map[string][]string {
	made := map[string][]string{}
	for _, l := range d.labels {
		if l.Kind != truth.LabelIncident {
			continue
		}
		made[l.Name] = append(made[l.Name], "")
		for _, request := range l.Requests {
			made[l.Name] = append(made[l.Name], d.calls[request].EventName)
		}
	}
	return made
}

// TestIncidentsAreRecordedAsAWSDoes holds each incident of a day to the trail and
// to Config's pictures.
func TestIncidentsAreRecordedAsAWSDoes(t *testing.T) {
	day := recordedDay(t)
	made := day.incidents()
	for _, l := range day.labels {
		if l.Name == string(samples.ServiceKeyOutside) {
			if r := day.calls[l.Requests[0]]; !day.keys[r.UserIdentity.AccessKeyID] || r.SourceIPAddress != intruderAddress {
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
		seen := day.pictures[resource]
		first := slices.IndexFunc(seen, func(p string) bool { return strings.Contains(p, states[0]) })
		if first < 0 || states[1] != "" && !strings.Contains(seen[len(seen)-1], states[1]) {
			t.Errorf("pictures of %s: %q, want one with %s and last one with %s", resource, seen, states[0], states[1])
		}
	}
}
