package collectors

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/configservice/types"

	"muster/fleet"
)

// parseItem turns a configuration item into a change, or, where it is of a
// resource's compliance timeline, into what the rules say of the resource.
func parseItem(doc []byte, o origin) []fleet.Record {
	change := parseConfigItem(doc, o)
	if change.Attributes.Get(fleet.AttrUnreadable) != "" || change.Attributes.Get("resource_type") != string(complianceType) {
		return []fleet.Record{change}
	}
	var i configItem
	err := json.Unmarshal(doc, &i) // as parseConfigItem has
	var said map[string]ruleSaid
	if err == nil {
		said, err = rulesSaid(i.configuration())
	}
	if err != nil {
		return []fleet.Record{unreadable(fleet.KindVerdict, clip(change.ID, maxAttributeBytes), change.Time, doc, o, err)}
	}
	var r evaluated
	r.kind, r.id, _ = strings.Cut(i.ResourceID, "/")
	all := make([]fleet.Record, 0, len(said))
	for _, rule := range slices.Sorted(maps.Keys(said)) {
		all = append(all, r.verdict(said[rule], change.Time, origin{change.Account, change.Region}))
	}
	return all
}

// ruleSaid is a rule's word in a timeline.
type ruleSaid struct {
	Rule       string `json:"configRuleName"`
	ARN        string `json:"configRuleArn,omitempty"`
	ID         string `json:"configRuleId,omitempty"`
	Compliance string `json:"complianceType"`
	Pack       string `json:"conformancePackName,omitempty"` // that the rule is in; "" for none
}

// name is the rule's for people: one of a conformance pack without the mark that
// AWS puts behind it, and with the pack.
func (s *ruleSaid) name() string {
	if s.Pack == "" {
		return s.Rule
	}
	rule, _, _ := strings.Cut(s.Rule, "-conformance-pack-")
	return rule + " of the conformance pack " + s.Pack
}

// itemSays is what the rules say in an item of a timeline, by their names.
func itemSays(item *types.ConfigurationItem) (map[string]ruleSaid, error) {
	said, err := rulesSaid([]byte(aws.ToString(item.Configuration)))
	if err != nil {
		return nil, fmt.Errorf("%s, state %s: %w", aws.ToString(item.ResourceId), aws.ToString(item.ConfigurationStateId), err)
	}
	return said, nil
}

// rulesSaid is what the rules say in the configuration of an item of a timeline;
// that of a deleted resource has none.
func rulesSaid(configuration []byte) (map[string]ruleSaid, error) {
	var c *struct {
		Rules []ruleSaid `json:"configRuleList"`
	}
	said := map[string]ruleSaid{}
	if len(configuration) > 0 {
		if err := json.Unmarshal(configuration, &c); err != nil {
			return nil, fmt.Errorf("read the configuration: %w", err)
		}
	}
	if c != nil {
		for _, r := range c.Rules {
			said[r.Rule] = r
		}
	}
	return said, nil
}

// verdict is the record of what a rule said of a resource. What it annotated is
// known of its last word only.
func (r *evaluated) verdict(said ruleSaid, at time.Time, o origin) fleet.Record {
	at = at.UTC().Truncate(time.Microsecond)
	annotation := ""
	if last := r.last[said.Rule]; last != nil && string(last.ComplianceType) == said.Compliance {
		annotation = aws.ToString(last.Annotation)
	}
	doc, err := json.Marshal(struct {
		ruleSaid
		ResourceType string    `json:"resourceType"`
		ResourceID   string    `json:"resourceId"`
		At           time.Time `json:"resultRecordedTime"`
		Annotation   string    `json:"annotation,omitempty"`
	}{said, r.kind, r.id, at, annotation})
	if err != nil {
		doc = nil // texts and a time of AWS's always marshal
	}
	resource := fleet.ResourceName(r.kind, r.id)
	record := fleet.Record{
		ID: clean(said.Rule + "/" + resource + "@" + at.Format(time.RFC3339Nano)), Kind: fleet.KindVerdict, Time: at,
		Account: o.account, Region: o.region, Name: clean(said.Rule), Raw: compact(doc),
		Message: oneLine(said.name() + " says " + said.Compliance + " of " + resource),
	}
	item := configItem{ResourceType: r.kind, ResourceID: r.id}
	record.Service, record.Resources = clean(item.service()), item.resources()
	if said.Compliance == string(types.ComplianceTypeNonCompliant) {
		record.Error = said.Compliance
	}
	if annotation != "" {
		record.Message = oneLine(record.Message + ": " + annotation)
	}
	a := &record.Attributes
	set(a, "annotation", annotation)
	set(a, "compliance", said.Compliance)
	set(a, "conformance_pack", said.Pack)
	set(a, "resource_id", r.id)
	set(a, "resource_type", r.kind)
	set(a, "rule_arn", said.ARN)
	set(a, "rule_id", said.ID)
	return record
}
