package localaws

import (
	"encoding/xml"
	"net/http"
	"time"
)

// own notes whose a bucket is; "" is nobody's.
func (o *objectStore) own(bucket, account string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if account == "" {
		delete(o.owners, bucket)
		return
	}
	o.owners[bucket] = account
}

// foreign refuses what a caller asks of another account's bucket: no bucket here
// has a policy that would let it.
func (o *objectStore) foreign(c *call, bucket string) *apiError {
	o.mu.Lock()
	defer o.mu.Unlock()
	owner, ok := o.owners[bucket]
	switch {
	case !ok || owner == c.Account:
		return nil
	case c.Operation == "CreateBucket":
		return &apiError{
			Code: "BucketAlreadyExists", Status: http.StatusConflict,
			Message: "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
		}
	}
	return &apiError{Code: "AccessDenied", Message: "Access Denied", Status: http.StatusForbidden}
}

type listedBuckets struct {
	XMLName xml.Name       `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
	OwnerID string         `xml:"Owner>ID"`
	Buckets []listedBucket `xml:"Buckets>Bucket"`
}

type listedBucket struct {
	Name         string
	CreationDate string
}

// listBuckets answers the caller's account's buckets, by name.
func (o *objectStore) listBuckets(w http.ResponseWriter, c *call) {
	all, err := o.backend.ListBuckets()
	if err != nil {
		e := asAPIError(err)
		o.s.trail.call(c, e)
		failS3(w, c, e)
		return
	}
	out := listedBuckets{OwnerID: stableCode("account " + c.Account)}
	for _, b := range all {
		if o.foreign(c, b.Name) == nil {
			out.Buckets = append(out.Buckets, listedBucket{b.Name, b.CreationDate.UTC().Format(time.RFC3339)})
		}
	}
	o.s.trail.call(c, nil)
	w.Header().Set("X-Amz-Request-Id", c.RequestID)
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(out) // the client is gone: nobody to tell
}

// gathers notes that a service writes evidence into a bucket.
func (o *objectStore) gathers(bucket string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gathered[bucket] = true
}

func (o *objectStore) hasEvidence(bucket string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.gathered[bucket]
}

// exists reports whether there is such a bucket.
func (o *objectStore) exists(bucket string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ok := o.owners[bucket]
	return ok
}
