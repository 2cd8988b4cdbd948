package localaws

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// complianceKind is the type of the items by which Config records what its rules
// say of a resource: a new one whenever a rule says something else. Its history
// is the resource's compliance timeline; everywhere else only the last verdict
// can be read.
const complianceKind = "AWS::Config::ResourceCompliance"

// judged is what was last recorded of a resource's compliance.
type judged struct {
	compliance string // the item's configuration
	captured   time.Time
}

type ruleVerdict struct {
	Compliance string `json:"complianceType"`
	ARN        string `json:"configRuleArn"`
	ID         string `json:"configRuleId"`
	Name       string `json:"configRuleName"`
}

type complianceConfiguration struct {
	Compliance     string        `json:"complianceType"`
	TargetID       string        `json:"targetResourceId"`
	TargetType     string        `json:"targetResourceType"`
	ConfigRuleList []ruleVerdict `json:"configRuleList"`
}

// judge lets the place's rules look at a resource's new item and records what
// they say, if that is news; nil is no item. The caller holds mu.
func (cs *configStore) judge(c *call, item *configurationItem) {
	if item != nil {
		cs.recordVerdicts(c, item.key(), item, item.CaptureTime.Add(verdictLag), item.visible)
	}
}

// rejudge does that for the resources of the place that a rule is about, now.
// The caller holds mu.
func (cs *configStore) rejudge(c *call, rule *configRule) {
	keys := map[resourceKey]bool{}
	for key := range rule.evaluations {
		keys[key] = true
	}
	for i := range cs.items {
		if item := &cs.items[i]; item.place() == c.place() && rule.judges(item.ResourceType) {
			keys[item.key()] = true
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(keys), func(a, b resourceKey) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id)) }) {
		at, visible, item := c.Time, c.Time, cs.newest(c.place(), key)
		if item != nil && item.visible.After(visible) {
			at, visible = item.CaptureTime.Add(verdictLag), item.visible
		}
		cs.recordVerdicts(c, key, item, at, visible)
	}
}

// newest is the last item of a resource, visible or not, or nil. The caller
// holds mu.
func (cs *configStore) newest(where place, key resourceKey) *configurationItem {
	for i := len(cs.items) - 1; i >= 0; i-- {
		if item := &cs.items[i]; item.key() == key && item.place() == where {
			return item
		}
	}
	return nil
}

func (item *configurationItem) place() place { return place{item.AccountID, item.Region} }

func (item *configurationItem) key() resourceKey {
	return resourceKey{item.ResourceType, item.ResourceID}
}

// judges reports whether it is a managed rule that looks at a type.
func (r *configRule) judges(kind string) bool {
	return r.identifier != "" && slices.Contains(managedRules[r.identifier].kinds, kind) && (len(r.scope) == 0 || slices.Contains(r.scope, kind))
}

// verdictLag is how long after the picture of a resource its verdicts are; AWS
// needs seconds to minutes.
const verdictLag = time.Millisecond

// recordVerdicts takes an item of a resource's compliance at a time, if it has
// changed. The caller holds mu.
func (cs *configStore) recordVerdicts(c *call, key resourceKey, item *configurationItem, at, visible time.Time) {
	placed := placedKey{c.place(), key}
	last, known := cs.judged[placed]
	now := complianceConfiguration{TargetID: key.id, TargetType: key.kind, ConfigRuleList: cs.verdictsOn(c.place(), key, item)}
	if len(now.ConfigRuleList) == 0 && !known {
		return
	}
	all := make([]string, len(now.ConfigRuleList))
	for i, v := range now.ConfigRuleList {
		all[i] = v.Compliance
	}
	now.Compliance = summarise(all, cappedRuleCount).ComplianceType
	text, err := json.Marshal(now)
	if err != nil || string(text) == last.compliance {
		return // texts always marshal
	}
	if !at.After(last.captured) {
		at = last.captured.Add(time.Millisecond)
	}
	r := resource{kind: complianceKind, id: key.kind + "/" + key.id}
	status := "OK"
	switch {
	case len(now.ConfigRuleList) == 0:
		status = statusDeleted
	case !known:
		status = "ResourceDiscovered"
		cs.created[c.placedKey(r)] = at
	}
	picture := any(now)
	if status == statusDeleted {
		picture = nil
	}
	cs.append(c, r, status, picture, []relationship{{ResourceType: key.kind, ResourceID: key.id, Name: "Is associated with "}}, at, visible)
	if status == statusDeleted {
		delete(cs.judged, placed)
		delete(cs.created, c.placedKey(r))
		return
	}
	cs.judged[placed] = judged{string(text), at}
}

// captured notes that the time of an item of compliance is another now. The
// caller holds mu.
func (cs *configStore) captured(item *configurationItem) {
	kind, id, _ := strings.Cut(item.ResourceID, "/")
	key := placedKey{item.place(), resourceKey{kind, id}}
	if last, known := cs.judged[key]; known {
		last.captured = item.CaptureTime.Time
		cs.judged[key] = last
	}
}

// verdictsOn are what the place's rules say of a resource, whose newest item is
// given where there is one, by the rules' names. The caller holds mu.
func (cs *configStore) verdictsOn(where place, key resourceKey, item *configurationItem) []ruleVerdict {
	var out []ruleVerdict
	for _, rule := range cs.rules {
		if rule.place != where {
			continue
		}
		said := rule.evaluations[key].compliance
		if rule.identifier != "" {
			said = ""
			if rule.judges(key.kind) && item != nil && item.Status != statusDeleted {
				said, _ = managedRules[rule.identifier].judge(item)
			}
		}
		if said != "" {
			out = append(out, ruleVerdict{said, rule.arn, rule.id, rule.name})
		}
	}
	slices.SortFunc(out, func(a, b ruleVerdict) int { return strings.Compare(a.Name, b.Name) })
	return out
}
