package localaws

import (
	"context"
	"regexp"
	"slices"
	"time"
)

// A Member is an account of the organization.
type Member struct {
	ID   string // 12 digits
	Name string // empty means a name made of the id
}

var accountID = regexp.MustCompile(`^\d{12}$`)

// organizationRole is the role that Organizations makes in every account that it
// creates, for the management account to assume.
const organizationRole = "OrganizationAccountAccessRole"

// organization lists the accounts, the management account first.
func organization(o Options) []Member {
	members := append([]Member{{o.Account, "management"}}, o.Members...)
	for i := range members {
		if members[i].Name == "" {
			members[i].Name = "account-" + members[i].ID
		}
	}
	return members
}

func (s *Server) isMember(account string) bool {
	return slices.ContainsFunc(s.members, func(m Member) bool { return m.ID == account })
}

// organizationID is the same in every run, as the accounts are.
func (s *Server) organizationID() string { return "o-" + lowerCode("organization "+s.account, 10) }

// organizationFolder is what an organization's trail puts before an account's
// folder in the bucket; "" for an account's own trail.
func (s *Server) organizationFolder() string {
	if len(s.members) < 2 {
		return ""
	}
	return s.organizationID() + "/"
}

func (s *Server) organizationOperations() map[string]operation {
	return map[string]operation{
		"DescribeOrganization": s.describeOrganization,
		"ListAccounts":         s.listAccounts,
		"DescribeAccount":      s.describeAccount,
	}
}

// noOrganization is what an account without one is told.
func (s *Server) noOrganization() error {
	if len(s.members) < 2 {
		return failf("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
	}
	return nil
}

func (s *Server) describeOrganization(context.Context, *call) (any, error) {
	if err := s.noOrganization(); err != nil {
		return nil, err
	}
	id := s.organizationID()
	return map[string]any{"Organization": map[string]any{
		"Id": id, "Arn": "arn:aws:organizations::" + s.account + ":organization/" + id, "FeatureSet": "ALL",
		"MasterAccountId":      s.account,
		"MasterAccountArn":     s.accountARN(s.account),
		"MasterAccountEmail":   emailOf(s.members[0]),
		"AvailablePolicyTypes": []any{},
	}}, nil
}

func (s *Server) accountARN(account string) string {
	return "arn:aws:organizations::" + s.account + ":account/" + s.organizationID() + "/" + account
}

func emailOf(m Member) string { return m.Name + "@example.com" }

// accountJoined is when every account joined: long before any evidence.
var accountJoined = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (s *Server) describedAccount(m Member) map[string]any {
	method := "CREATED"
	if m.ID == s.account {
		method = "INVITED"
	}
	return map[string]any{
		"Id": m.ID, "Arn": s.accountARN(m.ID), "Email": emailOf(m), "Name": m.Name,
		"Status": "ACTIVE", "State": "ACTIVE", "JoinedMethod": method, "JoinedTimestamp": timestamp{accountJoined},
	}
}

// maxAccountsPage is ListAccounts' greatest and usual page.
const maxAccountsPage = 20

// listAccounts answers the management account only, as AWS does unless another
// account was made a delegated administrator.
func (s *Server) listAccounts(_ context.Context, c *call) (any, error) {
	var in struct {
		NextToken  string
		MaxResults *int
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := s.onlyManagement(c); err != nil {
		return nil, err
	}
	limit := maxAccountsPage
	if in.MaxResults != nil {
		limit = *in.MaxResults
	}
	if limit < 1 || limit > maxAccountsPage {
		return nil, failf("InvalidInputException", "You specified an invalid value for MaxResults.")
	}
	p, err := s.newPager(c, in.NextToken)
	if err != nil {
		return nil, failf("InvalidInputException", "You specified an invalid value for NextToken.")
	}
	found, next := page(p, s.members, limit)
	accounts := make([]any, len(found))
	for i, m := range found {
		accounts[i] = s.describedAccount(m)
	}
	return map[string]any{"Accounts": accounts, "NextToken": orNil(next)}, nil
}

func (s *Server) onlyManagement(c *call) error {
	if err := s.noOrganization(); err != nil {
		return err
	}
	if c.Account != s.account {
		return failf("AccessDeniedException", "You don't have permissions to access this resource.")
	}
	return nil
}

func (s *Server) describeAccount(_ context.Context, c *call) (any, error) {
	var in struct {
		AccountID string `json:"AccountId"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := s.onlyManagement(c); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(s.members, func(m Member) bool { return m.ID == in.AccountID })
	if i < 0 {
		return nil, failf("AccountNotFoundException", "You specified an account that doesn't exist.")
	}
	return map[string]any{"Account": s.describedAccount(s.members[i])}, nil
}
