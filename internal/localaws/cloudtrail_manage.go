package localaws

import (
	"context"
	"strings"
	"time"
)

// trailSettings are what can be changed of the one trail. The trail's lock
// guards them.
type trailSettings struct {
	stopped   bool // StopLogging: no files, no log events, nothing for EventBridge
	validated bool // digest files say which files were delivered
	logGroup  string
	logRole   string
	insights  []string // InsightType
	// When it was last started and stopped, delivered a file, a digest and an event
	// to its log group; zero: never.
	started, ended, delivered, digested, logged time.Time
}

// settings is a copy of what is set.
func (t *trail) settings() trailSettings {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.set
}

func (t *trail) startLogging(_ context.Context, c *call) (any, error) { return t.setLogging(c, true) }

func (t *trail) stopLogging(_ context.Context, c *call) (any, error) { return t.setLogging(c, false) }

// setLogging is StartLogging and StopLogging. The event history of LookupEvents
// goes on without the trail.
func (t *trail) setLogging(c *call, on bool) (any, error) {
	var in struct{ Name string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.touch("AWS::CloudTrail::Trail", t.arn())
	if err := t.manages(c, in.Name); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.set.stopped = !on; on {
		t.set.started = c.Time
	} else {
		t.set.ended = c.Time
	}
	return nil, nil
}

// manages checks a trail's name, and that it is the caller's to change.
func (t *trail) manages(c *call, name string) error {
	if err := t.check(name); err != nil {
		return err
	}
	switch {
	case c.Account != t.s.account:
		return failf("NotOrganizationMasterAccountException", "You are not allowed to modify the organization's trail from a member account.")
	case c.Region != t.s.region:
		return failf("InvalidHomeRegionException", "The trail %s must be updated from its home region %s.", trailName, t.s.region)
	}
	return nil
}

// update is UpdateTrail, which here changes the log group that the trail
// delivers to, "" as in AWS leaving it as it is, and whether there are digests.
func (t *trail) update(_ context.Context, c *call) (any, error) {
	var in struct {
		Name                      string
		CloudWatchLogsLogGroupARN string `json:"CloudWatchLogsLogGroupArn"`
		CloudWatchLogsRoleARN     string `json:"CloudWatchLogsRoleArn"`
		EnableLogFileValidation   *bool
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.touch("AWS::CloudTrail::Trail", t.arn())
	if err := t.manages(c, in.Name); err != nil {
		return nil, err
	}
	if in.CloudWatchLogsLogGroupARN != "" {
		_, name, ok := strings.Cut(strings.TrimSuffix(in.CloudWatchLogsLogGroupARN, ":*"), ":log-group:")
		if !ok || !strings.HasPrefix(in.CloudWatchLogsLogGroupARN, "arn:aws:logs:"+t.s.region+":"+t.s.account+":") {
			return nil, failf("InvalidCloudWatchLogsLogGroupArnException", "CloudTrail cannot validate the specified log group ARN.")
		}
		if in.CloudWatchLogsRoleARN == "" {
			return nil, failf("InvalidCloudWatchLogsRoleArnException", "CloudTrail cannot validate the specified role ARN.")
		}
		t.mu.Lock()
		t.set.logGroup, t.set.logRole = name, in.CloudWatchLogsRoleARN
		t.mu.Unlock()
	}
	if in.EnableLogFileValidation != nil {
		t.mu.Lock()
		t.set.validated = *in.EnableLogFileValidation
		t.mu.Unlock()
	}
	out := t.description()
	delete(out, "HomeRegion")
	delete(out, "HasCustomEventSelectors")
	delete(out, "HasInsightSelectors")
	return out, nil
}

// toLogs sends an event to the trail's log group.
func (t *trail) toLogs(set trailSettings, r recorded) {
	if set.logGroup == "" {
		return
	}
	at := r.at.UnixMilli()
	stream := r.RecipientAccountID + "_CloudTrail_" + r.Region
	home := place{t.s.account, t.s.region}
	err := t.s.logs.at(home).deliver(t.s.account, r.at, max(r.visible.Sub(r.at), 0), set.logGroup, stream,
		[]inputLogEvent{{&at, string(r.raw)}})
	if err != nil {
		t.s.log.Error("an event cannot be delivered to the trail's log group", "group", set.logGroup, "err", err)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.visible.After(t.set.logged) {
		t.set.logged = r.visible
	}
}

// insightTypes are what PutInsightSelectors takes.
var insightTypes = map[string]bool{"ApiCallRateInsight": true, "ApiErrorRateInsight": true}

type insightSelector struct{ InsightType string }

func (t *trail) putInsightSelectors(_ context.Context, c *call) (any, error) {
	var in struct {
		TrailName        string
		InsightSelectors []insightSelector
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.touch("AWS::CloudTrail::Trail", t.arn())
	if err := t.manages(c, in.TrailName); err != nil {
		return nil, err
	}
	var types []string
	for _, s := range in.InsightSelectors {
		if !insightTypes[s.InsightType] {
			return nil, failf("InvalidInsightSelectorsException", "The insight type %s is not valid.", s.InsightType)
		}
		types = append(types, s.InsightType)
	}
	t.mu.Lock()
	t.set.insights = types
	t.mu.Unlock()
	return t.selectors(types), nil
}

func (t *trail) selectors(types []string) map[string]any {
	selectors := make([]insightSelector, len(types))
	for i, s := range types {
		selectors[i] = insightSelector{s}
	}
	return map[string]any{"TrailARN": t.arn(), "InsightSelectors": selectors}
}

func (t *trail) getInsightSelectors(_ context.Context, c *call) (any, error) {
	var in struct{ TrailName string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := t.check(in.TrailName); err != nil {
		return nil, err
	}
	types := t.settings().insights
	if len(types) == 0 {
		return nil, failf("InsightNotEnabledException", "Trail %s does not have Insights enabled. Edit the trail settings to enable Insights, and then try the operation again.", t.arn())
	}
	return t.selectors(types), nil
}
