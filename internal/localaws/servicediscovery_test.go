package localaws

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/servicediscovery"
	"github.com/aws/aws-sdk-go-v2/service/servicediscovery/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// bareHost keeps the SDK from putting "data-" before the endpoint's host.
func bareHost(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("BareHost", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		return next.HandleInitialize(smithyhttp.DisableEndpointHostPrefix(ctx, true), in)
	}), middleware.Before)
}

func TestCloudMapFindsWhatWasRegistered(t *testing.T) {
	s := start(t, Options{})
	sd := servicediscovery.NewFromConfig(client(t, s, BootstrapKey), func(o *servicediscovery.Options) {
		o.APIOptions = append(o.APIOptions, bareHost)
	})
	ctx := t.Context()
	made, err := sd.CreateHttpNamespace(ctx, &servicediscovery.CreateHttpNamespaceInput{Name: aws.String("shop")})
	if err != nil {
		t.Fatal(err)
	}
	operation, err := sd.GetOperation(ctx, &servicediscovery.GetOperationInput{OperationId: made.OperationId})
	if err != nil || operation.Operation.Status != types.OperationStatusSuccess {
		t.Fatalf("%+v, %v", operation, err)
	}
	namespace := operation.Operation.Targets["NAMESPACE"]
	created, err := sd.CreateService(ctx, &servicediscovery.CreateServiceInput{Name: aws.String("orders"), NamespaceId: &namespace})
	if err != nil {
		t.Fatal(err)
	}
	_, err = sd.CreateService(ctx, &servicediscovery.CreateServiceInput{Name: aws.String("orders"), NamespaceId: &namespace})
	if _, exists := errors.AsType[*types.ServiceAlreadyExists](err); !exists {
		t.Errorf("the same service again: %v", err)
	}
	discover := &servicediscovery.DiscoverInstancesInput{NamespaceName: aws.String("shop"), ServiceName: aws.String("orders")}
	if got, err := sd.DiscoverInstances(ctx, discover); err != nil || len(got.Instances) != 0 {
		t.Errorf("before anything is registered: %+v, %v", got, err)
	}
	_, err = sd.RegisterInstance(ctx, &servicediscovery.RegisterInstanceInput{
		ServiceId: created.Service.Id, InstanceId: aws.String("i-1"), Attributes: map[string]string{"url": "http://10.0.0.1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := sd.DiscoverInstances(ctx, discover)
	if err != nil || len(got.Instances) != 1 || got.Instances[0].Attributes["url"] != "http://10.0.0.1" {
		t.Errorf("discovered %+v, %v", got, err)
	}
	discover.ServiceName = aws.String("billing")
	_, err = sd.DiscoverInstances(ctx, discover)
	if _, absent := errors.AsType[*types.ServiceNotFound](err); !absent {
		t.Errorf("no such service: %v", err)
	}
	_, err = sd.DeregisterInstance(ctx, &servicediscovery.DeregisterInstanceInput{ServiceId: created.Service.Id, InstanceId: aws.String("i-2")})
	if _, absent := errors.AsType[*types.InstanceNotFound](err); !absent {
		t.Errorf("no such instance: %v", err)
	}
}
