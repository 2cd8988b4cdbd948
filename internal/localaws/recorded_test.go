package localaws

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

// snapshot is what AWS answered in a step of a recorded test.
func snapshot(t *testing.T, file, test, step string) json.RawMessage {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(corpus(t, "localstack-aws-snapshots"), file+".snapshot.json"))
	if err != nil {
		t.Fatal(err)
	}
	var tests map[string]struct {
		Content map[string]json.RawMessage `json:"recorded-content"`
	}
	if err := json.Unmarshal(body, &tests); err != nil {
		t.Fatal(err)
	}
	for name, recorded := range tests {
		if strings.HasSuffix(name, "::"+test) && recorded.Content[step] != nil {
			return recorded.Content[step]
		}
	}
	t.Fatalf("%s has no step %s of %s", file, step, test)
	return nil
}

// placeholders are what the recorder put for what differs from run to run.
var placeholders = regexp.MustCompile(`<[^>]+>|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b\d{12}\b`)

// TestErrorsHaveTheCodesAndTextsThatAWSRecorded makes the calls of tests that
// were recorded on AWS.
func TestErrorsHaveTheCodesAndTextsThatAWSRecorded(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a")
	rawJSON(t, s.Server, "Kinesis_20131202.CreateStream", `{"StreamName":"logs"}`, nil)
	group, long, ctx := aws.String(testGroup), strings.Repeat("a", 513), t.Context()
	now := time.Now().UnixMilli()
	put := func(group, stream string, times ...int64) error {
		in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream}
		for _, at := range times {
			in.LogEvents = append(in.LogEvents, types.InputLogEvent{Timestamp: &at, Message: aws.String("m")})
		}
		_, err := s.logs.PutLogEvents(ctx, in)
		return err
	}
	filter := func(in cloudwatchlogs.FilterLogEventsInput) error {
		in.LogGroupName = group
		_, err := s.logs.FilterLogEvents(ctx, &in)
		return err
	}
	get := func(in cloudwatchlogs.GetLogEventsInput) error {
		in.LogGroupName, in.LogStreamName = group, aws.String("a")
		_, err := s.logs.GetLogEvents(ctx, &in)
		return err
	}
	create := func(name string) error {
		_, err := s.logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name})
		return err
	}
	subscribe := func(name, destination, role string) error {
		in := &cloudwatchlogs.PutSubscriptionFilterInput{LogGroupName: group, FilterName: &name, FilterPattern: aws.String(""), DestinationArn: &destination}
		if role != "" {
			in.RoleArn = &role
		}
		_, err := s.logs.PutSubscriptionFilter(ctx, in)
		return err
	}
	unsubscribe := func(group, name string) error {
		_, err := s.logs.DeleteSubscriptionFilter(ctx, &cloudwatchlogs.DeleteSubscriptionFilterInput{LogGroupName: &group, FilterName: &name})
		return err
	}
	assume := func(arn, session string) error {
		_, err := sts.NewFromConfig(client(t, s.Server, BootstrapKey)).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: &session})
		return err
	}
	const stream = "arn:aws:kinesis:us-east-1:111122223333:stream/logs"
	for _, name := range []string{"one", "two"} {
		if err := subscribe(name, stream, "arn:aws:iam::111122223333:role/r"); err != nil {
			t.Fatal(err)
		}
	}
	const logs = "logs__test_logs_"
	for _, tt := range []struct {
		file, test, step string
		err              error
	}{
		{logs + "filter_events", "test_filter_log_events_limit_validation", "error-limit-exceeded", filter(cloudwatchlogs.FilterLogEventsInput{Limit: aws.Int32(10001)})},
		{logs + "filter_events", "test_filter_log_events_unknown_token", "invalid-token", filter(cloudwatchlogs.FilterLogEventsInput{NextToken: aws.String("invalid")})},
		{logs + "events", "test_put_log_events_to_invalid_stream", "error-invalid-stream", put(testGroup, "invalid", now)},
		{logs + "events", "test_put_log_events_wrong_order", "error-wrong-order", put(testGroup, "a", now, now-1000)},
		{logs + "events", "test_get_log_events_invalid_token", "error-invalid-token", get(cloudwatchlogs.GetLogEventsInput{NextToken: aws.String("n/00000000000000000000000000000000000000000000000000000000")})},
		{logs + "events", "test_get_log_events_limit_validation", "error-limit-exceeded", get(cloudwatchlogs.GetLogEventsInput{Limit: aws.Int32(10001)})},
		{logs + "events", "test_resource_does_not_exist", "error-log-group-does-not-exist", put("doesnotexist", "a", now)},
		{logs + "events", "test_resource_does_not_exist", "error-log-stream-does-not-exist", put(testGroup, "doesnotexist", now)},
		{logs + "groups", "test_create_log_group_duplicate_error", "error-duplicate-log-group", create(testGroup)},
		{logs + "groups", "test_create_log_group_invalid_name_length", "error-invalid-name-length", create(long)},
		{logs + "groups", "test_describe_log_groups_prefix_and_pattern_error", "error-prefix-and-pattern", func() error {
			_, err := s.logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: group, LogGroupNamePattern: group})
			return err
		}()},
		{logs + "streams", "test_create_log_stream_duplicate_error", "error-duplicate-log-stream", func() error {
			_, err := s.logs.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: aws.String("a")})
			return err
		}()},
		{logs + "streams", "test_describe_log_streams_with_log_group_identifier", "error-both-name-and-identifier", func() error {
			_, err := s.logs.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group, LogGroupIdentifier: group})
			return err
		}()},
		{logs + "queries", "test_start_query_log_group_not_found", "error-log-group-not-found", func() error {
			_, err := s.logs.StartQuery(ctx, &cloudwatchlogs.StartQueryInput{LogGroupName: aws.String("none"), QueryString: aws.String("fields @message"), StartTime: aws.Int64(1), EndTime: aws.Int64(2)})
			return err
		}()},
		{logs + "subscription_filters", "test_describe_subscription_filters_log_group_not_found", "error-log-group-not-found", func() error {
			_, err := s.logs.DescribeSubscriptionFilters(ctx, &cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: aws.String("none")})
			return err
		}()},
		{logs + "subscription_filters", "test_put_subscription_filter_limit_exceeded", "error-limit-exceeded", subscribe("three", stream, "arn:aws:iam::111122223333:role/r")},
		{logs + "subscription_filters", "test_delete_subscription_filter_errors", "error-log-group-not-found", unsubscribe("none", "one")},
		{logs + "subscription_filters", "test_delete_subscription_filter_errors", "error-filter-not-found", unsubscribe(testGroup, "none")},
		{logs + "subscription_filters", "test_put_subscription_filter_errors", "error-lambda-not-found", subscribe("one", "arn:aws:lambda:us-east-1:000000000000:function:none", "")},
		{logs + "subscription_filters", "test_put_subscription_filter_errors", "error-kinesis-not-found", subscribe("one", stream, "")},
		{"sts__test_sts", "test_sts_invalid_parameters", "malformed-arn", assume("nothing-valid-in-here", "Session1")},
		{"sts__test_sts", "test_sts_invalid_parameters", "no-partition", assume("arn::b:::something/test-role", "Session1")},
		{"sts__test_sts", "test_sts_invalid_parameters", "no-service", assume("arn:a::::something/test-role", "Session1")},
		{"sts__test_sts", "test_sts_invalid_parameters", "not-enough-colons", assume("arn:a:::something/test-role", "Session1")},
		{"sts__test_sts", "test_sts_invalid_parameters", "no-resource", assume("arn:a:a::aaaaaaaaaa:", "Session1")},
		{"sts__test_sts", "test_sts_invalid_parameters", "invalid-session-name", assume("arn:aws:iam::111122223333:role/muster-x", "Session1:2")},
	} {
		t.Run(tt.test+" "+tt.step, func(t *testing.T) {
			var recorded struct {
				Error struct{ Code, Message string }
			}
			if err := json.Unmarshal(snapshot(t, tt.file, tt.test, tt.step), &recorded); err != nil {
				t.Fatal(err)
			}
			var e smithy.APIError
			if !errors.As(tt.err, &e) {
				t.Fatalf("the call's error is %v", tt.err)
			}
			want := recorded.Error.Code + ": " + placeholders.ReplaceAllString(recorded.Error.Message, "…")
			got := e.ErrorCode() + ": " + placeholders.ReplaceAllString(strings.ReplaceAll(e.ErrorMessage(), "'none'", "'<log-group>'"), "…")
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-recorded +ours):\n%s", d)
			}
		})
	}
}

