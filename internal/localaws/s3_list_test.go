package localaws

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pageOfKeys is an answer of ListObjects, of either version, and what a recording
// has of it. What differs from run to run is replaced.
type pageOfKeys struct {
	Contents          []struct{ Key string }
	CommonPrefixes    []struct{ Prefix string }
	Delimiter         string
	EncodingType      string
	IsTruncated       bool
	KeyCount, MaxKeys int
	Marker            string
	NextMarker        string
	Prefix            string
	StartAfter        string
	// Tokens are opaque: there is one or not.
	ContinuationToken, NextContinuationToken string
	Error                                    struct{ Code, Message, ArgumentName string }
}

// ask sends a GET request to S3, and reads what is answered.
func ask(t *testing.T, s *Server, path string, q url.Values, answer any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Endpoint()+"/"+path+"?"+q.Encode(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client(t, s, "").HTTPClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if page, ok := answer.(*pageOfKeys); ok && resp.StatusCode != http.StatusOK {
		answer = &page.Error
	}
	err = xml.Unmarshal(body, answer)
	if err != nil {
		t.Fatalf("%s answered %s: %v", path, body, err)
	}
}

// TestListingsAreThoseThatAWSRecorded makes the listings of tests that were
// recorded on AWS. A token in a question is the one of the answer before.
func TestListingsAreThoseThatAWSRecorded(t *testing.T) {
	const token = "continuation-token"
	type step struct {
		name string
		ask  map[string]string
	}
	folder := func(more ...string) map[string]string {
		ask := map[string]string{"prefix": "folder/", "delimiter": "/", "max-keys": "1"}
		for i := 0; i < len(more); i += 2 {
			ask[more[i]] = more[i+1]
		}
		return ask
	}
	folders := []string{"folder/aSubfolder/subFile1", "folder/aSubfolder/subFile2", "folder/file1", "folder/file2"}
	tree := []string{"test/foo/bar/123", "test/foo/bar/456", "test/bar/foo/123"}
	var tests []string
	for _, n := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"} {
		tests = append(tests, "test_"+n)
	}
	for _, tt := range []struct {
		test  string
		keys  []string
		v2    bool
		steps []step
	}{
		{"test_list_objects_v2_with_prefix", tree, true, []step{
			{"list-objects-v2-1", map[string]string{"prefix": "test/"}},
			{"list-objects-v2-2", map[string]string{"prefix": "test/foo"}},
			{"list-objects-v2-3", map[string]string{"prefix": "test/foo/bar"}},
		}},
		{"test_list_objects_v2_with_prefix_and_delimiter", tree, true, []step{
			{"list-objects-v2-1", map[string]string{"prefix": "test/", "delimiter": "/"}},
			{"list-objects-v2-1-with-max-keys", map[string]string{"prefix": "test/", "delimiter": "/", "max-keys": "1"}},
			{"list-objects-v2-2", map[string]string{"prefix": "test/foo", "delimiter": "/"}},
			{"list-objects-v2-3", map[string]string{"prefix": "test/foo/bar", "delimiter": "/"}},
		}},
		{"test_list_objects_v2_continuation_start_after", tests, true, []step{
			{"list-objects-v2-max-5", map[string]string{"max-keys": "5"}},
			{"list-objects-v2-rest", map[string]string{token: "…"}},
			{"list-objects-start-after", map[string]string{"max-keys": "2", "start-after": "test_7"}},
			{"exc-continuation-token", map[string]string{token: ""}},
		}},
		{"test_list_objects_v2_continuation_common_prefixes", folders, true, []step{
			{"list-objects-v2-all-keys", nil},
			{"list-objects-v2-start", folder()},
			{"list-objects-v2-next-1", folder(token, "…")},
			{"list-objects-v2-end", folder(token, "…")},
		}},
		{"test_list_objects_marker_common_prefixes", folders, false, []step{
			{"list-objects-all-keys", nil},
			{"list-objects-start", folder()},
			{"list-objects-next-1", folder("marker", "folder/aSubfolder/")},
			{"list-objects-end", folder("marker", "folder/file1")},
			{"list-objects-manual-first-file", folder("marker", "folder/aSubfolder/subFile1")},
		}},
		{"test_s3_list_objects_empty_marker", nil, false, []step{{"list-objects", map[string]string{"marker": ""}}}},
		{"test_list_ops_encoding_type_validation[list_objects_v2]", nil, true, []step{
			{"list_objects_v2-error-wrong-value", map[string]string{"encoding-type": "value"}},
			{"list_objects_v2-error-empty-value", map[string]string{"encoding-type": ""}},
		}},
	} {
		t.Run(tt.test, func(t *testing.T) {
			s := start(t, Options{})
			newTestBucket(t, s, tt.keys...)
			next := ""
			for _, step := range tt.steps {
				q := url.Values{"encoding-type": {"url"}} // as boto asks
				if tt.v2 {
					q.Set("list-type", "2")
				}
				for name, value := range step.ask {
					if q.Set(name, value); value == "…" {
						q.Set(name, next)
					}
				}
				var want, got pageOfKeys
				if err := json.Unmarshal(snapshot(t, "s3__test_s3_list_operations", tt.test, step.name), &want); err != nil {
					t.Fatal(err)
				}
				ask(t, s, "receipts", q, &got)
				next = got.NextContinuationToken
				for _, p := range []*pageOfKeys{&want, &got} {
					for _, token := range []*string{&p.ContinuationToken, &p.NextContinuationToken} {
						if *token != "" {
							*token = "…"
						}
					}
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s (-recorded +ours):\n%s", step.name, d)
				}
			}
		})
	}
}

