package samples

import (
	"context"
	"fmt"
	"net/http"

	"muster/fleet"
	"muster/samples/truth"
)

const (
	// trailName is the trail of the stand-in's account.
	trailName = "muster"
	// The users that incidents are about.
	operator, intruder = "ada", "backup-admin"
	administrator      = "arn:aws:iam::aws:policy/AdministratorAccess"
	exportsBucket      = "exports"
)

// signInWithoutMFA is a user's who has a password and nothing else.
func (f *Fleet) signInWithoutMFA(ctx context.Context) (truth.Label, error) {
	return truth.Label{Subject: operator}, f.signIn(ctx, operator, officeAddress)
}

// stopTrail stops the trail, and somebody starts it again at once. What is
// called in between is in no file.
func (f *Fleet) stopTrail(ctx context.Context) (truth.Label, error) {
	c := f.as(intruderAddress, cliAgent)
	f.o.Truth.TrailStops()
	defer f.o.Truth.TrailStarts()
	stopped, err := c.json(ctx, "cloudtrail", "StopLogging", map[string]string{"Name": trailName}, nil)
	if err != nil {
		return truth.Label{}, err
	}
	_, err = f.as(officeAddress, cliAgent).json(ctx, "cloudtrail", "StartLogging", map[string]string{"Name": trailName}, nil)
	return truth.Label{
		Subject: trailName, Requests: []string{stopped}, Resources: []string{fleet.ResourceName("AWS::CloudTrail::Trail", trailName)},
	}, err
}

