package collectors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	"github.com/aws/aws-sdk-go-v2/service/configservice/types"
	"github.com/aws/smithy-go"

	"muster/fleet"
)

const (
	// configOverlap is re-read before each window: AWS Config delivers an item
	// minutes after it captured it.
	configOverlap = 20 * time.Minute
	// configReach is where a collection without a start begins. Config keeps
	// items for seven years, at one call a week and resource.
	configReach = 90 * 24 * time.Hour
	// configSpan is the most that GetResourceConfigHistory looks at in one call;
	// longer windows come back as pages without items.
	configSpan = 7 * 24 * time.Hour
	// configCalls is how many resources are read at once.
	configCalls = 4
	// configPage is the most that a page of either call can have.
	configPage = 100
)

// ConfigTypes are the resource types that are read from AWS Config by default:
// those that API calls of the fleet's services and of its security name.
func ConfigTypes() []string {
	return []string{
		"AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::S3::Bucket",
		"AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Policy", "AWS::IAM::Group",
		"AWS::EC2::SecurityGroup", "AWS::EC2::Instance", "AWS::EC2::VPC", "AWS::EC2::Subnet",
		"AWS::Lambda::Function", "AWS::KMS::Key", "AWS::SecretsManager::Secret", "AWS::CloudTrail::Trail",
		"AWS::RDS::DBInstance", "AWS::ECS::Cluster", "AWS::ECS::Service", "AWS::Kinesis::Stream",
		"AWS::StepFunctions::StateMachine", "AWS::CloudWatch::Alarm",
	}
}

// changes reads the history of every resource that AWS Config knows, deleted
// ones included.
type changes struct {
	source
	client *configservice.Client
}

func newChanges(o Options) *changes {
	return &changes{source: newSource(o, SourceConfig, ""), client: configservice.NewFromConfig(o.AWS)}
}

// Collect yields the configuration items captured in the window.
func (c *changes) Collect(ctx context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		read := c.bounds(w, configOverlap, configReach)
		out := &output{s: &c.source, yield: yield, window: read}
		if err := c.collect(ctx, read, out); err != nil {
			out.end(fmt.Errorf("read AWS Config items: %w", err))
		}
	}
}

func (c *changes) collect(ctx context.Context, read fleet.Window, out *output) error {
	resourceTypes := c.ConfigTypes
	if len(resourceTypes) == 0 {
		resourceTypes = ConfigTypes()
	}
	for _, t := range resourceTypes {
		var resources []types.ResourceIdentifier
		err := c.afresh(ctx, func() (err error) {
			resources, err = c.resources(ctx, t, read)
			return err
		})
		if answer, ok := errors.AsType[smithy.APIError](err); ok && answer.ErrorCode() == "ValidationException" {
			c.Logger.WarnContext(ctx, "AWS Config does not know a resource type here", "stream", c.stream, "type", t)
			continue
		}
		if err != nil {
			return fmt.Errorf("list resources of type %s: %w", t, err)
		}
		err = fanOut(ctx, configCalls, resources, out,
			func(ctx context.Context, r types.ResourceIdentifier, send func(fleet.Batch) error) error {
				return c.history(ctx, &r, read, send)
			})
		if err != nil {
			return err
		}
	}
	return out.finish()
}

// resources lists the resources of a type that may have changed in the window.
func (c *changes) resources(ctx context.Context, resourceType string, w fleet.Window) ([]types.ResourceIdentifier, error) {
	in := &configservice.ListDiscoveredResourcesInput{
		ResourceType: types.ResourceType(resourceType), IncludeDeletedResources: true, Limit: configPage,
	}
	var rs []types.ResourceIdentifier
	var p pager
	for {
		page, err := call(ctx, &c.source, "config:ListDiscoveredResources", c.client.ListDiscoveredResources, in)
		if err != nil {
			return nil, err
		}
		for _, r := range page.ResourceIdentifiers {
			if r.ResourceDeletionTime == nil || !r.ResourceDeletionTime.Before(w.Start.Add(-configOverlap)) {
				rs = append(rs, r)
			}
		}
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			return rs, err
		}
		in.NextToken = page.NextToken
	}
}

