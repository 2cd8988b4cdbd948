package localaws

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// The deployer's key, with which the fleet's services assume their roles. Any
// secret is accepted; this one is for clients that insist on having one.
const (
	BootstrapKey    = "AKIAMUSTERDEPLOYER22"
	BootstrapSecret = "the-stand-in-verifies-no-signature"
)

// maxSessions bounds how many temporary keys are remembered; the oldest is
// forgotten first and then answers as an unknown key.
const maxSessions = 10_000

// identity is who a key belongs to: a user, or a role's session.
type identity struct {
	Type        string // "IAMUser", "AssumedRole", "Root"
	PrincipalID string
	ARN         string
	AccountID   string
	AccessKey   string
	UserName    string // users only

	// Of sessions only.
	RoleARN, RoleID, RoleName string
	Created, Expires          time.Time
}

// identities knows the keys. One that it does not know belongs to a user named
// after the key, so that any client with any key works, and shows as what it
// is. A call without a signature belongs to the user "anonymous". Safe for
// concurrent use.
type identities struct {
	account string

	mu       sync.Mutex
	sessions map[string]identity // by access key
	users    map[string]string   // by access key; bounded by the calls that make keys
	order    []string            // keys, oldest first
}

func newIdentities(account string) *identities {
	return &identities{account: account, sessions: make(map[string]identity), users: make(map[string]string)}
}

func (ids *identities) of(key string) identity {
	if key == BootstrapKey {
		return ids.user("deployer", key)
	}
	if key == "" {
		return ids.user("anonymous", key)
	}
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if id, ok := ids.sessions[key]; ok {
		return id
	}
	if name, ok := ids.users[key]; ok {
		return ids.user(name, key)
	}
	return ids.user(key, key)
}

// give makes a key a user's.
func (ids *identities) give(name, key string) {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	ids.users[key] = name
}

func (ids *identities) user(name, key string) identity {
	return identity{
		Type: "IAMUser", UserName: name, AccessKey: key, AccountID: ids.account,
		PrincipalID: "AIDA" + stableCode("user "+name),
		ARN:         "arn:aws:iam::" + ids.account + ":user/" + name,
	}
}

// assume opens a session of a role of an account and returns its identity with
// a new key.
func (ids *identities) assume(account, role, session string, now, expires time.Time) identity {
	roleID := roleID(role)
	id := identity{
		Type: "AssumedRole", AccountID: account, AccessKey: "ASIA" + newCode(16),
		PrincipalID: roleID + ":" + session,
		ARN:         "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + session,
		RoleARN:     "arn:aws:iam::" + account + ":role/" + role, RoleID: roleID, RoleName: role,
		Created: now, Expires: expires,
	}
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if len(ids.order) >= maxSessions {
		delete(ids.sessions, ids.order[0])
		ids.order = ids.order[1:]
	}
	ids.sessions[id.AccessKey] = id
	ids.order = append(ids.order, id.AccessKey)
	return id
}

func roleID(role string) string { return "AROA" + stableCode("role "+role) }

// credentialScope reads the access key, region and service that a request was
// signed for: Credential=<key>/<date>/<region>/<service>/aws4_request, in the
// Authorization header or, presigned, in the query. The signature itself is not
// looked at. All are empty for an unsigned request.
func credentialScope(r *http.Request) (key, region, service string) {
	credential := r.URL.Query().Get("X-Amz-Credential")
	if _, after, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		credential, _, _ = strings.Cut(after, ",")
	}
	parts := strings.Split(strings.TrimSpace(credential), "/")
	if len(parts) < 5 {
		return "", "", ""
	}
	// A key may contain slashes in theory; the scope is always the last four.
	scope := parts[len(parts)-4:]
	return strings.Join(parts[:len(parts)-4], "/"), scope[1], scope[2]
}
