package samples

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"muster/fleet"
	"muster/samples/orders"
	"muster/samples/telemetry"
	"muster/samples/truth"
)

const (
	// firstIncident lets the fleet get going; incidentEvery keeps incidents
	// apart, and all of them within the first seconds of the load.
	firstIncident = time.Second
	incidentEvery = 500 * time.Millisecond

	// The addresses are of blocks reserved for documentation.
	officeAddress   = "203.0.113.10"
	intruderAddress = "198.51.100.23"
	cliAgent        = "aws-cli/2.31.4 md/awscrt#0.28.1 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.7 cfg/retry-mode#standard"
)

// strike lets the incidents that are on happen, one after the other.
func (f *Fleet) strike(ctx context.Context) error {
	act := map[Incident]func(context.Context) error{
		RootConsoleLogin: f.signInAsRoot, SecurityGroupOpen: f.openSecurityGroup, ScanOutside: f.scanFromOutside,
	}
	wait := time.NewTimer(firstIncident)
	defer wait.Stop()
	for _, incident := range f.o.Incidents {
		select {
		case <-wait.C:
		case <-ctx.Done():
			return nil
		}
		if act[incident] == nil {
			return fmt.Errorf("no incident %q; there are %v", incident, Incidents())
		}
		// What has begun is ended, so that the truth and the evidence agree.
		if err := act[incident](context.WithoutCancel(ctx)); err != nil {
			return fmt.Errorf("incident %s: %w", incident, err)
		}
		wait.Reset(incidentEvery)
	}
	return nil
}

// signInAsRoot uses the stand-in's own door: no API signs in to the console.
func (f *Fleet) signInAsRoot(ctx context.Context) error {
	body, err := json.Marshal(map[string]any{"user": "root", "mfa": false, "source_ip": intruderAddress})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.o.Endpoint+"/_muster/signin", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0")
	resp, err := f.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		said, err := io.ReadAll(resp.Body)
		return errors.Join(fmt.Errorf("status %d: %s", resp.StatusCode, said), err)
	}
	f.o.Truth.Expect("root-console-login", truth.Expected{Anywhere: true})
	return nil
}

// openSecurityGroup makes a group and opens its port 22 to the world.
func (f *Fleet) openSecurityGroup(ctx context.Context) error {
	c := f.as(officeAddress, cliAgent)
	var made struct {
		GroupID string `xml:"groupId"`
	}
	created, err := c.query(ctx, "ec2", "CreateSecurityGroup", map[string]string{
		"GroupName": "debug-" + f.plan.run, "GroupDescription": "for a moment only",
	}, &made)
	if err != nil {
		return err
	}
	group := fleet.ResourceName("AWS::EC2::SecurityGroup", made.GroupID)
	f.o.Truth.Change(group, created)
	opened, err := c.query(ctx, "ec2", "AuthorizeSecurityGroupIngress", map[string]string{
		"GroupId": made.GroupID, "IpPermissions.1.IpProtocol": "tcp",
		"IpPermissions.1.FromPort": "22", "IpPermissions.1.ToPort": "22",
		"IpPermissions.1.IpRanges.1.CidrIp": "0.0.0.0/0",
	}, nil)
	if err != nil {
		return err
	}
	f.o.Truth.Change(group, opened)
	f.o.Truth.Expect("security-group-open", truth.Expected{Resources: []string{group}, Requests: []string{opened}})
	return nil
}

// scanFromOutside takes the role of the orders service and reads its table.
func (f *Fleet) scanFromOutside(ctx context.Context) error {
	cfg := telemetry.Observe(f.account.cfg, f.o.Truth, intruderAddress)
	cfg.APIOptions = append(cfg.APIOptions, asAgent(cliAgent))
	role := "arn:aws:iam::" + f.account.id + ":role/muster-" + Orders
	provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = "debug"
	})
	taken, err := provider.Retrieve(ctx)
	if err != nil {
		return fmt.Errorf("assume %s: %w", role, err)
	}
	f.o.Truth.Session(taken.AccessKeyID, f.account.user)
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return taken, nil })
	out, err := dynamodb.NewFromConfig(cfg).Scan(ctx, &dynamodb.ScanInput{TableName: aws.String(orders.Table)})
	if err != nil {
		return fmt.Errorf("scan %s: %w", orders.Table, err)
	}
	request, ok := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
	if !ok {
		return errors.New("the scan's answer has no request id")
	}
	f.o.Truth.Expect("role-used-outside-fleet", truth.Expected{
		Requests: []string{request}, Resources: []string{fleet.ResourceName("AWS::DynamoDB::Table", orders.Table)},
	})
	return nil
}

// asAgent makes calls look like another program's.
func asAgent(agent string) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("MusterAgent", func(
			ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
		) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if req, ok := in.Request.(*smithyhttp.Request); ok {
				req.Header.Set("User-Agent", agent)
			}
			return next.HandleFinalize(ctx, in)
		}), middleware.Before)
	}
}
