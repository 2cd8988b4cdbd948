package collectors

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// trailFacts are what a plain script counted in a set of CloudTrail files.
type trailFacts struct {
	Facts struct {
		Events        int            `json:"events"`
		RequestIDs    int            `json:"distinct_requestIDs"`
		SharedRequest int            `json:"requestIDs_shared_by_several_events"`
		SharedEvents  int            `json:"sharedEventIDs"`
		Issued        int            `json:"temporary_keys_issued"`
		IssuedUsed    int            `json:"issued_keys_used_in_this_set"`
		MadeWith      int            `json:"events_made_with_those_keys"`
		Errors        int            `json:"events_with_errorCode"`
		ReadOnly      int            `json:"readOnly_true"`
		Versions      map[string]int `json:"event_versions"`
		First         string         `json:"first_eventTime"`
		Last          string         `json:"last_eventTime"`
		Names         int            `json:"distinct_event_names"`
	} `json:"facts"`
}

func TestCloudTrailSetsCountAsTheirExpectedFacts(t *testing.T) {
	for folder, pattern := range map[string]string{"cloudtrail-invictus": "218*.json", "cloudtrail-stratus": "aws*.json"} {
		t.Run(folder, func(t *testing.T) {
			doc, err := os.ReadFile(filepath.Join(corpus(t, folder), "expected_facts.json"))
			if err != nil {
				t.Fatal(err)
			}
			var want, got trailFacts
			if err := json.Unmarshal(doc, &want); err != nil {
				t.Fatal(err)
			}
			countTrail(readFiles(t, corpusFiles(t, folder, pattern)), &got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
		})
	}
}

func countTrail(rs []fleet.Record, into *trailFacts) {
	f := &into.Facts
	requests, names, issued, used := map[string]int{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	f.Versions = map[string]int{}
	fleet.Sort(rs)
	for i := range rs {
		if k := rs[i].Seen.IssuedKey; k != "" {
			issued[k] = true
		}
	}
	for i := range rs {
		r := &rs[i]
		f.Events++
		f.Versions[r.Attributes.Get("event_version")]++
		names[r.Attributes.Get(fleet.AttrEventName)] = true
		requests[r.Seen.Request]++
		f.SharedEvents += truth(r.Attributes.Get("shared_event_id") != "")
		f.Errors += truth(r.Error != "")
		f.ReadOnly += truth(r.Attributes.Get(fleet.AttrReadOnly) == "true")
		if issued[r.Seen.AccessKey] {
			used[r.Seen.AccessKey] = true
			f.MadeWith++
		}
	}
	delete(requests, "")
	for _, n := range requests {
		f.SharedRequest += truth(n > 1)
	}
	f.RequestIDs, f.Names, f.Issued, f.IssuedUsed = len(requests), len(names), len(issued), len(used)
	const second = "2006-01-02T15:04:05Z"
	f.First, f.Last = rs[0].Time.Format(second), rs[len(rs)-1].Time.Format(second)
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestTrailEventBecomesACall(t *testing.T) {
	doc := `{"eventVersion":"1.10","userIdentity":{"type":"AssumedRole","principalId":"AROA:orders-task",
	 "arn":"arn:aws:sts::111122223333:assumed-role/muster-orders/orders-task","accountId":"111122223333","accessKeyId":"ASIA1",
	 "sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::111122223333:role/muster-orders","userName":"muster-orders"},
	 "attributes":{"mfaAuthenticated":"false"}}},"eventTime":"2026-01-02T03:04:05Z","eventSource":"dynamodb.amazonaws.com",
	 "eventName":"PutItem","awsRegion":"us-east-1","sourceIPAddress":"10.0.1.7","userAgent":"sdk","errorCode":"AccessDenied",
	 "errorMessage":"no","requestParameters":{"tableName":"orders","key":{"id":{"s":"x"}}},"responseElements":null,
	 "requestID":"R1","eventID":"E1","readOnly":false,"resources":[{"type":"AWS::DynamoDB::Table",
	 "ARN":"arn:aws:dynamodb:us-east-1:111122223333:table/orders"}],"eventType":"AwsApiCall","managementEvent":false,
	 "recipientAccountId":"111122223333","eventCategory":"Data","vpcEndpointId":"vpce-1"}`
	r := parseTrailEvent([]byte(doc), origin{})
	want := fleet.Record{
		ID: "E1", Kind: fleet.KindAPICall, Time: r.Time, Account: "111122223333", Region: "us-east-1",
		Service: "dynamodb", Name: "dynamodb:PutItem",
		Resources: []string{"AWS::DynamoDB::Table/orders", "arn:aws:dynamodb:us-east-1:111122223333:table/orders"},
		Principal: "arn:aws:sts::111122223333:assumed-role/muster-orders/orders-task", Error: "AccessDenied",
		Message: "muster-orders/orders-task called dynamodb:PutItem on orders from 10.0.1.7: AccessDenied: no",
		Seen:    fleet.Keys{Request: "R1", Scope: fleet.ScopeAWS, AccessKey: "ASIA1"},
		Attributes: fleet.AttributesOf(
			"event_source", "dynamodb.amazonaws.com", "event_name", "PutItem", "source_ip", "10.0.1.7", "user_agent", "sdk",
			"event_category", "Data", "event_version", "1.10", "event_type", "AwsApiCall", "error_message", "no",
			"identity_type", "AssumedRole", "identity_account", "111122223333", "user_name", "muster-orders", "mfa", "false",
			"session_issuer", "arn:aws:iam::111122223333:role/muster-orders", "vpc_endpoint", "vpce-1",
			"request.tableName", "orders", "request.key.id.s", "x",
		),
		Raw: r.Raw,
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if got := r.Time.Format("2006-01-02T15:04:05Z07:00"); got != "2026-01-02T03:04:05Z" {
		t.Errorf("got time %s", got)
	}
}

func TestTrailEventSaysInTextWhetherItOnlyRead(t *testing.T) {
	for said, want := range map[string]string{`true`: "true", `"true"`: "true", `false`: "", `"false"`: ""} {
		doc := strings.Replace(trailText, `"readOnly":false`, `"readOnly":`+said, 1)
		r := parseTrailEvent([]byte(doc), origin{})
		if got := r.Attributes.Get(fleet.AttrReadOnly); got != want || r.Seen.Request == "" {
			t.Errorf("readOnly %s: %q, request %q", said, got, r.Seen.Request)
		}
	}
	if r := parseTrailEvent([]byte(strings.Replace(trailText, `"readOnly":false`, `"readOnly":"perhaps"`, 1)), origin{}); r.Seen.Request != "" {
		t.Errorf("a record that is neither was read: %+v", r)
	}
}

func TestAddendumOutranksItsOriginal(t *testing.T) {
	doc := strings.Replace(event1, `{"eventID":"e-1"`, `{"eventID":"e-9","addendum":{"reason":"UPDATED_DATA","originalEventID":"e-1"}`, 1)
	r := parseTrailEvent([]byte(doc), origin{})
	if r.ID != "e-1" || r.Revision != 1 || r.Attributes.Get("addendum_reason") != "UPDATED_DATA" {
		t.Errorf("got %s revision %d %v", r.ID, r.Revision, r.Attributes)
	}
}

func TestAddendumSaysWhatItIsAbout(t *testing.T) {
	for name, c := range map[string]struct{ addendum, id, fields, request string }{
		"text":       {`"reason":"UPDATED_DATA","updatedFields":"resources","originalEventID":"e-1","originalRequestID":"r-0"`, "e-1", "resources", "r-0"},
		"list":       {`"reason":"UPDATED_DATA","updatedFields":["resources","errorCode"],"originalEventID":"e-1","originalRequestID":"r-0"`, "e-1", "resources, errorCode", "r-0"},
		"only late":  {`"reason":"DELIVERY_DELAY"`, "e-9", "", ""},
		"was silent": {`"reason":"SERVICE_OUTAGE"`, "e-9", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			doc := `{"eventID":"e-9","eventTime":"2026-01-02T03:04:05Z","eventSource":"s3.amazonaws.com","eventName":"PutObject","addendum":{` + c.addendum + `}}`
			r := parseTrailEvent([]byte(doc), origin{})
			if r.ID != c.id || r.Attributes.Get("addendum_fields") != c.fields || r.Seen.Request != c.request || r.Attributes.Get("addendum_reason") == "" {
				t.Errorf("got %s, request %q, %v", r.ID, r.Seen.Request, r.Attributes)
			}
			if amends := r.Revision == 1 && r.Attributes.Get("addendum_event_id") == "e-9"; amends != (c.id == "e-1") {
				t.Errorf("revision %d, %v", r.Revision, r.Attributes)
			}
		})
	}
}

func TestConsoleLoginSaysWhoAndHow(t *testing.T) {
	doc := `{"eventVersion":"1.08","userIdentity":{"type":"Root","accountId":"111122223333"},"eventTime":"2026-01-02T03:04:05Z",
	 "eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","sourceIPAddress":"198.51.100.7","eventID":"E1",
	 "additionalEventData":{"MFAUsed":"No"},"responseElements":{"ConsoleLogin":"Failure"},"readOnly":false}`
	r := parseTrailEvent([]byte(doc), origin{})
	if want := "root signed in to the console without MFA from 198.51.100.7: Failure"; r.Message != want {
		t.Errorf("got message %q, want %q", r.Message, want)
	}
	if r.Principal != "arn:aws:iam::111122223333:root" || r.Error != "Failure" ||
		r.Attributes.Get("mfa_used") != "No" || r.Attributes.Get("console_login") != "Failure" {
		t.Errorf("got %+v", r)
	}
}

func TestCallsNameTheirResources(t *testing.T) {
	for name, c := range map[string]struct {
		source, event, request, response string
		want                             []string
	}{
		"table": {"dynamodb", "Scan", `{"tableName":"orders"}`, `null`, []string{"AWS::DynamoDB::Table/orders"}},
		"bucket": {
			"s3", "PutBucketPolicy", `{"bucketName":"receipts","Host":"x"}`, `null`, []string{"AWS::S3::Bucket/receipts"},
		},
		"queue": {
			"sqs", "SendMessage", `{"queueUrl":"https://sqs.us-east-1.amazonaws.com/1/events"}`, `null`,
			[]string{"AWS::SQS::Queue/events"},
		},
		"topic": {
			"sns", "Publish", `{"topicArn":"arn:aws:sns:us-east-1:1:events"}`, `null`,
			[]string{"AWS::SNS::Topic/events", "arn:aws:sns:us-east-1:1:events"},
		},
		"role": {
			"sts", "AssumeRole", `{"roleArn":"arn:aws:iam::1:role/path/muster-orders","roleSessionName":"s"}`,
			`{"credentials":{"accessKeyId":"ASIA1"}}`,
			[]string{"AWS::IAM::Role/muster-orders", "arn:aws:iam::1:role/path/muster-orders"},
		},
		"inline policy":  {"iam", "PutRolePolicy", `{"roleName":"r","policyName":"p"}`, `null`, []string{"AWS::IAM::Role/r"}},
		"created policy": {"iam", "CreatePolicy", `{"policyName":"p"}`, `null`, []string{"AWS::IAM::Policy/p"}},
		"security group": {
			"ec2", "AuthorizeSecurityGroupIngress",
			`{"groupId":"sg-1","ipPermissions":{"items":[{"groups":{"items":[{"groupId":"sg-2"}]},"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0"}]}}]}}`,
			`{"_return":true}`,
			[]string{"AWS::EC2::SecurityGroup/sg-1"},
		},
		"created group": {
			"ec2", "CreateSecurityGroup", `{"groupName":"g","vpcId":"vpc-1"}`, `{"groupId":"sg-9"}`,
			[]string{"AWS::EC2::VPC/vpc-1", "AWS::EC2::SecurityGroup/sg-9"},
		},
		"instances": {
			"ec2", "TerminateInstances", `{"instancesSet":{"items":[{"instanceId":"i-1"},{"instanceId":"i-2"}]}}`, `null`,
			[]string{"AWS::EC2::Instance/i-1", "AWS::EC2::Instance/i-2"},
		},
		"key by alias": {"kms", "Decrypt", `{"keyId":"alias/x"}`, `null`, []string{"AWS::KMS::Key/alias/x"}},
		"function": {
			"lambda", "Invoke", `{"functionName":"arn:aws:lambda:us-east-1:1:function:orders:live"}`, `null`,
			[]string{"AWS::Lambda::Function/orders", "arn:aws:lambda:us-east-1:1:function:orders:live"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			doc := `{"eventID":"e","eventTime":"2026-01-02T03:04:05Z","eventSource":"` + c.source + `.amazonaws.com","eventName":"` +
				c.event + `","readOnly":false,"requestParameters":` + c.request + `,"responseElements":` + c.response + `}`
			r := parseTrailEvent([]byte(doc), origin{})
			if diff := cmp.Diff(c.want, r.Resources); diff != "" {
				t.Errorf("resources (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVersionsCompareByNumber(t *testing.T) {
	vs := []string{"1.10", "1.9", "", "1.05", "2", "1.11.1"}
	slices.SortFunc(vs, compareVersions)
	if diff := cmp.Diff([]string{"", "1.05", "1.9", "1.10", "1.11.1", "2"}, vs); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestEventBridgeEventsOfTheCorpus(t *testing.T) {
	for _, p := range corpusFiles(t, "custodian", "eventbridge-events/event-cloud-trail*.json") {
		rs, _ := readFile(t, p)
		if len(rs) != 1 {
			t.Fatalf("%s: got %d calls, want 1", p, len(rs))
		}
		trimmed := !strings.Contains(fileText(t, p), `"eventID"`) // by its publisher
		if r := rs[0]; r.Kind != fleet.KindAPICall || (r.Attributes.Get(fleet.AttrUnreadable) != "") != trimmed {
			t.Errorf("%s: got %s %q", p, r.Kind, r.Attributes.Get(fleet.AttrUnreadable))
		}
	}
}

func FuzzTrailEvent(f *testing.F) {
	f.Add(event1)
	f.Add(insightText)
	f.Add(`{"eventID":"e","eventTime":"2026-01-02T03:04:05Z","eventSource":"iam","eventName":"x","requestParameters":{"a":[1,{"b":null}]},"responseElements":"x"}`)
	f.Fuzz(func(t *testing.T, doc string) {
		if json.Valid([]byte(doc)) {
			r := parseTrailEvent([]byte(doc), origin{})
			checkKeys(t, &r)
		}
	})
}
