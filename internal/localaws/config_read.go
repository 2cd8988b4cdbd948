package localaws

import (
	"context"
	"slices"
	"time"
)

func (cs *configStore) operations() map[string]operation {
	return map[string]operation{
		"GetResourceConfigHistory":            cs.history,
		"ListDiscoveredResources":             cs.listDiscovered,
		"BatchGetResourceConfig":              cs.batchGet,
		"SelectResourceConfig":                cs.selectConfig,
		"DescribeConfigurationRecorders":      cs.describeRecorders,
		"DescribeConfigurationRecorderStatus": cs.describeRecorderStatus,

		"PutConfigRule":       cs.putRule,
		"DeleteConfigRule":    cs.deleteRule,
		"DescribeConfigRules": cs.describeRules,
		"PutEvaluations":      cs.putEvaluations,

		"DescribeComplianceByConfigRule":   cs.complianceByRule,
		"DescribeComplianceByResource":     cs.complianceByResource,
		"GetComplianceDetailsByConfigRule": cs.detailsByRule,
		"GetComplianceDetailsByResource":   cs.detailsByResource,

		"PutConformancePack":                  cs.putPack,
		"DescribeConformancePacks":            cs.describePacks,
		"GetConformancePackComplianceDetails": cs.packDetails,

		"PutConfigurationAggregator":                cs.putAggregator,
		"DescribeConfigurationAggregators":          cs.describeAggregators,
		"SelectAggregateResourceConfig":             cs.selectAggregate,
		"DescribeAggregateComplianceByConfigRules":  cs.aggregateRules,
		"GetAggregateComplianceDetailsByConfigRule": cs.aggregateDetails,

		"PutDeliveryChannel":       cs.putChannel,
		"DescribeDeliveryChannels": cs.describeChannels,
		"DeliverConfigSnapshot":    cs.deliverSnapshot,
	}
}

const (
	// historySpan is how much time one page of history covers in AWS, which is
	// why pages can be empty and still have a token.
	historySpan = 7 * 24 * time.Hour
	// Page sizes and limits from AWS's documentation.
	defaultHistoryPage = 10
	maxConfigPage      = 100
	maxBatchKeys       = 100
)

// view returns the place's items that were visible at a moment, in order of
// capture.
func (cs *configStore) view(c *call, asOf time.Time, keep func(*configurationItem) bool) []configurationItem {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	var out []configurationItem
	for i := range cs.items {
		item := &cs.items[i]
		if item.AccountID == c.Account && item.Region == c.Region && !item.visible.After(asOf) && keep(item) {
			out = append(out, *item)
		}
	}
	return out
}

type historyInput struct {
	ResourceType       string    `json:"resourceType"`
	ResourceID         string    `json:"resourceId"`
	EarlierTime        timestamp `json:"earlierTime"`
	LaterTime          timestamp `json:"laterTime"`
	ChronologicalOrder string    `json:"chronologicalOrder"`
	Limit              int       `json:"limit"`
	NextToken          string    `json:"nextToken"`
}

// history is GetResourceConfigHistory: newest first unless asked otherwise, one
// historySpan after the other.
func (cs *configStore) history(_ context.Context, c *call) (any, error) {
	var in historyInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	p, limit, err := cs.configPage(c, in.NextToken, in.Limit, defaultHistoryPage,
		in.ResourceType, in.ResourceID, in.EarlierTime, in.LaterTime, in.ChronologicalOrder)
	if err != nil {
		return nil, err
	}
	all := cs.view(c, p.cur.AsOf, func(i *configurationItem) bool {
		return i.ResourceType == in.ResourceType && i.ResourceID == in.ResourceID
	})
	if len(all) == 0 {
		return nil, failf("ResourceNotDiscoveredException", "Resource %s of resourceType:%s is unknown or has not been discovered", in.ResourceID, in.ResourceType)
	}
	from, to := all[0].CaptureTime.Time, p.cur.AsOf
	if !in.EarlierTime.IsZero() {
		from = in.EarlierTime.Time
	}
	if !in.LaterTime.IsZero() {
		to = in.LaterTime.Time
	}
	if to.Before(from) && !in.EarlierTime.IsZero() {
		return nil, failf("InvalidTimeRangeException", "The earlier time must not be after the later time.")
	}
	forward := in.ChronologicalOrder == "Forward"
	items, next := page(p, slotItems(all, from, to, p.cur.Slot, forward), limit)
	if next == "" && p.cur.Slot < int(to.Sub(from)/historySpan) {
		next = p.token(p.cur.Slot+1, 0)
	}
	return map[string]any{"configurationItems": items, "nextToken": orNil(next)}, nil
}

