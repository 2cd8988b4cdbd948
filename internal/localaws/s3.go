package localaws

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// objectStore is S3: gofakes3 with an in-memory backend, which has no bound of
// its own, behind the same recording and trouble as everything else. It takes
// paths with the bucket in front, as SDKs send to a bare address.
type objectStore struct {
	s             *Server
	backend       *s3mem.Backend
	handler       http.Handler
	policies      bucketPolicies
	notifications bucketNotifications

	mu     sync.Mutex
	owners map[string]string // accounts, by bucket; the names are one space for all
	// gathered are the buckets that AWS's services write evidence into.
	gathered map[string]bool
}

// clock is gofakes3's view of Options.Now.
type clock struct{ now func() time.Time }

func (c clock) Now() time.Time                  { return c.now() }
func (c clock) Since(t time.Time) time.Duration { return c.now().Sub(t) }

func newObjectStore(s *Server, trailBucket string) (*objectStore, error) {
	backend := s3mem.New(s3mem.WithTimeSource(clock{s.now}))
	if err := backend.CreateBucket(trailBucket); err != nil {
		return nil, fmt.Errorf("create trail bucket %s: %w", trailBucket, err)
	}
	fake := gofakes3.New(backend, gofakes3.WithTimeSource(clock{s.now}),
		gofakes3.WithTimeSkewLimit(0), // signatures are not looked at, nor are their times
		gofakes3.WithoutVersioning())
	return &objectStore{
		s: s, backend: backend, handler: fake.Server(), owners: map[string]string{trailBucket: s.account},
		gathered: map[string]bool{trailBucket: true},
	}, nil
}

// put stores an object, replacing one of the same key.
func (o *objectStore) put(bucket, key string, body []byte) error {
	return o.putAs("application/json", bucket, key, body)
}

func (o *objectStore) putAs(contentType, bucket, key string, body []byte) error {
	_, err := o.backend.PutObject(bucket, key, map[string]string{"Content-Type": contentType},
		bytes.NewReader(body), int64(len(body)), nil)
	if err == nil {
		o.created(bucket, key, o.s.region, len(body), md5Hex(string(body)))
	}
	return err
}

func (o *objectStore) remove(bucket, key string) error {
	_, err := o.backend.DeleteObject(bucket, key)
	return err
}

// s3Operation names a request as CloudTrail does; "" for what is not served.
func s3Operation(r *http.Request, bucket, key string) string {
	q := r.URL.Query()
	switch {
	case bucket == "":
		return map[string]string{http.MethodGet: "ListBuckets"}[r.Method]
	case key == "" && q.Has("location"):
		return map[string]string{http.MethodGet: "GetBucketLocation"}[r.Method]
	case key == "" && q.Has("delete"):
		return map[string]string{http.MethodPost: "DeleteObjects"}[r.Method]
	case key == "" && q.Has("policy"):
		return policyOperations[r.Method]
	case key == "" && q.Has("notification"):
		return notificationOperations[r.Method]
	case slices.ContainsFunc(subresources, q.Has):
		return ""
	case key == "":
		return map[string]string{
			http.MethodGet: "ListObjects", http.MethodPut: "CreateBucket",
			http.MethodHead: "HeadBucket", http.MethodDelete: "DeleteBucket",
		}[r.Method]
	}
	return map[string]string{
		http.MethodGet: "GetObject", http.MethodPut: "PutObject",
		http.MethodHead: "HeadObject", http.MethodDelete: "DeleteObject",
	}[r.Method]
}

// subresources are query parameters that ask for a part of S3 that is not here,
// such as versions, policies and multipart uploads.
var subresources = []string{
	"acl", "attributes", "cors", "encryption", "lifecycle", "logging", "notification", "policy",
	"policyStatus", "publicAccessBlock", "replication", "tagging", "uploads", "uploadId",
	"versionId", "versioning", "versions", "website",
}