// history reads one resource, a week at a time.
func (c *changes) history(ctx context.Context, r *types.ResourceIdentifier, w fleet.Window, send func(fleet.Batch) error) error {
	for s := newSlicer(w, configSpan, configSpan); s.more(); s.done(1) {
		err := c.afresh(ctx, func() error { return c.week(ctx, r, s.slice(), send) })
		if _, unknown := errors.AsType[*types.ResourceNotDiscoveredException](err); unknown {
			return nil // forgotten between listing and reading
		}
		if err != nil {
			return fmt.Errorf("read the history of %s %s: %w", r.ResourceType, aws.ToString(r.ResourceId), err)
		}
	}
	return nil
}

func (c *changes) week(ctx context.Context, r *types.ResourceIdentifier, w fleet.Window, send func(fleet.Batch) error) error {
	in := &configservice.GetResourceConfigHistoryInput{
		ResourceType: r.ResourceType, ResourceId: r.ResourceId, EarlierTime: &w.Start, LaterTime: &w.End,
		ChronologicalOrder: types.ChronologicalOrderForward, Limit: configPage,
	}
	var p pager
	for {
		page, err := call(ctx, &c.source, "config:GetResourceConfigHistory", c.client.GetResourceConfigHistory, in)
		if err != nil {
			return err
		}
		var b fleet.Batch
		for i := range page.ConfigurationItems {
			doc, err := itemDocument(&page.ConfigurationItems[i])
			if err != nil {
				return err
			}
			b.Records = append(b.Records, parseConfigItem(doc, c.origin))
		}
		if len(b.Records) > 0 {
			if err := send(b); err != nil {
				return err
			}
		}
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			return err
		}
		in.NextToken = page.NextToken
	}
}

// itemDocument spells an item of the API as AWS Config's files do, so that both
// give the same evidence.
func itemDocument(i *types.ConfigurationItem) ([]byte, error) {
	type relation struct {
		ResourceType string `json:"resourceType"`
		ResourceID   string `json:"resourceId,omitempty"`
		ResourceName string `json:"resourceName,omitempty"`
		Name         string `json:"name"`
	}
	relations := make([]relation, 0, len(i.Relationships))
	for _, r := range i.Relationships {
		relations = append(relations, relation{
			string(r.ResourceType), aws.ToString(r.ResourceId), aws.ToString(r.ResourceName), aws.ToString(r.RelationshipName),
		})
	}
	supplementary := make(map[string]json.RawMessage, len(i.SupplementaryConfiguration))
	for k, v := range i.SupplementaryConfiguration {
		supplementary[k] = asJSON(v)
	}
	doc, err := json.Marshal(struct {
		Version       string                     `json:"configurationItemVersion"`
		AccountID     string                     `json:"awsAccountId"`
		Region        string                     `json:"awsRegion"`
		Zone          string                     `json:"availabilityZone,omitempty"`
		Captured      *time.Time                 `json:"configurationItemCaptureTime"`
		Created       *time.Time                 `json:"resourceCreationTime,omitempty"`
		Status        string                     `json:"configurationItemStatus"`
		StateID       string                     `json:"configurationStateId"`
		ARN           string                     `json:"ARN,omitempty"`
		ResourceType  string                     `json:"resourceType"`
		ResourceID    string                     `json:"resourceId"`
		ResourceName  string                     `json:"resourceName,omitempty"`
		Tags          map[string]string          `json:"tags"`
		Relationships []relation                 `json:"relationships"`
		Configuration json.RawMessage            `json:"configuration"`
		Supplementary map[string]json.RawMessage `json:"supplementaryConfiguration"`
	}{
		aws.ToString(i.Version), aws.ToString(i.AccountId), aws.ToString(i.AwsRegion), aws.ToString(i.AvailabilityZone),
		i.ConfigurationItemCaptureTime, i.ResourceCreationTime, string(i.ConfigurationItemStatus),
		aws.ToString(i.ConfigurationStateId), aws.ToString(i.Arn), string(i.ResourceType), aws.ToString(i.ResourceId),
		aws.ToString(i.ResourceName), i.Tags, relations, asJSON(aws.ToString(i.Configuration)), supplementary,
	})
	if err != nil {
		return nil, fmt.Errorf("spell configuration item of %s: %w", aws.ToString(i.ResourceId), err)
	}
	return doc, nil
}

// asJSON is the JSON that a string holds, or the string itself.
func asJSON(s string) json.RawMessage {
	if s == "" {
		return json.RawMessage("null")
	}
	if json.Valid([]byte(s)) {
		return json.RawMessage(s)
	}
	quoted, err := json.Marshal(s)
	if err != nil {
		return json.RawMessage("null") // no string fails to marshal
	}
	return quoted
}