// slotItems are the items of one historySpan between from and to, both
// inclusive, in the order asked for.
func slotItems(all []configurationItem, from, to time.Time, slot int, forward bool) []configurationItem {
	var out []configurationItem
	for _, item := range all {
		at := item.CaptureTime.Time
		if at.Before(from) || at.After(to) {
			continue
		}
		distance := to.Sub(at)
		if forward {
			distance = at.Sub(from)
		}
		if int(distance/historySpan) == slot {
			out = append(out, item)
		}
	}
	if !forward {
		slices.Reverse(out)
	}
	return out
}

// configPage reads token and limit as Config's operations have them.
func (cs *configStore) configPage(c *call, token string, limit, usual int, parameters ...any) (*pager, int, error) {
	p, err := cs.s.newPager(c, token, parameters...)
	if err != nil {
		return nil, 0, failf("InvalidNextTokenException", "The specified next token is not valid.")
	}
	if limit == 0 {
		limit = usual
	}
	if limit < 0 || limit > maxConfigPage {
		return nil, 0, failf("InvalidLimitException", "The limit must be from 0 to %d.", maxConfigPage)
	}
	return p, limit, nil
}

// latest is the newest visible item of every resource, in order of discovery.
func (cs *configStore) latest(c *call, asOf time.Time, keep func(*configurationItem) bool) []configurationItem {
	var out []configurationItem
	index := make(map[resourceKey]int)
	for _, item := range cs.view(c, asOf, keep) {
		key := resourceKey{item.ResourceType, item.ResourceID}
		if i, ok := index[key]; ok {
			out[i] = item
			continue
		}
		index[key] = len(out)
		out = append(out, item)
	}
	return out
}

type resourceIdentifier struct {
	ResourceType string    `json:"resourceType"`
	ResourceID   string    `json:"resourceId"`
	ResourceName string    `json:"resourceName,omitempty"`
	Deleted      timestamp `json:"resourceDeletionTime,omitzero"`
}

func (cs *configStore) listDiscovered(_ context.Context, c *call) (any, error) {
	var in struct {
		ResourceType   string   `json:"resourceType"`
		ResourceIDs    []string `json:"resourceIds"`
		ResourceName   string   `json:"resourceName"`
		Limit          int      `json:"limit"`
		IncludeDeleted bool     `json:"includeDeletedResources"`
		NextToken      string   `json:"nextToken"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.ResourceType == "" {
		return nil, failf("ValidationException", "resourceType is required.")
	}
	p, limit, err := cs.configPage(c, in.NextToken, in.Limit, maxConfigPage,
		in.ResourceType, in.ResourceIDs, in.ResourceName, in.IncludeDeleted)
	if err != nil {
		return nil, err
	}
	ids := []resourceIdentifier{}
	for _, item := range cs.latest(c, p.cur.AsOf, func(i *configurationItem) bool {
		return i.ResourceType == in.ResourceType &&
			(in.ResourceName == "" || i.ResourceName == in.ResourceName) &&
			(len(in.ResourceIDs) == 0 || slices.Contains(in.ResourceIDs, i.ResourceID))
	}) {
		id := resourceIdentifier{ResourceType: item.ResourceType, ResourceID: item.ResourceID, ResourceName: item.ResourceName}
		if item.Status == statusDeleted {
			id.Deleted = item.CaptureTime
		}
		if id.Deleted.IsZero() || in.IncludeDeleted {
			ids = append(ids, id)
		}
	}
	ids, next := page(p, ids, limit)
	return map[string]any{"resourceIdentifiers": ids, "nextToken": orNil(next)}, nil
}

// batchGet is BatchGetResourceConfig: current configurations, none of deleted
// or unknown resources. Trouble leaves keys unprocessed.
func (cs *configStore) batchGet(_ context.Context, c *call) (any, error) {
	var in struct {
		Keys []struct {
			Type string `json:"resourceType"`
			ID   string `json:"resourceId"`
		} `json:"resourceKeys"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.Keys) < 1 || len(in.Keys) > maxBatchKeys {
		return nil, failf("ValidationException", "resourceKeys must hold from 1 to %d keys.", maxBatchKeys)
	}
	asked := make(map[resourceKey]bool)
	unprocessed := []map[string]string{}
	for _, key := range in.Keys {
		if cs.s.trouble.emptyPage(c) {
			unprocessed = append(unprocessed, map[string]string{"resourceType": key.Type, "resourceId": key.ID})
			continue
		}
		asked[resourceKey{key.Type, key.ID}] = true
	}
	items := []baseConfigurationItem{}
	for _, item := range cs.latest(c, c.Time, func(i *configurationItem) bool {
		return asked[resourceKey{i.ResourceType, i.ResourceID}]
	}) {
		if item.Status != statusDeleted {
			items = append(items, item.baseConfigurationItem)
		}
	}
	return map[string]any{"baseConfigurationItems": items, "unprocessedResourceKeys": unprocessed}, nil
}
