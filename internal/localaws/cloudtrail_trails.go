package localaws

import (
	"context"
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
	set := t.settings()
	out := map[string]any{"IsLogging": !set.stopped}
	switch {
	case set.changed.IsZero():
	case set.stopped:
		out["StopLoggingTime"] = timestamp{set.changed}
	default:
		out["StartLoggingTime"] = timestamp{set.changed}
	}
	return out, nil
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
