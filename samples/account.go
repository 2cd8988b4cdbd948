package samples

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"muster/samples/telemetry"
)

// addresses are where the services' calls come from, as AWS is shown.
var addresses = map[string]string{
	deployer: "10.0.1.10", Gateway: "10.0.1.11", Orders: "10.0.1.12", Payments: "10.0.1.13", Notifications: "10.0.1.14",
	Inventory: "10.0.1.15", Shipping: "10.0.1.16", Documents: "10.0.1.17", Fraud: "10.0.1.18",
}

// deployer is who rolls the fleet out.
const deployer = "deployer"

// account is where the fleet runs, and on whose behalf.
type account struct {
	cfg  aws.Config
	id   string
	user string // the deployer, as an ARN
}

func openAccount(ctx context.Context, o Options) (account, error) {
	if o.DaemonAddr == "" {
		return account{}, errors.New("no address of an X-Ray daemon")
	}
	cfg := aws.Config{Region: o.Region, Credentials: o.Credentials, HTTPClient: awshttp.NewBuildableClient()}
	if o.Credentials == nil {
		var err error
		if cfg, err = config.LoadDefaultConfig(ctx, config.WithRegion(o.Region)); err != nil {
			return account{}, fmt.Errorf("find AWS credentials: %w", err)
		}
	}
	// One client that is the fleet's own, so that its connections can be closed.
	if b, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		cfg.HTTPClient = b.Freeze()
	}
	if o.Endpoint != "" {
		cfg.BaseEndpoint = &o.Endpoint
	}
	who, err := sts.NewFromConfig(telemetry.Observe(cfg, o.Truth, addresses[deployer])).
		GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return account{}, fmt.Errorf("ask AWS whose credentials these are: %w", err)
	}
	return account{cfg: cfg, id: aws.ToString(who.Account), user: aws.ToString(who.Arn)}, nil
}

// disconnect closes the connections to AWS that nothing uses.
func (a account) disconnect() {
	if c, ok := a.cfg.HTTPClient.(*http.Client); ok {
		c.CloseIdleConnections()
	}
}
