package localaws

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	"github.com/aws/aws-sdk-go-v2/service/configservice/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// signedCall sends a request that is signed for a service, and returns status
// and body.
func signedCall(t *testing.T, s *Server, service, method, path, body string, header map[string]string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.Endpoint()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	sum := sha256.Sum256([]byte(body))
	req.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	err = v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: BootstrapKey, SecretAccessKey: BootstrapSecret},
		req, hex.EncodeToString(sum[:]), service, DefaultRegion, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client(t, s, "").HTTPClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

func iamCall(t *testing.T, s *Server, action string, params url.Values) (int, string) {
	t.Helper()
	params.Set("Action", action)
	params.Set("Version", "2010-05-08")
	return signedCall(t, s, "iam", http.MethodPost, "/", params.Encode(), map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
}

func kmsCall(t *testing.T, s *Server, operation, body string) (int, string) {
	t.Helper()
	return signedCall(t, s, "kms", http.MethodPost, "/", body, map[string]string{
		"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService." + operation,
	})
}

// eventsNamed are the events of a name that the trail knows.
func eventsNamed(ctx context.Context, t *testing.T, s *Server, name string) []map[string]any {
	t.Helper()
	s.Drain()
	got, err := cloudtrail.NewFromConfig(client(t, s, BootstrapKey)).LookupEvents(ctx, &cloudtrail.LookupEventsInput{})
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	for _, e := range got.Events {
		if *e.EventName != name {
			continue
		}
		var event map[string]any
		if err := json.Unmarshal([]byte(*e.CloudTrailEvent), &event); err != nil {
			t.Fatal(err)
		}
		out = append(out, event)
	}
	return out
}

func TestUsersGetKeysAndPolicies(t *testing.T) {
	s := start(t, Options{})
	eve := func() url.Values { return url.Values{"UserName": {"eve"}} }
	const policy = "arn:aws:iam::aws:policy/AdministratorAccess"
	attach := func() url.Values { return url.Values{"UserName": {"eve"}, "PolicyArn": {policy}} }
	for _, c := range []struct {
		action string
		params url.Values
		status int
		says   string
	}{
		{"AttachUserPolicy", attach(), 404, "NoSuchEntity"},
		{"CreateUser", eve(), 200, "arn:aws:iam::" + DefaultAccount + ":user/eve"},
		{"CreateUser", eve(), 409, "EntityAlreadyExists"},
		{"CreateAccessKey", eve(), 200, "<AccessKeyId>AKIA"},
		{"DetachUserPolicy", attach(), 404, "NoSuchEntity"},
		{"AttachUserPolicy", attach(), 200, "AttachUserPolicyResponse"},
	} {
		if status, body := iamCall(t, s, c.action, c.params); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s answers %d, want %d with %q: %s", c.action, status, c.status, c.says, body)
		}
	}
	key := eventsNamed(t.Context(), t, s, "CreateAccessKey")[0]["responseElements"].(map[string]any)["accessKey"].(map[string]any)
	if len(key) != 4 || key["userName"] != "eve" {
		t.Errorf("the event of the key shows %v, want no secret", key)
	}
	if id := s.identities.of(key["accessKeyId"].(string)); id.ARN != "arn:aws:iam::"+DefaultAccount+":user/eve" {
		t.Errorf("the key is %s's", id.ARN)
	}
	attached := eventsNamed(t.Context(), t, s, "AttachUserPolicy")
	if last := attached[0]["requestParameters"].(map[string]any); last["policyArn"] != policy || last["userName"] != "eve" {
		t.Errorf("the event shows %v", last)
	}
}

func TestKeysAreScheduledForDeletion(t *testing.T) {
	s := start(t, Options{})
	_, made := kmsCall(t, s, "CreateKey", `{"Description":"d"}`)
	var key struct {
		KeyMetadata struct {
			KeyID string `json:"KeyId"`
		}
	}
	if err := json.Unmarshal([]byte(made), &key); err != nil {
		t.Fatalf("%v: %s", err, made)
	}
	id := `{"KeyId":"` + key.KeyMetadata.KeyID + `"`
	for _, c := range []struct {
		operation, body string
		status          int
		says            string
	}{
		{"ScheduleKeyDeletion", `{"KeyId":"none"}`, 400, "NotFoundException"},
		{"ScheduleKeyDeletion", id + `,"PendingWindowInDays":3}`, 400, "ValidationException"},
		{"ScheduleKeyDeletion", id + `,"PendingWindowInDays":7}`, 200, "PendingDeletion"},
		{"ScheduleKeyDeletion", id + `}`, 400, "KMSInvalidStateException"},
		{"DescribeKey", id + `}`, 200, "PendingDeletion"},
		{"CancelKeyDeletion", id + `}`, 200, "KeyId"},
		{"DescribeKey", id + `}`, 200, "Disabled"},
	} {
		if status, body := kmsCall(t, s, c.operation, c.body); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s answers %d, want %d with %q: %s", c.operation, c.body, status, c.status, c.says, body)
		}
	}
}

func TestBucketPolicyIsKeptAndSeenByConfig(t *testing.T) {
	s := start(t, Options{})
	c := s3.NewFromConfig(client(t, s, BootstrapKey), func(o *s3.Options) { o.UsePathStyle = true })
	ctx := t.Context()
	const open = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}]}`
	put := &s3.PutBucketPolicyInput{Bucket: aws.String("exports"), Policy: aws.String(open)}
	if _, err := c.PutBucketPolicy(ctx, put); err == nil || !strings.Contains(err.Error(), "NoSuchBucket") {
		t.Errorf("a policy of no bucket: %v", err)
	}
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("exports")}); err != nil {
		t.Fatal(err)
	}
	_, err := configservice.NewFromConfig(client(t, s, BootstrapKey)).PutConfigRule(ctx, &configservice.PutConfigRuleInput{ConfigRule: &types.ConfigRule{
		ConfigRuleName: aws.String("private"), Source: &types.Source{Owner: types.OwnerAws, SourceIdentifier: aws.String("S3_BUCKET_PUBLIC_READ_PROHIBITED")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutBucketPolicy(ctx, put); err != nil {
		t.Fatal(err)
	}
	got, err := c.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: aws.String("exports")})
	if err != nil || *got.Policy != open {
		t.Errorf("got %+v, %v", got, err)
	}
	verdict := func() types.ComplianceType {
		s.Drain()
		out, err := configservice.NewFromConfig(client(t, s, BootstrapKey)).GetComplianceDetailsByConfigRule(ctx,
			&configservice.GetComplianceDetailsByConfigRuleInput{ConfigRuleName: aws.String("private")})
		if err != nil || len(out.EvaluationResults) != 1 {
			t.Fatalf("verdicts %+v, %v", out, err)
		}
		return out.EvaluationResults[0].ComplianceType
	}
	if v := verdict(); v != types.ComplianceTypeNonCompliant {
		t.Errorf("an open bucket is %s", v)
	}
	if _, err := c.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: aws.String("exports")}); err != nil {
		t.Fatal(err)
	}
	if v := verdict(); v != types.ComplianceTypeCompliant {
		t.Errorf("a closed bucket is %s", v)
	}
	event := eventsNamed(ctx, t, s, "PutBucketPolicy")[0]["requestParameters"].(map[string]any)
	if _, ok := event["bucketPolicy"].(map[string]any)["Statement"]; !ok || event["bucketName"] != "exports" {
		t.Errorf("the event shows %v", event)
	}
}
