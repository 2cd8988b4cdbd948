package week

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"muster/samples"
	"muster/samples/faults"
	"muster/samples/shipping"
	"muster/samples/truth"
)

const (
	// ciRole is the role of who deploys, and ciAgent what it deploys with.
	ciRole    = "muster-ci"
	ciAgent   = "aws-sdk-js/3.922.0 ua/2.1 os/linux#6.8.0 lang/js md/nodejs#22.11.0 api/ecs#3.922.0"
	ciAddress = "10.0.1.10"
	ciRoleID  = "AROACIMUSTERCIROLE001"
	cluster   = "muster"

	// healthEvery is the time between two looks at the targets' health.
	healthEvery = 5 * minute
	// parametersAtOnce is how many parameters a release writes for each service.
	parametersAtOnce = 12
	// restartsADay is how often autoscaling replaces a task of each service.
	restartsADay = 2
)

// Release is the label of a release of all services.
const Release = "release"

// ci is the deployer's session at a time.
func (w *Week) ci(at int64) origin {
	if at > w.ciExpires-renewAt {
		by := origin{deployerIdentity, ciAddress, agent("sts"), deployer}
		w.ciIdentity, w.ciExpires = w.assume(ciRole, ciRoleID, "release", at, by), at+sessionFor.Microseconds()
	}
	return origin{w.ciIdentity, ciAddress, ciAgent, deployer}
}

// planNoise plans what happens on any day: releases, health checks, restarts.
func (w *Week) planNoise() {
	r := dice{rand.New(rand.NewPCG(w.o.Seed, 2))}
	for midnight := clock(w.from).Truncate(24 * time.Hour).UnixMicro(); midnight < w.to; midnight += day {
		if d := clock(midnight).Weekday(); d != time.Saturday && d != time.Sunday {
			for _, h := range []int64{10, 15} {
				w.within(midnight+h*hour+r.upTo(hour), w.releaseAll)
			}
		}
		for _, t := range w.order {
			for range restartsADay {
				w.within(midnight+r.upTo(day), func(at int64) { w.start(t, at, false) })
			}
		}
	}
	w.agenda.at(w.from+healthEvery, w.lookAtHealth)
}

// within plans what does not lie outside of the days.
func (w *Week) within(at int64, run func(at int64)) {
	if at > w.from+2*minute && at < w.to-2*minute {
		w.agenda.at(at, run)
	}
}

func (w *Week) lookAtHealth(at int64) {
	w.record(&entry{
		service: "elasticloadbalancing", name: "DescribeTargetHealth", at: at, by: w.ci(at), read: true, management: true,
		params: `{"targetGroupArn":"` + arn("elasticloadbalancing", "targetgroup/muster/73e2d6bc24d8a067") + `"}`,
	}, "Elastic Load Balancing v2")
	w.within(at+healthEvery, w.lookAtHealth)
}

// releaseAll is a release of all services: a hundred writes and more, some of
// them to one resource shortly after each other.
func (w *Week) releaseAll(at int64) {
	began, version := at, "1.4."+strconv.FormatInt(at/hour%1000, 10)
	l := truth.Label{Kind: truth.LabelNoise, Name: Release, Subject: ciRole, Time: clock(at)}
	for _, t := range w.order {
		for n := range parametersAtOnce {
			name := fmt.Sprintf("/muster/%s/setting-%02d", t.service, n)
			l.Requests = append(l.Requests, w.record(&entry{
				service: "ssm", name: "PutParameter", at: at, by: w.ci(at), management: true,
				params:    `{"name":"` + name + `","overwrite":true,"type":"String","value":"HIDDEN_DUE_TO_SECURITY_REASONS"}`,
				response:  `{"tier":"Standard","version":` + strconv.FormatInt((at-w.from)/hour+1, 10) + `}`,
				resources: resource("AWS::SSM::Parameter", arn("ssm", "parameter"+name)),
			}, "SSM"))
			at += second/5 + w.random.upTo(second)
		}
		l.Requests = append(l.Requests, w.deploy(t, version, at)...)
		at += 4*second + w.random.upTo(10*second)
		if w.random.one(3) { // the same again, as pipelines do
			l.Requests = append(l.Requests, w.deploy(t, version, at)...)
		}
	}
	l.Services, l.Until = []string{"ecs", "ssm"}, clock(max(at, began))
	w.truth.small.Label(l)
}

