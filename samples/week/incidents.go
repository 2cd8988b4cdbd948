package week

import (
	"math/rand/v2"
	"slices"

	"muster/fleet"
	"muster/samples"
	"muster/samples/orders"
	"muster/samples/truth"
)

// The addresses and programs of people, and of one who is none of the fleet's.
const (
	officeAddress   = "203.0.113.10"
	intruderAddress = "198.51.100.23"
	cliAgent        = "aws-cli/2.31.4 md/awscrt#0.28.1 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.7 cfg/retry-mode#standard"
	browser         = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
	trailName       = "muster"
	keyID           = "1234abcd-12ab-34cd-56ef-1234567890ab"
)

// incident is something that someone does to the account.
type incident struct {
	name   string
	policy string // that finds it; "" for none that is shipped
	strike func(w *Week, at int64) truth.Label
	after  int64 // since the days began at the least; microseconds
}

// incidentKinds are all of them. What is undone is undone by the same person.
var incidentKinds = []incident{
	{string(samples.RootConsoleLogin), "root-console-login", (*Week).rootSignsIn, 0},
	{string(samples.SecurityGroupOpen), "security-group-open", (*Week).opensGroup, 0},
	{string(samples.ScanOutside), "role-used-outside-fleet", (*Week).scansFromOutside, 0},
	{string(samples.ConsoleLoginWithoutMFA), "console-login-without-mfa", (*Week).userSignsIn, 0},
	{string(samples.TrailStopped), "trail-stopped", (*Week).stopsTrail, 0},
	{RecorderStopped, "recorder-stopped", (*Week).stopsRecorder, 0},
	{string(samples.BucketPublic), "bucket-public", (*Week).opensBucket, 0},
	{string(samples.AdministratorAttached), "admin-policy-attached", (*Week).makesAdmin, 0},
	{string(samples.KeyDeletionScheduled), "kms-key-deletion", (*Week).deletesKey, 0},
	{string(samples.ServiceKeyOutside), "role-used-outside-fleet", (*Week).stealsKey, 0},
	{string(samples.RoleChain), "role-chain", (*Week).chainsRoles, 0},
	{string(samples.ManualChange), "manual-change", (*Week).changesByHand, 0},
	{string(samples.RuleViolated), "security-group-open", (*Week).violatesRule, 0},
	{SecretsListed, "api-first-used", (*Week).listsSecrets, knownAfter},
}

// RecorderStopped is an incident of simulated days alone: the stand-in's recorder
// cannot be stopped.
const RecorderStopped = "recorder-stopped"

// SecretsListed is one too: what a service has never called is known after hours.
const SecretsListed = "secrets-listed"

// knownAfter is when a service that polls a queue has been at work for six hours
// and more than a thousand calls.
const knownAfter = 8 * hour

// Incidents lists what is done to the account in the days.
func Incidents() []string {
	var out []string
	for _, kind := range incidentKinds {
		out = append(out, kind.name)
	}
	return out
}

// daysPerIncident is how many days there are to one of each incident.
const daysPerIncident = 7

func (w *Week) planIncidents() {
	r := dice{rand.New(rand.NewPCG(w.o.Seed, 3))}
	all := w.to - w.from
	for _, kind := range incidentKinds {
		n := max(1, int(all/(daysPerIncident*day)))
		for i := range n {
			at := w.from + 5*minute + all*int64(i)/int64(n) + r.upTo(all/int64(n)-20*minute)
			at = min(max(at, w.from+kind.after), w.to-15*minute)
			if at >= w.from+kind.after {
				w.agenda.at(at, func(at int64) { w.bring(&kind, at) })
			}
		}
	}
}

