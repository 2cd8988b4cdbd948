package localaws

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
)

// rawJSON makes a JSON call for which there is no client here.
func rawJSON(t *testing.T, s *Server, target, body string, answer any) {
	t.Helper()
	path, rest := strings.CutPrefix(target, "POST ")
	if !rest {
		path = ""
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Endpoint()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if !rest {
		req.Header.Set("X-Amz-Target", target)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	resp, err := client(t, s, "").HTTPClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s answered %s: %s, %v", target, resp.Status, text, err)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			t.Fatal(err)
		}
	}
}

// payloads reads the payloads of gzip members that stand one behind the other.
func payloads(t *testing.T, body io.Reader) (out []subscriptionPayload) {
	t.Helper()
	in := bufio.NewReader(body)
	for {
		if _, err := in.Peek(1); errors.Is(err, io.EOF) {
			return out
		}
		z, err := gzip.NewReader(in)
		if err != nil {
			t.Fatal(err)
		}
		z.Multistream(false)
		var p subscriptionPayload
		if err := json.NewDecoder(z).Decode(&p); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, z); err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
}

func (s *telemetry) subscribe(t *testing.T, name, pattern, destination string) error {
	t.Helper()
	_, err := s.logs.PutSubscriptionFilter(t.Context(), &cloudwatchlogs.PutSubscriptionFilterInput{
		LogGroupName: aws.String(testGroup), FilterName: &name, FilterPattern: &pattern, DestinationArn: &destination,
		RoleArn: aws.String("arn:aws:iam::111122223333:role/muster-logs"),
	})
	return err
}

func TestSubscriptionsPutGzippedPayloadsIntoFirehosesObjects(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a")
	objects := newTestBucket(t, s.Server)
	var made struct{ DeliveryStreamARN string }
	rawJSON(t, s.Server, "Firehose_20150804.CreateDeliveryStream",
		`{"DeliveryStreamName":"logs","ExtendedS3DestinationConfiguration":{"RoleARN":"arn:aws:iam::111122223333:role/r","BucketARN":"arn:aws:s3:::receipts","Prefix":"logs/"}}`, &made)
	if err := s.subscribe(t, "errors", "ERROR", made.DeliveryStreamARN); err != nil {
		t.Fatal(err)
	}
	s.putMessages(t, time.Now(), "ERROR one", "INFO two", "ERROR three")
	s.Drain()
	_, ids, _ := s.read(t, cloudwatchlogs.FilterLogEventsInput{FilterPattern: aws.String("ERROR")})

	found := keys(t, objects, &s3.ListObjectsV2Input{Bucket: aws.String("receipts"), Prefix: aws.String("logs/")})
	if len(found) != 1 {
		t.Fatalf("the bucket has %q", found)
	}
	out, err := objects.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("receipts"), Key: &found[0]})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	got := payloads(t, out.Body)
	if len(got) != 2 || got[0].MessageType != "CONTROL_MESSAGE" || got[1].MessageType != "DATA_MESSAGE" || got[1].Owner != DefaultAccount {
		t.Fatalf("payloads %+v", got)
	}
	var gotIDs []string
	for _, e := range got[1].LogEvents {
		gotIDs = append(gotIDs, e.ID)
	}
	if d := cmp.Diff(ids, gotIDs); d != "" {
		t.Errorf("a line has another id there than FilterLogEvents gives it (-filter +subscription):\n%s", d)
	}
}

func TestSubscriptionsFeedKinesis(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a")
	rawJSON(t, s.Server, "Kinesis_20131202.CreateStream", `{"StreamName":"logs","ShardCount":1}`, nil)
	if err := s.subscribe(t, "all", "", "arn:aws:kinesis:us-east-1:111122223333:stream/logs"); err != nil {
		t.Fatal(err)
	}
	s.putMessages(t, time.Now(), "one")
	s.putMessages(t, time.Now(), "two")
	var at struct{ ShardIterator, NextShardIterator string }
	rawJSON(t, s.Server, "Kinesis_20131202.GetShardIterator", `{"StreamName":"logs","ShardId":"`+theShard+`","ShardIteratorType":"TRIM_HORIZON"}`, &at)
	var messages []string
	for iterator := at.ShardIterator; len(messages) < 3; iterator = at.NextShardIterator {
		var page struct {
			NextShardIterator string
			Records           []struct{ Data string }
		}
		rawJSON(t, s.Server, "Kinesis_20131202.GetRecords", `{"ShardIterator":"`+iterator+`","Limit":2}`, &page)
		if len(page.Records) == 0 {
			t.Fatalf("%d records came", len(messages))
		}
		for _, r := range page.Records {
			data, err := base64.StdEncoding.DecodeString(r.Data)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range payloads(t, bytes.NewReader(data)) {
				messages = append(messages, p.MessageType+" "+p.LogEvents[0].Message)
			}
		}
		at.NextShardIterator = page.NextShardIterator
	}
	want := []string{"CONTROL_MESSAGE CWL CONTROL MESSAGE: Checking health of destination Kinesis.", "DATA_MESSAGE one", "DATA_MESSAGE two"}
	if d := cmp.Diff(want, messages); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
}

func TestSubscriptionsRefuse(t *testing.T) {
	s := startTelemetry(t, Options{})
	s.createStreams(t, "a")
	rawJSON(t, s.Server, "Kinesis_20131202.CreateStream", `{"StreamName":"logs"}`, nil)
	const stream = "arn:aws:kinesis:us-east-1:111122223333:stream/logs"
	wantCode(t, s.subscribe(t, "a", "", "arn:aws:kinesis:us-east-1:111122223333:stream/none"), "InvalidParameterException")
	wantCode(t, s.subscribe(t, "a", "{", stream), "InvalidParameterException")
	for _, name := range []string{"a", "b", "b"} {
		if err := s.subscribe(t, name, "", stream); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, s.subscribe(t, "c", "", stream), "LimitExceededException")
	_, err := s.logs.DeleteSubscriptionFilter(t.Context(), &cloudwatchlogs.DeleteSubscriptionFilterInput{LogGroupName: aws.String(testGroup), FilterName: aws.String("c")})
	wantCode(t, err, "ResourceNotFoundException")
	if _, err := s.logs.DeleteSubscriptionFilter(t.Context(), &cloudwatchlogs.DeleteSubscriptionFilterInput{LogGroupName: aws.String(testGroup), FilterName: aws.String("b")}); err != nil {
		t.Fatal(err)
	}
	left, err := s.logs.DescribeSubscriptionFilters(t.Context(), &cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: aws.String(testGroup)})
	if err != nil || len(left.SubscriptionFilters) != 1 || *left.SubscriptionFilters[0].FilterName != "a" {
		t.Errorf("filters %+v, %v", left, err)
	}
}

// TestSubscriptionPayloadHasTheMembersOfRecordedOnes: no more and no fewer.
func TestSubscriptionPayloadHasTheMembersOfRecordedOnes(t *testing.T) {
	recorded, err := os.ReadFile(filepath.Join(corpus(t, "otel-subscription-filter"), "valid_cloudwatch_log.json"))
	if err != nil {
		t.Fatal(err)
	}
	members := func(body []byte) map[string]string {
		var doc map[string]any
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for k := range doc {
			out[k] = ""
		}
		for k := range doc["logEvents"].([]any)[0].(map[string]any) {
			out["logEvents."+k] = ""
		}
		return out
	}
	ours, err := json.Marshal(subscriptionPayload{LogEvents: []subscribedEvent{{}}})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(members(recorded), members(ours)); d != "" {
		t.Errorf("members (-recorded +ours):\n%s", d)
	}
}
