package localaws

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"
)

// ec2Call sends a signed form, as the SDK's EC2 client would, and decodes the
// response into out. It returns the HTTP status.
func ec2Call(t *testing.T, s *Server, action string, form url.Values, out any) int {
	t.Helper()
	form.Set("Action", action)
	form.Set("Version", "2016-11-15")
	body := form.Encode()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Endpoint()+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sum := sha256.Sum256([]byte(body))
	err = v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: BootstrapKey, SecretAccessKey: BootstrapSecret},
		req, hex.EncodeToString(sum[:]), "ec2", DefaultRegion, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client(t, s, "").HTTPClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.NewDecoder(bytes.NewReader(answer)).Decode(out); err != nil {
		t.Fatalf("%s answered %s: %v", action, answer, err)
	}
	return resp.StatusCode
}

func newTestGroup(t *testing.T, s *Server) string {
	t.Helper()
	var out struct {
		XMLName   xml.Name `xml:"http://ec2.amazonaws.com/doc/2016-11-15/ CreateSecurityGroupResponse"`
		RequestID string   `xml:"requestId"`
		Return    bool     `xml:"return"`
		GroupID   string   `xml:"groupId"`
	}
	status := ec2Call(t, s, "CreateSecurityGroup", url.Values{"GroupName": {"web"}, "GroupDescription": {"the web"}}, &out)
	if status != http.StatusOK || !out.Return || !strings.HasPrefix(out.GroupID, "sg-") || out.RequestID == "" {
		t.Fatalf("CreateSecurityGroup answered %d %+v", status, out)
	}
	return out.GroupID
}

// world is the rule that opens SSH to everybody.
func world(group string) url.Values {
	return url.Values{
		"GroupId": {group}, "IpPermissions.1.IpProtocol": {"tcp"}, "IpPermissions.1.FromPort": {"22"},
		"IpPermissions.1.ToPort": {"22"}, "IpPermissions.1.IpRanges.1.CidrIp": {"0.0.0.0/0"},
		"IpPermissions.1.Ipv6Ranges.1.CidrIpv6": {"::/0"},
	}
}

// ingress are the ranges that a group lets in.
func ingress(t *testing.T, s *Server, group string) []string {
	t.Helper()
	var out struct {
		V4 []string `xml:"securityGroupInfo>item>ipPermissions>item>ipRanges>item>cidrIp"`
		V6 []string `xml:"securityGroupInfo>item>ipPermissions>item>ipv6Ranges>item>cidrIpv6"`
	}
	if status := ec2Call(t, s, "DescribeSecurityGroups", url.Values{"GroupId.1": {group}}, &out); status != http.StatusOK {
		t.Fatalf("DescribeSecurityGroups answered %d", status)
	}
	return append(out.V4, out.V6...)
}

// TestRulesOfTheSamePortsAreOnePermission also holds that lists without anything in
// them are empty: AWS has no items without members.
func TestRulesOfTheSamePortsAreOnePermission(t *testing.T) {
	s := start(t, Options{})
	group := newTestGroup(t, s)
	for _, more := range []url.Values{world(group), {
		"GroupId": {group}, "IpProtocol": {"tcp"}, "FromPort": {"22"}, "ToPort": {"22"}, "CidrIp": {"192.0.2.0/24"},
	}, {"GroupId": {group}, "IpProtocol": {"tcp"}, "FromPort": {"80"}, "ToPort": {"80"}, "CidrIp": {"0.0.0.0/0"}}} {
		ec2Call(t, s, "AuthorizeSecurityGroupIngress", more, &struct{}{})
	}
	type list struct {
		Items []struct {
			V4 string `xml:"cidrIp"`
			V6 string `xml:"cidrIpv6"`
		} `xml:"item"`
	}
	var out struct {
		Permissions []struct {
			From   int   `xml:"fromPort"`
			Groups *list `xml:"groups"`
			V4     *list `xml:"ipRanges"`
			V6     *list `xml:"ipv6Ranges"`
			Prefix *list `xml:"prefixListIds"`
		} `xml:"securityGroupInfo>item>ipPermissions>item"`
	}
	ec2Call(t, s, "DescribeSecurityGroups", url.Values{"GroupId.1": {group}}, &out)
	var got []string
	for _, p := range out.Permissions {
		if p.Groups == nil || p.V4 == nil || p.V6 == nil || p.Prefix == nil {
			t.Fatalf("a permission lacks lists: %+v", p)
		}
		got = append(got, fmt.Sprintf("%d %v %v %d %d", p.From, p.V4.Items, p.V6.Items, len(p.Groups.Items), len(p.Prefix.Items)))
	}
	if d := cmp.Diff([]string{"22 [{0.0.0.0/0 } {192.0.2.0/24 }] [{ ::/0}] 0 0", "80 [{0.0.0.0/0 }] [] 0 0"}, got); d != "" {
		t.Errorf("permissions (-want +got):\n%s", d)
	}
}

