// Package discovery finds the fleet's services by name: each registers itself
// in Cloud Map when it listens, and its callers ask there.
package discovery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/servicediscovery"
	"github.com/aws/aws-sdk-go-v2/service/servicediscovery/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	// Namespace is where the fleet's services are.
	Namespace = "muster.fleet"
	// attributeURL is the attribute of an instance that says where it listens.
	attributeURL = "url"
	// rememberFor is how long an answer is good for: short enough to notice a
	// service that moved, long enough to ask seldom.
	rememberFor = 30 * time.Second
	// askAgain is the pause between questions about an operation; on AWS it
	// takes seconds, locally nothing.
	askAgain = time.Second
)

// Registry writes to Cloud Map.
type Registry struct {
	client *servicediscovery.Client
}

// NewRegistry is a registry that calls with cfg.
func NewRegistry(cfg aws.Config) *Registry { return &Registry{client(cfg)} }

func client(cfg aws.Config) *servicediscovery.Client {
	return servicediscovery.NewFromConfig(cfg, func(o *servicediscovery.Options) {
		if o.BaseEndpoint != nil { // a bare address has no host of its own for discovery
			o.APIOptions = append(o.APIOptions, bareHost)
		}
	})
}

// bareHost keeps the SDK from putting "data-" before the endpoint's host.
func bareHost(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("MusterBareHost", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		return next.HandleInitialize(smithyhttp.DisableEndpointHostPrefix(ctx, true), in)
	}), middleware.Before)
}

// Register enters an instance of a service, and the service and the namespace
// where they are absent. It returns the request id of the entry.
func (r *Registry) Register(ctx context.Context, service, url string) (request string, err error) {
	namespace, err := r.namespace(ctx)
	if err != nil {
		return "", fmt.Errorf("register %s: %w", service, err)
	}
	id, err := r.service(ctx, namespace, service)
	if err != nil {
		return "", fmt.Errorf("register %s: %w", service, err)
	}
	// One instance a service: who registers again takes the place of the last.
	out, err := r.client.RegisterInstance(ctx, &servicediscovery.RegisterInstanceInput{
		ServiceId: &id, InstanceId: aws.String(service + "-1"), Attributes: map[string]string{attributeURL: url},
	})
	if err != nil {
		return "", fmt.Errorf("register %s: %w", service, err)
	}
	request, _ = awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
	return request, nil
}

func (r *Registry) namespace(ctx context.Context) (string, error) {
	pages := servicediscovery.NewListNamespacesPaginator(r.client, &servicediscovery.ListNamespacesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", err
		}
		for _, n := range page.Namespaces {
			if aws.ToString(n.Name) == Namespace {
				return *n.Id, nil
			}
		}
	}
	made, err := r.client.CreateHttpNamespace(ctx, &servicediscovery.CreateHttpNamespaceInput{Name: aws.String(Namespace)})
	if err != nil {
		return "", err
	}
	return r.made(ctx, made.OperationId)
}

// made waits for the namespace that an operation makes.
func (r *Registry) made(ctx context.Context, operation *string) (string, error) {
	pause := time.NewTicker(askAgain)
	defer pause.Stop()
	for {
		got, err := r.client.GetOperation(ctx, &servicediscovery.GetOperationInput{OperationId: operation})
		if err != nil {
			return "", err
		}
		switch got.Operation.Status {
		case types.OperationStatusSuccess:
			return got.Operation.Targets[string(types.OperationTargetTypeNamespace)], nil
		case types.OperationStatusFail:
			return "", fmt.Errorf("make namespace %s: %s", Namespace, aws.ToString(got.Operation.ErrorMessage))
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func (r *Registry) service(ctx context.Context, namespace, name string) (string, error) {
	made, err := r.client.CreateService(ctx, &servicediscovery.CreateServiceInput{Name: &name, NamespaceId: &namespace})
	if err == nil {
		return *made.Service.Id, nil
	}
	if _, exists := errors.AsType[*types.ServiceAlreadyExists](err); !exists {
		return "", err
	}
	pages := servicediscovery.NewListServicesPaginator(r.client, &servicediscovery.ListServicesInput{
		Filters: []types.ServiceFilter{{Name: types.ServiceFilterNameNamespaceId, Values: []string{namespace}}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", err
		}
		for _, s := range page.Services {
			if aws.ToString(s.Name) == name {
				return *s.Id, nil
			}
		}
	}
	return "", err
}

// Finder finds services, and remembers the answers for a while. Safe for
// concurrent use.
type Finder struct {
	client *servicediscovery.Client

	mu    sync.Mutex
	known map[string]found
}

type found struct {
	urls []string
	at   time.Time
}

// NewFinder is a finder that calls with cfg.
func NewFinder(cfg aws.Config) *Finder {
	return &Finder{client: client(cfg), known: make(map[string]found)}
}

// Find is where an instance of a service listens.
func (f *Finder) Find(ctx context.Context, service string) (string, error) {
	f.mu.Lock()
	known := f.known[service]
	f.mu.Unlock()
	if len(known.urls) == 0 || time.Since(known.at) > rememberFor {
		var err error
		if known, err = f.ask(ctx, service); err != nil {
			return "", err
		}
	}
	return known.urls[rand.IntN(len(known.urls))], nil
}

func (f *Finder) ask(ctx context.Context, service string) (found, error) {
	got, err := f.client.DiscoverInstances(ctx, &servicediscovery.DiscoverInstancesInput{
		NamespaceName: aws.String(Namespace), ServiceName: &service,
	})
	if err != nil {
		return found{}, fmt.Errorf("discover %s: %w", service, err)
	}
	known := found{at: time.Now()}
	for _, i := range got.Instances {
		if url := i.Attributes[attributeURL]; url != "" {
			known.urls = append(known.urls, url)
		}
	}
	if len(known.urls) == 0 {
		return found{}, fmt.Errorf("discover %s: no instance is registered", service)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known[service] = known
	return known, nil
}