// shape is a JSON value as the kinds of what is in it. The recorder put texts for
// numbers that differ from run to run.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if v["__class__"] == "datetime" {
			return "scalar"
		}
		out := map[string]any{}
		for k, m := range v {
			if k != "ResponseMetadata" {
				out[k] = shape(m)
			}
		}
		return out
	case []any:
		if len(v) == 0 {
			return "empty"
		}
		return shape(v[0])
	case bool:
		return "bool"
	}
	return "scalar"
}

// TestAnswersHaveTheMembersThatAWSRecorded compares whole answers, raw, by what
// they hold and not by the values.
func TestAnswersHaveTheMembersThatAWSRecorded(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a")
	rawJSON(t, s.Server, "Kinesis_20131202.CreateStream", `{"StreamName":"logs"}`, nil)
	var begun struct{ QueryID string }
	rawJSON(t, s.Server, "Logs_20140328.StartQuery", `{"logGroupName":"`+testGroup+`","queryString":"fields @message","startTime":1,"endTime":2}`, &begun)
	const logs = "logs__test_logs_"
	for _, tt := range []struct{ file, test, step, target, body string }{
		{logs + "groups", "test_describe_log_groups_with_prefix", "describe-log-groups-prefix", "DescribeLogGroups", `{"logGroupNamePrefix":"/muster"}`},
		{logs + "groups", "test_create_log_group_with_tags", "list-tags-after-create", "ListTagsForResource", `{"resourceArn":"arn:aws:logs:us-east-1:111122223333:log-group:/tagged"}`},
		{logs + "streams", "test_create_and_delete_log_stream", "describe-log-streams-after-create", "DescribeLogStreams", `{"logGroupName":"` + testGroup + `"}`},
		{logs + "events", "test_put_log_events_too_old", "response-too-old", "PutLogEvents", `{"logGroupName":"` + testGroup + `","logStreamName":"a","logEvents":[{"timestamp":1000,"message":"m"}]}`},
		{logs + "events", "test_put_log_events_too_new", "response-too-new", "PutLogEvents", `{"logGroupName":"` + testGroup + `","logStreamName":"a","logEvents":[{"timestamp":9000000000000,"message":"m"}]}`},
		{logs + "queries", "test_start_query_basic", "start-query", "StartQuery", `{"logGroupName":"` + testGroup + `","queryString":"fields @message","startTime":1,"endTime":2}`},
		{logs + "queries", "test_describe_queries", "describe-queries", "DescribeQueries", `{}`},
		{logs + "queries", "test_describe_queries_with_status_filter", "describe-queries-scheduled", "DescribeQueries", `{"status":"Failed"}`},
		{logs + "subscription_filters", "test_describe_subscription_filters_empty", "describe-subscription-filters-empty", "DescribeSubscriptionFilters", `{"logGroupName":"` + testGroup + `"}`},
	} {
		t.Run(tt.test, func(t *testing.T) {
			if tt.target == "ListTagsForResource" {
				rawJSON(t, s.Server, "Logs_20140328.CreateLogGroup", `{"logGroupName":"/tagged","tags":{"env":"testing"}}`, nil)
			}
			var recorded, ours any
			if err := json.Unmarshal(snapshot(t, tt.file, tt.test, tt.step), &recorded); err != nil {
				t.Fatal(err)
			}
			rawJSON(t, s.Server, "Logs_20140328."+tt.target, tt.body, &ours)
			if d := cmp.Diff(shape(recorded), shape(ours)); d != "" {
				t.Errorf("members (-recorded +ours):\n%s", d)
			}
		})
	}
}

