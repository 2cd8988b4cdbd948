package localaws

import (
	"context"
	"maps"
)

// mount builds every service. What one service does to another (SNS to SQS,
// every change to Config) is visible here as what it is given.
func (s *Server) mount(ctx context.Context, o Options) error {
	objects, err := newObjectStore(s, o.TrailBucket)
	if err != nil {
		return err
	}
	s.objects = objects
	s.trail = newTrail(s, o.TrailBucket)
	s.config = newConfigStore(s)
	s.register("sts", s.stsOperations())
	s.register("cloudtrail", s.trail.operations())
	s.register("config", s.config.operations())
	s.register("organizations", s.organizationOperations())
	s.register("dynamodb", newTables(s).operations())
	registerPlaced(s, "ec2", newPlaced(func(place) *securityGroups { return newSecurityGroups(s) }, (*securityGroups).operations))
	s.queues = newQueues(s)
	s.topics = newTopics(s, s.queues)
	s.register("sqs", s.queues.operations())
	s.events = newPlaced(func(place) *eventBus { return newEventBus(s, s.queues) }, (*eventBus).operations)
	registerPlaced(s, "events", s.events)
	s.register("sns", s.topics.operations())
	registerPlaced(s, "ecs", newPlaced(func(place) *containers { return newContainers(s) }, (*containers).operations))
	s.register("iam", newPrincipals(s).operations()) // which has no regions
	registerPlaced(s, "kms", newPlaced(func(place) *encryptionKeys { return newEncryptionKeys(s) }, (*encryptionKeys).operations))
	registerPlaced(s, "states", newPlaced(func(place) *stateMachines { return newStateMachines(s) }, (*stateMachines).operations))
	registerPlaced(s, "servicediscovery", newPlaced(func(place) *cloudMap { return newCloudMap() }, (*cloudMap).api))
	athena := newPlaced(func(place) *statements { return newStatements(s, o) }, (*statements).operations)
	registerPlaced(s, "athena", athena)
	s.closers = append(s.closers, func() error {
		athena.each((*statements).close)
		return nil
	})
	s.drains = append(s.drains, s.trail.drain, s.config.drain, func() { s.config.deliver(true) })
	return s.mountTelemetry(ctx, o)
}

// register adds operations to a service.
func (s *Server) register(service string, ops map[string]operation) {
	if s.services[service] == nil {
		s.services[service] = make(map[string]operation, len(ops))
	}
	maps.Copy(s.services[service], ops)
}
