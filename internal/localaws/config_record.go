package localaws

import (
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// captureLag is how long after a call the recorder takes its picture. AWS
	// needs seconds to minutes; short keeps successive changes apart.
	captureLag = 500 * time.Millisecond
	// maxItems bounds the items kept over all resources; the oldest go first.
	maxItems = 50_000

	statusDeleted = "ResourceDeleted"
)

// configurationItem is one picture of a resource. relatedEvents and the MD5 are
// empty since version 1.3: an item does not say which call it comes from.
type configurationItem struct {
	baseConfigurationItem
	MD5           string            `json:"configurationItemMD5Hash"`
	Tags          map[string]string `json:"tags"`
	RelatedEvents []string          `json:"relatedEvents"`
	Relationships []relationship    `json:"relationships"`

	visible time.Time
}

// baseConfigurationItem is what BatchGetResourceConfig shows of an item.
type baseConfigurationItem struct {
	Version              string            `json:"version"`
	AccountID            string            `json:"accountId"`
	CaptureTime          timestamp         `json:"configurationItemCaptureTime"`
	Status               string            `json:"configurationItemStatus"`
	StateID              string            `json:"configurationStateId"`
	ARN                  string            `json:"arn"`
	ResourceType         string            `json:"resourceType"`
	ResourceID           string            `json:"resourceId"`
	ResourceName         string            `json:"resourceName"`
	Region               string            `json:"awsRegion"`
	AvailabilityZone     string            `json:"availabilityZone"`
	ResourceCreationTime timestamp         `json:"resourceCreationTime"`
	Configuration        string            `json:"configuration"` // JSON; "null" once deleted
	Supplementary        map[string]string `json:"supplementaryConfiguration"`
	RecordingFrequency   string            `json:"recordingFrequency"`
	DeliveryTime         timestamp         `json:"configurationItemDeliveryTime"`
}

type relationship struct {
	ResourceType string `json:"resourceType"`
	ResourceID   string `json:"resourceId,omitempty"`
	ResourceName string `json:"resourceName,omitempty"`
	Name         string `json:"relationshipName"`
}

// resource is what Config calls one thing. Which of id and name is the ARN, the
// URL or the plain name differs by type, as it does in AWS.
type resource struct {
	kind, id, name, arn string
}

type resourceKey struct{ kind, id string }

// placedKey keeps resources of one name in two places apart.
type placedKey struct {
	place
	resourceKey
}

func (c *call) placedKey(r resource) placedKey {
	return placedKey{c.place(), resourceKey{r.kind, r.id}}
}

// configStore keeps configuration items in order of capture. Safe for
// concurrent use.
type configStore struct {
	s *Server

	mu        sync.Mutex
	items     []configurationItem
	created   map[placedKey]time.Time
	lastState int64
	rules     []*configRule
	judged    map[placedKey]judged // bounded by the resources
	started   time.Time            // of the recorders
	channels  map[place]*deliveryChannel

	packs       []*conformancePack
	aggregators []*aggregator
}

func newConfigStore(s *Server) *configStore {
	return &configStore{s: s, started: s.now(), created: make(map[placedKey]time.Time), judged: make(map[placedKey]judged), channels: make(map[place]*deliveryChannel)}
}

// changed takes a picture of a resource that a call has just created or
// changed. The configuration is encoded at once and may change afterwards.
func (cs *configStore) changed(c *call, r resource, configuration any, relationships ...relationship) {
	var item *configurationItem
	defer func() { cs.announce(item) }()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	key := c.placedKey(r)
	status := "OK"
	if cs.created[key].IsZero() {
		cs.created[key], status = c.Time, "ResourceDiscovered"
	}
	item = cs.take(c, r, status, configuration, relationships)
	cs.judge(c, item)
}

// deleted takes the last picture of a resource.
func (cs *configStore) deleted(c *call, r resource) {
	var item *configurationItem
	defer func() { cs.announce(item) }()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	item = cs.take(c, r, statusDeleted, nil, nil)
	cs.judge(c, item)
	delete(cs.created, c.placedKey(r))
}

