package samples

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/fleet"
	"muster/samples/truth"
)

const (
	// routineEvery is the time between two writes of the deployment's routine:
	// hundreds in a minute.
	routineEvery = 100 * time.Millisecond
	// competeEvery is every how many of those a queue is set by two principals.
	competeEvery = 20
	// maxNoise bounds the calls that a label of noise names.
	maxNoise = 1000
	// probeEvery is how often the load balancer asks whether a service is well.
	probeEvery = time.Second
	// contestedQueue is the one that two principals set.
	contestedQueue = "documents"
	probeAgent     = "ELB-HealthChecker/2.0"
	scalerRole     = "muster-autoscaler"
	scalerAddress  = "10.0.1.30"
)

// The labels of noise.
const (
	DeploymentRoutine = "deployment-routine"
	CompetingWrites   = "competing-writes"
	// HealthChecks leave a line of Envoy's each, and nothing else.
	HealthChecks = "health-checks"
	// UnsampledRequest is a client's request of which X-Ray has no span.
	UnsampledRequest = "unsampled-request"
)

// Noises lists the noise that is labelled.
func Noises() []string {
	return []string{DeploymentRoutine, CompetingWrites, HealthChecks, UnsampledRequest}
}

// hum is what a normal day is full of, until the context ends: a deployment
// that registers one revision after the other, two principals that set one
// queue, and a load balancer that asks after shipping.
func (f *Fleet) hum(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error {
		probes := 0
		err := every(ctx, probeEvery, func(ctx context.Context, n int) error {
			probes = n
			return f.probe(ctx)
		})
		if probes > 0 {
			f.o.Truth.Label(truth.Label{Kind: truth.LabelNoise, Name: HealthChecks, Subject: Shipping, Services: []string{Shipping}})
		}
		return err
	})
	g.Go(func() error { return f.routine(ctx) })
	return g.Wait()
}

// every does something at a steady rate, numbered from 1, until the context
// ends. What has begun is ended.
func every(ctx context.Context, d time.Duration, do func(ctx context.Context, n int) error) error {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
			if err := do(context.WithoutCancel(ctx), n); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (f *Fleet) probe(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL(Shipping)+"/healthz", http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", probeAgent)
	resp, err := f.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask whether %s is well: %w", Shipping, err)
	}
	return resp.Body.Close()
}

// routine is the deployment's. All of it is labelled once.
func (f *Fleet) routine(ctx context.Context) error {
	begun := context.WithoutCancel(ctx)
	ci, err := f.as(addresses[deployer], ciAgent).assume(begun, ciRole, "nightly", f.account.user)
	if err != nil {
		return err
	}
	scaler, err := f.as(scalerAddress, ciAgent).assume(begun, scalerRole, "scaler", f.account.user)
	if err != nil {
		return err
	}
	var written, contested []string
	err = every(ctx, routineEvery, func(ctx context.Context, n int) error {
		request, err := ci.json(ctx, "ecs", "RegisterTaskDefinition", map[string]any{
			"family":               "nightly",
			"containerDefinitions": []map[string]any{{"name": "nightly", "image": fmt.Sprintf("muster/nightly:%d", n), "memory": 128}},
		}, nil)
		if err != nil {
			return err
		}
		if len(written) < maxNoise {
			written = append(written, request)
		}
		if n%competeEvery != 0 {
			return nil
		}
		for who, delay := range []string{"0", "1"} {
			by := []caller{ci, scaler}[who]
			request, err := by.setQueue(ctx, contestedQueue, map[string]string{"ReceiveMessageWaitTimeSeconds": delay})
			if err != nil {
				return err
			}
			if len(contested) < maxNoise {
				contested = append(contested, request)
			}
		}
		return nil
	})
	f.o.Truth.Label(truth.Label{Kind: truth.LabelNoise, Name: DeploymentRoutine, Subject: ciRole, Requests: written})
	if len(contested) > 0 {
		f.o.Truth.Label(truth.Label{
			Kind: truth.LabelNoise, Name: CompetingWrites, Subject: contestedQueue, Requests: contested,
			Resources: []string{fleet.ResourceName("AWS::SQS::Queue", contestedQueue)},
		})
	}
	return err
}
