package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/spf13/cobra"

	"muster/audit"
	"muster/collectors"
	"muster/fleet"
	"muster/internal/engines"
	"muster/internal/localaws"
	"muster/samples"
	"muster/samples/truth"
)

// What the demo's fleet can run on.
const (
	awsStandIn   = "stand-in"
	awsMinistack = "ministack"
)

// demoAWS is what the demo's fleet runs on: the stand-in, or ministack with the
// stand-in beside it for what ministack has not.
type demoAWS struct {
	standIn   *localaws.Server
	ministack *engines.Ministack       // nil: the stand-in serves everything
	http      *awshttp.BuildableClient // one for all passes, so that connections are used again
}

// onMinistack checks the flags that mean something else on ministack, or nothing.
func (f *demoFlags) onMinistack(cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	switch {
	case f.aws == awsStandIn:
		return nil
	case f.aws != awsMinistack:
		return fmt.Errorf("demo: --aws %q: give %s or %s", f.aws, awsStandIn, awsMinistack)
	case f.week.days != 0:
		return errors.New("demo: --aws and --days: a simulated week runs on no AWS; leave one of them out")
	case f.trouble != 0:
		return errors.New("demo: --trouble is the stand-in's, ministack makes none: leave out --trouble or --aws")
	case given("incident") && (len(f.incidents) != 1 || f.incidents[0] != "none"):
		return errors.New("demo: --incident on ministack: its CloudTrail shows no addresses and no roles, and its Config no history, " +
			"which is what incidents are known by; leave out --incident or --aws")
	}
	f.incidents = nil
	return nil
}

func (d *demo) startAWS(ctx context.Context) (*demoAWS, error) {
	share := d.flags.trouble
	a := &demoAWS{http: awshttp.NewBuildableClient()}
	var err error
	a.standIn, err = localaws.Start(ctx, localaws.Options{
		Seed: d.flags.seed, Now: time.Now, Delay: demoDelay, Logger: d.logger,
		Trouble: localaws.Trouble{Throttle: share, Fail: share, EmptyPage: share, Repeat: share, Late: share},
	})
	if err != nil {
		return nil, fmt.Errorf("demo: start the AWS stand-in: %w", err)
	}
	if d.flags.aws != awsMinistack {
		return a, nil
	}
	d.say("starting ministack; the first time it is downloaded from PyPI")
	if a.ministack, err = engines.StartMinistack(ctx); err != nil {
		err = fmt.Errorf("demo: start ministack: %w\n"+
			"It needs python3 with venv and pip, and the first time a package index that pip can reach; without --aws the stand-in is enough", err)
		return nil, errors.Join(err, a.close())
	}
	d.say("ministack on %s serves SQS, SNS, DynamoDB, S3, EventBridge, Step Functions, Cloud Map, ECS, STS, CloudTrail and Logs; "+
		"the stand-in on %s serves X-Ray, and collects OpenTelemetry", a.ministack.URL(), a.standIn.Endpoint())
	return a, nil
}

func (a *demoAWS) close() error {
	if a.ministack == nil {
		return a.standIn.Close()
	}
	return errors.Join(a.ministack.Close(), a.standIn.Close())
}

// options adds where AWS is to the fleet's options.
func (a *demoAWS) options(o samples.Options) samples.Options {
	o.Endpoint, o.Collector, o.DaemonAddr = a.standIn.Endpoint(), a.standIn.Endpoint(), a.standIn.DaemonAddr()
	o.Region, o.Credentials = localaws.DefaultRegion, localCredentials()
	if a.ministack == nil {
		return o
	}
	o.Endpoint, o.Credentials, o.Workflows = a.ministack.URL(), ministackCredentials(), true
	// It records every call, and answers AssumeRole without saying so.
	o.Truth.Trail(truth.Trail{Anonymous: true, Unseen: unseenOnMinistack})
	return o
}

// unseenOnMinistack are the policies that judge by what ministack's CloudTrail
// does not record: who called, and what was answered.
var unseenOnMinistack = []string{"deployer-not-allowed", "registered-without-traffic", "shared-data-store", "unused-dependency"}

// judges are those of some policies that can judge what the fleet runs on.
func (a *demoAWS) judges(ps []audit.Policy) []audit.Policy {
	if a.ministack == nil {
		return ps
	}
	return slices.DeleteFunc(ps, func(p audit.Policy) bool { return slices.Contains(unseenOnMinistack, p.ID) })
}

// ministackCredentials are those of the stand-in's account: a key of twelve
// digits is an account's on ministack.
func ministackCredentials() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(localaws.DefaultAccount, localaws.BootstrapSecret, "")
}

func (d *demo) streams(ctx context.Context) ([]fleet.Collector, error) {
	o := collectors.Options{
		AWS:     localConfig(d.aws.standIn.Endpoint(), d.aws.http),
		Account: localaws.DefaultAccount, TrailBucket: d.aws.standIn.TrailBucket(), Overlap: demoOverlap,
		Now: time.Now, Logger: d.logger,
	}
	if d.aws.ministack == nil {
		return collectors.Discover(ctx, o)
	}
	o.Sources = []string{collectors.SourceXRay}
	traces, err := collectors.Discover(ctx, o)
	if err != nil {
		return nil, err
	}
	o.AWS = localConfig(d.aws.ministack.URL(), engines.Pages{Client: d.aws.http})
	o.AWS.Credentials = ministackCredentials()
	o.Sources = []string{collectors.SourceCloudTrail, collectors.SourceLogs, collectors.SourceExecutions}
	rest, err := collectors.Discover(ctx, o)
	return append(traces, rest...), err
}

// localConfig is the AWS configuration for an AWS of this process.
func localConfig(endpoint string, client aws.HTTPClient) aws.Config {
	return aws.Config{
		Region: localaws.DefaultRegion, BaseEndpoint: aws.String(endpoint), Credentials: localCredentials(), HTTPClient: client,
	}
}

func localCredentials() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(localaws.BootstrapKey, localaws.BootstrapSecret, "")
}
