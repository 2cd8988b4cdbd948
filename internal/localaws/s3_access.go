package localaws

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"
)

// bucketPolicies are the policies of buckets. They decide nothing here: every
// caller may do everything. Safe for concurrent use.
type bucketPolicies struct {
	mu  sync.Mutex
	all map[string]json.RawMessage // by bucket
}

// policyOperations name requests with the subresource policy.
var policyOperations = map[string]string{
	http.MethodGet: "GetBucketPolicy", http.MethodPut: "PutBucketPolicy", http.MethodDelete: "DeleteBucketPolicy",
}

// servePolicy answers a request with the subresource policy.
func (o *objectStore) servePolicy(w http.ResponseWriter, r *http.Request, c *call, bucket string) {
	policy, e := o.policy(r, c, bucket)
	o.s.trail.call(c, e)
	if e != nil {
		failS3(w, c, e)
		return
	}
	if c.Operation != "GetBucketPolicy" {
		supplementary := map[string]string{}
		if policy != nil {
			text, err := json.Marshal(map[string]string{"policyText": string(policy)})
			if err == nil { // a map of strings always marshals
				supplementary["BucketPolicy"] = string(text)
			}
		}
		o.s.config.supplemented(c, resource{"AWS::S3::Bucket", bucket, bucket, "arn:aws:s3:::" + bucket},
			map[string]any{"name": bucket, "creationDate": c.Time.Format(time.RFC3339)}, supplementary)
		w.Header().Set("X-Amz-Request-Id", c.RequestID)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("X-Amz-Request-Id", c.RequestID)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(policy) // the client is gone: nobody to tell
}

// policy reads, writes or removes a bucket's policy, and returns the one that
// there is from then on.
func (o *objectStore) policy(r *http.Request, c *call, bucket string) (json.RawMessage, *apiError) {
	exists, err := o.backend.BucketExists(bucket)
	if err != nil || !exists {
		return nil, &apiError{Code: "NoSuchBucket", Message: s3Messages["NoSuchBucket"], Status: http.StatusNotFound}
	}
	p := &o.policies
	p.mu.Lock()
	defer p.mu.Unlock()
	switch c.Operation {
	case "PutBucketPolicy":
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
		var policy map[string]any
		if err != nil || json.Unmarshal(body, &policy) != nil {
			return nil, &apiError{Code: "MalformedPolicy", Message: "This policy contains invalid Json", Status: http.StatusBadRequest}
		}
		if params, ok := c.params.(map[string]any); ok {
			params = maps.Clone(params)
			params["bucketPolicy"], params["policy"] = policy, []string{""}
			c.record(params, nil)
		}
		if p.all == nil {
			p.all = make(map[string]json.RawMessage)
		}
		p.all[bucket] = body
	case "DeleteBucketPolicy":
		delete(p.all, bucket)
	case "GetBucketPolicy":
		if p.all[bucket] == nil {
			return nil, &apiError{Code: "NoSuchBucketPolicy", Message: "The bucket policy does not exist", Status: http.StatusNotFound}
		}
	}
	return p.all[bucket], nil
}

// supplemented is changed with what Config keeps beside the configuration.
func (cs *configStore) supplemented(c *call, r resource, configuration any, supplementary map[string]string) {
	var item *configurationItem
	defer func() { cs.announce(item) }()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	key := c.placedKey(r)
	if cs.created[key].IsZero() {
		cs.created[key] = c.Time
	}
	if item = cs.take(c, r, "OK", configuration, nil); item != nil {
		item.Supplementary = supplementary
		cs.items[len(cs.items)-1].Supplementary = supplementary // of which item is a copy
		cs.judge(c, item)
	}
}
