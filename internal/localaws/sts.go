package localaws

import (
	"context"
	"encoding/xml"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func (s *Server) stsOperations() map[string]operation {
	return map[string]operation{
		"GetCallerIdentity": getCallerIdentity,
		"AssumeRole":        s.assumeRole,
	}
}

func getCallerIdentity(_ context.Context, c *call) (any, error) {
	return struct {
		XMLName xml.Name
		ARN     string `xml:"Arn"`
		UserID  string `xml:"UserId"`
		Account string
	}{ARN: c.Identity.ARN, UserID: c.Identity.PrincipalID, Account: c.Account}, nil
}

// AssumeRole's duration in seconds, from AWS's documentation.
const (
	minSessionSeconds     = 900
	maxSessionSeconds     = 43_200
	defaultSessionSeconds = 3_600
)

// roleARN is a role's name in the form that AWS requires, with account and role.
var roleARN = regexp.MustCompile(`^arn:aws:iam::(\d{12}):role/([\w+=,.@/-]+)$`)

// rolePrefix begins the names of the roles that exist: all muster-* of the account.
const rolePrefix = "muster-"

// assumeRole opens a session, in the caller's account or, for the management
// account, in another one of the organization. Its key works until it expires or
// is forgotten (see maxSessions).
func (s *Server) assumeRole(_ context.Context, c *call) (any, error) {
	arn, session := c.form.Get("RoleArn"), c.form.Get("RoleSessionName")
	c.touch("AWS::IAM::Role", arn)
	seconds := defaultSessionSeconds
	if d := c.form.Get("DurationSeconds"); d != "" {
		n, err := strconv.Atoi(d)
		if err != nil || n < minSessionSeconds || n > maxSessionSeconds {
			return nil, failf("ValidationError", "DurationSeconds must be from %d to %d, not %q.", minSessionSeconds, maxSessionSeconds, d)
		}
		seconds = n
	}
	params := map[string]any{"roleArn": arn, "roleSessionName": session, "durationSeconds": seconds}
	c.record(params, nil)
	if !sessionName.allows(session) {
		return nil, failf("ValidationError", "1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: %s", session, sessionNameConstraint(session))
	}
	role := roleARN.FindStringSubmatch(arn)
	if role == nil {
		return nil, failf("ValidationError", "%s is invalid", arn)
	}
	if !s.assumable(c, role[1], role[2]) {
		return nil, &apiError{
			Code: "AccessDenied", Status: 403,
			Message: "User: " + c.Identity.ARN + " is not authorized to perform: sts:AssumeRole on resource: " + arn,
		}
	}
	at := *c // where the role is, whose account's recorder takes the picture
	at.Account = role[1]
	s.config.discovered(&at, resource{"AWS::IAM::Role", roleID(role[2]), role[2], arn},
		map[string]any{"path": "/", "roleName": role[2], "roleId": roleID(role[2]), "arn": arn})

	token, expires := newHex(128), c.Time.Add(time.Duration(seconds)*time.Second)
	id := s.identities.assume(role[1], role[2], session, c.Time, expires)
	if role[1] != c.Account {
		c.sharedWith = role[1]
	}
	user := map[string]any{"assumedRoleId": id.PrincipalID, "arn": id.ARN}
	c.record(params, map[string]any{ // the secret is never recorded
		"credentials": map[string]any{
			"accessKeyId": id.AccessKey, "sessionToken": token,
			"expiration": expires.Format("Jan 2, 2006, 3:04:05 PM"),
		},
		"assumedRoleUser": user,
	})
	return assumeRoleResult{
		AccessKey: id.AccessKey, Secret: newHex(40), Token: token, Expires: expires.Format(time.RFC3339),
		UserARN: id.ARN, UserID: id.PrincipalID,
	}, nil
}

// assumable reports whether a caller may assume a role: the muster-* roles of its
// own account, and from the management account those of every other one and the
// role that Organizations made there.
func (s *Server) assumable(c *call, account, role string) bool {
	ours := strings.HasPrefix(role, rolePrefix)
	if account == c.Account {
		return ours
	}
	return c.Account == s.account && s.isMember(account) && (ours || role == organizationRole)
}

// sessionNameConstraint says what a session name lacks, as AWS does.
func sessionNameConstraint(session string) string {
	switch {
	case len(session) < 2:
		return "Member must have length greater than or equal to 2"
	case len(session) > 64:
		return "Member must have length less than or equal to 64"
	}
	return `Member must satisfy regular expression pattern: [\w+=,.@-]*`
}

type assumeRoleResult struct {
	AccessKey string `xml:"Credentials>AccessKeyId"`
	Secret    string `xml:"Credentials>SecretAccessKey"`
	Token     string `xml:"Credentials>SessionToken"`
	Expires   string `xml:"Credentials>Expiration"`
	UserARN   string `xml:"AssumedRoleUser>Arn"`
	UserID    string `xml:"AssumedRoleUser>AssumedRoleId"`
}
