package localaws

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// ec2Answer begins every answer of EC2: its protocol puts the fields into the
// root of the response.
type ec2Answer struct {
	RequestID string `xml:"requestId"`
}

type createGroupAnswer struct {
	ec2Answer
	Return  bool   `xml:"return"`
	GroupID string `xml:"groupId"`
}

type authorizeAnswer struct {
	ec2Answer
	Return bool         `xml:"return"`
	Rules  []ruleAnswer `xml:"securityGroupRuleSet>item"`
}

type revokeAnswer struct {
	ec2Answer
	Return bool `xml:"return"`
}

type describeAnswer struct {
	ec2Answer
	Groups []groupAnswer `xml:"securityGroupInfo>item"`
}

type ruleAnswer struct {
	ID       string `xml:"securityGroupRuleId"`
	GroupID  string `xml:"groupId"`
	Owner    string `xml:"groupOwnerId"`
	Egress   bool   `xml:"isEgress"`
	Protocol string `xml:"ipProtocol"`
	From     int    `xml:"fromPort"`
	To       int    `xml:"toPort"`
	CIDRv4   string `xml:"cidrIpv4,omitempty"`
	CIDRv6   string `xml:"cidrIpv6,omitempty"`
}

func (r ingressRule) answer(g *securityGroup, account string) ruleAnswer {
	a := ruleAnswer{ID: r.id, GroupID: g.id, Owner: account, Protocol: r.protocol, From: r.from, To: r.to}
	if r.cidrField() == "cidrIpv6" {
		a.CIDRv6 = r.cidr
	} else {
		a.CIDRv4 = r.cidr
	}
	return a
}

type groupAnswer struct {
	Owner       string             `xml:"ownerId"`
	Name        string             `xml:"groupName"`
	ID          string             `xml:"groupId"`
	Description string             `xml:"groupDescription"`
	VPC         string             `xml:"vpcId"`
	Ingress     []permissionAnswer `xml:"ipPermissions>item"`
}

// permissionAnswer is all rules of one protocol and ports. Lists without anything
// in them are there and empty.
type permissionAnswer struct {
	Protocol string     `xml:"ipProtocol"`
	From     int        `xml:"fromPort"`
	To       int        `xml:"toPort"`
	Groups   []struct{} `xml:"groups>item"`
	CIDRv4   []rangeV4  `xml:"ipRanges>item"`
	CIDRv6   []rangeV6  `xml:"ipv6Ranges>item"`
	Prefixes []struct{} `xml:"prefixListIds>item"`
}

type rangeV4 struct {
	CIDR string `xml:"cidrIp"`
}

type rangeV6 struct {
	CIDR string `xml:"cidrIpv6"`
}

func (g *securityGroup) answer(account string) groupAnswer {
	a := groupAnswer{Owner: account, Name: g.name, ID: g.id, Description: g.description, VPC: g.vpc}
	for _, r := range g.ingress {
		at := slices.IndexFunc(a.Ingress, func(p permissionAnswer) bool {
			return p.Protocol == r.protocol && p.From == r.from && p.To == r.to
		})
		if at < 0 {
			at = len(a.Ingress)
			a.Ingress = append(a.Ingress, permissionAnswer{Protocol: r.protocol, From: r.from, To: r.to})
		}
		if p := &a.Ingress[at]; r.cidrField() == "cidrIpv6" {
			p.CIDRv6 = append(p.CIDRv6, rangeV6{r.cidr})
		} else {
			p.CIDRv4 = append(p.CIDRv4, rangeV4{r.cidr})
		}
	}
	return a
}

// cidrField is how EC2 calls the range: by the family of its addresses.
func (r ingressRule) cidrField() string {
	if strings.Contains(r.cidr, ":") {
		return "cidrIpv6"
	}
	return "cidrIpv4"
}

// ingressRules reads the rules of a request: IpPermissions.N with their ranges,
// or the one rule that the short parameters give.
func ingressRules(form url.Values) ([]ingressRule, error) {
	var out []ingressRule
	if form.Has("IpProtocol") {
		rule, err := ingressRuleOf(form, "", form.Get("CidrIp"))
		return []ingressRule{rule}, err
	}
	for n := 1; form.Has("IpPermissions." + strconv.Itoa(n) + ".IpProtocol"); n++ {
		prefix := "IpPermissions." + strconv.Itoa(n) + "."
		ranges := numberedField(form, prefix+"IpRanges.", ".CidrIp")
		ranges = append(ranges, numberedField(form, prefix+"Ipv6Ranges.", ".CidrIpv6")...)
		for _, cidr := range ranges {
			rule, err := ingressRuleOf(form, prefix, cidr)
			if err != nil {
				return nil, err
			}
			out = append(out, rule)
		}
	}
	if len(out) == 0 {
		return nil, failf("MissingParameter", "The request must contain rules with address ranges; the stand-in knows no others")
	}
	return out, nil
}

func ingressRuleOf(form url.Values, prefix, cidr string) (ingressRule, error) {
	r := ingressRule{protocol: form.Get(prefix + "IpProtocol"), cidr: cidr}
	var err error
	if r.from, err = port(form.Get(prefix + "FromPort")); err != nil {
		return r, err
	}
	if r.to, err = port(form.Get(prefix + "ToPort")); err != nil {
		return r, err
	}
	if _, err := netip.ParsePrefix(cidr); err != nil {
		return r, failf("InvalidParameterValue", "CIDR block %s is malformed", cidr)
	}
	return r, nil
}

// numbered reads prefix1, prefix2, … of a form.
func numbered(form url.Values, prefix string) []string { return numberedField(form, prefix, "") }

// numberedField reads prefix1suffix, prefix2suffix, … of a form.
func numberedField(form url.Values, prefix, suffix string) []string {
	var out []string
	for n := 1; form.Has(prefix + strconv.Itoa(n) + suffix); n++ {
		out = append(out, form.Get(prefix+strconv.Itoa(n)+suffix))
	}
	return out
}

// recordedPermissions are rules as CloudTrail shows them in a request.
func recordedPermissions(rules []ingressRule) map[string]any {
	items := make([]map[string]any, len(rules))
	for i, r := range rules {
		items[i] = map[string]any{
			"ipProtocol": r.protocol, "fromPort": r.from, "toPort": r.to,
			"groups": map[string]any{}, "ipRanges": map[string]any{}, "ipv6Ranges": map[string]any{}, "prefixListIds": map[string]any{},
		}
		if r.cidrField() == "cidrIpv6" {
			items[i]["ipv6Ranges"] = map[string]any{"items": []any{map[string]any{"cidrIpv6": r.cidr}}}
		} else {
			items[i]["ipRanges"] = map[string]any{"items": []any{map[string]any{"cidrIp": r.cidr}}}
		}
	}
	return map[string]any{"items": items}
}
