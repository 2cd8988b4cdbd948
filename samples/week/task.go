package week

import (
	"cmp"
	"strconv"
	"time"

	"muster/samples"
	"muster/samples/documents"
)

// The account that everything happens in.
const (
	Account = "111122223333"
	Region  = "us-east-1"
)

const (
	account = Account
	region  = Region
	// deployer is the user behind the services' sessions.
	deployer    = "arn:aws:iam::" + account + ":user/deployer"
	deployerKey = "AKIAMUSTERDEPLOYER22"
	// sessionFor is how long a service's temporary key is good for, and renewAt
	// how long before its end a new one is taken.
	sessionFor = time.Hour
	renewAt    = 5 * minute
)

// task is one running instance of a service.
type task struct {
	service, group, address string
	roleID, serviceID       string
	queue                   string // that it polls; "" for none
	version                 string
	deployed                int64 // last; 0 for never

	run   string // names this start of it in its log stream and lines
	lines int

	identity string // as CloudTrail shows the session
	expires  int64
	found    map[string]int64 // until when Cloud Map's answers are good, by service
	receipts bool             // the bucket is made
	otel     bool             // OpenTelemetry traces it
	unlisted bool             // Cloud Map does not know it
}

// places are where the services' calls come from, as in the live fleet.
var places = map[string]string{
	samples.Gateway: "10.0.1.11", samples.Orders: "10.0.1.12", samples.Payments: "10.0.1.13", samples.Notifications: "10.0.1.14",
	samples.Inventory: "10.0.1.15", samples.Shipping: "10.0.1.16", samples.Documents: "10.0.1.17", samples.Fraud: "10.0.1.18",
	tax: "10.0.1.21", loyalty: "10.0.1.22",
}

// queues are those that services poll.
var queues = map[string]string{
	samples.Notifications: "notifications", samples.Shipping: "shipments", samples.Documents: "documents",
}

// firstVersion is what every service runs until it is deployed anew.
const firstVersion = "1.4.0"

// newTask is a service of the fleet.
func (w *Week) newTask(service string) *task {
	t := w.build(service)
	w.tasks[service] = t
	w.order = append(w.order, t)
	return t
}

func (w *Week) build(service string) *task {
	group := "/muster/" + service
	if service == samples.Documents {
		group = documents.LogGroup
	}
	return &task{
		service: service, group: group, address: cmp.Or(places[service], "10.0.1.30"), queue: queues[service],
		version: firstVersion, roleID: "AROA" + w.random.letters(17), serviceID: "srv-" + w.random.hex(16),
		found: make(map[string]int64), otel: service == samples.Payments,
	}
}

func (t *task) role() string { return "muster-" + t.service }

func (t *task) url() string { return "http://" + t.address + ":8080" }

// session is the task's identity at a time; it takes the role again when the
// last session ends.
func (w *Week) session(t *task, at int64) string {
	if at > t.expires-renewAt {
		t.identity = w.assume(t.role(), t.roleID, t.service+"-task", at, origin{deployerIdentity, t.address, agent("sts"), deployer})
		t.expires = at + sessionFor.Microseconds()
	}
	return t.identity
}

// origin is who makes a call, from where, and with what.
type origin struct {
	identity, address, agent string
	arn                      string // of the principal at the beginning of the chain
}

const deployerIdentity = `{"type":"IAMUser","principalId":"AIDARKZLHGWUD4CRKEXNQ","arn":"` + deployer + `","accountId":"` + account +
	`","accessKeyId":"` + deployerKey + `","userName":"deployer"}`

// assume takes a role and returns its session's identity.
func (w *Week) assume(role, roleID, name string, at int64, by origin) string {
	key := "ASIA" + w.random.letters(16)
	arn := "arn:aws:iam::" + account + ":role/" + role
	session := "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + name
	seconds := strconv.Itoa(int(sessionFor / time.Second))
	ends := clock(at + sessionFor.Microseconds()).Format("Jan 2, 2006, 3:04:05 PM")
	w.record(&entry{
		service: "sts", name: "AssumeRole", at: at, by: by, read: true, management: true,
		params:    `{"durationSeconds":` + seconds + `,"roleArn":"` + arn + `","roleSessionName":"` + name + `"}`,
		response:  `{"assumedRoleUser":{"arn":"` + session + `","assumedRoleId":"` + roleID + ":" + name + `"},"credentials":{"accessKeyId":"` + key + `","expiration":"` + ends + `","sessionToken":"HIDDEN"}}`,
		resources: resource("AWS::IAM::Role", arn),
	}, "STS")
	w.truth.small.Session(key, by.arn)
	return `{"type":"AssumedRole","principalId":"` + roleID + ":" + name + `","arn":"` + session + `","accountId":"` + account +
		`","accessKeyId":"` + key + `","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"` + roleID + `","arn":"` + arn +
		`","accountId":"` + account + `","userName":"` + role + `"},"attributes":{"creationDate":"` + seconds3339(at) + `","mfaAuthenticated":"false"}}}`
}

// origin is the task as the author of a call.
func (w *Week) of(t *task, api string, at int64) origin {
	return origin{identity: w.session(t, at), address: t.address, agent: agent(api), arn: deployer}
}

func seconds3339(at int64) string { return clock(at).Format("2006-01-02T15:04:05Z") }