// TestAnswersHoldWhatAWSDocumentsInItsExamples: each member of aws-cli's examples,
// which were recorded on AWS and are older than some members of today.
func TestAnswersHoldWhatAWSDocumentsInItsExamples(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a")
	s.putMessages(t, time.Now(), "Example Event 1")
	makeQueues(t, s.Server, "q")
	signIn := `{"user":"root"}`
	if status := control(t, s.Server, "POST", "signin", signIn); status != 204 {
		t.Fatalf("the sign-in was answered %d", status)
	}
	rawJSON(t, s.Server, "StarlingDoveService.PutConfigRule", `{"ConfigRule":{"ConfigRuleName":"r","Description":"d","InputParameters":"{}","Scope":{"ComplianceResourceTypes":["AWS::SQS::Queue"]},"Source":{"Owner":"CUSTOM_LAMBDA","SourceIdentifier":"arn:aws:lambda:us-east-1:111122223333:function:f","SourceDetails":[{"EventSource":"aws.config","MessageType":"ConfigurationItemChangeNotification"}]}}}`, nil)
	rawJSON(t, s.Server, "StarlingDoveService.PutEvaluations", `{"ResultToken":"r","Evaluations":[{"ComplianceResourceType":"AWS::SQS::Queue","ComplianceResourceId":"q","ComplianceType":"NON_COMPLIANT","OrderingTimestamp":1450314635.065}]}`, nil)
	s.send(t, document(testTrace(1), "00000000000000aa", 100, `"end_time":200`))
	for _, set := range []struct{ target, body string }{
		{"Logs_20140328.PutRetentionPolicy", `{"logGroupName":"` + testGroup + `","retentionInDays":5}`},
		{"StarlingDoveService.PutDeliveryChannel", `{"DeliveryChannel":{"name":"default","s3BucketName":"` + DefaultTrailBucket + `","snsTopicARN":"arn:aws:sns:us-east-1:111122223333:t"}}`},
		{"CloudTrail_20131101.UpdateTrail", `{"Name":"muster","EnableLogFileValidation":true}`},
		{"CloudTrail_20131101.StopLogging", `{"Name":"muster"}`},
		{"CloudTrail_20131101.StartLogging", `{"Name":"muster"}`},
	} {
		rawJSON(t, s.Server, set.target, set.body, nil)
	}
	s.Drain()
	for _, tt := range []struct{ example, target, body string }{
		{"logs__describe-log-streams__0", "Logs_20140328.DescribeLogStreams", `{"logGroupName":"` + testGroup + `"}`},
		{"logs__get-log-events__0", "Logs_20140328.GetLogEvents", `{"logGroupName":"` + testGroup + `","logStreamName":"a"}`},
		{"cloudtrail__lookup-events__0", "CloudTrail_20131101.LookupEvents", `{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"ConsoleLogin"}]}`},
		{"configservice__describe-config-rules__0", "StarlingDoveService.DescribeConfigRules", `{}`},
		{"configservice__describe-compliance-by-config-rule__0", "StarlingDoveService.DescribeComplianceByConfigRule", `{}`},
		{"configservice__describe-compliance-by-resource__0", "StarlingDoveService.DescribeComplianceByResource", `{"ResourceType":"AWS::SQS::Queue"}`},
		{"configservice__get-compliance-details-by-config-rule__0", "StarlingDoveService.GetComplianceDetailsByConfigRule", `{"ConfigRuleName":"r"}`},
		{"configservice__get-compliance-details-by-resource__0", "StarlingDoveService.GetComplianceDetailsByResource", `{"ResourceType":"AWS::SQS::Queue","ResourceId":"q"}`},
		{"configservice__list-discovered-resources__0", "StarlingDoveService.ListDiscoveredResources", `{"resourceType":"AWS::SQS::Queue"}`},
		{"configservice__describe-configuration-recorders__0", "StarlingDoveService.DescribeConfigurationRecorders", `{}`},
		{"configservice__describe-delivery-channels__0", "StarlingDoveService.DescribeDeliveryChannels", `{}`},
		{"configservice__deliver-config-snapshot__0", "StarlingDoveService.DeliverConfigSnapshot", `{"deliveryChannelName":"default"}`},
		{"cloudtrail__update-trail__0", "CloudTrail_20131101.UpdateTrail", `{"Name":"muster"}`},
		{"logs__describe-log-groups__0", "Logs_20140328.DescribeLogGroups", `{"logGroupNamePrefix":"` + testGroup + `"}`},
		{"xray__batch-traces-get__0", "POST /Traces", `{"TraceIds":["` + testTrace(1) + `"]}`},
		{"xray__put-trace-segments__0", "POST /TraceSegments", `{"TraceSegmentDocuments":["{}"]}`},
		{"xray__get-sampling-rules__0", "POST /GetSamplingRules", `{}`},
		{"xray__create-sampling-rule__1", "POST /CreateSamplingRule", `{"SamplingRule":{"RuleName":"base","ResourceARN":"*","Priority":9000,"FixedRate":0.1,"ReservoirSize":5,"ServiceName":"Scorekeep","ServiceType":"*","Host":"*","HTTPMethod":"*","URLPath":"*","Version":1}}`},
		{"xray__delete-sampling-rule__0", "POST /DeleteSamplingRule", `{"RuleName":"base"}`},
		{"xray__get-sampling-targets__0", "POST /SamplingTargets", `{"SamplingStatisticsDocuments":[{"RuleName":"Default","ClientID":"aaaaaaaaaaaaaaaaaaaaaaaa","Timestamp":1,"RequestCount":1,"SampledCount":1}]}`},
	} {
		t.Run(tt.example, func(t *testing.T) {
			body, err := os.ReadFile(filepath.Join(corpus(t, "aws-cli-examples"), "extracted", tt.example+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var example, ours any
			if err := json.Unmarshal(body, &example); err != nil {
				t.Fatal(err)
			}
			rawJSON(t, s.Server, tt.target, tt.body, &ours)
			for _, missing := range lacks("", shape(example), shape(ours)) {
				t.Errorf("the example has %s and the answer has not", missing)
			}
		})
	}
}

// TestAnswersHoldWhatAWSAnsweredOthers does that with calls that Cloud Custodian's
// tests recorded on AWS.
func TestAnswersHoldWhatAWSAnsweredOthers(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a")
	s.putMessages(t, time.Now(), "a line")
	makeQueues(t, s.Server, "q")
	const group = `"arn:aws:logs:us-east-1:111122223333:log-group:/trail:*"`
	rawJSON(t, s.Server, "Logs_20140328.CreateLogGroup", `{"logGroupName":"/trail","tags":{"App":"a"}}`, nil)
	rawJSON(t, s.Server, "Logs_20140328.PutRetentionPolicy", `{"logGroupName":"/trail","retentionInDays":5}`, nil)
	rawJSON(t, s.Server, "CloudTrail_20131101.UpdateTrail", `{"Name":"muster","EnableLogFileValidation":true,"CloudWatchLogsLogGroupArn":`+group+`,"CloudWatchLogsRoleArn":"arn:aws:iam::111122223333:role/r"}`, nil)
	rawJSON(t, s.Server, "StarlingDoveService.PutDeliveryChannel", `{"DeliveryChannel":{"name":"default","s3BucketName":"`+DefaultTrailBucket+`","snsTopicARN":"arn:aws:sns:us-east-1:111122223333:t"}}`, nil)
	rawJSON(t, s.Server, "StarlingDoveService.PutConfigRule", `{"ConfigRule":{"ConfigRuleName":"r","Description":"d","Scope":{"ComplianceResourceTypes":["AWS::SQS::Queue"]},"Source":{"Owner":"CUSTOM_LAMBDA","SourceIdentifier":"arn:aws:lambda:us-east-1:111122223333:function:f","SourceDetails":[{"EventSource":"aws.config","MessageType":"ConfigurationItemChangeNotification"}]}}}`, nil)
	rawJSON(t, s.Server, "StarlingDoveService.PutEvaluations", `{"ResultToken":"r","Evaluations":[{"ComplianceResourceType":"AWS::SQS::Queue","ComplianceResourceId":"q","ComplianceType":"NON_COMPLIANT","OrderingTimestamp":1700000000,"Annotation":"a"}]}`, nil)
	makeQueues(t, s.Server, "digested")
	s.Drain()
	for _, tt := range []struct{ recording, target, body string }{
		{"test_account_trail__cloudtrail.GetTrailStatus_1", "CloudTrail_20131101.GetTrailStatus", `{"Name":"muster"}`},
		{"test_cloudtrail_fail_regex_log_metric_filter__cloudtrail.GetTrailStatus_1", "CloudTrail_20131101.GetTrailStatus", `{"Name":"muster"}`},
		{"test_cloudtrail_fail_regex_log_metric_filter__cloudtrail.DescribeTrails_1", "CloudTrail_20131101.DescribeTrails", `{}`},
		{"test_cloudtrail_update__cloudtrail.UpdateTrail_1", "CloudTrail_20131101.UpdateTrail", `{"Name":"muster"}`},
		{"test_config_rule_delete__config.DescribeConfigRules_1", "StarlingDoveService.DescribeConfigRules", `{}`},
		{"test_rest_stage_config_id__config.GetComplianceDetailsByConfigRule_1", "StarlingDoveService.GetComplianceDetailsByConfigRule", `{"ConfigRuleName":"r"}`},
		{"test_ebs_health_events_filter__config.GetResourceConfigHistory_1", "StarlingDoveService.GetResourceConfigHistory", `{"resourceType":"AWS::SQS::Queue","resourceId":"` + s.Endpoint() + `/111122223333/q"}`},
		{"test_log_group_rename_tag__logs.DescribeLogGroups_1", "Logs_20140328.DescribeLogGroups", `{"logGroupNamePrefix":"/trail"}`},
		{"test_query_pagination_retry__logs.DescribeLogGroups_1", "Logs_20140328.DescribeLogGroups", `{"limit":1}`},
		{"test_log_group_rename_tag__logs.ListTagsForResource_1", "Logs_20140328.ListTagsForResource", `{"resourceArn":"arn:aws:logs:us-east-1:111122223333:log-group:/trail"}`},
		{"test_log_time_flush__logs.PutLogEvents_1", "Logs_20140328.PutLogEvents", `{"logGroupName":"` + testGroup + `","logStreamName":"a","logEvents":[{"timestamp":9000000000000,"message":"m"}]}`},
		{"test_account_config_global__config.DescribeConfigurationRecorders_1", "StarlingDoveService.DescribeConfigurationRecorders", `{}`},
		{"test_account_config_global__config.DescribeDeliveryChannels_1", "StarlingDoveService.DescribeDeliveryChannels", `{}`},
		{"test_config_recorder_toggle_stop__config.DescribeConfigurationRecorderStatus_1", "StarlingDoveService.DescribeConfigurationRecorderStatus", `{}`},
		{"test_kinesis_hose_query__firehose.ListDeliveryStreams_1", "Firehose_20150804.ListDeliveryStreams", `{}`},
		{"test_appelb_config_event__config.PutEvaluations_1", "StarlingDoveService.PutEvaluations", `{"ResultToken":"r","Evaluations":[]}`},
		{"test_rdscluster_snapshot_config__config.ListDiscoveredResources_1", "StarlingDoveService.ListDiscoveredResources", `{"resourceType":"AWS::SQS::Queue"}`},
		{"test_rdscluster_snapshot_config__config.SelectResourceConfig_1", "StarlingDoveService.SelectResourceConfig", `{"Expression":"SELECT resourceId WHERE resourceType = 'AWS::SQS::Queue'"}`},
		{"test_logs_from_group__logs.GetLogEvents_1", "Logs_20140328.GetLogEvents", `{"logGroupName":"` + testGroup + `","logStreamName":"a"}`},
		{"test_logs_from_group__logs.DescribeLogStreams_1", "Logs_20140328.DescribeLogStreams", `{"logGroupName":"` + testGroup + `"}`},
		{"test_log_time_flush__logs.CreateLogGroup_1", "Logs_20140328.CreateLogGroup", `{"logGroupName":"/recorded"}`},
		{"output-xray-trace__xray.PutTraceSegments_1", "POST /TraceSegments", `{"TraceSegmentDocuments":["{}"]}`},
	} {
		t.Run(tt.recording, func(t *testing.T) {
			body, err := os.ReadFile(filepath.Join(corpus(t, "custodian"), "api-recordings", tt.recording+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var recorded struct{ Data any }
			if err := json.Unmarshal(body, &recorded); err != nil {
				t.Fatal(err)
			}
			var ours any
			rawJSON(t, s.Server, tt.target, tt.body, &ours)
			for _, missing := range lacks("", shape(recorded.Data), shape(ours)) {
				t.Errorf("AWS answered %s and we do not", missing)
			}
		})
	}
}

// lacks are the members of one shape that another one has not.
func lacks(path string, want, got any) (missing []string) {
	wanted, ok := want.(map[string]any)
	if !ok {
		return nil
	}
	found, _ := got.(map[string]any)
	for name, inner := range wanted {
		if found[name] == nil {
			missing = append(missing, path+"."+name)
			continue
		}
		missing = append(missing, lacks(path+"."+name, inner, found[name])...)
	}
	return missing
}