// TestKeysAreSpelledAsInURLs has what the recordings have of odd keys.
func TestKeysAreSpelledAsInURLs(t *testing.T) {
	s := start(t, Options{})
	newTestBucket(t, s, "date=2026-01-01/", "date=2026-02-01/", "date=2026-03-01/", "date=2026-05-01/", "test key/")
	var want, got pageOfKeys
	if err := json.Unmarshal(snapshot(t, "s3__test_s3_list_operations", "test_list_objects_v2_continuation_token_safe_chars", "list-objects-start-after-url-type"), &want); err != nil {
		t.Fatal(err)
	}
	ask(t, s, "receipts", url.Values{"list-type": {"2"}, "encoding-type": {"url"}, "max-keys": {"2"}, "start-after": {"date=2026-02-01/"}}, &got)
	want.NextContinuationToken, got.NextContinuationToken = "", ""
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-recorded +ours):\n%s", d)
	}
}

// TestBucketsAreListedAsAWSRecorded has a page of buckets, those of a prefix, and
// a region that there is not.
func TestBucketsAreListedAsAWSRecorded(t *testing.T) {
	s := start(t, Options{})
	newTestBucket(t, s) // beside the trail's
	var page struct {
		Buckets []struct{ Name, BucketArn, BucketRegion string } `xml:"Buckets>Bucket"`
		Token   string                                           `xml:"ContinuationToken"`
		Prefix  string
	}
	ask(t, s, "", url.Values{"max-buckets": {"1"}}, &page)
	if len(page.Buckets) != 1 || page.Buckets[0].Name != DefaultTrailBucket || page.Buckets[0].BucketRegion != DefaultRegion || page.Token == "" {
		t.Errorf("the first bucket: %+v", page)
	}
	token := page.Token
	page.Buckets, page.Token = nil, ""
	ask(t, s, "", url.Values{"continuation-token": {token}}, &page)
	if len(page.Buckets) != 1 || page.Buckets[0].Name != "receipts" || page.Buckets[0].BucketArn != "arn:aws:s3:::receipts" || page.Token != "" {
		t.Errorf("the others: %+v", page)
	}
	page.Buckets = nil
	ask(t, s, "", url.Values{"prefix": {"Rec"}}, &page)
	if len(page.Buckets) != 0 || page.Prefix != "Rec" {
		t.Errorf("buckets of another spelling: %+v", page)
	}
	var want, got pageOfKeys
	if err := json.Unmarshal(snapshot(t, "s3__test_s3_list_operations", "test_list_buckets_region_validation", "bad-region"), &want); err != nil {
		t.Fatal(err)
	}
	ask(t, s, "", url.Values{"bucket-region": {"eu-east-1"}}, &got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("a region that there is not (-recorded +ours):\n%s", d)
	}
}
