package week

import (
	"muster/fleet"
	"muster/samples"
	"muster/samples/truth"
)

// group is a security group of the incidents.
type group struct {
	id, title string
	seen      []sight // pictures of it, the earliest first
	said      string  // what the rule said of it last; "" for nothing yet
}

// sight is a picture of a group: when it was taken, and whether everybody could
// reach port 22 then.
type sight struct {
	at   int64
	open bool
}

func (g *group) name() string { return fleet.ResourceName("AWS::EC2::SecurityGroup", g.id) }

// openSSH is what an open group permits, as EC2 spells it.
const openSSH = `{"fromPort":22,"ipProtocol":"tcp","ipv4Ranges":[{"cidrIp":"0.0.0.0/0"}],"ipv6Ranges":[],"prefixListIds":[],"toPort":22,"userIdGroupPairs":[]}`

func (w *Week) makeGroup(title string, at int64) *group {
	g := &group{id: "sg-0" + w.random.hex(16), title: title}
	w.groups = append(w.groups, g)
	w.writeGroup(g, "CreateSecurityGroup", `{"groupDescription":"for a moment only","groupName":"`+title+`","vpcId":"vpc-0a1b2c3d4e5f67890"}`,
		`,"groupId":"`+g.id+`"`, false, at)
	return g
}

// changeGroup opens a group's port 22 to the world, or closes it.
func (w *Week) changeGroup(g *group, call string, at int64) (request string) {
	rule := `{"groupId":"` + g.id + `","ipPermissions":{"items":[{"fromPort":22,"groups":{},"ipProtocol":"tcp","ipRanges":{"items":[{"cidrIp":"0.0.0.0/0"}]},"ipv6Ranges":{},"prefixListIds":{},"toPort":22}]}}`
	return w.writeGroup(g, call, rule, "", call == "AuthorizeSecurityGroupIngress", at)
}

func (w *Week) writeGroup(g *group, call, params, response string, open bool, at int64) (request string) {
	permissions := ""
	if open {
		permissions = openSSH
	}
	request = w.random.uuid()
	w.record(&entry{
		service: "ec2", name: call, at: at, by: origin{deployerIdentity, officeAddress, cliAgent, deployer}, management: true, params: params, request: request,
		response: `{"_return":true,"requestId":"` + request + `"` + response + `}`,
	}, "EC2")
	w.truth.small.Change(g.name(), request)
	captured := w.changed(at, "AWS::EC2::SecurityGroup", g.id, g.title, arn("ec2", "security-group/"+g.id), "",
		`{"description":"for a moment only","groupId":"`+g.id+`","groupName":"`+g.title+`","ipPermissions":[`+permissions+
			`],"ipPermissionsEgress":[],"ownerId":"`+account+`","tags":[],"vpcId":"vpc-0a1b2c3d4e5f67890"}`,
		`{"resourceType":"AWS::EC2::VPC","resourceId":"vpc-0a1b2c3d4e5f67890","name":"Is contained in Vpc"}`)
	g.seen = append(g.seen, sight{captured, open})
	if w.ruled > 0 {
		w.judge(g, g.seen[len(g.seen)-1])
	}
	return request
}

const (
	sshRule   = "restricted-ssh"
	sshRuleID = "config-rule-a1b2c3"
	// judgedAfter is how long after a picture the rule's word on it is recorded.
	judgedAfter = 20 * second
	// remediedAfter is how long the rule is violated.
	remediedAfter = 45 * minute
)

// judge takes an item of a group's compliance timeline, if the rule says
// something else of it than before.
func (w *Week) judge(g *group, s sight) {
	says := "COMPLIANT"
	if s.open {
		says = "NON_COMPLIANT"
	}
	if says == g.said {
		return
	}
	status := "OK"
	if g.said == "" {
		status = "ResourceDiscovered"
	}
	g.said = says
	const kind = "AWS::EC2::SecurityGroup"
	at := s.at + judgedAfter
	w.picture(at, at, "AWS::Config::ResourceCompliance", kind+"/"+g.id, "", "", status,
		`{"complianceType":"`+says+`","targetResourceId":"`+g.id+`","targetResourceType":"`+kind+`","configRuleList":[{"complianceType":"`+says+
			`","configRuleArn":"`+arn("config", "config-rule/"+sshRuleID)+`","configRuleId":"`+sshRuleID+`","configRuleName":"`+sshRule+`"}]}`,
		`{"resourceType":"`+kind+`","resourceId":"`+g.id+`","name":"Is associated with "}`, "")
}

// putRule puts up the rule that forbids open groups, which looks at all groups
// that there are.
func (w *Week) putRule(at int64) {
	w.does(w.ci(at), at, "config", "PutConfigRule", `{"configRule":{"configRuleName":"`+sshRule+`","scope":{"complianceResourceTypes":["AWS::EC2::SecurityGroup"]},`+
		`"source":{"owner":"AWS","sourceIdentifier":"INCOMING_SSH_DISABLED"}}}`, "")
	if w.ruled > 0 {
		return // and is as it was
	}
	w.ruled = at
	for _, g := range w.groups {
		last := -1 // picture before the rule
		for i, s := range g.seen {
			if s.at <= at {
				last = i
			}
		}
		for i, s := range g.seen[max(0, last):] {
			if i == 0 && last >= 0 {
				s.at = at
			}
			w.judge(g, s)
		}
	}
}

// violatesRule puts the rule up and then does what it forbids. Later somebody
// puts that right.
func (w *Week) violatesRule(at int64) truth.Label {
	w.putRule(at)
	g := w.makeGroup("migration-"+w.run, at+minute)
	opened := w.changeGroup(g, "AuthorizeSecurityGroupIngress", at+4*minute)
	w.agenda.at(min(at+remediedAfter, w.to-5*minute), func(at int64) {
		closed := w.changeGroup(g, "RevokeSecurityGroupIngress", at)
		w.truth.small.Label(truth.Label{
			Kind: truth.LabelIncident, Name: string(samples.RuleViolated), Subject: sshRule + " remedied", Time: clock(at),
			Services: []string{"config"}, Resources: []string{g.name()}, Requests: []string{closed},
		})
	})
	return truth.Label{Subject: sshRule, Services: []string{"config"}, Resources: []string{g.name()}, Requests: []string{opened}}
}
