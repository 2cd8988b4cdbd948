package localaws

import (
	"context"
	"slices"
	"strconv"
	"sync"
)

// Limits of AWS for one region and one group.
const (
	maxGroups        = 2_500
	maxRulesPerGroup = 60
)

// defaultVPC is where groups go that name no VPC.
const defaultVPC = "vpc-0a1b2c3d4e5f67890"

// securityGroups is, for one place, the part of EC2 that the demo's incident needs: groups and
// their ingress rules. Safe for concurrent use.
type securityGroups struct {
	s *Server

	mu  sync.Mutex
	all []*securityGroup // oldest first; guarded too
}

type securityGroup struct {
	id, name, description, vpc string
	ingress                    []ingressRule
}

// ingressRule lets one range of addresses in. Ports are -1 for all of them.
type ingressRule struct {
	id       string
	protocol string
	from, to int
	cidr     string // IPv4 or IPv6
}

// same reports whether two rules let the same in.
func (r ingressRule) same(o ingressRule) bool {
	return r.protocol == o.protocol && r.from == o.from && r.to == o.to && r.cidr == o.cidr
}

func newSecurityGroups(s *Server) *securityGroups { return &securityGroups{s: s} }

func (gs *securityGroups) operations() map[string]operation {
	return map[string]operation{
		"CreateSecurityGroup":           gs.create,
		"AuthorizeSecurityGroupIngress": gs.authorize,
		"RevokeSecurityGroupIngress":    gs.revoke,
		"DescribeSecurityGroups":        gs.describe,
	}
}

