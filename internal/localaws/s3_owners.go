package localaws

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
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
	Prefix  string         `xml:",omitempty"`
	Token   string         `xml:"ContinuationToken,omitempty"`
}

// ARN and Region are told to those who ask with a parameter.
type listedBucket struct {
	Name         string
	CreationDate string
	ARN          string `xml:"BucketArn,omitempty"`
	Region       string `xml:"BucketRegion,omitempty"`
}

// listBuckets answers the caller's account's buckets, by name.
func (o *objectStore) listBuckets(w http.ResponseWriter, r *http.Request, c *call) {
	q := r.URL.Query()
	out, e := o.bucketsOf(c, q)
	o.s.trail.call(c, e)
	if e != nil {
		failS3(w, c, e)
		return
	}
	writeS3(w, c, out)
}

func (o *objectStore) bucketsOf(c *call, q url.Values) (out listedBuckets, e *apiError) {
	region, most, after := q.Get("bucket-region"), maxBuckets, ""
	if region != "" && !regions[region] {
		return out, invalidArgument("bucket-region", "Argument value "+region+" is not a valid AWS Region")
	}
	if q.Has("max-buckets") {
		n, err := strconv.Atoi(q.Get("max-buckets"))
		if err != nil || n < 1 || n > maxBuckets {
			return out, invalidArgument("max-buckets", "Argument max-buckets must be an integer between 1 and 10000")
		}
		most = n
	}
	if token := q.Get("continuation-token"); token != "" {
		sent, err := base64.URLEncoding.DecodeString(token)
		if err != nil {
			return out, invalidArgument("continuation-token", "The continuation token provided is incorrect")
		}
		after = string(sent)
	}
	all, err := o.backend.ListBuckets()
	if err != nil {
		return out, asAPIError(err)
	}
	slices.SortFunc(all, func(a, b gofakes3.BucketInfo) int { return strings.Compare(a.Name, b.Name) })
	out = listedBuckets{OwnerID: stableCode("account " + c.Account), Prefix: q.Get("prefix")}
	for _, b := range all {
		if o.foreign(c, b.Name) != nil || b.Name <= after || !strings.HasPrefix(b.Name, out.Prefix) || region != "" && region != o.s.region {
			continue
		}
		if len(out.Buckets) == most {
			out.Token = base64.URLEncoding.EncodeToString([]byte(out.Buckets[most-1].Name))
			break
		}
		told := listedBucket{Name: b.Name, CreationDate: b.CreationDate.UTC().Format(time.RFC3339)}
		for _, asked := range []string{"max-buckets", "prefix", "bucket-region", "continuation-token"} {
			if q.Has(asked) {
				told.ARN, told.Region = "arn:aws:s3:::"+b.Name, o.s.region
			}
		}
		out.Buckets = append(out.Buckets, told)
	}
	return out, nil
}

// maxBuckets is the largest page of buckets.
const maxBuckets = 10_000

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
