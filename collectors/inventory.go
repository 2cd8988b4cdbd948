package collectors

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	"github.com/aws/aws-sdk-go-v2/service/configservice/types"

	"muster/fleet"
)

// inventory reads what resources look like now, by AWS Config's advanced queries:
// the newest item of each, of one account, or of all accounts of an aggregator.
// They are the same changes that the history has, with the same ids. The first
// pass of a program reads them all, however old, and the later ones what is newer.
type inventory struct {
	source
	client *configservice.Client
}

func newInventory(o Options) *inventory {
	rest := ""
	if o.ConfigAggregator != "" {
		rest = aggregatorMark + o.ConfigAggregator
	}
	return &inventory{source: newSource(o, SourceInventory, rest), client: configservice.NewFromConfig(o.AWS)}
}

// inventoryEvery is after how long all is read again: what an advanced query did
// not show yet when it was new.
const inventoryEvery = 6 * time.Hour

// Collect yields the newest items of resources.
func (i *inventory) Collect(ctx context.Context, w fleet.Window) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		read := i.bounds(w, configOverlap, configReach)
		out := &output{s: &i.source, yield: yield, window: read, sampled: "the newest item of each resource; what came before it is in its history"}
		from := read.Start
		whole := i.Sessions.inventoryDue(i.stream, i.Now())
		if whole {
			from = time.Time{}
		}
		err := i.afresh(ctx, func() error { return i.collect(ctx, from, out) })
		if err == nil {
			if whole {
				i.Sessions.inventoried(i.stream, i.Now())
			}
			err = out.finish()
		}
		if err != nil {
			out.end(fmt.Errorf("query AWS Config's inventory: %w", err))
		}
	}
}

// inventoryFields are the properties of an item, in the words of advanced queries.
const inventoryFields = "version, accountId, awsRegion, availabilityZone, configurationItemCaptureTime, resourceCreationTime, configurationItemStatus, " +
	"configurationStateId, arn, resourceType, resourceId, resourceName, tags, relationships, configuration, supplementaryConfiguration"

// expression asks for what was captured from a time on, of the types to read.
func (i *inventory) expression(from time.Time) string {
	var where []string
	if len(i.ConfigTypes) > 0 {
		quoted := make([]string, len(i.ConfigTypes))
		for n, t := range i.ConfigTypes {
			quoted[n] = "'" + strings.ReplaceAll(t, "'", "''") + "'"
		}
		where = append(where, "resourceType IN ("+strings.Join(quoted, ", ")+")")
	}
	if !from.IsZero() {
		where = append(where, "configurationItemCaptureTime >= '"+from.UTC().Format("2006-01-02T15:04:05.000Z")+"'")
	}
	if len(where) == 0 {
		return "SELECT " + inventoryFields
	}
	return "SELECT " + inventoryFields + " WHERE " + strings.Join(where, " AND ")
}

func (i *inventory) collect(ctx context.Context, from time.Time, out *output) error {
	expression := i.expression(from)
	var token *string
	var p pager
	for {
		results, next, err := i.page(ctx, expression, token)
		if err != nil {
			return err
		}
		var b fleet.Batch
		for _, text := range results {
			doc, err := queriedItem(text)
			if err != nil {
				return err
			}
			b.Records = append(b.Records, parseConfigItem(doc, i.origin))
		}
		if len(b.Records) > 0 {
			if err := out.send(b); err != nil {
				return err
			}
		}
		more, err := p.next(next)
		if err != nil || !more {
			return err
		}
		token = next
	}
}

// action is the IAM name of the query.
func (i *inventory) action() string {
	if i.ConfigAggregator != "" {
		return aggregatorPermissions[SourceInventory][0]
	}
	return permissions[SourceInventory][0]
}

// page asks for a page of what an expression finds.
func (i *inventory) page(ctx context.Context, expression string, token *string) ([]string, *string, error) {
	if i.ConfigAggregator != "" {
		page, err := call(ctx, &i.source, i.action(), i.client.SelectAggregateResourceConfig, &configservice.SelectAggregateResourceConfigInput{
			ConfigurationAggregatorName: &i.ConfigAggregator, Expression: &expression, Limit: configPage, NextToken: token,
		})
		if err != nil {
			return nil, nil, err
		}
		return page.Results, page.NextToken, nil
	}
	page, err := call(ctx, &i.source, i.action(), i.client.SelectResourceConfig, &configservice.SelectResourceConfigInput{
		Expression: &expression, Limit: configPage, NextToken: token,
	})
	if err != nil {
		return nil, nil, err
	}
	return page.Results, page.NextToken, nil
}

// queriedItem spells a result of an advanced query as the history does, so that
// both give the same evidence.
func queriedItem(text string) ([]byte, error) {
	var r struct {
		Version, AccountID, AWSRegion, AvailabilityZone, ARN, ResourceType, ResourceID, ResourceName string
		Status                                                                                       string                     `json:"configurationItemStatus"`
		StateID                                                                                      json.RawMessage            `json:"configurationStateId"`
		Captured                                                                                     *time.Time                 `json:"configurationItemCaptureTime"`
		Created                                                                                      *time.Time                 `json:"resourceCreationTime"`
		Configuration                                                                                json.RawMessage            `json:"configuration"`
		Supplementary                                                                                map[string]json.RawMessage `json:"supplementaryConfiguration"`
		Relationships                                                                                []configRelation           `json:"relationships"`
		Tags                                                                                         []struct{ Key, Value string }
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, fmt.Errorf("read the result of a query: %w", err)
	}
	item := types.ConfigurationItem{
		Version: &r.Version, AccountId: &r.AccountID, AwsRegion: &r.AWSRegion, AvailabilityZone: &r.AvailabilityZone, Arn: &r.ARN,
		ResourceType: types.ResourceType(r.ResourceType), ResourceId: &r.ResourceID, ResourceName: &r.ResourceName,
		ConfigurationItemStatus: types.ConfigurationItemStatus(r.Status), ConfigurationStateId: aws.String(strings.Trim(string(r.StateID), `"`)),
		ConfigurationItemCaptureTime: r.Captured, ResourceCreationTime: r.Created, Configuration: aws.String(string(r.Configuration)),
		SupplementaryConfiguration: map[string]string{}, Tags: map[string]string{},
	}
	for k, v := range r.Supplementary {
		item.SupplementaryConfiguration[k] = string(v)
	}
	for _, t := range r.Tags {
		item.Tags[t.Key] = t.Value
	}
	for _, l := range r.Relationships {
		item.Relationships = append(item.Relationships, types.Relationship{
			ResourceType: types.ResourceType(l.ResourceType), ResourceId: aws.String(l.ResourceID), ResourceName: aws.String(l.ResourceName),
			RelationshipName: aws.String(firstOf(l.RelationshipName, l.Name)),
		})
	}
	return itemDocument(&item)
}

// inventoryDue reports whether all of an inventory is to be read.
func (s *Sessions) inventoryDue(stream string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, was := s.inventories[stream]
	return !was || now.Sub(at) >= inventoryEvery
}

// inventoried notes that all of an inventory was read.
func (s *Sessions) inventoried(stream string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inventories == nil {
		s.inventories = map[string]time.Time{}
	}
	s.inventories[stream] = at
}
