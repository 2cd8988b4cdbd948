package localaws

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// historyInterval is how often Config writes history files.
const historyInterval = 6 * time.Hour

// A deliveryChannel is where a place's recorder writes its files. configStore's
// lock guards it.
type deliveryChannel struct {
	name, bucket, prefix, topic string
	delivered                   time.Time // items visible up to here are in history files
}

type channelJSON struct {
	Name   string `json:"name"`
	Bucket string `json:"s3BucketName"`
	Prefix string `json:"s3KeyPrefix,omitempty"`
	Topic  string `json:"snsTopicARN,omitempty"`
}

// putChannel is PutDeliveryChannel; there can be one in a place.
func (cs *configStore) putChannel(_ context.Context, c *call) (any, error) {
	var in struct{ DeliveryChannel channelJSON }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	ch := in.DeliveryChannel
	if ch.Name == "" {
		ch.Name = recorderName
	}
	owned := &call{Account: c.Account, Operation: "PutObject"}
	if !cs.s.objects.exists(ch.Bucket) {
		return nil, failf("NoSuchBucketException", "Cannot find a S3 bucket with an empty bucket name or %s.", ch.Bucket)
	}
	if cs.s.objects.foreign(owned, ch.Bucket) != nil {
		return nil, failf("InsufficientDeliveryPolicyException", "Insufficient delivery policy to s3 bucket: %s, unable to write to bucket, provided s3 key prefix is '%s'.", ch.Bucket, ch.Prefix)
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	old := cs.channels[c.place()]
	if old != nil && old.name != ch.Name {
		return nil, failf("MaxNumberOfDeliveryChannelsExceededException", "Failed to put delivery channel '%s' because the maximum number of delivery channels: 1 is reached.", ch.Name)
	}
	cs.s.objects.gathers(ch.Bucket)
	cs.channels[c.place()] = &deliveryChannel{name: ch.Name, bucket: ch.Bucket, prefix: ch.Prefix, topic: ch.Topic}
	return nil, nil
}

// channel is the place's delivery channel; an empty list of names is any.
func (cs *configStore) channel(c *call, names ...string) (*deliveryChannel, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	ch := cs.channels[c.place()]
	for _, name := range names {
		if ch == nil || ch.name != name {
			return nil, failf("NoSuchDeliveryChannelException", "Cannot find delivery channel with specified name '%s'.", name)
		}
	}
	return ch, nil
}

func (cs *configStore) describeChannels(_ context.Context, c *call) (any, error) {
	var in struct{ DeliveryChannelNames []string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	ch, err := cs.channel(c, in.DeliveryChannelNames...)
	if err != nil {
		return nil, err
	}
	out := []channelJSON{}
	if ch != nil {
		out = append(out, channelJSON{ch.name, ch.bucket, ch.prefix, ch.topic})
	}
	return map[string]any{"DeliveryChannels": out}, nil
}

// deliverSnapshot is DeliverConfigSnapshot: a file of what all resources are now.
func (cs *configStore) deliverSnapshot(_ context.Context, c *call) (any, error) {
	var in struct {
		Channel string `json:"deliveryChannelName"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	ch, err := cs.channel(c, in.Channel)
	if err != nil {
		return nil, err
	}
	id := newUUID()
	var items []configurationItem
	for _, item := range cs.latest(c, c.Time, func(*configurationItem) bool { return true }) {
		if item.Status != statusDeleted {
			items = append(items, item)
		}
	}
	name := fmt.Sprintf("%s_Config_%s_ConfigSnapshot_%s_%s.json.gz", c.Account, c.Region, c.Time.Format("20060102T150405Z"), id)
	if err := cs.write(c.place(), ch, "ConfigSnapshot", name, c.Time, map[string]any{"configSnapshotId": id}, items); err != nil {
		return nil, err
	}
	return map[string]string{"configSnapshotId": id}, nil
}

// write puts items into a file of the channel's bucket.
func (cs *configStore) write(where place, ch *deliveryChannel, kind, name string, now time.Time, head map[string]any, items []configurationItem) error {
	documents := make([]map[string]any, len(items))
	for i := range items {
		documents[i] = items[i].document()
	}
	head["fileVersion"], head["configurationItems"] = "1.0", documents
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(head); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	prefix := ch.prefix
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/") + "/"
	}
	// Config's folders have no zeros before months and days.
	key := fmt.Sprintf("%sAWSLogs/%s/Config/%s/%s/%s/%s", prefix, where.account, where.region, now.Format("2006/1/2"), kind, name)
	return cs.s.objects.put(ch.bucket, key, b.Bytes())
}

// document is an item as files and notifications have it: with other names than
// the API's, its configuration not as a text.
func (item *configurationItem) document() map[string]any {
	relationships := make([]map[string]string, len(item.Relationships))
	for i, r := range item.Relationships {
		relationships[i] = map[string]string{"resourceId": r.ResourceID, "resourceName": r.ResourceName, "resourceType": r.ResourceType, "name": r.Name}
	}
	state, _ := strconv.ParseInt(item.StateID, 10, 64) // which it was made of
	return map[string]any{
		"configurationItemVersion": item.Version, "configurationItemCaptureTime": documentTime(item.CaptureTime.Time),
		"configurationStateId": state, "configurationStateMd5Hash": "", "awsAccountId": item.AccountID,
		"configurationItemStatus": item.Status, "resourceType": item.ResourceType, "resourceId": item.ResourceID,
		"resourceName": item.ResourceName, "ARN": item.ARN, "awsRegion": item.Region, "availabilityZone": item.AvailabilityZone,
		"resourceCreationTime": documentTime(item.ResourceCreationTime.Time), "relatedEvents": []string{}, "relationships": relationships,
		"tags": item.Tags, "configuration": decoded(item.Configuration), "supplementaryConfiguration": item.supplements(),
	}
}

// deliver writes the history files that are due: of each type of resource, the
// items that have become visible since the last ones.
func (cs *configStore) deliver(everything bool) {
	now := cs.s.now()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for where, ch := range cs.channels {
		if !everything && now.Sub(ch.delivered) < historyInterval {
			continue
		}
		byType := map[string][]configurationItem{}
		for _, item := range cs.items {
			if item.AccountID == where.account && item.Region == where.region && item.visible.After(ch.delivered) && !item.visible.After(now) {
				byType[item.ResourceType] = append(byType[item.ResourceType], item)
			}
		}
		for kind, items := range byType {
			const stamp = "20060102T150405Z"
			name := fmt.Sprintf("%s_Config_%s_ConfigHistory_%s_%s_%s_1.json.gz", where.account, where.region, kind,
				items[0].CaptureTime.Format(stamp), items[len(items)-1].CaptureTime.Format(stamp))
			if err := cs.write(where, ch, "ConfigHistory", name, now, map[string]any{}, items); err != nil {
				cs.s.log.Error("a history file cannot be written", "bucket", ch.bucket, "err", err)
			}
		}
		ch.delivered = now
	}
}
