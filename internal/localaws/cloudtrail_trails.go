package localaws

import (
	"context"
	"time"
)

// trailARN names the one trail, which lives in the stand-in's home region.
func (t *trail) arn() string {
	return "arn:aws:cloudtrail:" + t.s.region + ":" + t.s.account + ":trail/" + trailName
}

func (t *trail) describeTrails(_ context.Context, _ *call) (any, error) {
	return map[string]any{"trailList": []any{t.description()}}, nil
}

func (t *trail) description() map[string]any {
	set := t.settings()
	out := map[string]any{
		"Name": trailName, "S3BucketName": t.bucket, "IncludeGlobalServiceEvents": true,
		"IsMultiRegionTrail": true, "HomeRegion": t.s.region, "TrailARN": t.arn(),
		"LogFileValidationEnabled": set.validated, "HasCustomEventSelectors": true,
		"HasInsightSelectors": len(set.insights) > 0, "IsOrganizationTrail": len(t.s.members) > 1,
	}
	if set.logGroup != "" {
		out["CloudWatchLogsLogGroupArn"] = "arn:aws:logs:" + t.s.region + ":" + t.s.account + ":log-group:" + set.logGroup + ":*"
		out["CloudWatchLogsRoleArn"] = set.logRole
	}
	return out
}

func (t *trail) status(_ context.Context, c *call) (any, error) {
	var in struct{ Name string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := t.check(in.Name); err != nil {
		return nil, err
	}
	return t.settings().status(), nil
}

// status is what GetTrailStatus says. Members that have two spellings are there
// in both, and the older one is "" where there is nothing to say.
func (s trailSettings) status() map[string]any {
	out := map[string]any{"IsLogging": !s.stopped, "LatestNotificationAttemptTime": "", "LatestNotificationAttemptSucceeded": ""}
	for _, m := range []struct {
		at     time.Time
		number string
		texts  []string
	}{
		{s.started, "StartLoggingTime", []string{"TimeLoggingStarted"}},
		{s.ended, "StopLoggingTime", []string{"TimeLoggingStopped"}},
		{s.delivered, "LatestDeliveryTime", []string{"LatestDeliveryAttemptTime", "LatestDeliveryAttemptSucceeded"}},
		{s.digested, "LatestDigestDeliveryTime", nil},
		{s.logged, "LatestCloudWatchLogsDeliveryTime", nil},
	} {
		text := ""
		if !m.at.IsZero() {
			out[m.number], text = timestamp{m.at}, m.at.UTC().Format(eventTimeFormat)
		}
		for _, name := range m.texts {
			out[name] = text
		}
	}
	return out
}

// eventSelectors says which data events the files hold.
func (t *trail) eventSelectors(_ context.Context, c *call) (any, error) {
	var in struct{ TrailName string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := t.check(in.TrailName); err != nil {
		return nil, err
	}
	type field map[string]any
	selectors := []any{map[string]any{
		"Name":           "management events",
		"FieldSelectors": []field{{"Field": "eventCategory", "Equals": []string{"Management"}}},
	}}
	for _, kind := range []string{"AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::S3::Object"} {
		fields := []field{
			{"Field": "eventCategory", "Equals": []string{"Data"}},
			{"Field": "resources.type", "Equals": []string{kind}},
		}
		if kind == "AWS::S3::Object" {
			fields = append(fields, field{"Field": "resources.ARN", "NotStartsWith": []string{"arn:aws:s3:::" + t.bucket + "/"}})
		}
		selectors = append(selectors, map[string]any{"Name": kind, "FieldSelectors": fields})
	}
	return map[string]any{"TrailARN": t.arn(), "AdvancedEventSelectors": selectors}, nil
}

func (t *trail) check(name string) error {
	if name != trailName && name != t.arn() {
		return failf("TrailNotFoundException", "Unknown trail: %s for the user: %s", name, t.s.account)
	}
	return nil
}