// publishBucket lets everybody read what is in a bucket.
func (f *Fleet) publishBucket(ctx context.Context) (truth.Label, error) {
	c := f.as(officeAddress, cliAgent)
	bucket := fleet.ResourceName("AWS::S3::Bucket", exportsBucket)
	made, err := c.bucket(ctx, "CreateBucket", "/"+exportsBucket, nil)
	if err != nil {
		return truth.Label{}, err
	}
	f.o.Truth.Change(bucket, made)
	opened, err := c.bucket(ctx, "PutBucketPolicy", "/"+exportsBucket+"?policy", []byte(fmt.Sprintf(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::%s/*"}]}`, exportsBucket)))
	if err != nil {
		return truth.Label{}, err
	}
	f.o.Truth.Change(bucket, opened)
	return truth.Label{Subject: exportsBucket, Requests: []string{opened}, Resources: []string{bucket}}, nil
}

// bucket makes a call of S3, which names operations by method and path.
func (c caller) bucket(ctx context.Context, operation, path string, body []byte) (string, error) {
	answer, err := c.send(ctx, "s3", request{method: http.MethodPut, path: path, body: body})
	if err != nil {
		return "", fmt.Errorf("s3 %s: %w", operation, err)
	}
	c.truth.Call(truth.Call{Request: answer.request, Service: "s3", Operation: operation})
	return answer.request, nil
}

// makeAdministrator makes a user, gives it a key, and the right to everything.
func (f *Fleet) makeAdministrator(ctx context.Context) (truth.Label, error) {
	c := f.as(intruderAddress, cliAgent)
	user := map[string]string{"UserName": intruder}
	for _, action := range []string{"CreateUser", "CreateAccessKey"} {
		if _, err := c.query(ctx, "iam", action, user, nil); err != nil {
			return truth.Label{}, err
		}
	}
	attached, err := c.query(ctx, "iam", "AttachUserPolicy", map[string]string{"UserName": intruder, "PolicyArn": administrator}, nil)
	return truth.Label{Subject: intruder, Requests: []string{attached}}, err
}

// scheduleKeyDeletion makes a key and lets it end.
func (f *Fleet) scheduleKeyDeletion(ctx context.Context) (truth.Label, error) {
	c := f.as(officeAddress, cliAgent)
	var made struct {
		KeyMetadata struct {
			KeyID string `json:"KeyId"`
		}
	}
	if _, err := c.json(ctx, "kms", "CreateKey", map[string]string{"Description": "receipts"}, &made); err != nil {
		return truth.Label{}, err
	}
	scheduled, err := c.json(ctx, "kms", "ScheduleKeyDeletion", map[string]any{"KeyId": made.KeyMetadata.KeyID, "PendingWindowInDays": 7}, nil)
	return truth.Label{Subject: "receipts", Requests: []string{scheduled}}, err
}

// stealKey uses the temporary key that payments itself works with.
func (f *Fleet) stealKey(ctx context.Context) (truth.Label, error) {
	c := f.as(intruderAddress, cliAgent)
	c.keys = f.services[Payments].t.Plain.Credentials
	asked, err := c.query(ctx, "sts", "GetCallerIdentity", nil, nil)
	if err != nil {
		return truth.Label{}, err
	}
	read, err := c.scan(ctx, Payments)
	return truth.Label{Subject: Payments, Services: []string{Payments}, Requests: []string{asked, read}}, err
}

// person makes a user once, and is a caller with a key of it.
func (f *Fleet) person(ctx context.Context, name, address, agent string) (caller, error) {
	c := f.as(addresses[deployer], ciAgent)
	if !f.people[name] {
		if _, err := c.query(ctx, "iam", "CreateUser", map[string]string{"UserName": name}, nil); err != nil {
			return caller{}, err
		}
		f.people[name] = true
	}
	var made struct {
		Key    string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	if _, err := c.query(ctx, "iam", "CreateAccessKey", map[string]string{"UserName": name}, &made); err != nil {
		return caller{}, err
	}
	c.address, c.agent, c.keys = address, agent, fixed(made.Key, made.Secret)
	return c, nil
}

// chainRoles goes from a user to a role that no user should come to.
func (f *Fleet) chainRoles(ctx context.Context) (truth.Label, error) {
	c, err := f.person(ctx, operator, bastionAddress, cliAgent)
	if err != nil {
		return truth.Label{}, err
	}
	origin := "arn:aws:iam::" + f.account.id + ":user/" + operator
	if c, err = c.assume(ctx, ciRole, operator, origin); err != nil {
		return truth.Label{}, err
	}
	if c, err = c.assume(ctx, "muster-"+Payments, operator, origin); err != nil {
		return truth.Label{}, err
	}
	read, err := c.scan(ctx, Payments)
	return truth.Label{Subject: operator, Services: []string{Payments}, Requests: []string{read}}, err
}

// changeByHand changes a queue of shipping in the console.
func (f *Fleet) changeByHand(ctx context.Context) (truth.Label, error) {
	c, err := f.person(ctx, operator, officeAddress, browserAgent)
	if err != nil {
		return truth.Label{}, err
	}
	changed, err := c.setQueue(ctx, managedQueue, map[string]string{"MessageRetentionPeriod": "60"})
	return truth.Label{
		Subject: managedQueue, Requests: []string{changed}, Resources: []string{fleet.ResourceName("AWS::SQS::Queue", managedQueue)},
	}, err
}

// managedQueue is a queue that the deployment manages.
const managedQueue = "shipments"

// setQueue changes the settings of a queue.
func (c caller) setQueue(ctx context.Context, name string, attributes map[string]string) (string, error) {
	changed, err := c.json(ctx, "sqs", "SetQueueAttributes", map[string]any{
		"QueueUrl": "https://sqs." + c.account.cfg.Region + ".amazonaws.com/" + c.account.id + "/" + name, "Attributes": attributes,
	}, nil)
	if err == nil {
		c.truth.Change(fleet.ResourceName("AWS::SQS::Queue", name), changed)
	}
	return changed, err
}

// rule is the rule of Config that is violated, and group what violates it.
const sshRule = "restricted-ssh"

// violateRule puts a rule of Config's up and then does what it forbids. The end
// of the load puts that right.
func (f *Fleet) violateRule(ctx context.Context) (truth.Label, error) {
	_, err := f.as(addresses[deployer], ciAgent).json(ctx, "config", "PutConfigRule", map[string]any{"ConfigRule": map[string]any{
		"ConfigRuleName": sshRule, "Source": map[string]string{"Owner": "AWS", "SourceIdentifier": "INCOMING_SSH_DISABLED"},
		"Scope": map[string]any{"ComplianceResourceTypes": []string{"AWS::EC2::SecurityGroup"}},
	}}, nil)
	if err != nil {
		return truth.Label{}, err
	}
	id, group, opened, err := f.openSSH(ctx, "migration-"+f.plan.run)
	f.violator = id
	return truth.Label{Subject: sshRule, Resources: []string{group}, Requests: []string{opened}}, err
}

// remedy closes what violates the rule, if something does.
func (f *Fleet) remedy(ctx context.Context) error {
	if f.violator == "" {
		return nil
	}
	closed, err := f.as(officeAddress, cliAgent).query(ctx, "ec2", "RevokeSecurityGroupIngress", world(f.violator), nil)
	if err != nil {
		return fmt.Errorf("close security group %s: %w", f.violator, err)
	}
	group := fleet.ResourceName("AWS::EC2::SecurityGroup", f.violator)
	f.o.Truth.Change(group, closed)
	f.o.Truth.Label(truth.Label{
		Kind: truth.LabelIncident, Name: string(RuleViolated), Subject: sshRule + " remedied",
		Resources: []string{group}, Requests: []string{closed},
	})
	f.violator = ""
	return nil
}