func (gs *securityGroups) create(_ context.Context, c *call) (any, error) {
	g := &securityGroup{
		id: "sg-0" + newHex(16), name: c.form.Get("GroupName"), description: c.form.Get("GroupDescription"),
		vpc: c.form.Get("VpcId"),
	}
	if g.vpc == "" {
		g.vpc = defaultVPC
	}
	params := map[string]any{"groupName": g.name, "groupDescription": g.description, "vpcId": g.vpc}
	c.record(params, nil)
	if g.name == "" || g.description == "" {
		return nil, failf("MissingParameter", "The request must contain the parameters GroupName and GroupDescription")
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if len(gs.all) >= maxGroups {
		return nil, failf("SecurityGroupLimitExceeded", "The maximum number of security groups has been reached.")
	}
	if slices.ContainsFunc(gs.all, func(o *securityGroup) bool {
		return o.vpc == g.vpc && o.name == g.name
	}) {
		return nil, failf("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", g.name, g.vpc)
	}
	gs.all = append(gs.all, g)
	gs.changed(c, g)
	c.record(params, map[string]any{"requestId": c.RequestID, "_return": true, "groupId": g.id})
	return createGroupAnswer{ec2Answer: ec2Answer{c.RequestID}, Return: true, GroupID: g.id}, nil
}

// find returns the group that a request names by id or, without one, by name.
// The caller holds mu.
func (gs *securityGroups) find(c *call) (*securityGroup, error) {
	id, name := c.form.Get("GroupId"), c.form.Get("GroupName")
	for _, g := range gs.all {
		if g.id == id || id == "" && g.name == name {
			return g, nil
		}
	}
	return nil, failf("InvalidGroup.NotFound", "The security group '%s' does not exist", id+name)
}

func (gs *securityGroups) authorize(_ context.Context, c *call) (any, error) {
	rules, err := ingressRules(c.form)
	params := map[string]any{"groupId": c.form.Get("GroupId"), "ipPermissions": recordedPermissions(rules)}
	c.record(params, nil)
	if err != nil {
		return nil, err
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g, err := gs.find(c)
	if err != nil {
		return nil, err
	}
	if len(g.ingress)+len(rules) > maxRulesPerGroup {
		return nil, failf("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
	}
	for _, r := range rules {
		if slices.ContainsFunc(g.ingress, r.same) {
			return nil, failf("InvalidPermission.Duplicate", "the specified rule %q already exists", r.cidr)
		}
	}
	for i := range rules {
		rules[i].id = "sgr-0" + newHex(16)
	}
	g.ingress = append(g.ingress, rules...)
	gs.changed(c, g)
	answer := authorizeAnswer{ec2Answer: ec2Answer{c.RequestID}, Return: true}
	recorded := make([]map[string]any, len(rules))
	for i, r := range rules {
		answer.Rules = append(answer.Rules, r.answer(g, c.Account))
		recorded[i] = map[string]any{
			"groupId": g.id, "groupOwnerId": c.Account, "securityGroupRuleId": r.id, "isEgress": false,
			"ipProtocol": r.protocol, "fromPort": r.from, "toPort": r.to, r.cidrField(): r.cidr,
		}
	}
	c.record(params, map[string]any{
		"requestId": c.RequestID, "_return": true, "securityGroupRuleSet": map[string]any{"items": recorded},
	})
	return answer, nil
}

func (gs *securityGroups) revoke(_ context.Context, c *call) (any, error) {
	rules, err := ingressRules(c.form)
	params := map[string]any{"groupId": c.form.Get("GroupId"), "ipPermissions": recordedPermissions(rules)}
	c.record(params, nil)
	if err != nil {
		return nil, err
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g, err := gs.find(c)
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		if !slices.ContainsFunc(g.ingress, r.same) {
			return nil, failf("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
		}
	}
	g.ingress = slices.DeleteFunc(g.ingress, func(have ingressRule) bool { return slices.ContainsFunc(rules, have.same) })
	gs.changed(c, g)
	c.record(params, map[string]any{"requestId": c.RequestID, "_return": true})
	return revokeAnswer{ec2Answer: ec2Answer{c.RequestID}, Return: true}, nil
}

// describe answers all groups, or those whose ids or names are given. It knows
// no filters and has no pages.
func (gs *securityGroups) describe(_ context.Context, c *call) (any, error) {
	if c.form.Has("Filter.1.Name") || c.form.Has("NextToken") {
		return nil, failf("UnsupportedOperation", "The stand-in describes security groups by id or name only.")
	}
	ids, names := numbered(c.form, "GroupId."), numbered(c.form, "GroupName.")
	gs.mu.Lock()
	defer gs.mu.Unlock()
	answer := describeAnswer{ec2Answer: ec2Answer{c.RequestID}, Groups: []groupAnswer{}}
	for _, g := range gs.all {
		named := len(ids)+len(names) == 0 || slices.Contains(ids, g.id) || slices.Contains(names, g.name)
		if named {
			answer.Groups = append(answer.Groups, g.answer(c.Account))
		}
	}
	if len(answer.Groups) < len(ids)+len(names) {
		return nil, failf("InvalidGroup.NotFound", "The security groups %v do not all exist", append(ids, names...))
	}
	return answer, nil
}

// changed takes Config's picture of a group. The caller holds mu.
func (gs *securityGroups) changed(c *call, g *securityGroup) {
	permissions := []map[string]any{}
	for _, p := range g.answer(c.Account).Ingress {
		v4, v6 := []map[string]string{}, []map[string]string{}
		for _, r := range p.CIDRv4 {
			v4 = append(v4, map[string]string{"cidrIp": r.CIDR})
		}
		for _, r := range p.CIDRv6 {
			v6 = append(v6, map[string]string{"cidrIpv6": r.CIDR})
		}
		permissions = append(permissions, map[string]any{
			"ipProtocol": p.Protocol, "fromPort": p.From, "toPort": p.To,
			"ipv4Ranges": v4, "ipv6Ranges": v6, "userIdGroupPairs": []any{}, "prefixListIds": []any{},
		})
	}
	arn := c.arn("security-group/" + g.id)
	gs.s.config.changed(c, resource{"AWS::EC2::SecurityGroup", g.id, g.name, arn},
		map[string]any{
			"groupId": g.id, "groupName": g.name, "description": g.description, "ownerId": c.Account,
			"vpcId": g.vpc, "ipPermissions": permissions, "ipPermissionsEgress": []any{}, "tags": []any{},
		},
		relationship{ResourceType: "AWS::EC2::VPC", ResourceID: g.vpc, Name: "Is contained in Vpc"})
}

// port reads a port of a form; "" is -1, all ports.
func port(s string) (int, error) {
	if s == "" {
		return -1, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < -1 || n > 65_535 {
		return 0, failf("InvalidParameterValue", "Invalid value '%s' for port.", s)
	}
	return n, nil
}
