package collectors

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// Accounts says which accounts are read, and by which role. The zero value is the
// caller's own account.
type Accounts struct {
	// IDs are accounts to read; of those of the organization where it is asked, too.
	IDs []string
	// Exclude are accounts that are not read.
	Exclude []string
	// Organization asks AWS Organizations for the accounts.
	Organization bool
	// Role is assumed in every account but the caller's own: its name, or an ARN in
	// which {account} stands for the account.
	Role string
	// ExternalID is given when the role is assumed; "" for none.
	ExternalID string
}

// several reports whether accounts are chosen.
func (a *Accounts) several() bool { return len(a.IDs) > 0 || a.Organization }

var accountForm = regexp.MustCompile(`^\d{12}$`)

// accountMark stands for the account in a role's ARN.
const accountMark = "{account}"

// check says what is wrong with a choice.
func (a *Accounts) check() error {
	for _, id := range slices.Concat(a.IDs, a.Exclude) {
		if !accountForm.MatchString(id) {
			return fmt.Errorf("%q is no account: give its 12 digits", clip(id, maxIDBytes))
		}
	}
	switch isARN := strings.HasPrefix(a.Role, "arn:"); {
	case a.several() && a.Role == "":
		return errors.New("reading other accounts takes a role in each: name it, or give its ARN with " + accountMark + " in it")
	case !a.several() && (a.Role != "" || len(a.Exclude) > 0 || a.ExternalID != ""):
		return errors.New("a role, an external id or excluded accounts mean nothing without accounts: name them, or ask the organization")
	case isARN && !strings.Contains(a.Role, accountMark):
		return fmt.Errorf("the role %s is the same for all accounts: put %s where the account is", clip(a.Role, maxIDBytes), accountMark)
	case !isARN && strings.ContainsAny(a.Role, ":{} "):
		return fmt.Errorf("%q is neither the name of a role nor an ARN", clip(a.Role, maxIDBytes))
	}
	return nil
}

// roleIn is the role's ARN in an account.
func (a *Accounts) roleIn(account, partition string) string {
	if strings.HasPrefix(a.Role, "arn:") {
		return strings.ReplaceAll(a.Role, accountMark, account)
	}
	return "arn:" + partition + ":iam::" + account + ":role/" + strings.TrimPrefix(a.Role, "/")
}

// organizationKept is how long the list of accounts is remembered: a daemon asks
// for it twice a minute, and accounts come and go by the week.
const organizationKept = 15 * time.Minute

// Sessions remembers the roles' sessions and the organization's accounts from one
// Discover to the next. The zero value is usable; safe for concurrent use.
type Sessions struct {
	mu       sync.Mutex
	roles    map[string]aws.CredentialsProvider // by ARN and external id
	accounts []string
	listed   time.Time
	// inventories are when each stream's was last read whole.
	inventories map[string]time.Time
}

// sessionName is what the accounts' own trails show.
const sessionName = "muster"

// assume is a session of a role, renewed when it ends.
func (s *Sessions) assume(cfg aws.Config, arn, externalID string) aws.CredentialsProvider {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := arn + " " + externalID
	if s.roles == nil {
		s.roles = map[string]aws.CredentialsProvider{}
	}
	if s.roles[key] == nil {
		s.roles[key] = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), arn, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = sessionName
			if externalID != "" {
				o.ExternalID = &externalID
			}
		}))
	}
	return s.roles[key]
}

// organization lists the active accounts. Where that fails, those listed last are
// as good.
func (s *Sessions) organization(ctx context.Context, o Options) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := o.Now(); s.accounts == nil || now.Sub(s.listed) > organizationKept {
		accounts, err := listAccounts(ctx, o)
		switch {
		case err == nil:
			s.accounts, s.listed = accounts, now
		case s.accounts == nil || ctx.Err() != nil:
			return nil, err
		default:
			o.Logger.WarnContext(ctx, "the organization's accounts could not be listed: those listed last are read", "error", err)
		}
	}
	return s.accounts, nil
}

func listAccounts(ctx context.Context, o Options) ([]string, error) {
	client, s := organizations.NewFromConfig(o.AWS), newSource(o, "organization", "")
	in := &organizations.ListAccountsInput{}
	accounts := []string{}
	var p pager
	for {
		page, err := call(ctx, &s, "organizations:ListAccounts", client.ListAccounts, in)
		if err != nil {
			return nil, fmt.Errorf("list the organization's accounts: %w", err)
		}
		for _, a := range page.Accounts {
			if a.Status == orgtypes.AccountStatusActive {
				accounts = append(accounts, aws.ToString(a.Id))
			}
		}
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			return accounts, err
		}
		in.NextToken = page.NextToken
	}
}

// assumption is the action that an error is about where it is a role that could
// not be assumed: then no call was made.
func assumption(err error, action string) string {
	for ; err != nil; err = errors.Unwrap(err) {
		if o, ok := err.(*smithy.OperationError); ok && o.Service() == sts.ServiceID && o.Operation() == "AssumeRole" { //nolint:errorlint // looks at each of the chain
			return "sts:AssumeRole"
		}
	}
	return action
}
