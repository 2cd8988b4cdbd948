package localaws

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
)

// newTestBucket makes a bucket "receipts" with some objects.
func newTestBucket(t *testing.T, s *Server, keys ...string) *s3.Client {
	t.Helper()
	client := s3.NewFromConfig(client(t, s, "AKIDWRITER"))
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("receipts")}); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String("receipts"), Key: &key, Body: strings.NewReader("content of " + key),
		}); err != nil {
			t.Fatal(err)
		}
	}
	return client
}

// keys lists a bucket, n keys a page.
func keys(t *testing.T, client *s3.Client, in *s3.ListObjectsV2Input) []string {
	t.Helper()
	var out []string
	for pages := s3.NewListObjectsV2Paginator(client, in); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range page.Contents {
			out = append(out, *object.Key)
		}
	}
	return out
}

func TestObjectComesBack(t *testing.T) {
	client := newTestBucket(t, start(t, Options{}), "2026/a b+c.txt")
	in := &s3.GetObjectInput{Bucket: aws.String("receipts"), Key: aws.String("2026/a b+c.txt")}
	out, err := client.GetObject(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil || string(body) != "content of 2026/a b+c.txt" {
		t.Errorf("the object is %q, %v", body, err)
	}
	head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: in.Bucket, Key: in.Key})
	if err != nil || *head.ContentLength != int64(len(body)) {
		t.Errorf("HeadObject = %+v, %v", head, err)
	}
	if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: in.Bucket, Key: in.Key}); err != nil {
		t.Fatal(err)
	}
	var gone *types.NoSuchKey
	if _, err := client.GetObject(t.Context(), in); !errors.As(err, &gone) {
		t.Errorf("the deleted object: %v", err)
	}
}

func TestListingPagesFromAnywhere(t *testing.T) {
	client := newTestBucket(t, start(t, Options{}), "a", "b/1", "b/2", "b/3", "c")
	for _, tt := range []struct {
		prefix, after string
		want          []string
	}{
		{"", "", []string{"a", "b/1", "b/2", "b/3", "c"}},
		{"b/", "", []string{"b/1", "b/2", "b/3"}},
		{"b/", "b/1", []string{"b/2", "b/3"}},
		{"b/", "b/15", []string{"b/2", "b/3"}}, // no such key
	} {
		in := &s3.ListObjectsV2Input{Bucket: aws.String("receipts"), MaxKeys: aws.Int32(2)}
		if tt.prefix != "" {
			in.Prefix = &tt.prefix
		}
		if tt.after != "" {
			in.StartAfter = &tt.after
		}
		if d := cmp.Diff(tt.want, keys(t, client, in)); d != "" {
			t.Errorf("list %q after %q (-want +got):\n%s", tt.prefix, tt.after, d)
		}
	}
}

func TestBucketErrorsHaveTheTypesOfTheSDK(t *testing.T) {
	s := start(t, Options{})
	client := newTestBucket(t, s, "a")
	ctx, none := t.Context(), aws.String("none")
	var bucket *types.NoSuchBucket
	if _, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: none}); !errors.As(err, &bucket) {
		t.Errorf("listing no bucket: %v", err)
	}
	var missing *types.NotFound
	if _, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: none}); !errors.As(err, &missing) {
		t.Errorf("HeadBucket of no bucket: %v", err)
	}
	_, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String("receipts")})
	wantCode(t, err, "BucketNotEmpty")
	_, err = client.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: aws.String("receipts")})
	wantCode(t, err, "NotImplemented")
}

func TestObjectEventsNameBucketAndKey(t *testing.T) {
	s := start(t, Options{})
	client := newTestBucket(t, s, "a")
	_, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("receipts"), Key: aws.String("none")})
	wantCode(t, err, "NoSuchKey")

	events := trailEvents(t, s)
	slices.SortFunc(events, func(a, b event) int { return strings.Compare(a.EventName, b.EventName) })
	var names []string
	for _, ev := range events {
		names = append(names, ev.EventName+" "+ev.EventCategory+" "+ev.ErrorCode)
	}
	want := []string{"CreateBucket Management ", "GetObject Data NoSuchKey", "PutObject Data "}
	if d := cmp.Diff(want, names); d != "" {
		t.Fatalf("events (-want +got):\n%s", d)
	}
	got := events[2]
	if params := got.RequestParameters.(map[string]any); params["bucketName"] != "receipts" || params["key"] != "a" {
		t.Errorf("PutObject has parameters %v", params)
	}
	wantResources := []eventResource{
		{Type: "AWS::S3::Object", ARN: "arn:aws:s3:::receipts/a"},
		{Type: "AWS::S3::Bucket", ARN: "arn:aws:s3:::receipts", AccountID: DefaultAccount},
	}
	if d := cmp.Diff(wantResources, got.Resources); d != "" {
		t.Errorf("PutObject's resources (-want +got):\n%s", d)
	}
}

func TestEncodedUploadsAreRefusedRatherThanStoredEncoded(t *testing.T) {
	s := start(t, Options{})
	newTestBucket(t, s)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.Endpoint()+"/receipts/a", strings.NewReader("0\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
	resp, err := client(t, s, "").HTTPClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNotImplemented {
		t.Errorf("the upload was answered %s", resp.Status)
	}
}