func (o *objectStore) serve(w http.ResponseWriter, r *http.Request, c *call) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	c.Operation, c.RequestID = s3Operation(r, bucket, key), newRequestID("s3")
	c.evidence = o.hasEvidence(bucket)
	c.classify()
	o.describe(r, c, bucket, key)
	if e := o.refuse(r, c, bucket); e != nil {
		o.s.trail.call(c, e)
		failS3(w, c, e)
		return
	}
	if o.s.reset(w, c) {
		return
	}
	if c.Operation == "ListBuckets" {
		o.listBuckets(w, r, c)
		return
	}
	if key == "" && r.URL.Query().Has("policy") {
		o.servePolicy(w, r, c, bucket)
		return
	}
	if key == "" && r.URL.Query().Has("notification") {
		o.serveNotification(w, r, c, bucket)
		return
	}
	if c.evidence && c.readOnly {
		o.s.deliver()
		if c.Operation == "ListObjects" && o.s.trouble.emptyPage(c) {
			o.s.trail.call(c, nil)
			writeEmptyList(w, r, c, bucket)
			return
		}
	}
	if c.Operation == "ListObjects" {
		o.list(w, r, c, bucket)
		return
	}
	answer := &s3Response{ResponseWriter: w, c: c}
	answer.done = func(e *apiError) {
		o.done(c, bucket, e)
		if e == nil && c.Operation == "PutObject" {
			o.created(bucket, key, c.Region, int(max(0, r.ContentLength)), strings.Trim(answer.Header().Get("Etag"), `"`))
		}
	}
	o.handler.ServeHTTP(answer, r)
	answer.finish()
}

// describe fills in what CloudTrail shows of the request.
func (o *objectStore) describe(r *http.Request, c *call, bucket, key string) {
	params := map[string]any{"Host": r.Host}
	if bucket != "" {
		params["bucketName"] = bucket
		if key != "" {
			params["key"] = key
			c.resources = append(c.resources, eventResource{Type: "AWS::S3::Object", ARN: "arn:aws:s3:::" + bucket + "/" + key})
		}
		c.touch("AWS::S3::Bucket", "arn:aws:s3:::"+bucket)
	}
	for _, name := range []string{"prefix", "list-type"} {
		if v := r.URL.Query().Get(name); v != "" {
			params[name] = v
		}
	}
	c.record(params, nil)
}

// refuse returns the error that a request meets before gofakes3 sees it.
func (o *objectStore) refuse(r *http.Request, c *call, bucket string) *apiError {
	if e := cmp.Or(o.s.checkRegion(c), o.s.skewed(r, c), expired(c), o.s.trouble.refuse(c)); e != nil {
		return e
	}
	if o.s.denied[c.action()] {
		return accessDenied(c)
	}
	if e := o.foreign(c, bucket); e != nil {
		return e
	}
	sha := r.Header.Get("X-Amz-Content-Sha256")
	if c.Operation == "" || strings.HasPrefix(sha, "STREAMING-") && sha != "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" {
		return &apiError{
			Code: "NotImplemented", Status: http.StatusNotImplemented,
			Message: "A header or parameter you provided implies functionality that is not implemented.",
		}
	}
	return nil
}

// done runs when the outcome is known and before the caller learns it.
func (o *objectStore) done(c *call, bucket string, e *apiError) {
	o.s.trail.call(c, e)
	if e != nil {
		return
	}
	r := resource{"AWS::S3::Bucket", bucket, bucket, "arn:aws:s3:::" + bucket}
	switch c.Operation {
	case "CreateBucket":
		o.own(bucket, c.Account)
		o.s.config.changed(c, r, map[string]any{"name": bucket, "creationDate": c.Time.Format(time.RFC3339)})
	case "DeleteBucket":
		o.own(bucket, "")
		o.s.config.deleted(c, r)
	}
}

func failS3(w http.ResponseWriter, c *call, e *apiError) {
	w.Header().Set("X-Amz-Request-Id", c.RequestID)
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Del("Content-Length")
	w.WriteHeader(e.status())
	if c.Operation == "HeadObject" || c.Operation == "HeadBucket" {
		return
	}
	_ = xml.NewEncoder(w).Encode(struct { // the client is gone: nobody to tell
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		Argument  string `xml:"ArgumentName,omitempty"`
		RequestID string `xml:"RequestId"`
	}{Code: e.Code, Message: e.Message, Argument: e.Argument, RequestID: c.RequestID})
}

// writeEmptyList answers a listing with no keys and a token that starts where
// this one did. The token is another one each time: clients take their own token
// for the sign of an endless listing.
func writeEmptyList(w http.ResponseWriter, r *http.Request, c *call, bucket string) {
	q := r.URL.Query()
	// A marker, behind which keys begin, that sorts before every key.
	marker := max(q.Get("start-after"), "\x01")
	if sent, err := base64.URLEncoding.DecodeString(q.Get("continuation-token")); err == nil && len(sent) > 0 {
		marker = string(sent) + "\x00" // no key lies between the two
	}
	token := base64.URLEncoding.EncodeToString([]byte(marker))
	writeS3(w, c, struct {
		XMLName     xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		Name        string
		Prefix      string
		KeyCount    int
		MaxKeys     int
		IsTruncated bool
		Next        string `xml:"NextContinuationToken"`
	}{Name: bucket, Prefix: q.Get("prefix"), MaxKeys: 1000, IsTruncated: true, Next: token})
}
