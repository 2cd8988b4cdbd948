package localaws

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
)

// control sends a request to the stand-in itself and returns its status.
func control(t *testing.T, s *Server, method, path, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.Endpoint()+controlPath+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "Mozilla/5.0")
	resp, err := client(t, s, "").HTTPClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func TestSigninIsRecordedAsAWSRecordsIt(t *testing.T) {
	s := start(t, Options{Region: "eu-central-1", Account: "999988887777"})
	if status := control(t, s, "POST", "signin", `{"user":"root","mfa":false,"source_ip":"198.51.100.7"}`); status != http.StatusNoContent {
		t.Fatalf("the sign-in was answered %d", status)
	}
	events := lookup(t, s)
	if len(events) != 1 {
		t.Fatalf("%d events, want the sign-in", len(events))
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(*events[0].CloudTrailEvent), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"eventVersion": "1.11", "eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin",
		"eventType": "AwsConsoleSignIn", "awsRegion": "us-east-1", "sourceIPAddress": "198.51.100.7",
		"userAgent": "Mozilla/5.0", "requestParameters": nil, "readOnly": false, "managementEvent": true,
		"responseElements": map[string]any{"ConsoleLogin": "Success"},
		"additionalEventData": map[string]any{
			"LoginTo": "https://console.aws.amazon.com/console/home", "MobileVersion": "No", "MFAUsed": "No",
		},
		"userIdentity": map[string]any{
			"type": "Root", "principalId": "999988887777", "arn": "arn:aws:iam::999988887777:root", "accountId": "999988887777",
		},
		"recipientAccountId": "999988887777", "eventCategory": "Management",
		"eventID": got["eventID"], "eventTime": got["eventTime"],
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the event (-want +got):\n%s", d)
	}
}

func TestControl(t *testing.T) {
	s := start(t, Options{})
	for _, tt := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "health", "", http.StatusOK},
		{"POST", "drain", "", http.StatusNoContent},
		{"POST", "signin", `{"user":"alice","mfa":true}`, http.StatusNoContent},
		{"POST", "signin", `{}`, http.StatusBadRequest},
		{"POST", "signin", `?`, http.StatusBadRequest},
		{"GET", "signin", "", http.StatusNotFound},
	} {
		if got := control(t, s, tt.method, tt.path, tt.body); got != tt.want {
			t.Errorf("%s %s %s answered %d, want %d", tt.method, tt.path, tt.body, got, tt.want)
		}
	}
}

func TestDeniedActionsAreRefusedInEachProtocol(t *testing.T) {
	s := start(t, Options{Deny: []string{
		"sts:GetCallerIdentity", "sqs:GetQueueUrl", "sns:CreateTopic", "s3:ListBuckets", "dynamodb:DescribeTable", "cloudtrail:LookupEvents",
	}})
	ctx, cfg := t.Context(), client(t, s, "AKIDCALLER")
	_, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	wantCode(t, err, "AccessDenied")
	_, err = sqs.NewFromConfig(cfg).GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("x")})
	wantCode(t, err, "AccessDenied")
	_, err = sns.NewFromConfig(cfg).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("x")})
	wantCode(t, err, "AuthorizationError")
	_, err = s3.NewFromConfig(cfg).ListBuckets(ctx, &s3.ListBucketsInput{})
	wantCode(t, err, "AccessDenied")
	_, err = dynamodb.NewFromConfig(cfg).DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("x")})
	wantCode(t, err, "AccessDeniedException")
	_, err = cloudtrail.NewFromConfig(cfg).LookupEvents(ctx, &cloudtrail.LookupEventsInput{})
	wantCode(t, err, "AccessDeniedException")
}

func TestUnknownOperationsAreRefusedInEachProtocol(t *testing.T) {
	s := start(t, Options{})
	ctx, cfg := t.Context(), client(t, s, "AKIDCALLER")
	_, err := sts.NewFromConfig(cfg).GetSessionToken(ctx, &sts.GetSessionTokenInput{})
	wantCode(t, err, "InvalidAction")
	_, err = sqs.NewFromConfig(cfg).ListQueues(ctx, &sqs.ListQueuesInput{})
	wantCode(t, err, "UnknownOperationException")
	_, err = dynamodb.NewFromConfig(cfg).ListTables(ctx, &dynamodb.ListTablesInput{})
	wantCode(t, err, "UnknownOperationException")
}

func TestDispatchSurvivesMalformedRequests(t *testing.T) {
	s := start(t, Options{})
	for _, tt := range []struct {
		name   string
		header map[string]string
		path   string
		body   string
		want   int
	}{
		{"an unknown target", map[string]string{"X-Amz-Target": "Nothing.Here"}, "/", "{}", 400},
		{"a target without a dot", map[string]string{"X-Amz-Target": "Nothing"}, "/", "{}", 400},
		{"no JSON", map[string]string{"X-Amz-Target": "DynamoDB_20120810.PutItem"}, "/", "{", 400},
		{"no form", map[string]string{"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sts/aws4_request"}, "/", "%", 400},
		{"no action", map[string]string{"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sts/aws4_request"}, "/", "", 400},
		{"a short credential", map[string]string{"Authorization": "AWS4-HMAC-SHA256 Credential=a/b"}, "/x/y", "", 404},
		{"a bucket by DELETE of the root", nil, "/", "", 501},
		{"too much", map[string]string{"X-Amz-Target": "DynamoDB_20120810.PutItem"}, "/", strings.Repeat(" ", maxBody+1), 413},
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, tt.path, strings.NewReader(tt.body))
		if tt.want == 404 {
			req.Method = http.MethodGet
		}
		for k, v := range tt.header {
			req.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		if w.Code != tt.want {
			t.Errorf("%s was answered %d, want %d: %s", tt.name, w.Code, tt.want, w.Body)
		}
	}
}

func TestPresignedRequestsShowTheirKey(t *testing.T) {
	s := start(t, Options{})
	objects := newTestBucket(t, s, "a")
	signed, err := s3.NewPresignClient(objects).PresignGetObject(t.Context(), &s3.GetObjectInput{
		Bucket: aws.String("receipts"), Key: aws.String("a"),
	})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), signed.Method, signed.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client(t, s, "").HTTPClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "content of a" {
		t.Errorf("the object is %q, %v", body, err)
	}
	for _, ev := range trailEvents(t, s) {
		if ev.EventName == "GetObject" && ev.UserIdentity.AccessKeyID != "AKIDWRITER" {
			t.Errorf("the download was made by %+v", ev.UserIdentity)
		}
	}
}
