package localaws

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"muster/internal/localaws/advancedquery"
)

// selectPage is SelectResourceConfig's usual page.
const selectPage = 25

// configTime is how Config writes times in documents.
const configTime = "2006-01-02T15:04:05.000Z"

// selectConfig is SelectResourceConfig: a query over what the place's resources
// are now.
func (cs *configStore) selectConfig(_ context.Context, c *call) (any, error) {
	var in struct {
		Expression string
		Limit      int
		NextToken  string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	return cs.query(c, in.Expression, in.NextToken, in.Limit, []place{c.place()})
}

// query answers an advanced query over the resources of places.
func (cs *configStore) query(c *call, expression, token string, limit int, places []place) (any, error) {
	p, limit, err := cs.configPage(c, token, limit, selectPage, expression, c.Operation)
	if err != nil {
		return nil, err
	}
	q, err := advancedquery.Parse(expression)
	if syntax, ok := errors.AsType[*advancedquery.SyntaxError](err); ok {
		return nil, failf("InvalidExpressionException", "%s", syntax.Reason)
	}
	var resources []map[string]any
	for _, where := range places {
		for _, item := range cs.latest(c.in(where), p.cur.AsOf, func(*configurationItem) bool { return true }) {
			if item.Status != statusDeleted {
				resources = append(resources, item.properties())
			}
		}
	}
	results, err := q.Run(resources)
	if err != nil {
		return nil, err
	}
	results, next := page(p, results, limit)
	fields := make([]map[string]string, len(q.Fields))
	for i, f := range q.Fields {
		fields[i] = map[string]string{"Name": f}
	}
	return map[string]any{"Results": results, "QueryInfo": map[string]any{"SelectFields": fields}, "NextToken": orNil(next)}, nil
}

// properties are what an advanced query can ask of a resource.
func (item *configurationItem) properties() map[string]any {
	relationships := make([]any, len(item.Relationships))
	for i, r := range item.Relationships {
		relationships[i] = map[string]any{"resourceType": r.ResourceType, "resourceId": r.ResourceID, "resourceName": r.ResourceName, "relationshipName": r.Name}
	}
	tags := []any{}
	for k, v := range item.Tags {
		tags = append(tags, map[string]any{"key": k, "value": v, "tag": k + "=" + v})
	}
	return map[string]any{
		"version": item.Version, "accountId": item.AccountID, "awsRegion": item.Region, "availabilityZone": item.AvailabilityZone,
		"arn": item.ARN, "resourceType": item.ResourceType, "resourceId": item.ResourceID, "resourceName": item.ResourceName,
		"resourceCreationTime":         documentTime(item.ResourceCreationTime.Time),
		"configurationItemCaptureTime": documentTime(item.CaptureTime.Time),
		"configurationItemStatus":      item.Status, "configurationStateId": item.StateID,
		"configuration": decoded(item.Configuration), "supplementaryConfiguration": item.supplements(),
		"relationships": relationships, "tags": tags,
	}
}

func documentTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(configTime)
}

// decoded is a JSON text as a value; a text that is none stays one.
func decoded(text string) any {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	return v
}

// supplements are the supplementary configurations, each of which is a JSON text.
func (item *configurationItem) supplements() map[string]any {
	out := make(map[string]any, len(item.Supplementary))
	for k, v := range item.Supplementary {
		out[k] = decoded(v)
	}
	return out
}
