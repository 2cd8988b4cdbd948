package localaws

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// maxListed is how many keys and common prefixes a page of a listing has at most.
const maxListed = 1000

// listing is a question for the keys of a bucket, by either version of
// ListObjects.
type listing struct {
	v2                bool
	prefix, delimiter string
	after             string // what keys come behind; "" for the first
	encoded           bool   // keys are to be spelled as in a URL
	most              int
}

// readListing reads a request. gofakes3 pages in another way than AWS, which
// tells a common prefix once, whatever the pages.
func readListing(q url.Values) (listing, *apiError) {
	l := listing{v2: q.Get("list-type") == "2", prefix: q.Get("prefix"), delimiter: q.Get("delimiter"), after: q.Get("marker"), most: maxListed}
	if l.v2 {
		l.after = q.Get("start-after")
	}
	if q.Has("encoding-type") {
		if l.encoded = q.Get("encoding-type") == "url"; !l.encoded {
			return l, invalidArgument("encoding-type", "Invalid Encoding Method specified in Request")
		}
	}
	if q.Has("max-keys") {
		n, err := strconv.Atoi(q.Get("max-keys"))
		if err != nil || n < 0 {
			return l, invalidArgument("max-keys", "Provided max-keys not an integer or within integer range")
		}
		l.most = min(n, maxListed)
	}
	if l.v2 && q.Has("continuation-token") {
		sent, err := base64.URLEncoding.DecodeString(q.Get("continuation-token"))
		if err != nil || len(sent) == 0 {
			return l, invalidArgument("continuation-token", "The continuation token provided is incorrect")
		}
		l.after = string(sent)
	}
	return l, nil
}

func invalidArgument(name, message string) *apiError {
	return &apiError{Code: "InvalidArgument", Message: message, Argument: name}
}

// objectPage is a page of a listing.
type objectPage struct {
	Objects   []*gofakes3.Content
	Prefixes  []string
	Truncated bool
	Last      string // key or common prefix; "" for an empty page
}

// page takes the keys that a listing asks for. All have its prefix and are in
// their order.
func (l listing) page(keys []*gofakes3.Content) (p objectPage) {
	for _, k := range keys {
		name := k.Key
		folder := false
		if l.delimiter != "" {
			if at := strings.Index(k.Key[len(l.prefix):], l.delimiter); at >= 0 {
				name, folder = k.Key[:len(l.prefix)+at+len(l.delimiter)], true
			}
		}
		if k.Key <= l.after || folder && (name == p.Last || strings.HasPrefix(l.after, name)) {
			continue // told before
		}
		if len(p.Objects)+len(p.Prefixes) == l.most {
			p.Truncated = l.most > 0
			return p
		}
		if p.Last = name; folder {
			p.Prefixes = append(p.Prefixes, name)
		} else {
			p.Objects = append(p.Objects, k)
		}
	}
	return p
}

// spelled is a key as the answer has it. AWS leaves the slash be.
func (l listing) spelled(key string) string {
	if !l.encoded {
		return key
	}
	return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
}

type listedObject struct {
	Key          string
	LastModified string
	ETag         string
	Size         int64
	StorageClass string
}

type listedPrefix struct{ Prefix string }

// listedObjects is the answer of both versions; members of the other one are
// nil or "".
type listedObjects struct {
	XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name         string
	Prefix       string
	Marker       *string
	NextMarker   string `xml:",omitempty"`
	StartAfter   string `xml:",omitempty"`
	Token        string `xml:"ContinuationToken,omitempty"`
	NextToken    string `xml:"NextContinuationToken,omitempty"`
	KeyCount     *int
	MaxKeys      int
	Delimiter    string `xml:",omitempty"`
	EncodingType string `xml:",omitempty"`
	IsTruncated  bool
	Contents     []listedObject
	Prefixes     []listedPrefix `xml:"CommonPrefixes"`
}

// answer spells a page.
func (l listing) answer(bucket string, q url.Values, p objectPage) listedObjects {
	out := listedObjects{
		Name: bucket, Prefix: l.spelled(l.prefix), MaxKeys: l.most, Delimiter: l.spelled(l.delimiter), IsTruncated: p.Truncated,
		EncodingType: q.Get("encoding-type"),
	}
	for _, o := range p.Objects {
		out.Contents = append(out.Contents, listedObject{
			l.spelled(o.Key), o.LastModified.UTC().Format("2006-01-02T15:04:05.000Z"), o.ETag, o.Size, "STANDARD",
		})
	}
	for _, name := range p.Prefixes {
		out.Prefixes = append(out.Prefixes, listedPrefix{l.spelled(name)})
	}
	if !l.v2 {
		marker := l.spelled(l.after)
		out.Marker = &marker
		if p.Truncated && l.delimiter != "" { // without one, the last key is the next marker
			out.NextMarker = l.spelled(p.Last)
		}
		return out
	}
	count := len(p.Objects) + len(p.Prefixes)
	out.KeyCount, out.Token = &count, q.Get("continuation-token")
	if out.Token == "" {
		out.StartAfter = l.spelled(l.after)
	}
	if p.Truncated {
		out.NextToken = base64.URLEncoding.EncodeToString([]byte(p.Last))
	}
	return out
}

// list answers ListObjects and ListObjectsV2.
func (o *objectStore) list(w http.ResponseWriter, r *http.Request, c *call, bucket string) {
	q := r.URL.Query()
	l, e := readListing(q)
	var found *gofakes3.ObjectList
	if e == nil {
		var err error
		found, err = o.backend.ListBucket(bucket, &gofakes3.Prefix{HasPrefix: l.prefix != "", Prefix: l.prefix}, gofakes3.ListBucketPage{})
		switch {
		case gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchBucket):
			e = &apiError{Code: "NoSuchBucket", Message: s3Messages["NoSuchBucket"], Status: http.StatusNotFound}
		case err != nil:
			e = asAPIError(errors.Join(errors.New("list "+bucket), err))
		}
	}
	o.done(c, bucket, e)
	if e != nil {
		failS3(w, c, e)
		return
	}
	writeS3(w, c, l.answer(bucket, q, l.page(found.Contents)))
}

// writeS3 sends an answer that went well.
func writeS3(w http.ResponseWriter, c *call, answer any) {
	w.Header().Set("X-Amz-Request-Id", c.RequestID)
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(answer) // the client is gone: nobody to tell
}
