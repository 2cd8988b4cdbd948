package collectors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"muster/fleet"
)

// configItem is a configuration item as AWS Config's API, its snapshots in S3
// and its events spell it; they differ in the names of a few members.
type configItem struct {
	AccountID     string            `json:"accountId"`
	AWSAccountID  string            `json:"awsAccountId"`
	ARN           string            `json:"arn"`
	ResourceType  string            `json:"resourceType"`
	ResourceID    string            `json:"resourceId"`
	ResourceName  string            `json:"resourceName"`
	Region        string            `json:"awsRegion"`
	Zone          string            `json:"availabilityZone"`
	Captured      json.RawMessage   `json:"configurationItemCaptureTime"`
	Status        string            `json:"configurationItemStatus"`
	StateID       json.RawMessage   `json:"configurationStateId"` // a number in S3, a string elsewhere
	Tags          map[string]string `json:"tags"`
	Relationships []configRelation  `json:"relationships"`
	Configuration json.RawMessage   `json:"configuration"` // an object in S3, a string elsewhere
}

type configRelation struct {
	ResourceType     string `json:"resourceType"`
	ResourceID       string `json:"resourceId"`
	ResourceName     string `json:"resourceName"`
	RelationshipName string `json:"relationshipName"`
	Name             string `json:"name"` // in S3 and in events
}

// parseConfigItem turns a configuration item into a change. One that cannot be
// understood is kept raw, with the reason in fleet.AttrUnreadable.
func parseConfigItem(doc []byte, o origin) fleet.Record {
	doc = compact(doc)
	var i configItem
	err := json.Unmarshal(doc, &i)
	at, timeErr := itemTime(i.Captured)
	switch {
	case err != nil:
	case i.ResourceType == "" || i.ResourceID == "":
		err = errors.New("no resourceType or no resourceId")
	case i.stateID() == "":
		err = errors.New("no configurationStateId")
	case timeErr != nil:
		err = timeErr
	}
	if err != nil {
		return unreadable(fleet.KindChange, clip(clean(i.id()), maxAttributeBytes), at, doc, o, err)
	}
	r := fleet.Record{
		ID: clean(i.id()), Kind: fleet.KindChange, Time: at,
		Account: firstOf(i.AWSAccountID, i.AccountID, o.account), Region: firstOf(i.Region, o.region),
		Service: clean(i.service()), Name: clean(i.Status), Resources: i.resources(),
		Message: oneLine(i.message()), Raw: doc,
	}
	i.describe(&r.Attributes)
	return r
}

// id is the item's: what changed, and which of its states this is.
func (i *configItem) id() string {
	return firstOf(i.ARN, fleet.ResourceName(i.ResourceType, i.ResourceID)) + "@" + i.stateID()
}

func (i *configItem) stateID() string {
	return strings.Trim(strings.TrimPrefix(string(i.StateID), "null"), `"`)
}

// itemTime reads a capture time: RFC 3339, or the API's float seconds.
func itemTime(doc json.RawMessage) (time.Time, error) {
	var text string
	if json.Unmarshal(doc, &text) == nil {
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return time.Time{}, fmt.Errorf("configurationItemCaptureTime: %w", err)
		}
		return t.UTC().Truncate(time.Microsecond), nil
	}
	var seconds float64
	if json.Unmarshal(doc, &seconds) == nil {
		if t, ok := timeOfSeconds(seconds); ok {
			return t, nil
		}
	}
	return time.Time{}, errors.New("no configurationItemCaptureTime")
}

// service is the AWS service of the type: "ec2" of "AWS::EC2::SecurityGroup".
func (i *configItem) service() string {
	parts := strings.Split(i.ResourceType, "::")
	if len(parts) < 2 {
		return ""
	}
	return strings.ToLower(parts[1])
}

// resources names the changed resource by its name and by its id, since some
// API calls use the one and some the other.
func (i *configItem) resources() []string {
	var set resourceSet
	set.add(i.ResourceType, i.ResourceName)
	set.add(i.ResourceType, i.ResourceID)
	set.addARN(i.ResourceType, i.ARN)
	return set.list()
}

func (i *configItem) message() string {
	what := i.ResourceType + " " + firstOf(i.ResourceName, i.ResourceID)
	if i.ResourceName != "" && i.ResourceName != i.ResourceID && !strings.HasPrefix(i.ResourceID, "arn:") {
		what += " (" + i.ResourceID + ")"
	}
	switch i.Status {
	case "ResourceDiscovered":
		return what + " was discovered"
	case "ResourceDeleted", "ResourceDeletedNotRecorded":
		return what + " was deleted"
	case "ResourceNotRecorded":
		return what + " is not recorded"
	}
	return what + " changed"
}

func (i *configItem) describe(a *fleet.Attributes) {
	set(a, "resource_type", i.ResourceType)
	set(a, "resource_id", i.ResourceID)
	set(a, "resource_name", i.ResourceName)
	set(a, "availability_zone", i.Zone)
	relations := make([]string, 0, len(i.Relationships))
	for _, r := range i.Relationships {
		relations = append(relations, strings.TrimSpace(firstOf(r.RelationshipName, r.Name)+" "+
			fleet.ResourceName(r.ResourceType, firstOf(r.ResourceID, r.ResourceName))))
	}
	set(a, "relationships", strings.Join(relations, "; "))
	n := 0
	for k, v := range i.Tags {
		if n++; n <= maxTags && !isSecretName([]byte(k)) {
			set(a, "tag."+clean(k), v)
		}
	}
	flatten(a, "configuration.", i.configuration())
}

// maxTags is how many tags AWS lets a resource have.
const maxTags = 50

// configuration is the resource's, unwrapped where it is JSON in a string.
func (i *configItem) configuration() []byte {
	var text string
	if doc := bytes.TrimSpace(i.Configuration); len(doc) > 0 && doc[0] == '"' && json.Unmarshal(doc, &text) == nil {
		return []byte(text)
	}
	return i.Configuration
}