// bring brings an incident about, and expects the findings of its policies.
func (w *Week) bring(kind *incident, at int64) {
	l := kind.strike(w, at)
	l.Kind, l.Name, l.Time = truth.LabelIncident, kind.name, clock(at)
	w.truth.small.Label(l)
	if kind.policy != "" {
		place := truth.Expected{
			Requests: l.Requests, Resources: l.Resources, Anywhere: len(l.Requests) == 0,
		}
		w.truth.small.Expect(kind.policy, place)
		ruled := kind.name == string(samples.RuleViolated) || kind.name == string(samples.SecurityGroupOpen) && w.ruled > 0
		if ruled {
			w.truth.small.Expect("config-rule-violated", place)
		}
	}
	if !slices.Contains(w.incidents, kind.name) {
		w.incidents = append(w.incidents, kind.name)
	}
}

// person is an IAM user at the office.
func person(name, address string) origin {
	user := "arn:aws:iam::" + account + ":user/" + name
	return origin{`{"type":"IAMUser","principalId":"AIDA` + upper(name) + `","arn":"` + user + `","accountId":"` + account +
		`","accessKeyId":"AKIA` + upper(name) + `","userName":"` + name + `"}`, address, cliAgent, user}
}

// upper is a name as a part of an id of AWS: 17 capitals.
func upper(name string) string {
	b := []byte("MUSTERUSERXXXXXXX")
	for i := range min(len(name), 7) {
		b[10+i] = name[i] &^ 0x20
	}
	return string(b)
}

// does is a call that somebody makes by hand.
func (w *Week) does(by origin, at int64, service, name, params, resources string) string {
	return w.record(&entry{service: service, name: name, at: at, by: by, management: true, params: params, resources: resources}, service)
}

func (w *Week) signIn(identity, address, mfa string, at int64) {
	w.record(&entry{
		service: "signin", name: "ConsoleLogin", at: at, by: origin{identity, address, browser, ""}, management: true,
		response: `{"ConsoleLogin":"Success"}`, eventType: "AwsConsoleSignIn",
		extra: `{"LoginTo":"https://console.aws.amazon.com/console/home","MFAUsed":"` + mfa + `","MobileVersion":"No"}`,
	}, "")
}

func (w *Week) rootSignsIn(at int64) truth.Label {
	w.signIn(`{"type":"Root","principalId":"`+account+`","arn":"arn:aws:iam::`+account+`:root","accountId":"`+account+`"}`, intruderAddress, "No", at)
	return truth.Label{Subject: "root", Services: []string{"signin"}}
}

func (w *Week) userSignsIn(at int64) truth.Label {
	w.signIn(`{"type":"IAMUser","principalId":"AIDA`+upper("ada")+`","arn":"arn:aws:iam::`+account+`:user/ada","accountId":"`+account+`","userName":"ada"}`,
		officeAddress, "No", at)
	return truth.Label{Subject: "ada", Services: []string{"signin"}}
}

func (w *Week) opensGroup(at int64) truth.Label {
	g := w.makeGroup("debug-"+w.run, at)
	opened := w.changeGroup(g, "AuthorizeSecurityGroupIngress", at+3*minute)
	w.changeGroup(g, "RevokeSecurityGroupIngress", at+8*minute)
	return truth.Label{Subject: "deployer", Services: []string{"ec2"}, Requests: []string{opened}, Resources: []string{g.name()}}
}

func (w *Week) scansFromOutside(at int64) truth.Label {
	by := origin{deployerIdentity, intruderAddress, cliAgent, deployer}
	t := w.tasks[samples.Orders]
	session := w.assume(t.role(), t.roleID, "debug", at, by)
	a := on(orders.Table, `{}`)
	request := w.record(&entry{
		service: "dynamodb", name: "Scan", at: at + 2*second, by: origin{session, intruderAddress, cliAgent, deployer}, read: true,
		params: a.params, resources: a.resources,
	}, "DynamoDB")
	return truth.Label{
		Subject: "debug", Services: []string{samples.Orders}, Requests: []string{request},
		Resources: []string{fleet.ResourceName("AWS::DynamoDB::Table", orders.Table)},
	}
}

