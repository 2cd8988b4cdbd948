package localaws

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"
)

// principals is as much of IAM as an intruder needs: users with keys, and the
// managed policies that are attached to users and roles. Roles that are named
// exist. Safe for concurrent use.
type principals struct {
	s *Server

	mu       sync.Mutex
	users    map[string]time.Time // when they were made
	attached map[string][]string  // policy ARNs by "user/name" or "role/name"
}

func newPrincipals(s *Server) *principals {
	return &principals{s: s, users: make(map[string]time.Time), attached: make(map[string][]string)}
}

func (p *principals) operations() map[string]operation {
	attach := func(kind string, on bool) operation {
		return func(_ context.Context, c *call) (any, error) { return nil, p.attach(c, kind, on) }
	}
	return map[string]operation{
		"CreateUser":       p.createUser,
		"CreateAccessKey":  p.createKey,
		"AttachUserPolicy": attach("User", true), "DetachUserPolicy": attach("User", false),
		"AttachRolePolicy": attach("Role", true), "DetachRolePolicy": attach("Role", false),
		"PutRolePolicy": putRolePolicy,
	}
}

type iamUser struct {
	Path     string
	UserName string
	UserID   string `xml:"UserId"`
	ARN      string `xml:"Arn"`
	Created  string `xml:"CreateDate"`
}

func (p *principals) describe(c *call, name string, made time.Time) iamUser {
	id := p.s.identities.user(name, "")
	return iamUser{"/", name, id.PrincipalID, "arn:aws:iam::" + c.Account + ":user/" + name, made.Format(time.RFC3339)}
}

func (p *principals) createUser(_ context.Context, c *call) (any, error) {
	name := c.form.Get("UserName")
	if name == "" {
		return nil, failf("ValidationError", "1 validation error detected: Value null at 'userName' failed to satisfy constraint: Member must not be null")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.users[name]; ok {
		return nil, &apiError{Code: "EntityAlreadyExists", Message: "User with name " + name + " already exists.", Status: 409}
	}
	p.users[name] = c.Time
	user := p.describe(c, name, c.Time)
	c.record(nil, map[string]any{"user": map[string]any{"path": "/", "userName": name, "userId": user.UserID, "arn": user.ARN}})
	p.picture(c, "User", name)
	return struct{ User iamUser }{user}, nil
}

// createKey gives a user a key, with which calls are the user's.
func (p *principals) createKey(_ context.Context, c *call) (any, error) {
	name := c.form.Get("UserName")
	p.mu.Lock()
	_, ok := p.users[name]
	p.mu.Unlock()
	if !ok {
		return nil, noSuchPrincipal("user", name)
	}
	key := "AKIA" + newCode(16)
	p.s.identities.give(name, key)
	c.record(nil, map[string]any{"accessKey": map[string]any{ // the secret is never recorded
		"userName": name, "accessKeyId": key, "status": "Active", "createDate": c.Time.Format("Jan 2, 2006, 3:04:05 PM"),
	}})
	return struct {
		User   string `xml:"AccessKey>UserName"`
		Key    string `xml:"AccessKey>AccessKeyId"`
		Status string `xml:"AccessKey>Status"`
		Secret string `xml:"AccessKey>SecretAccessKey"`
	}{name, key, "Active", newHex(40)}, nil
}

func noSuchPrincipal(kind, name string) *apiError {
	return &apiError{Code: "NoSuchEntity", Message: "The " + kind + " with name " + name + " cannot be found.", Status: 404}
}

// attach attaches a managed policy to a user or a role, or takes it away.
func (p *principals) attach(c *call, kind string, on bool) error {
	name, policy := c.form.Get(kind+"Name"), c.form.Get("PolicyArn")
	if !strings.HasPrefix(policy, "arn:aws:iam::") {
		return failf("InvalidInput", "ARN %s is not valid.", policy)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.users[name]; kind == "User" && !ok {
		return noSuchPrincipal("user", name)
	}
	holder := kind + "/" + name
	var rest []string
	for _, other := range p.attached[holder] {
		if other != policy {
			rest = append(rest, other)
		}
	}
	if !on && len(rest) == len(p.attached[holder]) {
		return &apiError{Code: "NoSuchEntity", Message: "Policy " + policy + " was not found.", Status: 404}
	}
	if on {
		rest = append(rest, policy)
	}
	p.attached[holder] = rest
	p.picture(c, kind, name)
	return nil
}

// putRolePolicy writes a policy into a role. Nobody asks for it again: what roles
// may do is not held against calls here.
func putRolePolicy(_ context.Context, c *call) (any, error) {
	for _, name := range []string{"RoleName", "PolicyName"} {
		if c.form.Get(name) == "" {
			return nil, failf("ValidationError", "1 validation error detected: Value at '%s' failed to satisfy constraint: Member must not be null", name)
		}
	}
	if !json.Valid([]byte(c.form.Get("PolicyDocument"))) {
		return nil, failf("MalformedPolicyDocument", "Syntax errors in policy.")
	}
	return nil, nil
}

// picture lets Config see a user or a role. The caller holds mu.
func (p *principals) picture(c *call, kind, name string) {
	lower := strings.ToLower(kind)
	arn := "arn:aws:iam::" + c.Account + ":" + lower + "/" + name
	id := p.s.identities.user(name, "").PrincipalID
	if kind == "Role" {
		id = roleID(name)
	}
	policies := []map[string]string{}
	for _, policy := range p.attached[kind+"/"+name] {
		policies = append(policies, map[string]string{"policyArn": policy, "policyName": policy[strings.LastIndexByte(policy, '/')+1:]})
	}
	p.s.config.changed(c, resource{"AWS::IAM::" + kind, id, name, arn},
		map[string]any{"path": "/", lower + "Name": name, lower + "Id": id, "arn": arn, "attachedManagedPolicies": policies})
}
