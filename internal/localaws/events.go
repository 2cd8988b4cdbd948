package localaws

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of EventBridge.
const (
	maxEventRules   = 300
	maxRuleTargets  = 5
	maxPutEvents    = 10
	everyManagement = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
)

// eventBus is EventBridge of one place: the default bus, with rules whose targets
// are queues, log groups and delivery streams. Safe for concurrent use.
type eventBus struct {
	s      *Server
	queues *queues

	mu    sync.Mutex
	rules map[string]*eventRule
}

// An eventRule is guarded by the bus's lock.
type eventRule struct {
	name, arn, text, state string
	pattern                eventPattern
	targets                []eventTarget
}

type eventTarget struct {
	ID  string `json:"Id"`
	ARN string `json:"Arn"`
}

func newEventBus(s *Server, q *queues) *eventBus {
	return &eventBus{s: s, queues: q, rules: map[string]*eventRule{}}
}

func (b *eventBus) operations() map[string]operation {
	return map[string]operation{
		"PutRule":           b.putRule,
		"DeleteRule":        b.deleteRule,
		"ListRules":         b.listRules,
		"PutTargets":        b.putTargets,
		"RemoveTargets":     b.removeTargets,
		"ListTargetsByRule": b.listTargets,
		"PutEvents":         b.putEvents,
	}
}

type ruleInput struct {
	Name         string
	Rule         string
	EventPattern string
	State        string
	Targets      []eventTarget
	IDs          []string `json:"Ids"`
	NamePrefix   string
}

