package samples

import (
	"context"
	"errors"
	"fmt"

	"muster/samples/faults"
	"muster/samples/shipping"
	"muster/samples/truth"
)

const (
	// deployAt and rollBackAt are the numbers of the journeys before which the
	// fault "bad deployment" deploys, and rolls back.
	deployAt, rollBackAt = 9, 11
	// ciRole is the role of who deploys.
	ciRole  = "muster-ci"
	ciAgent = "aws-sdk-js/3.922.0 ua/2.1 os/linux#6.8.0 lang/js md/nodejs#22.11.0 api/ecs#3.922.0"
	cluster = "muster"
)

// deployment is a version of shipping that was deployed, and what that took.
type deployment struct {
	before   string
	requests []string
}

// deploy puts another version of shipping in place of the one that runs. Orders
// under way are finished first, as a deployment that drains does it.
func (f *Fleet) deploy(ctx context.Context, version string) ([]string, error) {
	if err := f.services[Orders].t.Settle(ctx); err != nil {
		return nil, fmt.Errorf("deploy %s %s: %w", Shipping, version, err)
	}
	ci, err := f.as(addresses[deployer], ciAgent).assume(ctx, ciRole, "release", f.account.user)
	if err != nil {
		return nil, fmt.Errorf("deploy %s %s: %w", Shipping, version, err)
	}
	var made struct {
		TaskDefinition struct {
			ARN string `json:"taskDefinitionArn"`
		} `json:"taskDefinition"`
	}
	registered, err := ci.json(ctx, "ecs", "RegisterTaskDefinition", map[string]any{
		"family":               Shipping,
		"containerDefinitions": []map[string]any{{"name": Shipping, "image": "muster/" + Shipping + ":" + version, "memory": 128}},
	}, &made)
	if err != nil {
		return nil, fmt.Errorf("deploy %s %s: %w", Shipping, version, err)
	}
	updated, err := ci.json(ctx, "ecs", "UpdateService", map[string]any{
		"cluster": cluster, "service": Shipping, "taskDefinition": made.TaskDefinition.ARN,
	}, nil)
	if answer, ok := errors.AsType[*refusedError](err); ok && answer.missing() {
		updated, err = ci.createService(ctx, made.TaskDefinition.ARN)
	}
	if err != nil {
		return nil, fmt.Errorf("deploy %s %s: %w", Shipping, version, err)
	}
	f.services[Shipping].t.Deploy(version)
	return []string{registered, updated}, nil
}

// createService makes shipping a service of ECS, where AWS has none yet. It runs
// no task: the fleet's processes are not AWS's.
func (c caller) createService(ctx context.Context, task string) (request string, err error) {
	if _, err := c.json(ctx, "ecs", "CreateCluster", map[string]any{"clusterName": cluster}, nil); err != nil {
		return "", err
	}
	return c.json(ctx, "ecs", "CreateService", map[string]any{
		"cluster": cluster, "serviceName": Shipping, "taskDefinition": task, "desiredCount": 0,
	}, nil)
}

// release deploys what the fault "bad deployment" wants before a journey.
func (f *Fleet) release(ctx context.Context, journey int) (err error) {
	if !f.o.faults().On(faults.BadDeployment) {
		return nil
	}
	switch journey {
	case deployAt:
		f.bad.before = f.services[Shipping].t.Version()
		f.bad.requests, err = f.deploy(ctx, shipping.BrokenVersion)
	case rollBackAt:
		err = f.rollBack(ctx)
	}
	return err
}

// rollBack puts the version back that was there before, if there is one.
func (f *Fleet) rollBack(ctx context.Context) error {
	if f.bad.requests == nil {
		return nil
	}
	requests, err := f.deploy(ctx, f.bad.before)
	if err != nil {
		return err
	}
	f.o.Truth.Label(truth.Label{
		Kind: truth.LabelFault, Name: string(faults.BadDeployment), Subject: Shipping + " " + shipping.BrokenVersion,
		Services: []string{Shipping}, Requests: append(f.bad.requests, requests...),
	})
	f.bad = deployment{}
	return nil
}
