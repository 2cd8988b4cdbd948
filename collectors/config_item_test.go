package collectors

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/configservice/types"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

func TestItemOfTheAPIAndOfAFileAreOneChange(t *testing.T) {
	captured := time.Date(2026, 1, 2, 3, 4, 5, 678000000, time.UTC)
	doc, err := itemDocument(&types.ConfigurationItem{
		AccountId: aws.String("111122223333"), AwsRegion: aws.String("us-east-1"), Version: aws.String("1.3"),
		Arn: aws.String("arn:aws:ec2:us-east-1:111122223333:security-group/sg-1"), ResourceType: "AWS::EC2::SecurityGroup",
		ResourceId: aws.String("sg-1"), ResourceName: aws.String("web"), ConfigurationItemCaptureTime: &captured,
		ConfigurationItemStatus: "OK", ConfigurationStateId: aws.String("1767323045678"),
		Configuration: aws.String(`{"groupId":"sg-1","ipPermissions":[{"toPort":22}]}`), Tags: map[string]string{"team": "shop"},
		Relationships: []types.Relationship{{RelationshipName: aws.String("Is contained in Vpc"), ResourceType: "AWS::EC2::VPC", ResourceId: aws.String("vpc-1")}},
	})
	must(t, err)
	file := `{"configurationItemVersion":"1.3","awsAccountId":"111122223333","awsRegion":"us-east-1",
	 "configurationItemCaptureTime":"2026-01-02T03:04:05.678Z","configurationItemStatus":"OK","configurationStateId":1767323045678,
	 "ARN":"arn:aws:ec2:us-east-1:111122223333:security-group/sg-1","resourceType":"AWS::EC2::SecurityGroup","resourceId":"sg-1",
	 "resourceName":"web","tags":{"team":"shop"},"relationships":[{"resourceType":"AWS::EC2::VPC","resourceId":"vpc-1","name":"Is contained in Vpc"}],
	 "configuration":{"groupId":"sg-1","ipPermissions":[{"toPort":22}]},"supplementaryConfiguration":{}}`
	fromAPI, fromFile := parseConfigItem(doc, origin{}), parseConfigItem([]byte(file), origin{})
	want := fleet.Record{
		ID: "arn:aws:ec2:us-east-1:111122223333:security-group/sg-1@1767323045678", Kind: fleet.KindChange, Time: captured,
		Account: "111122223333", Region: "us-east-1", Service: "ec2", Name: "OK",
		Resources: []string{
			"AWS::EC2::SecurityGroup/web", "AWS::EC2::SecurityGroup/sg-1",
			"arn:aws:ec2:us-east-1:111122223333:security-group/sg-1",
		},
		Message: "AWS::EC2::SecurityGroup web (sg-1) changed",
		Attributes: fleet.AttributesOf(
			"resource_type", "AWS::EC2::SecurityGroup", "resource_id", "sg-1", "resource_name", "web",
			"relationships", "Is contained in Vpc AWS::EC2::VPC/vpc-1", "tag.team", "shop",
			"configuration.groupId", "sg-1", "configuration.ipPermissions.0.toPort", "22",
		),
	}
	fromAPI.Raw, fromFile.Raw = nil, nil
	for name, got := range map[string]fleet.Record{"API": fromAPI, "file": fromFile} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("from the %s (-want +got):\n%s", name, diff)
		}
	}
}

func TestItemsOfTheCorpus(t *testing.T) {
	rs := readFiles(t, corpusFiles(t, "custodian", "aws-config-items/*.json"))
	for _, r := range rs {
		if r.Kind != fleet.KindChange || r.Attributes.Get(fleet.AttrUnreadable) != "" || !strings.Contains(r.ID, "@") || r.Time.IsZero() {
			t.Errorf("got %+v", r)
		}
	}
	if len(rs) < 7 {
		t.Errorf("got only %d changes", len(rs))
	}
}

func TestItemThatCannotBeUnderstoodIsKept(t *testing.T) {
	for name, doc := range map[string]string{
		"no state": strings.Replace(item1, `"configurationStateId":7`, `"configurationStateId":null`, 1),
		"no time":  strings.Replace(item1, "2026-01-02T03:04:05Z", "soon", 1),
		"no id":    strings.Replace(item1, `"sg-1"`, `""`, 1),
	} {
		if r := parseConfigItem([]byte(doc), origin{}); r.Attributes.Get(fleet.AttrUnreadable) == "" || string(r.Raw) != doc {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}

func FuzzConfigItem(f *testing.F) {
	f.Add(item1)
	f.Add(`{"resourceType":"a","resourceId":"b","configurationItemCaptureTime":1e9,"configurationStateId":"x","configuration":"{\"a\":1}","tags":{"secret":"y"}}`)
	f.Add(`{"resourceType":"AWS::Config::ResourceCompliance","resourceId":"a/b","configurationItemCaptureTime":1e9,"configurationStateId":"x","configuration":{"configRuleList":[{"configRuleName":"r","complianceType":"COMPLIANT"}]}}`)
	f.Fuzz(func(t *testing.T, doc string) {
		if json.Valid([]byte(doc)) {
			for _, r := range parseItem([]byte(doc), origin{}) {
				checkKeys(t, &r)
			}
		}
	})
}