func (w *Week) stopsTrail(at int64) truth.Label {
	by, full := person("mallory", intruderAddress), arn("cloudtrail", "trail/"+trailName)
	params, resources := `{"name":"`+trailName+`"}`, resource("AWS::CloudTrail::Trail", full)
	request := w.does(by, at, "cloudtrail", "StopLogging", params, resources)
	w.does(by, at+4*minute, "cloudtrail", "StartLogging", params, resources)
	return truth.Label{
		Subject: "mallory", Services: []string{"cloudtrail"}, Requests: []string{request},
		Resources: []string{fleet.ResourceName("AWS::CloudTrail::Trail", trailName)},
	}
}

func (w *Week) stopsRecorder(at int64) truth.Label {
	by, params := person("mallory", intruderAddress), `{"configurationRecorderName":"default"}`
	request := w.does(by, at, "config", "StopConfigurationRecorder", params, "")
	w.does(by, at+4*minute, "config", "StartConfigurationRecorder", params, "")
	return truth.Label{Subject: "mallory", Services: []string{"config"}, Requests: []string{request}}
}

func (w *Week) opensBucket(at int64) truth.Label {
	by, full := person("ada", officeAddress), "arn:aws:s3:::receipts"
	w.found("AWS::S3::Bucket", "receipts")
	set := func(at int64, on string) string {
		request := w.does(by, at, "s3", "PutBucketPublicAccessBlock", `{"Host":"receipts.s3.`+region+`.amazonaws.com","PublicAccessBlockConfiguration":{"BlockPublicAcls":`+on+
			`,"BlockPublicPolicy":`+on+`,"IgnorePublicAcls":`+on+`,"RestrictPublicBuckets":`+on+`},"bucketName":"receipts","publicAccessBlock":""}`, resource("AWS::S3::Bucket", full))
		w.supplemented(at, "AWS::S3::Bucket", "receipts", "receipts", full, request, `{"name":"receipts"}`, "",
			`"PublicAccessBlockConfiguration":`+quoted(`{"blockPublicAcls":`+on+`,"ignorePublicAcls":`+on+`,"blockPublicPolicy":`+on+`,"restrictPublicBuckets":`+on+`}`))
		return request
	}
	request := set(at, "false")
	set(at+9*minute, "true")
	return truth.Label{
		Subject: "ada", Services: []string{"s3"}, Requests: []string{request}, Resources: []string{fleet.ResourceName("AWS::S3::Bucket", "receipts")},
	}
}

func (w *Week) makesAdmin(at int64) truth.Label {
	const user, policy = "eve", "AdministratorAccess"
	by, id, full := person("ada", officeAddress), "AIDA"+upper(user), "arn:aws:iam::"+account+":user/"+user
	w.found("AWS::IAM::User", id)
	set := func(at int64, call, attached string) string {
		request := w.does(by, at, "iam", call, `{"policyArn":"arn:aws:iam::aws:policy/`+policy+`","userName":"`+user+`"}`, "")
		w.changed(at, "AWS::IAM::User", id, user, full, request,
			`{"path":"/","userName":"`+user+`","userId":"`+id+`","arn":"`+full+`","attachedManagedPolicies":[`+attached+`]}`, "")
		return request
	}
	request := set(at, "AttachUserPolicy", `{"policyArn":"arn:aws:iam::aws:policy/`+policy+`","policyName":"`+policy+`"}`)
	set(at+9*minute, "DetachUserPolicy", "")
	return truth.Label{
		Subject: user, Services: []string{"iam"}, Requests: []string{request}, Resources: []string{fleet.ResourceName("AWS::IAM::User", user)},
	}
}