func (b *eventBus) putRule(_ context.Context, c *call) (any, error) {
	var in ruleInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	arn := c.arn("rule/" + in.Name)
	c.touch("AWS::Events::Rule", arn)
	if !eventRuleName.allows(in.Name) || in.State != "" && in.State != "ENABLED" && in.State != "DISABLED" && in.State != everyManagement {
		return nil, failf("ValidationException", "1 validation error detected: Value '%s' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+", in.Name)
	}
	if in.EventPattern == "" {
		return nil, failf("ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified; this stand-in has no schedules.")
	}
	p, err := parseEventPattern(in.EventPattern)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.rules[in.Name]
	if r == nil {
		if len(b.rules) >= maxEventRules {
			return nil, failf("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
		}
		r = &eventRule{name: in.Name, arn: arn}
		b.rules[in.Name] = r
	}
	r.text, r.pattern, r.state = in.EventPattern, p, in.State
	if r.state == "" {
		r.state = "ENABLED"
	}
	return map[string]string{"RuleArn": arn}, nil
}

// rule finds a rule. The caller holds mu.
func (b *eventBus) rule(name string) (*eventRule, error) {
	if r := b.rules[name]; r != nil {
		return r, nil
	}
	return nil, failf("ResourceNotFoundException", "Rule %s does not exist on EventBus default.", name)
}

func (b *eventBus) deleteRule(_ context.Context, c *call) (any, error) {
	var in ruleInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.touch("AWS::Events::Rule", c.arn("rule/"+in.Name))
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.rules[in.Name]; r != nil && len(r.targets) > 0 {
		return nil, failf("ValidationException", "Rule can't be deleted since it has targets.")
	}
	delete(b.rules, in.Name) // one that is not there is no error
	return nil, nil
}

func (b *eventBus) listRules(_ context.Context, c *call) (any, error) {
	var in ruleInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	rules := []any{}
	for _, name := range slices.Sorted(maps.Keys(b.rules)) {
		if r := b.rules[name]; strings.HasPrefix(name, in.NamePrefix) {
			rules = append(rules, map[string]string{"Name": name, "Arn": r.arn, "EventPattern": r.text, "State": r.state, "EventBusName": "default"})
		}
	}
	return map[string]any{"Rules": rules}, nil
}

func (b *eventBus) putTargets(_ context.Context, c *call) (any, error) {
	var in ruleInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.touch("AWS::Events::Rule", c.arn("rule/"+in.Rule))
	b.mu.Lock()
	defer b.mu.Unlock()
	r, err := b.rule(in.Rule)
	if err != nil {
		return nil, err
	}
	failed := []any{}
	for _, t := range in.Targets {
		if !targetVendors[vendor(t.ARN)] || t.ID == "" {
			failed = append(failed, map[string]string{"TargetId": t.ID, "ErrorCode": "ValidationException", "ErrorMessage": "This stand-in has no targets of the kind of " + t.ARN})
			continue
		}
		at := slices.IndexFunc(r.targets, func(o eventTarget) bool { return o.ID == t.ID })
		switch {
		case at >= 0:
			r.targets[at] = t
		case len(r.targets) >= maxRuleTargets:
			return nil, failf("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
		default:
			r.targets = append(r.targets, t)
		}
	}
	return map[string]any{"FailedEntryCount": len(failed), "FailedEntries": failed}, nil
}

// targetVendors are the services that can be targets.
var targetVendors = map[string]bool{"sqs": true, "logs": true, "firehose": true}

// vendor is the service of an ARN.
func vendor(arn string) string {
	parts := strings.SplitN(arn, ":", 4)
	if len(parts) < 4 {
		return ""
	}
	return parts[2]
}

func (b *eventBus) removeTargets(_ context.Context, c *call) (any, error) {
	var in ruleInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.touch("AWS::Events::Rule", c.arn("rule/"+in.Rule))
	b.mu.Lock()
	defer b.mu.Unlock()
	r, err := b.rule(in.Rule)
	if err != nil {
		return nil, err
	}
	r.targets = slices.DeleteFunc(r.targets, func(t eventTarget) bool { return slices.Contains(in.IDs, t.ID) })
	return map[string]any{"FailedEntryCount": 0, "FailedEntries": []any{}}, nil
}

func (b *eventBus) listTargets(_ context.Context, c *call) (any, error) {
	var in ruleInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r, err := b.rule(in.Rule)
	if err != nil {
		return nil, err
	}
	return map[string]any{"Targets": append([]eventTarget{}, r.targets...)}, nil
}

// An envelope is what EventBridge puts around an event, its members in AWS's
// order.
type envelope struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

func (b *eventBus) putEvents(_ context.Context, c *call) (any, error) {
	var in struct {
		Entries []struct {
			Source, DetailType, Detail string
			Time                       timestamp
			Resources                  []string
		}
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.Entries) < 1 || len(in.Entries) > maxPutEvents {
		return nil, failf("ValidationException", "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length from 1 to %d", maxPutEvents)
	}
	entries, failed := []any{}, 0
	for _, e := range in.Entries {
		if e.Source == "" || e.DetailType == "" || !strings.HasPrefix(strings.TrimSpace(e.Detail), "{") || !json.Valid([]byte(e.Detail)) || strings.HasPrefix(e.Source, "aws.") {
			failed++
			entries = append(entries, map[string]string{"ErrorCode": "MalformedDetail", "ErrorMessage": "Source, DetailType and a Detail that is a JSON object are required."})
			continue
		}
		at := e.Time.Time
		if at.IsZero() {
			at = c.Time
		}
		out := envelope{"0", newUUID(), e.DetailType, e.Source, c.Account, at.UTC().Format(eventTimeFormat), c.Region, append([]string{}, e.Resources...), json.RawMessage(e.Detail)}
		b.publish(out, false, 0)
		entries = append(entries, map[string]string{"EventId": out.ID})
	}
	return map[string]any{"FailedEntryCount": failed, "Entries": entries}, nil
}

// publish hands an event to every rule that wants it, after a delay. What only
// reads goes to those rules only that ask for all management events. Trouble may
// deliver it twice.
func (b *eventBus) publish(e envelope, reads bool, delay time.Duration) {
	b.mu.Lock()
	idle := len(b.rules) == 0
	b.mu.Unlock()
	if idle {
		return
	}
	text, err := encodeJSON(e)
	if err != nil {
		b.s.log.Error("an event cannot be encoded", "type", e.DetailType, "err", err)
		return
	}
	var decoded map[string]any
	if json.Unmarshal(text, &decoded) != nil {
		return // it was just encoded
	}
	b.mu.Lock()
	var targets []eventTarget
	for _, r := range b.rules {
		if r.state != "DISABLED" && (!reads || r.state == everyManagement) && r.pattern.matches(decoded) {
			targets = append(targets, r.targets...)
		}
	}
	b.mu.Unlock()
	for _, t := range targets {
		times := 1
		if b.s.trouble.repeat("events") {
			times = 2
		}
		for range times {
			if err := b.send(e, t, string(text), delay); err != nil {
				b.s.log.Warn("an event was not delivered", "target", t.ARN, "err", err)
			}
		}
	}
}

// send delivers to one target of the place.
func (b *eventBus) send(e envelope, t eventTarget, text string, delay time.Duration) error {
	where := place{e.Account, e.Region}
	switch vendor(t.ARN) {
	case "sqs":
		q := b.queues.byARN(t.ARN)
		if q == nil {
			return fmt.Errorf("no queue %s", t.ARN)
		}
		return q.add(&message{id: newUUID(), body: text, sender: "events.amazonaws.com", sent: b.s.now()}, delay)
	case "logs":
		_, group, _ := strings.Cut(strings.TrimSuffix(t.ARN, ":*"), ":log-group:")
		now := b.s.now()
		at := now.UnixMilli()
		return b.s.logs.at(where).deliver(e.Account, now, delay, group, e.ID, []inputLogEvent{{&at, text}})
	}
	if !b.s.deliveries.at(where).take(t.ARN, []byte(text+"\n")) {
		return fmt.Errorf("no delivery stream %s", t.ARN)
	}
	return nil
}

// bridge publishes a CloudTrail record.
func (s *Server) bridge(r recorded) {
	kind := "AWS API Call via CloudTrail"
	switch r.EventType {
	case "AwsConsoleSignIn":
		kind = "AWS Console Sign In via CloudTrail"
	case "AwsServiceEvent":
		kind = "AWS Service Event via CloudTrail"
	}
	e := envelope{
		"0", newUUID(), kind, "aws." + strings.TrimSuffix(r.EventSource, ".amazonaws.com"), r.RecipientAccountID,
		r.EventTime, r.Region,
		[]string{},
		r.raw,
	}
	if r.EventCategory == "Insight" {
		e.DetailType, e.Source, e.Time = "AWS Insight via CloudTrail", "aws.cloudtrail", r.at.Format(eventTimeFormat)
	}
	s.events.at(place{r.RecipientAccountID, r.Region}).publish(e, r.ReadOnly, max(r.visible.Sub(r.at), 0))
}
