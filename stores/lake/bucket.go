package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// bucketScheme starts the root of a lake on S3, and every path inside its
// metadata: other engines read them as they are.
const bucketScheme = "s3://"

// bodyTries is how often a body that broke off is read anew. The SDK tries
// again only until the head of an answer is there.
const bodyTries = 3

// Encryption says how S3 encrypts what a lake writes. The zero value leaves it
// to the bucket's own setting.
type Encryption struct {
	Mode  string // "", "AES256" (SSE-S3) or "aws:kms" (SSE-KMS)
	KeyID string // of KMS: id, ARN or alias; "" is the account's key for S3
}

func (e Encryption) check() error {
	switch {
	case e.Mode != "" && e.Mode != string(types.ServerSideEncryptionAes256) && e.Mode != string(types.ServerSideEncryptionAwsKms):
		return fmt.Errorf("encryption %q: give AES256 or aws:kms", e.Mode)
	case e.KeyID != "" && e.Mode != string(types.ServerSideEncryptionAwsKms):
		return errors.New("a KMS key is given, and encryption is not aws:kms")
	}
	return nil
}

// bucket is the part of a bucket that a lake lies in.
type bucket struct {
	client     *s3.Client
	name       string
	prefix     string // "" or ends in /
	region     string // of the client
	encryption Encryption
	manifests  *manifests
}

// Of a bucket's name S3 says more; of a prefix we take what no engine escapes.
var (
	bucketName   = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	bucketPrefix = regexp.MustCompile(`^[A-Za-z0-9_=-][A-Za-z0-9._=-]*(/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)*$`)
)

// cleanURL is an s3:// URL of a lake without a slash at its end.
func cleanURL(root string) (name, prefix string, err error) {
	rest := strings.TrimRight(strings.TrimPrefix(root, bucketScheme), "/")
	name, prefix, _ = strings.Cut(rest, "/")
	switch {
	case !bucketName.MatchString(name):
		return "", "", fmt.Errorf("%q is no name of a bucket: give s3://bucket/prefix", name)
	case prefix == "":
		return "", "", errors.New("a prefix is missing, one for each fleet: give s3://bucket/prefix")
	case !bucketPrefix.MatchString(prefix):
		return "", "", fmt.Errorf("prefix %q: use letters, digits and . _ = - in parts between single slashes", prefix)
	}
	return name, prefix, nil
}

// newBucket parses a lake's URL. It asks AWS nothing.
func newBucket(root string, cfg aws.Config, e Encryption) (*bucket, error) {
	name, prefix, err := cleanURL(root)
	if err != nil {
		return nil, err
	}
	if err := e.check(); err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		return nil, errors.New("the region of the bucket is not known: set AWS_REGION or --store-region")
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		// An endpoint of one's own seldom has a name for each bucket.
		o.UsePathStyle = o.BaseEndpoint != nil
		// A part of an object has no checksum to compare; TLS and the files' own
		// checksums remain.
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	return &bucket{client: client, name: name, prefix: prefix + "/", region: cfg.Region, encryption: e, manifests: newManifests()}, nil
}

// base is how the names of the lake's files begin.
func (b *bucket) base() string {
	return bucketScheme + b.name + "/" + strings.TrimSuffix(b.prefix, "/")
}

// key is the object of a name inside the lake.
func (b *bucket) key(op, name string) (string, error) {
	key, ok := strings.CutPrefix(name, bucketScheme+b.name+"/")
	if !ok || !strings.HasPrefix(key, b.prefix) || key == b.prefix {
		return "", &fs.PathError{Op: op, Path: name, Err: errors.New("not a path inside the lake " + b.base())}
	}
	return key, nil
}

// object is a part of an object as it was read.
type object struct {
	body  []byte
	start int64 // of body in the object
	size  int64 // of the object
	head  *s3.GetObjectOutput
}

// get reads an object, or a range of it as HTTP names it. Of a range that the
// object does not have, it reads the whole object.
func (b *bucket) get(ctx context.Context, key, byteRange string) (*object, error) {
	var err error
	for range bodyTries {
		var o *object
		if o, err = b.getOnce(ctx, key, byteRange); err == nil {
			return o, nil
		}
		var broken *brokenBody
		if !errors.As(err, &broken) || ctx.Err() != nil {
			break
		}
	}
	return nil, b.explain("s3:GetObject", key, err)
}

// brokenBody is an answer that began and did not end.
type brokenBody struct{ err error }

func (e *brokenBody) Error() string { return "the answer broke off: " + e.err.Error() }
func (e *brokenBody) Unwrap() error { return e.err }

func (b *bucket) getOnce(ctx context.Context, key, byteRange string) (*object, error) {
	in := &s3.GetObjectInput{Bucket: &b.name, Key: &key}
	if byteRange != "" {
		in.Range = &byteRange
	}
	out, err := b.client.GetObject(ctx, in)
	if err != nil {
		if byteRange != "" && code(err) == "InvalidRange" {
			// It is shorter than asked for. S3 then sends all of it unless it is
			// empty, and others that speak its language refuse.
			return b.getOnce(ctx, key, "")
		}
		return nil, err
	}
	body := bytes.NewBuffer(make([]byte, 0, max(aws.ToInt64(out.ContentLength), bytes.MinRead)))
	_, err = body.ReadFrom(out.Body)
	if err = errors.Join(err, out.Body.Close()); err != nil {
		return nil, &brokenBody{err}
	}
	o := &object{body: body.Bytes(), size: int64(body.Len()), head: out}
	if r := aws.ToString(out.ContentRange); r != "" {
		var end int64
		if _, err := fmt.Sscanf(r, "bytes %d-%d/%d", &o.start, &end, &o.size); err != nil {
			return nil, fmt.Errorf("content range %q: %w", r, err)
		}
	}
	return o, nil
}

// put writes an object. It is there, whole, when put returns nil, and it is
// there whole or not at all after an error.
func (b *bucket) put(ctx context.Context, key string, body io.ReadSeeker) error {
	in := b.putInput(key)
	in.Body = body
	_, err := b.client.PutObject(ctx, in)
	return b.explain("s3:PutObject", key, err)
}

func (b *bucket) putInput(key string) *s3.PutObjectInput {
	in := &s3.PutObjectInput{
		Bucket: &b.name, Key: &key, ServerSideEncryption: types.ServerSideEncryption(b.encryption.Mode),
	}
	if b.encryption.Mode == string(types.ServerSideEncryptionAwsKms) {
		in.BucketKeyEnabled = aws.Bool(true) // one call to KMS for many objects
	}
	if b.encryption.KeyID != "" {
		in.SSEKMSKeyId = &b.encryption.KeyID
	}
	return in
}

// remove removes an object. That it is not there is no error.
func (b *bucket) remove(ctx context.Context, key string) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key})
	return b.explain("s3:DeleteObject", key, err)
}

// list calls fn with every object whose key begins so, in their order, until it
// returns an error.
func (b *bucket) list(ctx context.Context, prefix string, fn func(*types.Object) error) error {
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return b.explain("s3:ListBucket", prefix, err)
		}
		for i := range page.Contents {
			if err := fn(&page.Contents[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