func (w *Week) deletesKey(at int64) truth.Label {
	by, full := person("ada", officeAddress), arn("kms", "key/"+keyID)
	w.found("AWS::KMS::Key", keyID)
	set := func(at int64, call, params, state string) string {
		request := w.does(by, at, "kms", call, `{"keyId":"`+keyID+`"`+params+`}`, resource("AWS::KMS::Key", full))
		w.changed(at, "AWS::KMS::Key", keyID, keyID, full, request,
			`{"AWSAccountId":"`+account+`","KeyId":"`+keyID+`","Arn":"`+full+`","Description":"receipts","KeyState":"`+state+
				`","Enabled":false,"KeyUsage":"ENCRYPT_DECRYPT","KeyManager":"CUSTOMER","Origin":"AWS_KMS"}`, "")
		return request
	}
	request := set(at, "ScheduleKeyDeletion", `,"pendingWindowInDays":7`, "PendingDeletion")
	set(at+9*minute, "CancelKeyDeletion", "", "Disabled") // until somebody enables it
	return truth.Label{
		Subject: "ada", Services: []string{"kms"}, Requests: []string{request}, Resources: []string{fleet.ResourceName("AWS::KMS::Key", keyID)},
	}
}

// stealsKey uses the temporary key that payments itself works with, from outside.
func (w *Week) stealsKey(at int64) truth.Label {
	t := w.tasks[samples.Payments]
	by, a := origin{w.session(t, at), intruderAddress, cliAgent, deployer}, on(samples.Payments, `{}`)
	asked := w.record(&entry{service: "sts", name: "GetCallerIdentity", at: at + second, by: by, read: true, management: true}, "STS")
	read := w.record(&entry{
		service: "dynamodb", name: "Scan", at: at + 20*second, by: by, read: true, params: a.params, resources: a.resources,
	}, "DynamoDB")
	return truth.Label{Subject: samples.Payments, Services: []string{samples.Payments}, Requests: []string{asked, read}}
}

// chainsRoles goes from a user to the deployer's role, and from there to that of
// payments, which nobody but payments should have.
func (w *Week) chainsRoles(at int64) truth.Label {
	by := person("ada", officeAddress)
	first := origin{w.assume(ciRole, ciRoleID, "ada", at, by), "10.0.1.40", cliAgent, by.arn}
	t := w.tasks[samples.Payments]
	last := origin{w.assume(t.role(), t.roleID, "ada", at+20*second, first), "10.0.1.40", cliAgent, by.arn}
	request := w.does(last, at+30*second, "dynamodb", "DescribeTable", on("payments", `{}`).params, on("payments", `{}`).resources)
	return truth.Label{
		Subject: "ada", Services: []string{samples.Payments}, Requests: []string{request},
		Resources: []string{fleet.ResourceName("AWS::DynamoDB::Table", "payments")},
	}
}

// changesByHand is a person who changes what a pipeline manages.
func (w *Week) changesByHand(at int64) truth.Label {
	by, queue := person("ada", officeAddress), "notifications"
	by.agent = browser
	request := w.does(by, at, "sqs", "SetQueueAttributes", `{"attributes":{"VisibilityTimeout":"300"},"queueUrl":"`+queueURL(queue)+`"}`, about(queue, "").resources)
	full := arn("sqs", queue)
	w.changed(at, "AWS::SQS::Queue", queueURL(queue), queue, full, request,
		`{"DelaySeconds":"0","MaximumMessageSize":"1048576","MessageRetentionPeriod":"345600","QueueArn":"`+full+`","QueueName":"`+queue+
			`","ReceiveMessageWaitTimeSeconds":"20","SqsManagedSseEnabled":"true","VisibilityTimeout":"300"}`, "")
	return truth.Label{
		Subject: "ada", Services: []string{"sqs"}, Requests: []string{request}, Resources: []string{fleet.ResourceName("AWS::SQS::Queue", queue)},
	}
}

// listsSecrets is somebody who got into notifications and works with its session,
// from where it runs.
func (w *Week) listsSecrets(at int64) truth.Label {
	by := w.of(w.tasks[samples.Notifications], "sts", at)
	by.agent = cliAgent
	request := w.record(&entry{
		service: "secretsmanager", name: "ListSecrets", at: at + second, by: by, read: true, management: true, params: `{"maxResults":100}`,
	}, "Secrets Manager")
	return truth.Label{Subject: samples.Notifications, Services: []string{samples.Notifications}, Requests: []string{request}}
}