// deploy puts another version of a service in place, and returns the request ids.
func (w *Week) deploy(t *task, version string, at int64) []string {
	by := w.ci(at)
	definition := arn("ecs", "task-definition/"+t.service+":"+strconv.FormatInt(at/minute%100_000, 10))
	registered := w.record(&entry{
		service: "ecs", name: "RegisterTaskDefinition", at: at, by: by, management: true,
		params:    `{"containerDefinitions":[{"image":"muster/` + t.service + `:` + version + `","memory":128,"name":"` + t.service + `"}],"family":"` + t.service + `"}`,
		response:  `{"taskDefinition":{"family":"` + t.service + `","taskDefinitionArn":"` + definition + `"}}`,
		resources: resource("AWS::ECS::TaskDefinition", definition),
	}, "ECS")
	at += second + w.random.upTo(second)
	full := arn("ecs", "service/"+cluster+"/"+t.service)
	service := `{"serviceArn":"` + full + `","serviceName":"` + t.service + `","clusterArn":"` + arn("ecs", "cluster/"+cluster) +
		`","status":"ACTIVE","taskDefinition":"` + definition + `","desiredCount":1,"runningCount":1}`
	updated := w.record(&entry{
		service: "ecs", name: "UpdateService", at: at, by: by, management: true,
		params:    `{"cluster":"` + cluster + `","service":"` + t.service + `","taskDefinition":"` + definition + `"}`,
		response:  `{"service":` + service + `}`,
		resources: resource("AWS::ECS::Service", full),
	}, "ECS")
	t.deployed = at
	w.changed(at, "AWS::ECS::Service", full, t.service, full, updated, service, "")
	return []string{registered, updated}
}

// planDeploys plans the faults that are brought about by a call of somebody.
func (w *Week) planDeploys() {
	for _, e := range w.episodes {
		switch e.fault {
		case faults.BadDeployment:
			w.agenda.at(e.start, func(at int64) { w.breakShipping(e, at) })
		case faults.RegisteredWithoutTraffic:
			w.agenda.at(e.start, w.abandon)
		}
	}
}

// breakShipping deploys the broken version of shipping, until the episode's end.
func (w *Week) breakShipping(e *episode, at int64) {
	t := w.tasks[samples.Shipping]
	before := t.version
	requests := w.deploy(t, shipping.BrokenVersion, at)
	t.version = shipping.BrokenVersion
	var mend func(at int64)
	mend = func(at int64) {
		if e.times == 0 && at < w.to-2*hour { // nobody has noticed yet
			w.agenda.at(at+10*minute, mend)
			return
		}
		requests = append(requests, w.deploy(t, before, at)...)
		t.version = before
		w.struck(faults.BadDeployment, at, truth.Label{Services: []string{samples.Shipping}, Requests: requests})
	}
	// Shorter than other episodes: no order is fulfilled meanwhile.
	w.agenda.at(min(e.start+20*minute, e.end), mend)
}

// abandon registers a service that nobody calls.
func (w *Week) abandon(at int64) {
	const pricing = "pricing"
	id := "srv-" + w.random.hex(16)
	by := origin{deployerIdentity, ciAddress, agent("servicediscovery"), deployer}
	full := resource("AWS::ServiceDiscovery::Service", arn("servicediscovery", "service/"+id))
	w.record(&entry{
		service: "servicediscovery", name: "CreateService", at: at, by: by, management: true, resources: full,
		params:   `{"creatorRequestId":"` + w.random.uuid() + `","name":"` + pricing + `","namespaceId":"` + namespace + `"}`,
		response: `{"service":{"id":"` + id + `","arn":"` + arn("servicediscovery", "service/"+id) + `","name":"` + pricing + `"}}`,
	}, "ServiceDiscovery")
	request := w.record(&entry{
		service: "servicediscovery", name: "RegisterInstance", at: at + second/3, by: by, management: true, resources: full,
		params: `{"attributes":{"url":"http://10.0.1.99:8080"},"creatorRequestId":"` + w.random.uuid() + `","instanceId":"` + pricing + `-1","serviceId":"` + id + `"}`,
	}, "ServiceDiscovery")
	document, err := json.Marshal(samples.PricesPolicy(region, account))
	if err != nil {
		panic(err) // a text is JSON
	}
	granted := w.record(&entry{
		service: "iam", name: "PutRolePolicy", at: at + second/2, by: by, management: true,
		params: `{"policyDocument":` + string(document) + `,"policyName":"` + pricing + `","roleName":"` + w.tasks[samples.Orders].role() + `"}`,
	}, "IAM")
	w.struck(faults.RegisteredWithoutTraffic, at, truth.Label{Services: []string{pricing}, Requests: []string{request, granted}})
}