func TestSecurityGroupOpensAndCloses(t *testing.T) {
	s := start(t, Options{})
	group := newTestGroup(t, s)
	var opened struct {
		XMLName xml.Name `xml:"AuthorizeSecurityGroupIngressResponse"`
		Rules   []string `xml:"securityGroupRuleSet>item>securityGroupRuleId"`
	}
	ec2Call(t, s, "AuthorizeSecurityGroupIngress", world(group), &opened)
	if len(opened.Rules) != 2 {
		t.Errorf("the rules are %v, want one for each family", opened.Rules)
	}
	if d := cmp.Diff([]string{"0.0.0.0/0", "::/0"}, ingress(t, s, group)); d != "" {
		t.Errorf("opened (-want +got):\n%s", d)
	}
	var closed struct {
		Return bool `xml:"return"`
	}
	ec2Call(t, s, "RevokeSecurityGroupIngress", url.Values{
		"GroupId": {group}, "IpProtocol": {"tcp"}, "FromPort": {"22"}, "ToPort": {"22"}, "CidrIp": {"0.0.0.0/0"},
	}, &closed)
	if d := cmp.Diff([]string{"::/0"}, ingress(t, s, group)); d != "" || !closed.Return {
		t.Errorf("closed (-want +got):\n%s", d)
	}
}

func TestSecurityGroupErrors(t *testing.T) {
	s := start(t, Options{})
	group := newTestGroup(t, s)
	var ignored struct{}
	ec2Call(t, s, "AuthorizeSecurityGroupIngress", world(group), &ignored)
	for _, tt := range []struct {
		action string
		form   url.Values
		want   string
	}{
		{"CreateSecurityGroup", url.Values{"GroupName": {"web"}, "GroupDescription": {"again"}}, "InvalidGroup.Duplicate"},
		{"CreateSecurityGroup", url.Values{"GroupName": {"web"}}, "MissingParameter"},
		{"AuthorizeSecurityGroupIngress", world(group), "InvalidPermission.Duplicate"},
		{"AuthorizeSecurityGroupIngress", world("sg-none"), "InvalidGroup.NotFound"},
		{"AuthorizeSecurityGroupIngress", url.Values{"GroupId": {group}}, "MissingParameter"},
		{"AuthorizeSecurityGroupIngress", url.Values{"GroupId": {group}, "IpProtocol": {"tcp"}, "CidrIp": {"everywhere"}}, "InvalidParameterValue"},
		{"AuthorizeSecurityGroupIngress", url.Values{"GroupId": {group}, "IpProtocol": {"tcp"}, "FromPort": {"ssh"}}, "InvalidParameterValue"},
		{"RevokeSecurityGroupIngress", url.Values{"GroupId": {group}, "IpProtocol": {"udp"}, "CidrIp": {"::/0"}}, "InvalidPermission.NotFound"},
		{"DescribeSecurityGroups", url.Values{"GroupId.1": {"sg-none"}}, "InvalidGroup.NotFound"},
		{"DescribeSecurityGroups", url.Values{"Filter.1.Name": {"x"}}, "UnsupportedOperation"},
		{"RunInstances", url.Values{}, "InvalidAction"},
	} {
		var out struct {
			XMLName xml.Name `xml:"Response"`
			Code    string   `xml:"Errors>Error>Code"`
			ID      string   `xml:"RequestID"`
		}
		status := ec2Call(t, s, tt.action, tt.form, &out)
		if status != http.StatusBadRequest || out.Code != tt.want || out.ID == "" {
			t.Errorf("%s(%v) answered %d %+v, want %s", tt.action, tt.form, status, out, tt.want)
		}
	}
}