// discovered takes the first picture of a resource that was there before; later
// calls do nothing.
func (cs *configStore) discovered(c *call, r resource, configuration any) {
	var item *configurationItem
	defer func() { cs.announce(item) }()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	key := c.placedKey(r)
	if !cs.created[key].IsZero() {
		return
	}
	cs.created[key] = c.Time
	item = cs.take(c, r, "ResourceDiscovered", configuration, nil)
	cs.judge(c, item)
}

// take appends an item of what a resource is now and returns it, or nil. The
// caller holds mu.
func (cs *configStore) take(c *call, r resource, status string, configuration any, relationships []relationship) *configurationItem {
	captured := c.Time.Add(captureLag)
	return cs.append(c, r, status, configuration, relationships, captured, captured.Add(cs.s.trouble.delay("config", cs.s.delay.Config)))
}

// append is take with its times. The caller holds mu.
func (cs *configStore) append(c *call, r resource, status string, configuration any, relationships []relationship, captured, visible time.Time) *configurationItem {
	text, err := json.Marshal(configuration)
	if err != nil {
		cs.s.log.Error("a configuration cannot be encoded", "type", r.kind, "resource", r.id, "err", err)
		return nil
	}
	// State ids are milliseconds in AWS too, and here also unique.
	cs.lastState = max(cs.lastState+1, c.Time.UnixMilli())
	item := configurationItem{
		baseConfigurationItem: baseConfigurationItem{
			Version: "1.3", AccountID: c.Account, CaptureTime: timestamp{captured}, Status: status,
			StateID: strconv.FormatInt(cs.lastState, 10), ARN: r.arn,
			ResourceType: r.kind, ResourceID: r.id, ResourceName: r.name,
			Region: c.Region, AvailabilityZone: "Not Applicable",
			ResourceCreationTime: timestamp{cs.created[c.placedKey(r)]},
			Configuration:        string(text), Supplementary: map[string]string{},
			RecordingFrequency: "CONTINUOUS", DeliveryTime: timestamp{visible},
		},
		Tags: map[string]string{}, RelatedEvents: []string{}, Relationships: relationships,
		visible: visible,
	}
	if relationships == nil {
		item.Relationships = []relationship{}
	}
	if len(cs.items) >= maxItems {
		cs.items = slices.Delete(cs.items, 0, maxItems/10)
	}
	cs.items = append(cs.items, item)
	return &item
}

// announce publishes an item to EventBridge, without the lock.
func (cs *configStore) announce(item *configurationItem) {
	if item == nil {
		return
	}
	detail, err := encodeJSON(map[string]any{
		"recordVersion": "1.3", "messageType": "ConfigurationItemChangeNotification", "configurationItemDiff": nil,
		"notificationCreationTime": documentTime(item.visible), "configurationItem": item.document(),
	})
	if err != nil {
		cs.s.log.Error("an item cannot be encoded", "type", item.ResourceType, "resource", item.ResourceID, "err", err)
		return
	}
	e := envelope{
		"0", newUUID(), "Config Configuration Item Change", "aws.config", item.AccountID,
		item.visible.UTC().Format(eventTimeFormat), item.Region,
		[]string{item.ARN},
		detail,
	}
	cs.s.events.at(place{item.AccountID, item.Region}).publish(e, false, max(item.visible.Sub(cs.s.now()), 0))
}

// drain takes every picture that is due and makes all of them visible, now.
func (cs *configStore) drain() {
	now := cs.s.now()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	verdicts := time.Duration(0)
	for i := range cs.items {
		item := &cs.items[i]
		if item.visible.After(now) {
			item.visible, item.DeliveryTime = now, timestamp{now}
		}
		if item.CaptureTime.After(now) {
			item.CaptureTime = timestamp{now}
			if item.ResourceType == complianceKind { // whose times tell its items apart
				verdicts++
				item.CaptureTime = timestamp{now.Add(verdicts * time.Millisecond)}
				cs.captured(item)
			}
		}
	}
}
