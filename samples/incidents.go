package samples

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"muster/fleet"
	"muster/samples/orders"
	"muster/samples/telemetry"
	"muster/samples/truth"
)

// Incident is something that someone does to the account.
type Incident string

// The incidents.
const (
	RootConsoleLogin       Incident = "root-console-login"
	SecurityGroupOpen      Incident = "security-group-open"
	ScanOutside            Incident = "dynamodb-scan-outside"
	TrailStopped           Incident = "trail-stopped"
	BucketPublic           Incident = "bucket-public"
	AdministratorAttached  Incident = "administrator-attached"
	KeyDeletionScheduled   Incident = "kms-key-deletion"
	ConsoleLoginWithoutMFA Incident = "console-login-without-mfa"
	ServiceKeyOutside      Incident = "service-key-outside"
	RoleChain              Incident = "role-chain"
	ManualChange           Incident = "manual-change"
	RuleViolated           Incident = "config-rule-violated"
)

// IncidentInfo is what there is to know about an incident.
type IncidentInfo struct {
	Incident Incident
	// Does is what happens, and Evidence what it leaves behind.
	Does, Evidence string
	// Policy is the shipped policy that finds it; "" for none.
	Policy string

	act func(*Fleet, context.Context) (truth.Label, error)
}

// AllIncidents are the incidents with what there is to know about them, in the
// order in which they happen.
func AllIncidents() []IncidentInfo {
	return []IncidentInfo{
		{
			RuleViolated, "somebody opens SSH to the world, a rule of Config says so, and at the end it is closed again",
			"AuthorizeSecurityGroupIngress and later RevokeSecurityGroupIngress; the verdict NON_COMPLIANT, then COMPLIANT, of one group",
			"security-group-open", (*Fleet).violateRule,
		},
		{
			RootConsoleLogin, "root signs in to the console", "ConsoleLogin by root", "root-console-login", (*Fleet).signInAsRoot,
		},
		{
			SecurityGroupOpen, "a user opens port 22 to the world", "AuthorizeSecurityGroupIngress, and a change of the group",
			"security-group-open", (*Fleet).openSecurityGroup,
		},
		{
			ScanOutside, "someone takes the role of orders and reads all orders from outside",
			"AssumeRole, then Scan by the session from an address that is not the fleet's", "role-used-outside-fleet", (*Fleet).scanFromOutside,
		},
		{
			TrailStopped, "the trail is stopped for a moment", "StopLogging, StartLogging; no event in files between the two",
			"trail-stopped", (*Fleet).stopTrail,
		},
		{
			BucketPublic, "a bucket's policy lets everybody read", "PutBucketPolicy with the principal *, and a change of the bucket",
			"bucket-public", (*Fleet).publishBucket,
		},
		{
			AdministratorAttached, "a new user is made an administrator", "CreateUser, CreateAccessKey, AttachUserPolicy of AdministratorAccess",
			"admin-policy-attached", (*Fleet).makeAdministrator,
		},
		{
			KeyDeletionScheduled, "an encryption key is to be deleted in seven days", "CreateKey, ScheduleKeyDeletion, and a change of the key",
			"kms-key-deletion", (*Fleet).scheduleKeyDeletion,
		},
		{
			ConsoleLoginWithoutMFA, "a user signs in to the console with a password alone", "ConsoleLogin with MFAUsed No",
			"console-login-without-mfa", (*Fleet).signInWithoutMFA,
		},
		{
			ServiceKeyOutside, "the temporary key of payments is used from outside", "GetCallerIdentity and Scan with the key that the service itself works with, from another address",
			"role-used-outside-fleet", (*Fleet).stealKey,
		},
		{
			RoleChain, "a user takes the role of the deployment, and with it the role of payments",
			"AssumeRole by a user, AssumeRole by its session, Scan by the session of that one", "role-chain", (*Fleet).chainRoles,
		},
		{
			ManualChange, "somebody changes a queue by hand that the deployment manages",
			"SetQueueAttributes by a user with a browser, and a change of the queue", "manual-change", (*Fleet).changeByHand,
		},
	}
}

// Incidents lists the incidents.
func Incidents() []Incident {
	var out []Incident
	for _, i := range AllIncidents() {
		out = append(out, i.Incident)
	}
	return out
}

const (
	// firstIncident lets the fleet get going; incidentEvery keeps incidents
	// apart, and all of them within the first seconds of the load.
	firstIncident = 750 * time.Millisecond
	incidentEvery = 200 * time.Millisecond

	// The addresses are of blocks reserved for documentation, but for the bastion.
	officeAddress   = "203.0.113.10"
	intruderAddress = "198.51.100.23"
	bastionAddress  = "10.0.9.9"
	cliAgent        = "aws-cli/2.31.4 md/awscrt#0.28.1 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.7 cfg/retry-mode#standard"
	browserAgent    = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
)

