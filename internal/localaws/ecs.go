package localaws

import (
	"cmp"
	"strconv"
	"sync"
)

// containers is as much of ECS as a deployment calls: task definitions, and the
// services that run them. A service that is updated and does not exist is made,
// with its cluster: nobody here calls CreateService. Safe for concurrent use.
type containers struct {
	s *Server

	mu        sync.Mutex
	revisions map[string]int    // by family
	running   map[string]string // task definition by service ARN
}

func newContainers(s *Server) *containers {
	return &containers{s: s, revisions: make(map[string]int), running: make(map[string]string)}
}

func (e *containers) operations() map[string]operation {
	return map[string]operation{
		"RegisterTaskDefinition": typed(locked(&e.mu, e.registerTask)),
		"UpdateService":          typed(locked(&e.mu, e.updateService)),
		"DescribeServices":       typed(locked(&e.mu, e.describeServices)),
	}
}

type taskInput struct {
	Family     string           `json:"family"`
	Containers []map[string]any `json:"containerDefinitions"`
}

func (e *containers) registerTask(c *call, in taskInput) (answer, error) {
	if in.Family == "" || len(in.Containers) == 0 {
		return nil, failf("ClientException", "A family and at least one container definition must be given.")
	}
	e.revisions[in.Family]++
	n := e.revisions[in.Family]
	task := answer{
		"taskDefinitionArn": c.arn("task-definition/" + in.Family + ":" + strconv.Itoa(n)), "family": in.Family,
		"revision": n, "status": "ACTIVE", "containerDefinitions": in.Containers,
	}
	c.record(nil, answer{"taskDefinition": task})
	return answer{"taskDefinition": task}, nil
}

type serviceInput struct {
	Cluster string `json:"cluster"`
	Service string `json:"service"`
	Task    string `json:"taskDefinition"`
}

func (e *containers) updateService(c *call, in serviceInput) (answer, error) {
	if in.Service == "" {
		return nil, failf("InvalidParameterException", "The service must be given.")
	}
	cluster := cmp.Or(in.Cluster, "default")
	arn := c.arn("service/" + cluster + "/" + in.Service)
	c.touch("AWS::ECS::Service", arn)
	e.running[arn] = cmp.Or(in.Task, e.running[arn])
	service := e.service(c, cluster, in.Service, arn)
	c.record(nil, answer{"service": service})
	e.s.config.changed(c, resource{"AWS::ECS::Service", arn, in.Service, arn}, service)
	return answer{"service": service}, nil
}

func (e *containers) service(c *call, cluster, name, arn string) answer {
	return answer{
		"serviceArn": arn, "serviceName": name, "clusterArn": c.arn("cluster/" + cluster),
		"status": "ACTIVE", "taskDefinition": e.running[arn], "desiredCount": 1, "runningCount": 1,
	}
}

func (e *containers) describeServices(c *call, in struct {
	Cluster  string   `json:"cluster"`
	Services []string `json:"services"`
},
) (answer, error) {
	found, missing := []answer{}, []answer{}
	for _, name := range in.Services {
		cluster := cmp.Or(in.Cluster, "default")
		arn := c.arn("service/" + cluster + "/" + name)
		if e.running[arn] == "" {
			missing = append(missing, answer{"arn": arn, "reason": "MISSING"})
			continue
		}
		found = append(found, e.service(c, cluster, name, arn))
	}
	return answer{"services": found, "failures": missing}, nil
}