// strike lets the incidents that are on happen, one after the other.
func (f *Fleet) strike(ctx context.Context) error {
	wait := time.NewTimer(firstIncident)
	defer wait.Stop()
	for _, incident := range AllIncidents() {
		if !slices.Contains(f.o.Incidents, incident.Incident) || f.struck[incident.Incident] {
			continue
		}
		select {
		case <-wait.C:
		case <-ctx.Done():
			return nil
		}
		// What has begun is ended, so that the truth and the evidence agree.
		label, err := incident.act(f, context.WithoutCancel(ctx))
		if err != nil {
			return fmt.Errorf("incident %s: %w", incident.Incident, err)
		}
		f.struck[incident.Incident] = true
		f.happened(incident, label)
		wait.Reset(incidentEvery)
	}
	return nil
}

// happened labels an incident, and expects the finding of its policy.
func (f *Fleet) happened(i IncidentInfo, l truth.Label) {
	l.Kind, l.Name = truth.LabelIncident, string(i.Incident)
	f.o.Truth.Label(l)
	if i.Policy == "" {
		return
	}
	place := truth.Expected{Resources: l.Resources, Requests: l.Requests, Anywhere: len(l.Resources)+len(l.Requests) == 0}
	f.o.Truth.Expect(i.Policy, place)
	if slices.Contains(f.o.Incidents, RuleViolated) && slices.Contains(ruled, i.Incident) {
		f.o.Truth.Expect("config-rule-violated", place)
	}
}

// ruled are the incidents against which Config has a rule, once RuleViolated,
// which is the first of all, has put it up.
var ruled = []Incident{RuleViolated, SecurityGroupOpen}

// signInAsRoot is root's, from an address that nobody knows.
func (f *Fleet) signInAsRoot(ctx context.Context) (truth.Label, error) {
	return truth.Label{Subject: "root"}, f.signIn(ctx, "root", intruderAddress)
}

// signIn uses the stand-in's own door: no API signs in to the console.
func (f *Fleet) signIn(ctx context.Context, user, address string) error {
	body, err := json.Marshal(map[string]any{"user": user, "mfa": false, "source_ip": address})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.o.Endpoint+"/_muster/signin", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", browserAgent)
	resp, err := f.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		said, err := io.ReadAll(resp.Body)
		return errors.Join(fmt.Errorf("status %d: %s", resp.StatusCode, said), err)
	}
	return nil
}

// openSecurityGroup makes a group and opens its port 22 to the world.
func (f *Fleet) openSecurityGroup(ctx context.Context) (truth.Label, error) {
	_, group, opened, err := f.openSSH(ctx, "debug-"+f.plan.run)
	return truth.Label{Subject: "debug", Resources: []string{group}, Requests: []string{opened}}, err
}

// world are the parameters of a rule that lets everybody reach port 22.
func world(group string) map[string]string {
	return map[string]string{
		"GroupId": group, "IpPermissions.1.IpProtocol": "tcp",
		"IpPermissions.1.FromPort": "22", "IpPermissions.1.ToPort": "22",
		"IpPermissions.1.IpRanges.1.CidrIp": "0.0.0.0/0",
	}
}

// openSSH makes a group and opens it; it returns its id, its canonical name and
// the request that opened it.
func (f *Fleet) openSSH(ctx context.Context, name string) (id, group, opened string, err error) {
	c := f.as(officeAddress, cliAgent)
	var made struct {
		GroupID string `xml:"groupId"`
	}
	created, err := c.query(ctx, "ec2", "CreateSecurityGroup", map[string]string{
		"GroupName": name, "GroupDescription": "for a moment only",
	}, &made)
	if err != nil {
		return "", "", "", err
	}
	group = fleet.ResourceName("AWS::EC2::SecurityGroup", made.GroupID)
	f.o.Truth.Change(group, created)
	if opened, err = c.query(ctx, "ec2", "AuthorizeSecurityGroupIngress", world(made.GroupID), nil); err != nil {
		return "", "", "", err
	}
	f.o.Truth.Change(group, opened)
	return made.GroupID, group, opened, nil
}

// scanFromOutside takes the role of the orders service and reads its table.
func (f *Fleet) scanFromOutside(ctx context.Context) (truth.Label, error) {
	taken, err := f.as(intruderAddress, cliAgent).assume(ctx, "muster-"+Orders, "debug", f.account.user)
	if err != nil {
		return truth.Label{}, err
	}
	request, err := taken.scan(ctx, orders.Table)
	return truth.Label{
		Subject: Orders, Requests: []string{request}, Resources: []string{fleet.ResourceName("AWS::DynamoDB::Table", orders.Table)},
	}, err
}

// scan reads a whole table.
func (c caller) scan(ctx context.Context, table string) (string, error) {
	cfg := telemetry.Observe(c.account.cfg, c.truth, c.address)
	cfg.APIOptions = append(cfg.APIOptions, asAgent(c.agent))
	cfg.Credentials = c.keys
	out, err := dynamodb.NewFromConfig(cfg).Scan(ctx, &dynamodb.ScanInput{TableName: &table})
	if err != nil {
		return "", fmt.Errorf("scan %s: %w", table, err)
	}
	request, ok := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
	if !ok {
		return "", errors.New("the scan's answer has no request id")
	}
	return request, nil
}

// asAgent makes calls look like another program's.
func asAgent(agent string) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("MusterAgent", func(
			ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
		) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if req, ok := in.Request.(*smithyhttp.Request); ok {
				req.Header.Set("User-Agent", agent)
			}
			return next.HandleFinalize(ctx, in)
		}), middleware.Before)
	}
}
